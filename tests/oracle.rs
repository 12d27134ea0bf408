//! The operator as an oracle: custom resources, read by `from_manifest`, rendered, and compared object by
//! object with what the Feast operator makes of them, apart from the deliberate differences of one table
//! (`oracle/differences.rs`).
//!
//! By default the cases are those of `tests/oracle/cases`, each a custom resource with the objects that it
//! comes to once the differences are evened out, and `tests/oracle/refused.json`, what must be refused.
//! `UPDATE_EXPECT=1 cargo test --test oracle` rewrites the objects. With `FEAST_ORACLE_DIR=<folder>` they are
//! recordings of the operator itself (`cases/<case>/cr.yaml`, `prereq.yaml`, `as_sent.json`, `result.json`,
//! and `rejected.json`).
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "oracle/differences.rs"]
mod differences;
#[path = "oracle/ours.rs"]
mod ours;
#[path = "oracle/own.rs"]
mod own;
#[path = "oracle/recorded.rs"]
mod recorded;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials: Vec<Trial> = match std::env::var_os("FEAST_ORACLE_DIR") {
        Some(folder) => recorded::trials(folder.as_ref()),
        None => own::trials(),
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Where two trees differ, one line each; nothing when they are the same.
fn differing(wanted: &serde_json::Value, got: &serde_json::Value) -> Vec<String> {
    fn walk(
        place: &str,
        wanted: Option<&serde_json::Value>,
        got: Option<&serde_json::Value>,
        lines: &mut Vec<String>,
    ) {
        use serde_json::Value::{Array, Object};
        match (wanted, got) {
            (Some(wanted), Some(got)) if wanted == got => {}
            (Some(Object(wanted)), Some(Object(got))) => {
                let mut keys: Vec<&String> = wanted.keys().chain(got.keys()).collect();
                keys.sort();
                keys.dedup();
                for key in keys {
                    walk(
                        &format!("{place}/{key}"),
                        wanted.get(key),
                        got.get(key),
                        lines,
                    );
                }
            }
            (Some(Array(wanted)), Some(Array(got))) => {
                for index in 0..wanted.len().max(got.len()) {
                    let place = format!("{place}/{index}");
                    walk(&place, wanted.get(index), got.get(index), lines);
                }
            }
            (wanted, got) => {
                let text = |side: Option<&serde_json::Value>| {
                    side.map_or("nothing".to_owned(), ToString::to_string)
                };
                lines.push(format!(
                    "{place}: wanted {}, got {}",
                    text(wanted),
                    text(got)
                ));
            }
        }
    }
    let mut lines = Vec::new();
    walk("", Some(wanted), Some(got), &mut lines);
    lines
}
