//! The schema that users see, as a golden file: one line an attribute, so that a change of a Rust type
//! shows in review as what it changes for them. `UPDATE_EXPECT=1 cargo test --test schema` rewrites it.

use std::collections::BTreeMap;

use expect_test::expect_file;
use terraform_provider_feast::provider::Feast;
use terraform_provider_feast::schema::{Attribute, Block, Kind, Provider};

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
        (deprecated, "deprecated"),
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
fn feature_store() {
    let feast = Feast::new();
    let resource = &feast.registry().resources["feast_feature_store"];
    expect_file!["schema/feast_feature_store.txt"].assert_eq(&printed(&resource.schema().block));
}

#[test]
fn data_source() {
    let feast = Feast::new();
    let data_source = &feast.registry().data_sources["feast_feature_store"];
    expect_file!["schema/data_source.txt"].assert_eq(&printed(&data_source.schema().block));
}

/// Terraform takes the schema at each of its commands, several times.
#[test]
fn stays_small() {
    let feast = Feast::new();
    let resource = &feast.registry().resources["feast_feature_store"];
    let lines = printed(&resource.schema().block).lines().count();
    assert!(
        lines < 1200,
        "{lines} attributes: choose subtrees, never a whole PodSpec"
    );
}
