//! An autoscaler of KEDA's.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::store_types;

/// Settings of KEDA's `ScaledObject`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keda {
    /// What KEDA measures; the trigger that asks for the most pods wins.
    #[schemars(length(min = 1))]
    pub triggers: Vec<KedaTrigger>,

    /// Smallest number of pods. Default: `1`. With `0` there may be nobody who answers; no trigger on CPU or
    /// memory can bring the first pod back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 1))]
    pub min_replicas: Option<i32>,

    /// Largest number of pods; not below `min_replicas`.
    #[schemars(range(min = 1))]
    pub max_replicas: i32,

    /// Number of pods while no trigger is active; KEDA supports `0` alone, with a `min_replicas` above it.
    /// Default: `min_replicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 0))]
    pub idle_replicas: Option<i32>,

    /// How often the triggers are asked, in seconds. Default: KEDA's own, `30`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub polling_interval: Option<i32>,

    /// How long after the last active trigger the pods go down to `idle_replicas`, or to a `min_replicas` of 0,
    /// in seconds. Default: KEDA's own, `300`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub cooldown_period: Option<i32>,

    /// How long after its creation the ScaledObject leaves the pods alone, in seconds. Default: KEDA's own,
    /// `0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub initial_cooldown_period: Option<i32>,

    /// What holds while a trigger cannot be asked. Default: the number of pods stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<KedaFallback>,

    /// How fast the number may move in each direction (Kubernetes `HorizontalPodAutoscalerBehavior`).
    /// Default: Kubernetes' own: up at once, down after 300 seconds of lower demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,

    /// Name of the HorizontalPodAutoscaler that KEDA makes. Default: KEDA's own, `keda-hpa-feast-<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub hpa_name: Option<String>,
}

/// One thing that KEDA measures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaTrigger {
    /// KEDA's name for the type of trigger, such as `prometheus`, `redis`, `kafka`, `cron` or `cpu`.
    #[schemars(length(min = 1))]
    pub r#type: String,

    /// The settings of this type of trigger, as KEDA documents them. They are in plan and state: what is
    /// secret belongs to `authentication_ref`.
    pub metadata: BTreeMap<String, String>,

    /// What the trigger's target is: `AverageValue`, `Value` or `Utilization`. Default: KEDA's own,
    /// `AverageValue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_type: Option<KedaMetricType>,

    /// Name of the trigger. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,

    /// Whether a value is kept for `polling_interval`, instead of being asked for each time the autoscaler
    /// looks. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub use_cached_metrics: Option<bool>,

    /// Where the trigger's credentials are. Default: none are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_ref: Option<KedaAuthentication>,
}

/// An object of KEDA's that says how a trigger authenticates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaAuthentication {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// `TriggerAuthentication`, in the feature store's namespace, or `ClusterTriggerAuthentication`. Default:
    /// `TriggerAuthentication`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "TriggerAuthentication"))]
    pub kind: Option<KedaAuthenticationKind>,
}

/// What holds while a trigger cannot be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaFallback {
    /// After how many failures in a row.
    #[schemars(range(min = 1))]
    pub failure_threshold: i32,

    /// Number of pods.
    #[schemars(range(min = 0))]
    pub replicas: i32,

    /// Which number holds: `static` (`replicas`), `currentReplicas` (that of the moment),
    /// `currentReplicasIfHigher` (that of the moment, but at least `replicas`) or `currentReplicasIfLower` (that
    /// of the moment, but at most `replicas`). Default: `static`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "static"))]
    pub behavior: Option<KedaFallbackBehavior>,
}

store_types! {
    /// What a trigger's target is.
    pub enum KedaMetricType {
        AverageValue = "AverageValue",
        Value = "Value",
        Utilization = "Utilization",
    }
}

store_types! {
    /// Which number of pods holds while a trigger cannot be asked.
    pub enum KedaFallbackBehavior {
        Static = "static",
        CurrentReplicas = "currentReplicas",
        CurrentReplicasIfHigher = "currentReplicasIfHigher",
        CurrentReplicasIfLower = "currentReplicasIfLower",
    }
}

store_types! {
    /// A kind of KEDA's that says how a trigger authenticates.
    pub enum KedaAuthenticationKind {
        TriggerAuthentication = "TriggerAuthentication",
        ClusterTriggerAuthentication = "ClusterTriggerAuthentication",
    }
}
