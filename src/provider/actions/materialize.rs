//! The action `feast_materialize`.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::feast::command::{Command, Period, parse_time};
use crate::feast::config::{DNS_LABEL_PATTERN, NAME_LENGTH, NAMESPACE_LENGTH};
use crate::provider::diagnostics;
use crate::schema::{Diagnostics, Value};

use super::invocation::Invocation;
use super::{Operation, Target, job};

/// Copies feature values from the offline store to the online store, from which they are served. Without `from` and
/// `to`, it copies the values since the last run up to the current time (`feast materialize-incremental`), otherwise
/// those between the two times (`feast materialize`).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Name of the feature store, as in the attribute `name` of the resource `feast_feature_store`.
    #[schemars(length(min = 1, max = NAME_LENGTH), regex(pattern = DNS_LABEL_PATTERN))]
    name: String,

    /// Kubernetes namespace of the feature store. Default: the `namespace` of the provider block, or else `default`.
    #[schemars(length(min = 1, max = NAMESPACE_LENGTH), regex(pattern = DNS_LABEL_PATTERN))]
    namespace: Option<String>,

    /// Time limit, from `1s` to `24h`. Default: `1h`.
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"), extend("default" = "1h"))]
    timeout: Option<String>,

    /// Start of the period, as RFC 3339 without fractions of a second: `2026-01-31T00:00:00Z`, or with an offset such
    /// as `+01:00`. Requires `to`.
    #[schemars(regex(
        pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$"
    ))]
    from: Option<String>,

    /// End of the period, later than `from`, in the same form.
    #[schemars(regex(
        pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$"
    ))]
    to: Option<String>,

    /// Names of the feature views. Default: all that have `online = True`.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    views: Option<Vec<String>>,
}

/// The summary of an error.
const FAILED: &str = "Cannot materialize features";

pub struct Materialize;

#[async_trait]
impl Operation for Materialize {
    const TYPE_NAME: &'static str = "feast_materialize";
    const TIMEOUT: Duration = Duration::from_hours(1);
    type Config = Config;

    fn target(config: &Config) -> Target<'_> {
        Target {
            name: &config.name,
            namespace: config.namespace.as_deref(),
            timeout: config.timeout.as_deref(),
        }
    }

    fn validate_config(config: &Value) -> Diagnostics {
        let (from, to) = (config.attribute("from"), config.attribute("to"));
        let mut errors = Vec::new();
        for (name, value, other) in [("from", from, to), ("to", to, from)] {
            match value.as_str() {
                Some(text) if parse_time(text).is_none() => {
                    errors.push(diagnostics::no_such_time(name, text));
                }
                Some(_) if other.is_null() => errors.push(diagnostics::incomplete_period(name)),
                _ => {}
            }
        }
        let time = |value: &Value| value.as_str().and_then(parse_time);
        if let (Some(start), Some(end)) = (time(from), time(to))
            && start >= end
        {
            errors.push(diagnostics::empty_period());
        }
        errors
    }

    async fn run(config: Config, invocation: &Invocation) -> Result<(), Diagnostics> {
        let time = |text: Option<String>| text.as_deref().and_then(parse_time);
        let period = match (time(config.from), time(config.to)) {
            (Some(from), Some(to)) => Period::Between { from, to },
            _ => Period::Incremental {
                until: parse_time(&invocation.cluster.now_rfc3339())
                    .unwrap_or_else(|| unreachable!("the provider writes times as it reads them")),
            },
        };
        let command = Command::Materialize {
            period,
            views: config.views.unwrap_or_default(),
        };
        job::run(&command, FAILED, invocation).await
    }
}
