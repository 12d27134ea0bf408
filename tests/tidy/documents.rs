//! Checks that generated pages are up to date, and that links resolve.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use terraform_provider_feast::feast::config::FeatureStore;
use terraform_provider_feast::kubernetes::Kind;
use terraform_provider_feast::provider::docs;

use super::sources::{Source, assert_none, files, read, read_if_exists, root};
use super::{layers, operator};

#[path = "../lifecycle/matrix/features.rs"]
mod features;

const UPDATE_COMMAND: &str = "UPDATE_DOCS=1 cargo test --test tidy";

const END: &str = "\n<!-- End of generated content. -->";

#[test]
fn generated_pages_are_fresh() {
    let mut pages = docs::pages();
    pages.extend(tables());
    let mut findings = Vec::new();
    for (path, wanted) in pages {
        if read_if_exists(&path).as_deref() == Some(wanted.as_str()) {
            continue;
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            write(&path, &wanted);
        } else {
            findings.push(path);
        }
    }
    assert_none(
        &findings,
        &format!("These pages are out of date. Update them: {UPDATE_COMMAND}"),
    );
}

/// The page of the resource has the whole description of every attribute of the provider's own types. Only the
/// descriptions of Kubernetes are cut.
#[test]
fn descriptions_are_complete() {
    let path = "docs/resources/feature_store.md";
    let page = docs::pages().remove(path).expect("the docs have the page");
    let schema = schemars::schema_for!(FeatureStore).to_value();
    let definitions = schema["$defs"].as_object().into_iter().flatten();
    let own = definitions.filter(|(name, _)| !name.starts_with("io.k8s."));
    let own = own.map(|(_, definition)| definition).chain([&schema]);
    let properties = own.filter_map(|definition| definition["properties"].as_object());
    let findings: Vec<String> = properties
        .flatten()
        .filter_map(|(_, property)| property["description"].as_str())
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| !page.contains(text.as_str()))
        .collect();
    assert_none(
        &findings,
        &format!("{path} must have these descriptions: they have been cut."),
    );
}

/// Returns the hand-written pages that contain generated tables.
fn tables() -> BTreeMap<String, String> {
    let layering = "<!-- Generated from LAYERS in tests/tidy/layers.rs. -->\n\n";
    let mut tables = operator::tables();
    tables.insert("docs/architecture.md", (layering, layers::table()));
    let matrix = "<!-- Generated from tests/lifecycle/matrix/features.rs. -->\n\n";
    tables.insert("docs/guides/operations.md", (matrix, features::table()));
    let fresh = |(path, (begin, table)): (&str, (&str, String))| {
        let text = read(path);
        let Some((before, rest)) = text.split_once(begin) else {
            panic!("{path} does not contain the line before its table: {begin}");
        };
        let Some((_, after)) = rest.split_once(END) else {
            panic!("{path} does not contain the line after its table: {END}");
        };
        (
            path.to_owned(),
            format!("{before}{begin}{table}{END}{after}"),
        )
    };
    tables.into_iter().map(fresh).collect()
}

fn write(path: &str, text: &str) {
    let file = root().join(path);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .unwrap_or_else(|error| panic!("making {}: {error}", folder.display()));
    }
    std::fs::write(&file, text).unwrap_or_else(|error| panic!("writing {path}: {error}"));
}

/// Compares the guide with the code: the Role must list every kind of object, and the table every variable.
#[test]
fn cluster_access_guide_is_complete() {
    let path = "docs/guides/cluster-access.md";
    let guide = read(path);
    let granted = creatable_resources(&guide);
    let kinds = Kind::ALL.iter().map(|kind| kind.plural());
    let without_rule = kinds
        .filter(|kind| !granted.contains(*kind))
        .map(|kind| format!("a rule for `{kind}`"));
    let index = docs::pages()
        .remove("docs/index.md")
        .expect("the docs have an index");
    let variables = index
        .split('`')
        .filter(|word| word.starts_with("KUBE_"))
        .map(|variable| format!("`{variable}`"))
        .filter(|word| !guide.contains(word));
    let findings: Vec<String> = without_rule.chain(variables).collect();
    assert_none(&findings, &format!("{path} is incomplete: add these."));
}

