//! The computed attributes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Drift;
use super::string_enum::string_enum;

string_enum! {
    /// An owner of the number of pods.
    pub enum ReplicasOwner {
        Terraform = "terraform",
        Hpa = "hpa",
        External = "external",
    }
}

/// The computed attributes of a feature store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputedAttributes {
    /// `<namespace>/<name>`.
    pub id: String,

    /// Name of the Deployment: `feast-<name>`.
    pub deployment_name: String,

    /// Strategy by which pods are replaced: `Recreate` or `RollingUpdate`.
    pub strategy: String,

    /// Owner of the number of pods: `terraform` (`replicas` is set), `hpa` (`autoscaling` is set) or `external` (KEDA,
    /// or an autoscaler outside Terraform).
    #[schemars(with = "String")]
    pub replicas_owner: ReplicasOwner,

    /// Hash of the Feast configuration, including connection parameters. It is an HMAC whose key never leaves the
    /// cluster, so it reveals nothing about them. Pods have it as the annotation `feast.dev/configuration-hash` and are
    /// replaced when it changes.
    pub configuration_hash: String,

    /// Numbers of pods at the end of the last apply. A refresh updates them only if `replicas` is set and the number
    /// was changed, or if the last rollout is incomplete. The data source has the live numbers.
    pub scaling_status: Option<ScalingStatus>,

    /// Addresses of the servers inside the cluster.
    pub endpoints: Endpoints,

    /// Changes that others made to the objects since the last apply, one element for each field, and objects and fields
    /// of an earlier apply that are not in the state. An apply that repairs the drift empties the list. Fields that
    /// others added, such as annotations and sidecars, are listed only with `drift_policy = "strict"`, and defaults of
    /// the API server never.
    pub drift: Vec<Drift>,

    /// Every Kubernetes object of the feature store: a map from `Kind/name` to its JSON, with the fields that this
    /// provider owns. A plan shows what will change in each object, and a refresh what others changed. Values that can
    /// be credentials are not shown: values of environment variables, passwords and tokens in URLs, and settings of
    /// git.
    pub objects: BTreeMap<String, String>,
}

/// Numbers of pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingStatus {
    /// Number of pods that run.
    pub current_replicas: Option<i32>,

    /// Number of pods that the Deployment requests.
    pub desired_replicas: Option<i32>,
}

/// Addresses of the servers inside the cluster, as `host:port`. The port is 443 with TLS, or else 80.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoints {
    /// Online server (HTTP). Null when the online store is disabled.
    pub online_store: Option<String>,

    /// Offline server (Arrow Flight). Null when there is none.
    pub offline_store: Option<String>,

    /// Registry server (gRPC) of this feature store, or the remote one that it uses. Null when there is none.
    pub registry: Option<String>,

    /// Registry server (REST). Null when it is not served.
    pub registry_rest: Option<String>,

    /// Web UI (HTTP). Null when there is none.
    pub ui: Option<String>,

    /// Lineage server (HTTP). Null when there is none.
    pub lineage: Option<String>,
}
