//! How many pods, and how they are replaced.

use k8s_openapi::api::apps::v1::DeploymentStrategy;
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscalerBehavior, MetricSpec, MetricTarget, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::feast::config::{Autoscaling, Keda, PodDisruptionBudgets, Scaling};
use crate::kubernetes::int_or_percent::normalize;

/// Who decides how many pods run.
#[derive(Debug, Clone, PartialEq)]
pub enum Replicas {
    /// Terraform, this many.
    Static(i32),
    /// Terraform, and none at the moment: somebody has scaled the feature store to zero, and the configuration keeps
    /// that. `scaled` says whether several pods ran before.
    Stopped { scaled: bool },
    /// The HorizontalPodAutoscaler that comes with the feature store.
    Autoscaled(Autoscaler),
    /// KEDA, which is told how by a ScaledObject that comes with the feature store.
    Keda(Box<Keda>),
    /// Somebody else: the live number is left alone.
    External,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Autoscaler {
    pub min_replicas: i32,
    pub max_replicas: i32,
    /// Never empty.
    pub metrics: Vec<MetricSpec>,
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}

/// Average CPU utilisation, in percent, that the autoscaler aims at when no metric is written.
pub(crate) const DEFAULT_CPU_UTILIZATION: i32 = 80;

impl Replicas {
    /// `was_scaled` says whether several pods ran before, where there are none at the moment.
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

    /// Whether several pods may run side by side by our own doing.
    pub fn scaled(&self) -> bool {
        match self {
            Self::Static(replicas) => *replicas > 1,
            Self::Stopped { scaled } => *scaled,
            Self::Autoscaled(_) | Self::Keda(_) => true,
            Self::External => false,
        }
    }

    /// The word for the state's `replicas_owner`.
    pub fn owner(&self) -> &'static str {
        match self {
            Self::Static(_) | Self::Stopped { .. } => "terraform",
            Self::Autoscaled(_) => "hpa",
            Self::Keda(_) | Self::External => "external",
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

/// How many pods a drain may take away.
#[derive(Debug, Clone, PartialEq)]
pub enum DisruptionBudget {
    MinAvailable(IntOrString),
    MaxUnavailable(IntOrString),
}

impl DisruptionBudget {
    /// None for a single pod, whose node could then not be drained.
    pub(super) fn new(budget: Option<PodDisruptionBudgets>, replicas: &Replicas) -> Option<Self> {
        let PodDisruptionBudgets {
            min_available,
            max_unavailable,
        } = budget.filter(|_| replicas.scaled())?;
        let least = min_available.map(normalize).map(Self::MinAvailable);
        let most = max_unavailable.map(normalize).map(Self::MaxUnavailable);
        least.or(most)
    }
}

/// How pods are replaced, after defaults.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    Recreate,
    /// With the user's numbers, if any; Kubernetes' are 25 % and 25 %.
    RollingUpdate(Option<RollingUpdate>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct RollingUpdate {
    pub max_surge: Option<IntOrString>,
    pub max_unavailable: Option<IntOrString>,
}

impl Strategy {
    /// What is written wins; else it follows from the number of pods.
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

    /// Kubernetes' word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Recreate => "Recreate",
            Self::RollingUpdate(_) => "RollingUpdate",
        }
    }
}
