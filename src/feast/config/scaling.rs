//! The number of pods.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscalerBehavior, MetricSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Keda;
use super::string_enum::string_enum;

/// Horizontal scaling: at most one of `replicas`, `autoscaling` and `keda`. Several pods require persistence in a
/// database (or, for the registry, an object store) for every enabled service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scaling {
    /// Number of pods. Conflicts with `autoscaling` and `keda`. Terraform owns the number: a change outside Terraform
    /// is drift, and the next apply reverts it. Default: none, so that the provider does not change the live number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub replicas: Option<i32>,

    /// HorizontalPodAutoscaler (`autoscaling/v2`) that owns the number of pods. Conflicts with `replicas` and `keda`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// ScaledObject (`keda.sh/v1alpha1`) of [KEDA](https://keda.sh), which scales on events and owns the number of
    /// pods. KEDA must be installed. Conflicts with `replicas` and `autoscaling`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keda: Option<Keda>,
}

/// Number of pods that can be unavailable during node drains: exactly one of `min_available` and `max_unavailable`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodDisruptionBudgets {
    /// Number of pods that must stay available: a number (`1`) or a percentage (`"50%"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,

    /// Number of pods that can be unavailable: a number (`1`) or a percentage (`"25%"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,

    /// Pods that run but are not ready: `AlwaysAllow` lets a drain evict them, and `IfHealthyBudget` only while enough
    /// other pods are ready. With `IfHealthyBudget`, pods that never become ready prevent their nodes from being
    /// drained. Default: `AlwaysAllow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "AlwaysAllow"))]
    pub unhealthy_pod_eviction_policy: Option<UnhealthyPodEvictionPolicy>,
}

string_enum! {
    /// Kubernetes' `unhealthyPodEvictionPolicy`.
    pub enum UnhealthyPodEvictionPolicy {
        AlwaysAllow = "AlwaysAllow",
        IfHealthyBudget = "IfHealthyBudget",
    }
}

/// Settings of the HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Autoscaling {
    /// Minimum number of pods. Default: `1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 1))]
    pub min_replicas: Option<i32>,

    /// Maximum number of pods. At least `min_replicas`.
    #[schemars(range(min = 1))]
    pub max_replicas: i32,

    /// Metrics (Kubernetes `MetricSpec`). The metric that requests the most pods wins. Default: an average CPU
    /// utilization of 80%, for which every server needs a CPU request in `resources`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<MetricSpec>>,

    /// Scaling behavior in each direction (Kubernetes `HorizontalPodAutoscalerBehavior`). Default: up immediately, and
    /// down after 300 seconds of lower demand, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}
