//! How rules are tested: whole results, and the law of unknown values on every configuration.

use serde_json::{Map, Value as Json, json};

use super::{RULES, Rule, Violation, WARNINGS};
use crate::feast::config::FeatureStore;
use crate::schema::Path;

/// Checks that every rule lets these services stand.
pub(super) fn stands(services: Json) {
    let document = document(services);
    let store = read(&document).unwrap();
    assert_eq!(super::check(&store), Vec::new());
    law(&document);
}

/// Checks that one rule has exactly these violations (path and summary), and that the law holds.
pub(super) fn refused(rule: &str, services: Json, expected: &[(&str, &str)]) {
    refused_whole(rule, document(services), expected);
}

/// [`refused`], for a whole feature store.
pub(super) fn refused_whole(rule: &str, document: Json, expected: &[(&str, &str)]) {
    judge(RULES, rule, document, expected);
}

/// Checks that these services may stand, with exactly this advice of one row.
pub(super) fn advised(rule: &str, services: Json, expected: &[(&str, &str)]) {
    advised_whole(rule, document(services), expected);
}

/// [`advised`], for a whole feature store.
pub(super) fn advised_whole(rule: &str, document: Json, expected: &[(&str, &str)]) {
    assert_eq!(super::check(&read(&document).unwrap()), Vec::new());
    judge(WARNINGS, rule, document, expected);
}

fn judge(rules: &[Rule], rule: &str, document: Json, expected: &[(&str, &str)]) {
    let rule = rules.iter().find(|row| row.name == rule).unwrap();
    let found = (rule.check)(&read(&document).unwrap());
    let shown: Vec<_> = found
        .iter()
        .map(|violation| (violation.path.to_string(), violation.summary.clone()))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(path, summary)| ((*path).to_owned(), (*summary).to_owned()))
        .collect();
    assert_eq!(shown, expected);
    law(&document);
}

fn document(services: Json) -> Json {
    json!({"name": "demo", "feastProject": "demo", "services": services})
}

fn read(document: &Json) -> Option<FeatureStore> {
    serde_json::from_value(document.clone()).ok()
}

/// Making any value unknown adds no violation that survives.
pub(super) fn law(document: &Json) {
    let judge = |store: &FeatureStore| {
        let mut found = super::check(store);
        found.extend(super::warnings(store));
        found
    };
    let known = judge(&read(document).unwrap());
    let mut places = Vec::new();
    walk(document, &Path::root(), &mut Vec::new(), &mut places);
    for (path, pointer) in places {
        let Some(store) = blank(document, &pointer) else {
            continue;
        };
        for violation in judge(&store) {
            let survives = !violation.reads.iter().any(|read| read.overlaps(&path));
            let same = |other: &Violation| {
                (&other.path, &other.summary) == (&violation.path, &violation.summary)
            };
            assert!(
                !survives || known.iter().any(same),
                "with {path} unknown: {violation:#?}"
            );
        }
    }
}

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

const MAPS: [&str; 12] = [
    "labels",
    "annotations",
    "requests",
    "limits",
    "s3_additional_kwargs",
    "matchLabels",
    "extraConfig",
    "namespaceMapping",
    "nodeSelector",
    "podAnnotations",
    "categories",
    "metadata",
];

/// Every value below, leaf or not, with its path.
fn walk(value: &Json, path: &Path, at: &mut Vec<Step>, found: &mut Vec<(Path, Vec<Step>)>) {
    if !at.is_empty() {
        found.push((path.clone(), at.clone()));
    }
    match value {
        Json::Object(fields) => {
            let map = matches!(at.last(), Some(Step::Key(key)) if MAPS.contains(&key.as_str()));
            for (key, field) in fields {
                let below = if map {
                    path.key(key)
                } else {
                    path.attribute(&snake(key))
                };
                at.push(Step::Key(key.clone()));
                walk(field, &below, at, found);
                at.pop();
            }
        }
        Json::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                at.push(Step::Index(index));
                walk(element, &path.index(index), at, found);
                at.pop();
            }
        }
        _ => {}
    }
}

fn snake(key: &str) -> String {
    let mut name = String::new();
    let mut lower = false;
    for c in key.chars() {
        if c.is_ascii_uppercase() && lower {
            name.push('_');
        }
        lower = !c.is_ascii_uppercase();
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// The configuration as decoding hands it over when the value at `pointer` is unknown: without it, or with
/// a placeholder where one is required.
fn blank(document: &Json, pointer: &[Step]) -> Option<FeatureStore> {
    let (last, above) = pointer.split_last()?;
    let place = |document: &mut Json, value: Option<Json>| {
        let mut parent = document;
        for step in above {
            parent = match step {
                Step::Key(key) => &mut parent[key],
                Step::Index(index) => &mut parent[*index],
            };
        }
        match (last, value) {
            (Step::Key(key), Some(value)) => parent[key] = value,
            (Step::Key(key), None) => {
                parent.as_object_mut().and_then(|fields| fields.remove(key));
            }
            (Step::Index(index), value) => {
                parent[*index] = value.unwrap_or_else(|| match &parent[*index] {
                    Json::Object(_) => Json::Object(Map::new()),
                    Json::String(_) => json!(""),
                    other => other.clone(),
                });
            }
        }
    };
    [
        None,
        Some(json!("")),
        Some(json!(1)),
        Some(json!("snowflake.online")),
        Some(json!("snowflake.offline")),
        Some(json!("sql")),
        Some(json!({})),
        Some(json!({"name": ""})),
        Some(json!(false)),
        Some(json!([])),
    ]
    .into_iter()
    .find_map(|value| {
        let mut changed = document.clone();
        place(&mut changed, value);
        read(&changed)
    })
}
