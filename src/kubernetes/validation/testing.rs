//! Helpers for tests of validation: whole results, and the property of unknown values.
//!
//! The property: making a value unknown never adds a violation that counts. A violation does not count if it reads an
//! unknown path, so each one must name everything that its verdict depends on.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use super::Violation;
use crate::schema::Path;

/// Asserts that `validate` returns exactly these violations (path and summary) for the JSON form of a value, and that
/// the property of unknown values holds.
#[track_caller]
pub fn check<T: DeserializeOwned>(
    document: &Json,
    validate: impl Fn(&T) -> Vec<Violation>,
    expected: &[(&str, &str)],
) {
    let evaluate = |document: &Json| -> Option<Vec<Violation>> {
        Some(validate(&serde_json::from_value(document.clone()).ok()?))
    };
    assert_violations(&evaluate(document).unwrap(), expected);
    assert_unknown_monotone(document, &[], &[], evaluate);
}

/// Asserts the paths and summaries of violations.
#[track_caller]
pub fn assert_violations(violations: &[Violation], expected: &[(&str, &str)]) {
    let shown: Vec<_> = (violations.iter())
        .map(|violation| (violation.path.to_string(), violation.summary.as_str()))
        .collect();
    let shown: Vec<_> = shown
        .iter()
        .map(|(path, it)| (path.as_str(), *it))
        .collect();
    assert_eq!(shown, expected);
}

/// Asserts that making any one value of the document unknown adds no violation that counts. `maps` are fields that are
/// maps, beside those of Kubernetes, and `stand_ins` are more values for one that is unknown and required. `evaluate`
/// returns `None` for a document that is not of its type.
#[track_caller]
pub fn assert_unknown_monotone(
    document: &Json,
    maps: &[&str],
    stand_ins: &[Json],
    evaluate: impl Fn(&Json) -> Option<Vec<Violation>>,
) {
    let known = evaluate(document).unwrap();
    let mut values = Vec::new();
    let is_map = |key: &str| MAPS.contains(&key) || maps.contains(&key);
    collect_values(
        document,
        &Path::root(),
        &mut Vec::new(),
        &is_map,
        &mut values,
    );
    for (path, pointer) in values {
        let violations = without(document, &pointer, stand_ins)
            .into_iter()
            .find_map(|it| evaluate(&it));
        for violation in violations.into_iter().flatten() {
            let counts = !violation.reads.iter().any(|read| read.overlaps(&path));
            let is_known = known.iter().any(|other| {
                (&other.path, &other.summary) == (&violation.path, &violation.summary)
            });
            assert!(!counts || is_known, "with {path} unknown: {violation:#?}");
        }
    }
}

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// Fields of Kubernetes that are maps: their keys are the user's.
const MAPS: [&str; 6] = [
    "labels",
    "annotations",
    "requests",
    "limits",
    "matchLabels",
    "nodeSelector",
];

/// Collects every value below the document, leaf or not, with its path.
fn collect_values(
    value: &Json,
    path: &Path,
    pointer: &mut Vec<Step>,
    is_map: &dyn Fn(&str) -> bool,
    values: &mut Vec<(Path, Vec<Step>)>,
) {
    if !pointer.is_empty() {
        values.push((path.clone(), pointer.clone()));
    }
    match value {
        Json::Object(fields) => {
            let has_keys = matches!(pointer.last(), Some(Step::Key(key)) if is_map(key));
            for (key, field) in fields {
                let below = if has_keys {
                    path.key(key)
                } else {
                    path.attribute(&snake_case(key))
                };
                pointer.push(Step::Key(key.clone()));
                collect_values(field, &below, pointer, is_map, values);
                pointer.pop();
            }
        }
        Json::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                pointer.push(Step::Index(index));
                collect_values(element, &path.index(index), pointer, is_map, values);
                pointer.pop();
            }
        }
        _ => {}
    }
}

fn snake_case(key: &str) -> String {
    let mut name = String::new();
    let mut after_lower_case = false;
    for c in key.chars() {
        if c.is_ascii_uppercase() && after_lower_case {
            name.push('_');
        }
        after_lower_case = !c.is_ascii_uppercase();
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Returns the document as decoding presents it while the value at `pointer` is unknown: without it, or, for where a
/// value is required, with one of some stand-ins.
fn without(document: &Json, pointer: &[Step], stand_ins: &[Json]) -> Vec<Json> {
    let Some((last, above)) = pointer.split_last() else {
        return Vec::new();
    };
    let replaced = |value: Option<Json>| {
        let mut document = document.clone();
        let mut parent = &mut document;
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
        document
    };
    let general = [
        json!(""),
        json!(1),
        json!({}),
        json!({"name": ""}),
        json!(false),
        json!([]),
    ];
    let values = general.into_iter().chain(stand_ins.iter().cloned());
    let values = [None].into_iter().chain(values.map(Some));
    values.map(replaced).collect()
}
