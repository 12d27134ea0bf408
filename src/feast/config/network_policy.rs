//! Restrictions of network traffic to and from the pods.

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::string_enum::string_enum;

/// Kubernetes `NetworkPolicy` objects for the pods of the feature store. A cluster enforces them only if its network
/// plugin supports them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicy {
    /// Clients that can connect to the servers. The pods of the feature store, and probes of the kubelet, always can.
    /// Default: no other clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Vec<NetworkPolicyIngress>>,

    /// Destinations to which the pods can connect, including those of `feast apply` and of the CronJob (Kubernetes
    /// `NetworkPolicyEgressRule`). A rule without `to` permits every destination, and a rule without `ports` every
    /// port. DNS (ports 53 and 5353) and the pods of the feature store are always permitted. Default: not restricted by
    /// this policy. Set `[{}]` to permit everything in a namespace whose default is to deny it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<NetworkPolicyEgressRule>>,
}

/// Clients, and the endpoints to which they can connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicyIngress {
    /// The clients (Kubernetes `NetworkPolicyPeer`), each with `namespace_selector`, `pod_selector` or both, or with
    /// `ip_block`. `{ namespace_selector = {} }` is every pod of the cluster.
    #[schemars(length(min = 1))]
    pub from: Vec<NetworkPolicyPeer>,

    /// Endpoints to which the clients can connect: `online_store`, `offline_store`, `registry`, `registry_rest`, `ui`,
    /// `lineage` and `metrics`. The ports follow from the servers. An endpoint that is not served has no effect.
    /// Default: every endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub endpoints: Option<Vec<PolicyEndpoint>>,
}

string_enum! {
    /// An endpoint of a feature store, as the attribute `endpoints` names it, or the metrics of the online server.
    pub enum PolicyEndpoint {
        OnlineStore = "online_store",
        OfflineStore = "offline_store",
        Registry = "registry",
        RegistryRest = "registry_rest",
        Ui = "ui",
        Lineage = "lineage",
        Metrics = "metrics",
    }
}
