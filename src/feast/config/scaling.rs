//! How many pods run: a fixed number, an autoscaler's, or one that somebody else moves.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscalerBehavior, MetricSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Keda;

/// Horizontal scaling: one of `replicas`, `autoscaling` and `keda`. More than one pod needs persistence in a
/// database (or an object store, for the registry) for every enabled service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scaling {
    /// Fixed number of pods. Terraform owns the number: a change made elsewhere is drift, and the next
    /// apply sets it back. Default: unset, and the live number is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub replicas: Option<i32>,

    /// Lets a Kubernetes HorizontalPodAutoscaler (`autoscaling/v2`) choose the number of pods. The provider
    /// makes the autoscaler and leaves the Deployment's replica count to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// Lets [KEDA](https://keda.sh) choose the number of pods, by events. The provider makes a `ScaledObject`
    /// (`keda.sh/v1alpha1`), for which KEDA must be installed, and leaves the Deployment's replica count alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keda: Option<Keda>,
}

/// How many pods may be away at once when nodes are drained: exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodDisruptionBudgets {
    /// How many pods must stay: a number (`1`) or a percentage (`"50%"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,

    /// How many pods may go: a number (`1`) or a percentage (`"25%"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
}

/// Settings of the HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Autoscaling {
    /// Smallest number of pods. Default: `1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 1))]
    pub min_replicas: Option<i32>,

    /// Largest number of pods; not below `min_replicas`.
    #[schemars(range(min = 1))]
    pub max_replicas: i32,

    /// What the autoscaler measures (Kubernetes `MetricSpec`); the metric that asks for the most pods wins.
    /// Default: CPU at an average of 80 % of what the containers request, for which every server needs a
    /// CPU request in its `resources`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<MetricSpec>>,

    /// How fast the autoscaler may move in each direction (Kubernetes `HorizontalPodAutoscalerBehavior`).
    /// Default: Kubernetes' own: up at once, down after 300 seconds of lower demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}
