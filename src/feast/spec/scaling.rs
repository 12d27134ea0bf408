//! The number of pods, and how they are replaced.

use k8s_openapi::api::apps::v1::DeploymentStrategy;
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscalerBehavior, MetricSpec, MetricTarget, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::feast::config::{
    Autoscaling, Keda, PodDisruptionBudgets, ReplicasOwner, Scaling, UnhealthyPodEvictionPolicy,
};
use crate::kubernetes::int_or_percent::normalize;

/// The owner of the number of pods.
#[derive(Debug, Clone, PartialEq)]
pub enum Replicas {
    /// Terraform, with this number.
    Static(i32),
    /// Terraform, with no pods at the moment: the feature store was scaled to zero outside Terraform, and the
    /// configuration keeps that. `scaled` is true if several pods ran before.
    Stopped { scaled: bool },
    /// The HorizontalPodAutoscaler of the feature store.
    Autoscaled(Autoscaler),
    /// KEDA, with the ScaledObject of the feature store.
    Keda(Box<Keda>),
    /// Something outside Terraform: the provider does not change the live number.
    External,
}

/// The HorizontalPodAutoscaler of `services.scaling.autoscaling`.
#[derive(Debug, Clone, PartialEq)]
pub struct Autoscaler {
    pub min_replicas: i32,
    pub max_replicas: i32,
    /// Not empty.
    pub metrics: Vec<MetricSpec>,
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}

/// The average CPU utilization in percent of the default metric.
pub(crate) const DEFAULT_CPU_UTILIZATION: i32 = 80;

impl Replicas {
    /// `was_scaled` is true if several pods ran before the feature store was scaled to zero.
    pub(super) fn new(scaling: Option<&Scaling>, was_scaled: bool) -> Self {
        let Scaling {
            replicas,
            autoscaling,
            keda,
        } = scaling.cloned().unwrap_or_default();
        match (replicas, autoscaling, keda) {
            (Some(0), ..) => Self::Stopped { scaled: was_scaled },
            (Some(replicas), ..) => Self::Static(replicas),
            (None, Some(autoscaling), _) => Self::Autoscaled(Autoscaler::new(autoscaling)),
            (None, None, Some(keda)) => Self::Keda(Box::new(keda)),
            (None, None, None) => Self::External,
        }
    }

    /// Returns whether the configuration allows several pods.
    pub fn scaled(&self) -> bool {
        match self {
            Self::Static(replicas) => *replicas > 1,
            Self::Stopped { scaled } => *scaled,
            Self::Autoscaled(_) | Self::Keda(_) => true,
            Self::External => false,
        }
    }

    /// Returns the value of the attribute `replicas_owner`.
    pub fn owner(&self) -> ReplicasOwner {
        match self {
            Self::Static(_) | Self::Stopped { .. } => ReplicasOwner::Terraform,
            Self::Autoscaled(_) => ReplicasOwner::Hpa,
            Self::Keda(_) | Self::External => ReplicasOwner::External,
        }
    }
}

impl Autoscaler {
    fn new(autoscaling: Autoscaling) -> Self {
        let Autoscaling {
            min_replicas,
            max_replicas,
            metrics,
            behavior,
        } = autoscaling;
        Self {
            min_replicas: min_replicas.unwrap_or(1),
            max_replicas,
            metrics: metrics
                .filter(|metrics| !metrics.is_empty())
                .unwrap_or_else(|| vec![default_metric()]),
            behavior,
        }
    }
}

fn default_metric() -> MetricSpec {
    MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: "cpu".to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(DEFAULT_CPU_UTILIZATION),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

/// The PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq)]
pub struct DisruptionBudget {
    pub limit: DisruptionLimit,
    /// The name in Kubernetes of the policy for pods that are not ready.
    pub unhealthy_pod_eviction_policy: &'static str,
}

/// The number of pods that can be evicted.
#[derive(Debug, Clone, PartialEq)]
pub enum DisruptionLimit {
    MinAvailable(IntOrString),
    MaxUnavailable(IntOrString),
}

impl DisruptionBudget {
    /// Returns `None` for a single pod, whose node could then not be drained.
    pub(super) fn new(budget: Option<PodDisruptionBudgets>, replicas: &Replicas) -> Option<Self> {
        let PodDisruptionBudgets {
            min_available,
            max_unavailable,
            unhealthy_pod_eviction_policy,
        } = budget.filter(|_| replicas.scaled())?;
        let least = min_available
            .map(normalize)
            .map(DisruptionLimit::MinAvailable);
        let most = max_unavailable
            .map(normalize)
            .map(DisruptionLimit::MaxUnavailable);
        Some(Self {
            limit: least.or(most)?,
            // A pod that is not ready serves no requests, and must not prevent its node from being drained.
            unhealthy_pod_eviction_policy: unhealthy_pod_eviction_policy
                .unwrap_or(UnhealthyPodEvictionPolicy::AlwaysAllow)
                .as_str(),
        })
    }
}

/// How pods are replaced, with defaults.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    Recreate,
    /// With the configured numbers, if there are any. The defaults of Kubernetes are 25% and 25%.
    RollingUpdate(Option<RollingUpdate>),
}

/// The `rollingUpdate` of the Deployment: numbers of pods, or percentages. `None` for the default of Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub struct RollingUpdate {
    pub max_surge: Option<IntOrString>,
    pub max_unavailable: Option<IntOrString>,
}

impl Strategy {
    /// Returns the configured strategy, or else the one that fits the number of pods.
    pub(super) fn new(strategy: Option<&DeploymentStrategy>, replicas: &Replicas) -> Self {
        let DeploymentStrategy {
            type_,
            rolling_update,
        } = strategy.cloned().unwrap_or_default();
        let rolling = rolling_update.map(|numbers| RollingUpdate {
            max_surge: numbers.max_surge.map(normalize),
            max_unavailable: numbers.max_unavailable.map(normalize),
        });
        match type_.as_deref() {
            Some("Recreate") => Self::Recreate,
            Some(_) => Self::RollingUpdate(rolling),
            None if replicas.scaled() || rolling.is_some() => Self::RollingUpdate(rolling),
            None => Self::Recreate,
        }
    }

    /// The name in Kubernetes.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Recreate => "Recreate",
            Self::RollingUpdate(_) => "RollingUpdate",
        }
    }
}
