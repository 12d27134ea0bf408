//! The tables of the guides that compare the provider with the operator, from the tables that the oracle test runs.

use std::collections::BTreeMap;

use super::sources::{assert_none, read, read_if_exists, root};

#[path = "../oracle/behaviors.rs"]
mod behaviors;
#[path = "../oracle/differences.rs"]
mod differences;

use behaviors::{BEHAVIORS, Behavior};
use differences::{DIFFERENCES, Difference};

const REPOSITORY: &str = "https://github.com/feast-dev/terraform-provider-feast";

/// Returns the pages that are partly generated: path, the line before the table, and the table.
pub fn tables() -> BTreeMap<&'static str, (&'static str, String)> {
    BTreeMap::from([
        (
            "docs/guides/migration.md",
            (
                "<!-- Generated from DIFFERENCES in tests/oracle/differences.rs. -->\n\n",
                differences(),
            ),
        ),
        (
            "docs/guides/differences-from-the-feast-operator.md",
            (
                "<!-- Generated from BEHAVIORS in tests/oracle/behaviors.rs. -->\n\n",
                behaviors(),
            ),
        ),
    ])
}

fn differences() -> String {
    let mut text = String::from("| | Operator | This provider | Why |\n|---|---|---|---|\n");
    for difference in DIFFERENCES {
        let Difference {
            subject,
            operator,
            provider,
            reason,
            in_operator: _,
            in_provider: _,
        } = difference;
        text.push_str(&format!(
            "| {subject} | {operator} | {provider} | {reason} |\n"
        ));
    }
    text
}

fn behaviors() -> String {
    let mut text =
        String::from("| | Feast operator | This provider | Tests |\n|---|---|---|---|\n");
    for behavior in BEHAVIORS {
        let Behavior {
            subject,
            operator,
            provider,
            tests,
        } = behavior;
        let links: Vec<String> = tests.iter().map(|test| link(test)).collect();
        let links = if links.is_empty() {
            "–".to_owned()
        } else {
            links.join(", ")
        };
        text.push_str(&format!(
            "| {subject} | {operator} | {provider} | {links} |\n"
        ));
    }
    text
}

/// Returns a link to a test, with its name in words.
fn link(test: &str) -> String {
    let words = |name: &str| name.replace(['_', '-'], " ");
    let (name, view, path) = match test.split_once("::") {
        Some((file, function)) => (words(function), "blob", file),
        None if test.starts_with("tests/") => {
            let name = test.rsplit('/').next().unwrap_or(test);
            let view = match name.contains('.') {
                true => "blob",
                false => "tree",
            };
            let stem = name.split('.').next().unwrap_or(name);
            (words(stem), view, test)
        }
        None => {
            let file = "tests/oracle/additional_rejected.json";
            (format!("rejected: {test}"), "blob", file)
        }
    };
    format!("[{name}]({REPOSITORY}/{view}/main/{path})")
}

#[test]
fn tests_named_in_the_guide_exist() {
    let rejected = read("tests/oracle/additional_rejected.json");
    let missing = |test: &&str| match test.split_once("::") {
        Some((file, function)) => {
            let text = read_if_exists(file).unwrap_or_default();
            !text.contains(&format!("fn {function}(")) && !text.contains(&format!("{function},\n"))
        }
        None if test.starts_with("tests/") => !root().join(test).exists(),
        None => !rejected.contains(&format!("\"case\": {test:?}")),
    };
    let findings: Vec<String> = BEHAVIORS
        .iter()
        .flat_map(|behavior| behavior.tests)
        .filter(|test| missing(test))
        .map(|test| (*test).to_owned())
        .collect();
    assert_none(
        &findings,
        "tests/oracle/behaviors.rs names tests that do not exist: correct the names.",
    );
}
