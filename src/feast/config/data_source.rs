//! The data source: a feature store as it is in the cluster.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DNS_LABEL_PATTERN, Drift, Endpoints, NAME_LENGTH, NAMESPACE_LENGTH, ReplicasOwner,
    ScalingStatus,
};

/// Reads a feature store that this provider created, by its name: for outputs, and for modules that use a feature store
/// of another configuration. Needs only read permissions. What the credentials cannot read is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataSourceConfig {
    /// Name of the feature store.
    #[schemars(length(min = 1, max = NAME_LENGTH), regex(pattern = DNS_LABEL_PATTERN))]
    pub name: String,

    /// Kubernetes namespace. Default: the `namespace` of the provider block, or else `default`.
    #[schemars(
        length(min = 1, max = NAMESPACE_LENGTH),
        regex(pattern = DNS_LABEL_PATTERN),
        extend("x-terraform" = {"computed": true})
    )]
    pub namespace: Option<String>,
}

/// The attributes that are read from the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataSourceState {
    /// `<namespace>/<name>`.
    pub id: String,

    /// Name of the Deployment: `feast-<name>`.
    pub deployment_name: String,

    /// Strategy by which pods are replaced: `Recreate` or `RollingUpdate`.
    pub strategy: String,

    /// Owner of the number of pods: `terraform`, `hpa` or `external`.
    #[schemars(with = "String")]
    pub replicas_owner: ReplicasOwner,

    /// Numbers of pods.
    pub scaling_status: ScalingStatus,

    /// Addresses of the servers inside the cluster.
    pub endpoints: Endpoints,

    /// Hash of the Feast configuration that the pods run with.
    pub configuration_hash: Option<String>,

    /// The configuration that was last applied, as JSON in the format of the Feast operator's `spec`. Null when the
    /// credentials cannot read the Secret of the feature store. Sensitive, because it contains the values of `env`.
    #[schemars(extend("x-terraform" = {"sensitive": true}))]
    pub configuration: Option<String>,

    /// Number of pods in which a server is ready, by container: `online`, `offline`, `registry`, `ui` and `lineage`.
    /// Null when the credentials cannot list pods.
    pub ready_pods: Option<BTreeMap<String, i32>>,

    /// Conditions of the Deployment.
    pub conditions: Vec<Condition>,

    /// Changes that others made since the last apply. Null when the credentials cannot read all objects of the feature
    /// store, including its Secret, which records what was applied. Only the resource knows which of your Secrets was
    /// `rotated`; the data source reports the Secret of the feature store instead. It also lists values that an
    /// admission policy has rewritten and changes that `ignore_changes` keeps, which only the resource knows.
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

    /// Reason, as one word.
    pub reason: Option<String>,

    /// Message, as a sentence.
    pub message: Option<String>,
}
