//! Time-outs that an operation can keep.

use std::time::Duration;

use super::Violation;
use crate::feast::config::{FeatureStore, Timeouts};
use crate::feast::spec::parse_duration;
use crate::schema::Path;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(24);

/// Every time-out is between a second and a day.
pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(Timeouts {
        create,
        update,
        delete,
    }) = &store.timeouts
    else {
        return Vec::new();
    };
    let all = [("create", create), ("update", update), ("delete", delete)];
    let written = all
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_deref()?)));
    written
        .filter_map(|(name, text)| {
            let why = match parse_duration(text) {
                Some(duration) if duration < SHORTEST => "is shorter than a second",
                Some(duration) if duration > LONGEST => "is longer than 24 hours",
                Some(_) => return None,
                None => "is not a duration",
            };
            let path = Path::of("timeouts").attribute(name);
            Some(Violation::new(
                path.clone(),
                [path.clone()],
                format!("`{path}` {why}: {text:?}"),
                "Write a time from `1s` to `24h`, such as `90s`, `20m` or `1h30m`. The operation fails when it is over, \
                 and what exists by then is kept.",
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::testing::refused_whole;

    fn rejects(timeouts: &Json, expected: &[(&str, &str)]) {
        let store = json!({"name": "demo", "feastProject": "demo", "timeouts": timeouts});
        refused_whole("timeouts", store, expected);
    }

    #[test]
    fn accepts_a_second_to_a_day() {
        for text in ["1s", "1000ms", "20m", "1h30m", "1.5h", "24h", "1440m"] {
            rejects(
                &json!({"create": text, "update": text, "delete": text}),
                &[],
            );
        }
        rejects(&json!({}), &[]);
    }

    #[test]
    fn rejects_each_time_out_that_cannot_be_kept() {
        for (text, why) in [
            ("0s", "is shorter than a second"),
            ("0h0m0s", "is shorter than a second"),
            ("1ms", "is shorter than a second"),
            ("999ms", "is shorter than a second"),
            ("0.5s", "is shorter than a second"),
            ("24h1s", "is longer than 24 hours"),
            ("100000h", "is longer than 24 hours"),
            ("999999999999999999999h", "is not a duration"),
            ("-5m", "is not a duration"),
            ("", "is not a duration"),
            ("20", "is not a duration"),
        ] {
            for name in ["create", "update", "delete"] {
                let path = format!("timeouts.{name}");
                let summary = format!("`{path}` {why}: {text:?}");
                rejects(&json!({name: text}), &[(&path, &summary)]);
            }
        }
        rejects(
            &json!({"create": "0s", "delete": "25h"}),
            &[
                (
                    "timeouts.create",
                    "`timeouts.create` is shorter than a second: \"0s\"",
                ),
                (
                    "timeouts.delete",
                    "`timeouts.delete` is longer than 24 hours: \"25h\"",
                ),
            ],
        );
    }
}
