//! Helpers for tests of rules. Every check asserts whole results, and the property of unknown values.

use serde_json::{Value as Json, json};

use super::{RULES, Rule, Violation, WARNINGS};
use crate::feast::config::FeatureStore;
use crate::kubernetes::validation::testing::{self, assert_violations};

/// Asserts that no rule rejects these services.
#[track_caller]
pub(super) fn accepts(services: Json) {
    let document = document(services);
    let store = read(&document).unwrap();
    assert_eq!(super::check(&store), Vec::new());
    assert_unknown_monotone(&document);
}

/// Asserts that a rule finds exactly these violations (path and summary) in services.
#[track_caller]
pub(super) fn rejects(rule: &str, services: Json, expected: &[(&str, &str)]) {
    rejects_store(rule, document(services), expected);
}

/// Asserts that a rule finds exactly these violations in a feature store.
#[track_caller]
pub(super) fn rejects_store(rule: &str, document: Json, expected: &[(&str, &str)]) {
    check(RULES, rule, &document, expected);
}

/// Asserts that no rule rejects these services, and that there are exactly these warnings of one kind.
#[track_caller]
pub(super) fn warns(rule: &str, services: Json, expected: &[(&str, &str)]) {
    warns_store(rule, document(services), expected);
}

/// Asserts that no rule rejects a feature store, and that there are exactly these warnings of one kind.
#[track_caller]
pub(super) fn warns_store(rule: &str, document: Json, expected: &[(&str, &str)]) {
    assert_eq!(super::check(&read(&document).unwrap()), Vec::new());
    check(WARNINGS, rule, &document, expected);
}

#[track_caller]
fn check(rules: &[Rule], rule: &str, document: &Json, expected: &[(&str, &str)]) {
    let rule = rules.iter().find(|row| row.name == rule).unwrap();
    let violations = (rule.check)(&read(document).unwrap());
    assert_violations(&violations, expected);
    assert_unknown_monotone(document);
}

fn document(services: Json) -> Json {
    json!({"name": "demo", "feastProject": "demo", "services": services})
}

fn read(document: &Json) -> Option<FeatureStore> {
    serde_json::from_value(document.clone()).ok()
}

/// Fields of a feature store that are maps.
const MAPS: [&str; 7] = [
    "s3_additional_kwargs",
    "extraConfig",
    "namespaceMapping",
    "podAnnotations",
    "categories",
    "metadata",
    "routes",
];

/// Asserts that making any value of the document unknown adds no violation of any rule, and no warning, that counts.
#[track_caller]
pub(super) fn assert_unknown_monotone(document: &Json) {
    let types = ["snowflake.online", "snowflake.offline", "sql"].map(Json::from);
    testing::assert_unknown_monotone(document, &MAPS, &types, |document| {
        let store = read(document)?;
        let rules = RULES.iter().chain(WARNINGS);
        let violations: Vec<Violation> = rules.flat_map(|rule| (rule.check)(&store)).collect();
        Some(violations)
    });
}
