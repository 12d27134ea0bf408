//! The schemas that users see, as golden files with one line for each attribute, so that a review shows the effect of
//! a changed Rust type. `UPDATE_EXPECT=1 cargo test --test schema` rewrites the files.

use std::collections::BTreeMap;

use expect_test::expect_file;
use terraform_provider_feast::provider::Feast;
use terraform_provider_feast::schema::provider::Registry;
use terraform_provider_feast::schema::{Attribute, Block, Kind, Provider, Schema};

fn flags(attribute: &Attribute) -> String {
    let Attribute {
        description: _,
        kind: _,
        required,
        optional,
        computed,
        sensitive,
        write_only,
        requires_replace,
        deprecated,
        checks,
        key: _,
    } = attribute;
    let mut words: Vec<String> = [
        (required, "required"),
        (optional, "optional"),
        (computed, "computed"),
        (sensitive, "sensitive"),
        (write_only, "write-only"),
        (requires_replace, "requires-replace"),
        (&deprecated.is_some(), "deprecated"),
    ]
    .into_iter()
    .filter(|(set, _)| **set)
    .map(|(_, word)| word.to_owned())
    .collect();
    words.extend(checks.iter().map(|check| format!("{check:?}")));
    words.join(" ")
}

fn print(text: &mut String, prefix: &str, attributes: &BTreeMap<String, Attribute>) {
    for (name, attribute) in attributes {
        let kind = match &attribute.kind {
            Kind::Plain(plain) => format!("{plain:?}"),
            Kind::Nested(nesting, _) => format!("{nesting:?} of"),
        };
        text.push_str(&format!("{prefix}{name}: {kind}; {}\n", flags(attribute)));
        if let Kind::Nested(_, inner) = &attribute.kind {
            print(text, &format!("{prefix}{name}."), inner);
        }
    }
}

fn printed(block: &Block) -> String {
    let mut text = String::new();
    print(&mut text, "", &block.attributes);
    for (name, inner) in &block.blocks {
        text.push_str(&format!("{name}: block\n"));
        print(&mut text, &format!("{name}."), &inner.attributes);
    }
    text
}

#[test]
fn provider_block() {
    let feast = Feast::new();
    expect_file!["schema/provider.txt"].assert_eq(&printed(&feast.schema().block));
}

#[test]
fn every_object() {
    let feast = Feast::new();
    let Registry {
        resources,
        data_sources,
        // The pages of the functions show their signatures.
        functions: _,
        list_resources,
        actions,
    } = feast.registry();
    for (name, resource) in resources {
        check("resource", name, resource.schema());
    }
    for (name, data_source) in data_sources {
        check("data_source", name, data_source.schema());
    }
    for (name, list_resource) in list_resources {
        check("list_resource", name, list_resource.schema());
    }
    for (name, action) in actions {
        check("action", name, action.schema());
    }
}

fn check(kind: &str, name: &str, schema: &Schema) {
    let file = format!("schema/{kind}_{name}.txt");
    expect_file![file].assert_eq(&printed(&schema.block));
}

/// Kubernetes describes file modes by octal numbers, which Terraform does not have.
#[test]
fn file_modes_are_described_as_decimal_numbers() {
    fn collect(path: &str, attributes: &BTreeMap<String, Attribute>, modes: &mut Vec<String>) {
        for (name, attribute) in attributes {
            let path = format!("{path}.{name}");
            let description = &attribute.description;
            assert!(
                !description.contains("octal value"),
                "{path}: {description}"
            );
            if name == "default_mode" || name == "mode" {
                assert!(
                    description.contains("as a decimal number"),
                    "{path}: {description}"
                );
                modes.push(path.clone());
            }
            if let Kind::Nested(_, inner) = &attribute.kind {
                collect(&path, inner, modes);
            }
        }
    }
    let feast = Feast::new();
    let resource = &feast.registry().resources["feast_feature_store"];
    let services = &resource.schema().block.attributes["services"];
    let Kind::Nested(_, services) = &services.kind else {
        panic!("{:?}", services.kind);
    };
    let Kind::Nested(_, volume) = &services["volumes"].kind else {
        panic!("{:?}", services["volumes"].kind);
    };
    let mut modes = Vec::new();
    collect("services.volumes", volume, &mut modes);
    assert!(modes.len() > 5, "{modes:?}");
}

/// Terraform reads the schema in each command, several times.
#[test]
fn stays_small() {
    let feast = Feast::new();
    let resource = &feast.registry().resources["feast_feature_store"];
    let lines = printed(&resource.schema().block).lines().count();
    assert!(
        lines < 1500,
        "{lines} attributes: choose subtrees, never a whole PodSpec"
    );
}
