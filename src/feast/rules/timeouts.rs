//! The time limits of the operations.

use super::Violation;
use crate::feast::config::{FeatureStore, Timeouts};
use crate::kubernetes::go_duration::parse_nanoseconds;
use crate::schema::Path;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(Timeouts {
        create,
        update,
        delete,
    }) = &store.timeouts
    else {
        return Vec::new();
    };
    let timeouts = [("create", create), ("update", update), ("delete", delete)].into_iter();
    timeouts
        .filter_map(|(name, text)| Some((name, text.as_deref()?)))
        .filter_map(|(name, text)| {
            let problem = timeout_problem(text)?;
            let path = Path::of("timeouts").attribute(name);
            Some(Violation::at(
                path.clone(),
                format!("`{path}` {problem}: {text:?}"),
                "Set a duration from `1s` to `24h`, such as `90s`, `20m` or `1h30m`. An operation that takes longer \
                 fails, and the objects that it has created are kept.",
            ))
        })
        .collect()
}

/// Returns why the text is no time limit of an operation, as the end of a sentence.
pub fn timeout_problem(text: &str) -> Option<&'static str> {
    match parse_nanoseconds(text) {
        Some(duration) if duration < SECOND => Some("is shorter than one second"),
        Some(duration) if duration > 24 * HOUR => Some("is longer than 24 hours"),
        Some(_) => None,
        None => Some("is not a duration"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::rejects_store;

    fn check(timeouts: &Json, expected: &[(&str, &str)]) {
        let store = json!({"name": "demo", "feastProject": "demo", "timeouts": timeouts});
        rejects_store("timeouts", store, expected);
    }

    #[test]
    fn accepts_one_second_to_24_hours() {
        for text in ["1s", "1000ms", "20m", "1h30m", "1.5h", "24h", "1440m"] {
            check(
                &json!({"create": text, "update": text, "delete": text}),
                &[],
            );
        }
        check(&json!({}), &[]);
    }

    #[test]
    fn rejects_durations_out_of_range() {
        for (text, why) in [
            ("0s", "is shorter than one second"),
            ("0h0m0s", "is shorter than one second"),
            ("1ms", "is shorter than one second"),
            ("999ms", "is shorter than one second"),
            ("0.5s", "is shorter than one second"),
            ("24h1s", "is longer than 24 hours"),
            ("100000h", "is longer than 24 hours"),
            ("999999999999999999999h", "is not a duration"),
            ("-5m", "is shorter than one second"),
            ("", "is not a duration"),
            ("20", "is not a duration"),
        ] {
            for name in ["create", "update", "delete"] {
                let path = format!("timeouts.{name}");
                let summary = format!("`{path}` {why}: {text:?}");
                check(&json!({name: text}), &[(&path, &summary)]);
            }
        }
        check(
            &json!({"create": "0s", "delete": "25h"}),
            &[
                (
                    "timeouts.create",
                    "`timeouts.create` is shorter than one second: \"0s\"",
                ),
                (
                    "timeouts.delete",
                    "`timeouts.delete` is longer than 24 hours: \"25h\"",
                ),
            ],
        );
    }
}
