//! The settings of a server's Kubernetes Service.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::SessionAffinityConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::string_enum::string_enum;

/// Settings of a Kubernetes Service. Ports and selector are those of the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSettings {
    /// How the Service is reachable: `ClusterIP` (inside the cluster), `NodePort` (also at a port of every node) or
    /// `LoadBalancer` (also through a load balancer of the platform). The other servers of the feature store keep their
    /// own type. Default: `ClusterIP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "ClusterIP"))]
    pub r#type: Option<ServiceType>,

    /// Labels of the Service, in addition to `labels` of the feature store. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,

    /// Annotations of the Service, in addition to `annotations` of the feature store, such as those of a load balancer
    /// controller or of ExternalDNS. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,

    /// The pods that receive a request: `PreferSameZone` or `PreferClose` (in the zone of the client, if there are any)
    /// or `PreferSameNode` (on its node, if there are any). Default: any pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_distribution: Option<TrafficDistribution>,

    /// Whether all connections of a client go to the same pod: `ClientIP` or `None`. Default: `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "None"))]
    pub session_affinity: Option<SessionAffinity>,

    /// How long `session_affinity = "ClientIP"` lasts (Kubernetes `SessionAffinityConfig`). Default: 10800 seconds, set
    /// by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_affinity_config: Option<SessionAffinityConfig>,

    /// Address families, the primary one first: `IPv4` and `IPv6`. Two families require an `ip_family_policy` for two.
    /// A change of the primary family replaces the Service, which then has another address. Default: the primary family
    /// of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub ip_families: Option<Vec<IpFamily>>,

    /// Number of address families: `SingleStack`, `PreferDualStack` (two, if the cluster has two) or
    /// `RequireDualStack`. Kubernetes keeps the second family when this attribute is removed: set `SingleStack` to
    /// release it. Default: `SingleStack`, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_family_policy: Option<IpFamilyPolicy>,

    /// The pods that requests from inside the cluster can reach: `Cluster` (all) or `Local` (only those on the node of
    /// the client). Default: `Cluster`, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_traffic_policy: Option<TrafficPolicy>,

    /// The pods that requests from outside the cluster can reach: `Cluster` (all) or `Local` (only those on the node
    /// that receives the request, which keeps the address of the client). Only for `NodePort` and `LoadBalancer`.
    /// Default: `Cluster`, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<TrafficPolicy>,

    /// Port of the nodes at which the server is reachable, in the range of the cluster (usually 30000 to 32767). Only
    /// for `NodePort` and `LoadBalancer`. Default: a free port, chosen by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,

    /// Port of the nodes at which a load balancer checks them. Only for `LoadBalancer` with the
    /// `external_traffic_policy` `Local`. A change replaces the Service. Default: a free port, chosen by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub health_check_node_port: Option<i32>,

    /// Whether a `LoadBalancer` also has ports of the nodes. `false` is for load balancers that reach the pods
    /// directly. Default: `true`, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocate_load_balancer_node_ports: Option<bool>,

    /// Class of the load balancer, such as `service.k8s.aws/nlb`. Only for `LoadBalancer`. A change replaces the
    /// Service and its load balancer. Default: that of the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub load_balancer_class: Option<String>,

    /// Address of the load balancer, if the platform supports the choice. Only for `LoadBalancer`. Kubernetes has
    /// deprecated it in favor of annotations of the platform. Default: any.
    #[serde(rename = "loadBalancerIP", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F:.]+$"))]
    pub load_balancer_ip: Option<String>,

    /// Address blocks (CIDR) whose clients the load balancer accepts, if the platform supports it. Only for
    /// `LoadBalancer`. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_source_ranges: Option<Vec<String>>,
}

string_enum! {
    /// How a Service is reachable.
    pub enum ServiceType {
        ClusterIp = "ClusterIP",
        NodePort = "NodePort",
        LoadBalancer = "LoadBalancer",
    }
}

string_enum! {
    /// The pods that receive a request.
    pub enum TrafficDistribution {
        PreferSameZone = "PreferSameZone",
        PreferSameNode = "PreferSameNode",
        PreferClose = "PreferClose",
    }
}

string_enum! {
    /// Whether all connections of a client go to the same pod.
    pub enum SessionAffinity {
        None = "None",
        ClientIp = "ClientIP",
    }
}

string_enum! {
    /// An address family.
    pub enum IpFamily {
        Ipv4 = "IPv4",
        Ipv6 = "IPv6",
    }
}

string_enum! {
    /// The number of address families of a Service.
    pub enum IpFamilyPolicy {
        SingleStack = "SingleStack",
        PreferDualStack = "PreferDualStack",
        RequireDualStack = "RequireDualStack",
    }
}

string_enum! {
    /// The pods that a request can reach.
    pub enum TrafficPolicy {
        Cluster = "Cluster",
        Local = "Local",
    }
}
