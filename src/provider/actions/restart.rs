//! The action `feast_restart`.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::feast::config::{DNS_LABEL_PATTERN, NAME_LENGTH, NAMESPACE_LENGTH};
use crate::feast::names;
use crate::feast::spec::{Store, Strategy};
use crate::provider::diagnostics;
use crate::provider::resources::feature_store::apply::wait;
use crate::schema::Diagnostics;

use super::invocation::Invocation;
use super::{Operation, Target};

/// Replaces the pods of a feature store by new ones with the same configuration, as `kubectl rollout restart` does, and
/// waits until the new ones serve. With the strategy `RollingUpdate`, no request is lost.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Name of the feature store, as in the attribute `name` of the resource `feast_feature_store`.
    #[schemars(length(min = 1, max = NAME_LENGTH), regex(pattern = DNS_LABEL_PATTERN))]
    name: String,

    /// Kubernetes namespace of the feature store. Default: the `namespace` of the provider block, or else `default`.
    #[schemars(length(min = 1, max = NAMESPACE_LENGTH), regex(pattern = DNS_LABEL_PATTERN))]
    namespace: Option<String>,

    /// Time limit of the rollout, from `1s` to `24h`. Default: `20m`.
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"), extend("default" = "20m"))]
    timeout: Option<String>,
}

/// The summary of an error.
const FAILED: &str = "Cannot restart the feature store";

pub struct Restart;

#[async_trait]
impl Operation for Restart {
    const TYPE_NAME: &'static str = "feast_restart";
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
        let Invocation {
            cluster,
            name,
            desired,
            reporter,
            limits,
            ..
        } = invocation;
        let stop = &limits.stop;
        let mut store = desired.store.clone();
        let mut refused = None;
        let mut restarted = Vec::new();
        for (deployment, is_rolling) in deployments(&store) {
            match cluster.restart(name, &deployment, stop).await {
                Ok(live) => {
                    let replicas = live["spec"]["replicas"].as_i64().unwrap_or(1);
                    reporter.step(started(&deployment, &name.namespace, replicas, is_rolling));
                    restarted.push(deployment);
                }
                Err(error) => {
                    refused = Some(diagnostics::restart_refused(FAILED, &error, &restarted));
                    break;
                }
            }
        }
        if refused.is_some() {
            // If any Deployment was restarted, it is that of the servers.
            store.lineage = None;
        }
        let unfinished = match restarted.is_empty() {
            true => Vec::new(),
            false => {
                let wait = invocation.wait();
                wait::complete(cluster, name, &store, &wait, stop).await.1
            }
        };
        let unfinished = unfinished.iter();
        let unfinished = unfinished.map(|error| diagnostics::restart_failure(FAILED, error));
        let errors: Diagnostics = refused.into_iter().chain(unfinished).collect();
        if errors.is_empty() {
            reporter.step("All pods are replaced");
            return Ok(());
        }
        Err(errors)
    }
}

/// Returns the Deployments of a feature store, with whether their pods are replaced without an interruption.
fn deployments(store: &Store) -> Vec<(String, bool)> {
    let servers = (
        names::main(&store.name),
        matches!(store.strategy, Strategy::RollingUpdate(_)),
    );
    let lineage = (store.lineage.as_ref()).map(|_| (names::lineage(&store.name), true));
    [servers].into_iter().chain(lineage).collect()
}

fn started(deployment: &str, namespace: &str, replicas: i64, is_rolling: bool) -> String {
    let pods = match replicas {
        0 => "it has no pods".to_owned(),
        1 => "1 pod is replaced".to_owned(),
        replicas => format!("{replicas} pods are replaced"),
    };
    let interruption = match is_rolling || replicas == 0 {
        true => "",
        false => "; its strategy is Recreate, so that it does not answer until a new pod is ready",
    };
    format!("Restarting Deployment/{deployment} in namespace {namespace}: {pods}{interruption}")
}
