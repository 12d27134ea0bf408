//! Commands of Feast that run once, on request.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

/// A command of Feast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Writes the feature definitions to the registry.
    Apply,
    /// Copies the values of a period from the offline store to the online store.
    Materialize {
        period: Period,
        /// The feature views; empty for all of them.
        views: Vec<String>,
    },
}

/// The period of the values to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Period {
    /// From the end of the last materialization of each feature view.
    Incremental {
        until: Time,
    },
    Between {
        from: Time,
        to: Time,
    },
}

impl Command {
    /// Returns the part of object names and the value of a label for the command.
    pub fn short_name(&self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Materialize { .. } => "materialize",
        }
    }

    /// Returns the program and the subcommand, for messages.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Apply => "feast apply",
            Self::Materialize {
                period: Period::Incremental { .. },
                ..
            } => "feast materialize-incremental",
            Self::Materialize {
                period: Period::Between { .. },
                ..
            } => "feast materialize",
        }
    }

    /// Returns the program and its arguments.
    pub fn argv(&self) -> Vec<String> {
        let mut argv: Vec<String> = self.title().split(' ').map(str::to_owned).collect();
        if let Self::Materialize { period, views } = self {
            argv.extend(match period {
                Period::Incremental { until } => vec![timestamp(until)],
                Period::Between { from, to } => vec![timestamp(from), timestamp(to)],
            });
            argv.extend(views.iter().map(|view| format!("--views={view}")));
        }
        argv
    }

    /// Returns the command for a POSIX shell.
    pub fn shell(&self) -> String {
        let argv = self.argv();
        let quoted: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
        quoted.join(" ")
    }
}

/// Parses a time as RFC 3339 writes it: `2026-01-31T08:00:00+01:00`.
pub fn parse_time(text: &str) -> Option<Time> {
    serde_json::from_value(json!(text)).ok()
}

/// Returns the time in UTC without an offset, which every version of Feast reads as UTC.
fn timestamp(time: &Time) -> String {
    time.0.to_string().trim_end_matches('Z').to_owned()
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:=/".contains(c);
    match word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        parse_time(text).unwrap()
    }

    #[test]
    fn commands_have_times_in_utc_and_quoted_views() {
        let views = vec!["a".to_owned(), "b's $(c)".to_owned()];
        let until = time("2026-01-31T08:00:00+01:00");
        for (command, expected) in [
            (Command::Apply, "feast apply"),
            (
                Command::Materialize {
                    period: Period::Incremental {
                        until: until.clone(),
                    },
                    views: Vec::new(),
                },
                "feast materialize-incremental 2026-01-31T07:00:00",
            ),
            (
                Command::Materialize {
                    period: Period::Between {
                        from: time("2026-01-01T00:00:00Z"),
                        to: until,
                    },
                    views,
                },
                r"feast materialize 2026-01-01T00:00:00 2026-01-31T07:00:00 --views=a '--views=b'\''s $(c)'",
            ),
        ] {
            assert_eq!(command.shell(), expected);
        }
    }

    #[test]
    fn times_that_do_not_exist_are_rejected() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:30:00Z",
            "2026-01-01",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
