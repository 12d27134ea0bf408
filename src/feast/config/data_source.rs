//! The data source: a feature store as it is in the cluster, whoever manages it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Drift, Endpoints, ScalingStatus};

/// The live view of a feature store that this provider made, by its name: for outputs, and for modules that
/// use a feature store which another configuration manages. Needs only the right to read; what the account
/// may not see is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataSourceConfig {
    /// Name of the feature store.
    #[schemars(length(min = 1))]
    pub name: String,

    /// Kubernetes namespace. Default: the `namespace` of the provider block, else `default`.
    #[schemars(length(min = 1), extend("x-terraform" = {"computed": true}))]
    pub namespace: Option<String>,
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataSourceState {
    /// `<namespace>/<name>`.
    pub id: String,

    /// Name of the Deployment: `feast-<name>`.
    pub deployment_name: String,

    /// How pods are replaced: `Recreate` or `RollingUpdate`.
    pub strategy: String,

    /// Who sets the number of pods: `terraform`, `hpa` or `external`.
    pub replicas_owner: String,

    /// Numbers of pods.
    pub scaling_status: ScalingStatus,

    /// Addresses of the servers inside the cluster.
    pub endpoints: Endpoints,

    /// Fingerprint of the Feast configuration that the pods run with.
    pub configuration_hash: Option<String>,

    /// The configuration that was applied last, as JSON in the form of the Feast operator's `spec`. Null when the
    /// account may not read the feature store's Secret. Sensitive: plain values of `env` are in it.
    #[schemars(extend("x-terraform" = {"sensitive": true}))]
    pub configuration: Option<String>,

    /// Pods in which a server is ready, by container: `online`, `offline`, `registry`, `ui`, `lineage`. Null
    /// when the account may not list pods.
    pub ready_pods: Option<BTreeMap<String, i32>>,

    /// Conditions of the Deployment.
    pub conditions: Vec<Condition>,

    /// What others have changed since the last apply. Null when the account may not read all that the feature store
    /// is made of, its Secret among it, which says what was applied. Which of your Secrets was `rotated` only the
    /// resource knows; here the feature store's own Secret stands for it.
    pub drift: Option<Vec<Drift>>,
}

/// A condition of the Deployment (Kubernetes `DeploymentCondition`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// `Available`, `Progressing` or `ReplicaFailure`.
    pub r#type: String,

    /// `True`, `False` or `Unknown`.
    pub status: String,

    /// One word why.
    pub reason: Option<String>,

    /// A sentence why.
    pub message: Option<String>,
}
