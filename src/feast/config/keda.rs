//! Autoscaling with KEDA.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DNS_SUBDOMAIN_PATTERN;
use super::string_enum::string_enum;

/// Settings of the `ScaledObject` of KEDA.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keda {
    /// Triggers of scaling. The trigger that requests the most pods wins.
    #[schemars(length(min = 1))]
    pub triggers: Vec<KedaTrigger>,

    /// Minimum number of pods. With `0`, requests can find no server, and a CPU or memory trigger cannot scale up from
    /// zero. Default: `1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 1))]
    pub min_replicas: Option<i32>,

    /// Maximum number of pods. At least `min_replicas`.
    #[schemars(range(min = 1))]
    pub max_replicas: i32,

    /// Number of pods while no trigger is active. KEDA supports only `0`, with a `min_replicas` of at least 1. Default:
    /// `min_replicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 0))]
    pub idle_replicas: Option<i32>,

    /// Interval in seconds at which triggers are checked. Default: `30`, set by KEDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub polling_interval: Option<i32>,

    /// Seconds after the last active trigger until the pods are scaled down to `idle_replicas`, or to a `min_replicas`
    /// of 0. Default: `300`, set by KEDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub cooldown_period: Option<i32>,

    /// Seconds after the creation of the ScaledObject before `cooldown_period` applies. Default: `0`, set by KEDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub initial_cooldown_period: Option<i32>,

    /// Number of pods while a trigger fails. Default: the number of pods does not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<KedaFallback>,

    /// Scaling behavior in each direction (Kubernetes `HorizontalPodAutoscalerBehavior`). Default: up immediately, and
    /// down after 300 seconds of lower demand, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,

    /// One metric that a formula computes from the metrics of the triggers, and which alone decides the number of pods.
    /// Every trigger in the formula needs a `name`. Default: none, so that the trigger that requests the most pods
    /// wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_modifiers: Option<KedaScalingModifiers>,

    /// Whether KEDA sets the number of pods from before the ScaledObject when the ScaledObject is deleted, for example
    /// because `keda` is removed. The rest of the configuration sets the number again, so that this matters only
    /// without `replicas` and `autoscaling`. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub restore_to_original_replica_count: Option<bool>,

    /// Name of the HorizontalPodAutoscaler that KEDA creates. It must differ from `feast-<name>`. Default:
    /// `keda-hpa-feast-<name>`, set by KEDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = DNS_SUBDOMAIN_PATTERN)
    )]
    pub hpa_name: Option<String>,
}

/// A trigger of KEDA.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaTrigger {
    /// Type of the trigger, such as `prometheus`, `redis`, `kafka`, `cron` or `cpu`.
    #[schemars(length(min = 1))]
    pub r#type: String,

    /// Settings of the trigger, as documented by KEDA. They are in plan and state, so use `authentication_ref` for
    /// credentials.
    pub metadata: BTreeMap<String, String>,

    /// Metric type of the trigger: `AverageValue`, `Value` or `Utilization`. Default: `AverageValue`, set by KEDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_type: Option<KedaMetricType>,

    /// Name of the trigger. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,

    /// Whether a metric is cached for `polling_interval`, instead of being queried at each check of the autoscaler.
    /// Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub use_cached_metrics: Option<bool>,

    /// KEDA object with the credentials of the trigger. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_ref: Option<KedaAuthentication>,
}

/// A KEDA object that defines how a trigger authenticates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaAuthentication {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Kind of the object: `TriggerAuthentication`, in the namespace of the feature store, or
    /// `ClusterTriggerAuthentication`. Default: `TriggerAuthentication`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "TriggerAuthentication"))]
    pub kind: Option<KedaAuthenticationKind>,
}

/// Number of pods while a trigger fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaFallback {
    /// Number of consecutive failures after which the next failure starts the fallback.
    #[schemars(range(min = 0))]
    pub failure_threshold: i32,

    /// Number of pods.
    #[schemars(range(min = 0))]
    pub replicas: i32,

    /// How the number is determined: `static` (`replicas`), `currentReplicas` (the current number),
    /// `currentReplicasIfHigher` (the current number, but at least `replicas`), `currentReplicasIfLower` (the current
    /// number, but at most `replicas`) or `scalingModifiers` (the formula of `scaling_modifiers`, in which a failed
    /// trigger is `nil`, as in `requests ?? 50`; `replicas` if the result is `nil`). Default: `static`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "static"))]
    pub behavior: Option<KedaFallbackBehavior>,
}

/// A metric that a formula computes from those of the triggers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaScalingModifiers {
    /// Formula in the [Expr language](https://expr-lang.org), which refers to triggers by `name`, such as
    /// `(requests + queue) / 2`.
    #[schemars(length(min = 1))]
    pub formula: String,

    /// Value of the formula to keep, as a decimal number above 0, such as `"5"`. With `fallback`, it must be a whole
    /// number.
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub target: String,

    /// Value of the formula above which pods are started from zero, as a decimal number. Default: `0`, set by KEDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub activation_target: Option<String>,

    /// Metric type of the formula: `AverageValue` or `Value`. Default: `AverageValue`, set by KEDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_type: Option<KedaMetricType>,
}

string_enum! {
    /// The metric type of a trigger.
    pub enum KedaMetricType {
        AverageValue = "AverageValue",
        Value = "Value",
        Utilization = "Utilization",
    }
}

string_enum! {
    /// How the number of pods is determined while a trigger fails.
    pub enum KedaFallbackBehavior {
        Static = "static",
        CurrentReplicas = "currentReplicas",
        CurrentReplicasIfHigher = "currentReplicasIfHigher",
        CurrentReplicasIfLower = "currentReplicasIfLower",
        ScalingModifiers = "scalingModifiers",
    }
}

string_enum! {
    /// A kind of KEDA object that defines how a trigger authenticates.
    pub enum KedaAuthenticationKind {
        TriggerAuthentication = "TriggerAuthentication",
        ClusterTriggerAuthentication = "ClusterTriggerAuthentication",
    }
}
