//! The action `feast_apply`.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::feast::command::Command;
use crate::feast::config::{DNS_LABEL_PATTERN, NAME_LENGTH, NAMESPACE_LENGTH};
use crate::schema::Diagnostics;

use super::invocation::Invocation;
use super::{Operation, Target, job};

/// Runs `feast apply` now, which writes the feature definitions of a feature store to its registry. Use it to apply the
/// definitions of a git branch that has moved, or with `feast_apply = "none"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Name of the feature store, as in the attribute `name` of the resource `feast_feature_store`.
    #[schemars(length(min = 1, max = NAME_LENGTH), regex(pattern = DNS_LABEL_PATTERN))]
    name: String,

    /// Kubernetes namespace of the feature store. Default: the `namespace` of the provider block, or else `default`.
    #[schemars(length(min = 1, max = NAMESPACE_LENGTH), regex(pattern = DNS_LABEL_PATTERN))]
    namespace: Option<String>,

    /// Time limit, from `1s` to `24h`. Default: `20m`.
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"), extend("default" = "20m"))]
    timeout: Option<String>,
}

/// The summary of an error.
const FAILED: &str = "Cannot apply the feature definitions";

pub struct Apply;

#[async_trait]
impl Operation for Apply {
    const TYPE_NAME: &'static str = "feast_apply";
    const TIMEOUT: Duration = Duration::from_mins(20);
    type Config = Config;

    fn target(config: &Config) -> Target<'_> {
        Target {
            name: &config.name,
            namespace: config.namespace.as_deref(),
            timeout: config.timeout.as_deref(),
        }
    }

    async fn run(_: Config, invocation: &Invocation) -> Result<(), Diagnostics> {
        job::run(&Command::Apply, FAILED, invocation).await
    }
}
