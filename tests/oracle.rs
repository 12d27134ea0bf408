//! The Feast operator as an oracle: custom resources, read by `from_manifest`, rendered, and compared object by object
//! with what the operator made of them, apart from the deliberate differences of one table
//! (`oracle/differences.rs`). Both halves of every difference run: what it takes out of the operator's objects and
//! what it takes out of this provider's.
//!
//! The recordings are facts that running the operator gave: `tests/oracle/cases`, `rejected.json` and
//! `accepted_though_odd.json`. `refused.json` holds further custom resources, with the attribute at which each must be
//! refused. `UPDATE_EXPECT=1 cargo test --test oracle` rewrites `rejected.txt`. With `FEAST_ORACLE_DIR=<folder>` other recordings are compared instead; with `FEAST_ORACLE_IMPORT=<folder>`
//! the repository takes them over.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "oracle/blog.rs"]
mod blog;
#[path = "oracle/differences.rs"]
mod differences;
#[path = "oracle/ours.rs"]
mod ours;
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
            trials.extend(rejected::trials(&list("refused.json")));
            trials.extend(blog::trials());
            trials.push(rejected::attributes(&list("rejected.json")));
            trials
        }
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
