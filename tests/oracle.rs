//! Compares this provider with recordings of the Feast operator: custom resources are read by `from_manifest`,
//! rendered, and compared object by object with the operator's objects, apart from the deliberate differences in one
//! table (`oracle/differences.rs`). Both halves of every difference are tested: what it removes from the operator's
//! objects, and what it removes from this provider's.
//!
//! The recordings are in `tests/oracle/cases`, `rejected.json` and `accepted_though_odd.json`.
//! `additional_rejected.json` has additional custom resources, each with the attribute at which it must be rejected.
//! `crd_fields.txt` has the fields of the operator's CRD, for a test of `feast::custom_resource`.
//! `UPDATE_EXPECT=1 cargo test --test oracle` rewrites `rejected.txt`. With `FEAST_ORACLE_DIR=<folder>`, the tests
//! compare other recordings. With `FEAST_ORACLE_IMPORT=<folder>`, the recordings are imported into the repository.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "oracle/blog.rs"]
mod blog;
#[path = "oracle/differences.rs"]
mod differences;
#[path = "oracle/provider_objects.rs"]
mod provider_objects;
#[path = "oracle/recorded.rs"]
mod recorded;
#[path = "oracle/recording.rs"]
mod recording;
#[path = "oracle/rejected.rs"]
mod rejected;

use libtest_mimic::Arguments;

fn main() {
    if let Some(folder) = std::env::var_os("FEAST_ORACLE_IMPORT") {
        recording::import(folder.as_ref());
    }
    let repository = recording::repository();
    let trials = match std::env::var_os("FEAST_ORACLE_DIR") {
        Some(folder) => recorded::trials(folder.as_ref()),
        None => {
            let list = |file: &str| recording::list(&repository.join(file));
            let mut trials = recorded::trials(&repository);
            trials.extend(rejected::trials(&list("additional_rejected.json")));
            trials.extend(blog::trials());
            trials.push(rejected::attributes(&list("rejected.json")));
            trials
        }
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Returns the differences of two trees, one line for each.
fn differences_of(expected: &serde_json::Value, got: &serde_json::Value) -> Vec<String> {
    fn walk(
        path: &str,
        expected: Option<&serde_json::Value>,
        got: Option<&serde_json::Value>,
        lines: &mut Vec<String>,
    ) {
        use serde_json::Value::{Array, Object};
        match (expected, got) {
            (Some(expected), Some(got)) if expected == got => {}
            (Some(Object(expected)), Some(Object(got))) => {
                let mut keys: Vec<&String> = expected.keys().chain(got.keys()).collect();
                keys.sort();
                keys.dedup();
                for key in keys {
                    walk(
                        &format!("{path}/{key}"),
                        expected.get(key),
                        got.get(key),
                        lines,
                    );
                }
            }
            (Some(Array(expected)), Some(Array(got))) => {
                for index in 0..expected.len().max(got.len()) {
                    let path = format!("{path}/{index}");
                    walk(&path, expected.get(index), got.get(index), lines);
                }
            }
            (expected, got) => {
                let text = |side: Option<&serde_json::Value>| {
                    side.map_or("nothing".to_owned(), ToString::to_string)
                };
                lines.push(format!(
                    "{path}: expected {}, got {}",
                    text(expected),
                    text(got)
                ));
            }
        }
    }
    let mut lines = Vec::new();
    walk("", Some(expected), Some(got), &mut lines);
    lines
}