/// Returns the resources that a rule in the YAML blocks of a page allows to create.
fn creatable_resources(page: &str) -> BTreeSet<String> {
    let blocks = page.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|rest| Some(rest.split_once("```")?.0));
    let documents = blocks.flat_map(|block| {
        serde_saphyr::from_multiple::<Json>(block)
            .unwrap_or_else(|error| panic!("not YAML: {error}\n{block}"))
    });
    // The blocks have complete Roles, and rules to add to a Role.
    let rules = documents.flat_map(|document| match document {
        Json::Array(rules) => rules,
        role => role["rules"].as_array().cloned().unwrap_or_default(),
    });
    let words = |list: &Json| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(Json::as_str).map(str::to_owned).collect()
    };
    rules
        .filter(|rule| words(&rule["verbs"]).iter().any(|verb| verb == "create"))
        .flat_map(|rule| words(&rule["resources"]))
        .collect()
}

/// The commands of the README install the version of the package, and the changelog begins with it.
#[test]
fn documents_name_the_version_of_the_package() {
    let version = env!("CARGO_PKG_VERSION");
    let readme = read("README.md");
    for before in [
        "registry.terraform.io/feast-dev/feast/",
        "$folder/terraform-provider-feast_v",
    ] {
        for after in readme.split(before).skip(1) {
            let installed = after.split(['/', '\n']).next();
            assert_eq!(installed, Some(version), "README.md: {before}");
        }
    }
    let changelog = read("CHANGELOG.md");
    let heading = changelog.lines().find_map(|line| line.strip_prefix("## "));
    let first = heading.and_then(|heading| heading.split(' ').next());
    assert_eq!(first, Some(version), "CHANGELOG.md");
}

/// README and index must link to every guide.
#[test]
fn guides_are_linked() {
    let entry_pages = ["README.md", "docs/index.md"].map(|path| (path, read(path)));
    let guides = files("docs/guides", "md");
    let findings: Vec<String> = entry_pages
        .iter()
        .flat_map(|(page, text)| {
            let guides = guides.iter().map(|guide| guide.path.as_str());
            let unlinked = guides.filter(|path| {
                let name = path.trim_start_matches("docs/");
                !text.contains(&format!("{name})")) && !text.contains(&format!("{name}#"))
            });
            unlinked.map(move |path| format!("{page} has no link to {path}"))
        })
        .collect();
    assert_none(&findings, "Add a link with a description of the guide.");
}

/// The ownership guide must have a row for every kind of object.
#[test]
fn ownership_guide_lists_every_kind() {
    let path = "docs/guides/drift-and-ownership.md";
    let guide = read(path);
    let table = guide.lines().filter(|line| line.starts_with('|'));
    let named: BTreeSet<&str> = table
        .flat_map(|row| row.split(|letter: char| !letter.is_alphanumeric()))
        .collect();
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
    let findings: Vec<String> = kinds
        .filter(|kind| !named.contains(kind))
        .map(str::to_owned)
        .collect();
    assert_none(
        &findings,
        &format!("{path} has no rows for these kinds: add them."),
    );
}

#[test]
fn links_resolve() {
    let mut pages = files("docs", "md");
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "RELEASING.md",
        "SECURITY.md",
    ] {
        pages.push(Source {
            path: name.to_owned(),
            text: read(name),
        });
    }
    let mut findings = Vec::new();
    for page in &pages {
        let file = root().join(&page.path);
        for target in links(&page.text) {
            let found = match target.split_once('#') {
                Some(("", anchor)) => anchors(&page.text).iter().any(|it| it == anchor),
                Some((path, anchor)) => std::fs::read_to_string(file.with_file_name(path))
                    .is_ok_and(|text| anchors(&text).iter().any(|it| it == anchor)),
                None => file.with_file_name(&target).exists(),
            };
            if !found {
                findings.push(format!("{}: {target}", page.path));
            }
        }
    }
    assert_none(
        &findings,
        "These links do not resolve: correct or remove them.",
    );
}

/// Returns the targets of inline links, without external links.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
        .collect()
}

/// Returns the anchors of a page: explicit ones, and those of headings.
fn anchors(text: &str) -> Vec<String> {
    let set = text
        .split("<a id=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(anchor, _)| anchor.to_owned());
    let mut in_code = false;
    let headings = text
        .lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && line.starts_with('#')
        })
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect()
        });
    set.chain(headings).collect()
}
