//! What the provider finds out and the user cannot set.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Drift;

/// The computed attributes of a feature store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputedAttributes {
    /// `<namespace>/<name>`.
    pub id: String,

    /// Name of the Deployment: `feast-<name>`.
    pub deployment_name: String,

    /// How pods are replaced, after defaults: `Recreate` or `RollingUpdate`.
    pub strategy: String,

    /// Who sets the number of pods: `terraform` (`replicas` is set), `hpa` (autoscaling) or `external`
    /// (KEDA, or an autoscaler outside Terraform: the live number is left alone).
    pub replicas_owner: String,

    /// Fingerprint of the Feast configuration, connection parameters included: an HMAC with a key that
    /// never leaves the cluster, so that it tells nothing of them. The pods carry it as the annotation
    /// `feast.dev/configuration-hash` and roll when it changes.
    pub configuration_hash: String,

    /// Numbers of pods at the end of the last apply. A refresh changes them only where `replicas` is set and somebody has
    /// changed the count, or where the last rollout did not finish; the data source has live numbers.
    pub scaling_status: Option<ScalingStatus>,

    /// Addresses of the servers inside the cluster.
    pub endpoints: Endpoints,

    /// What others have changed in the cluster since the last apply, field by field, and what an earlier apply has left
    /// there that the state does not know. An apply that repairs it leaves the list empty. Foreign fields (annotations of others, sidecars) are listed only with
    /// `drift_policy = "strict"`, the API server's defaults never.
    pub drift: Vec<Drift>,

    /// Every Kubernetes object of the feature store, from `Kind/name` to its JSON with the fields that this
    /// provider owns. A plan shows here what will change in each object, and a refresh what somebody else
    /// has changed. Values that may be credentials are not shown: those of environment variables, passwords and tokens
    /// in URLs, settings of git.
    pub objects: BTreeMap<String, String>,
}

/// Numbers of pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingStatus {
    /// Pods that run.
    pub current_replicas: Option<i32>,

    /// Pods that the Deployment asks for.
    pub desired_replicas: Option<i32>,
}

/// Addresses of the servers inside the cluster, as `host:port`. The port is 443 for a server with TLS, else 80.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoints {
    /// Online server (HTTP). Null when the online store is disabled.
    pub online_store: Option<String>,

    /// Offline server (Arrow Flight). Null when there is none.
    pub offline_store: Option<String>,

    /// Registry server (gRPC): this feature store's own, or the remote one that it uses. Null when there is
    /// neither.
    pub registry: Option<String>,

    /// Registry server (REST). Null when it is not served.
    pub registry_rest: Option<String>,

    /// Web interface (HTTP). Null when there is none.
    pub ui: Option<String>,

    /// Lineage server (HTTP). Null when there is none.
    pub lineage: Option<String>,
}
