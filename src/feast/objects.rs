//! The Kubernetes objects of one feature store.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

/// The kinds of object that a feature store is made of, in the order in which they are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    ServiceAccount,
    Role,
    RoleBinding,
    ClusterRole,
    ClusterRoleBinding,
    Secret,
    ConfigMap,
    PersistentVolumeClaim,
    Service,
    Job,
    Deployment,
    CronJob,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
    /// KEDA's, where that is installed.
    ScaledObject,
}

/// Where an object of a kind lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In the feature store's namespace.
    Namespace,
    /// In none: its name is the cluster's, so it names the feature store's namespace too.
    Cluster,
}

/// What is applied together: a tier is sent only after the one before it has landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// What a pod needs before it can start: accounts, secrets, claims, Services.
    Prerequisites,
    /// What is done once, and must succeed before the pods are touched.
    Preparation,
    Workload,
    Autoscaler,
}

impl Kind {
    pub const ALL: [Self; 15] = [
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::ClusterRole,
        Self::ClusterRoleBinding,
        Self::Secret,
        Self::ConfigMap,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::Job,
        Self::Deployment,
        Self::CronJob,
        Self::PodDisruptionBudget,
        Self::HorizontalPodAutoscaler,
        Self::ScaledObject,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRole => "ClusterRole",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Service => "Service",
            Self::Job => "Job",
            Self::Deployment => "Deployment",
            Self::CronJob => "CronJob",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::ScaledObject => "ScaledObject",
        }
    }

    /// API group and version.
    pub fn api(self) -> (&'static str, &'static str) {
        match self {
            Self::Role | Self::RoleBinding | Self::ClusterRole | Self::ClusterRoleBinding => {
                ("rbac.authorization.k8s.io", "v1")
            }
            Self::Job | Self::CronJob => ("batch", "v1"),
            Self::Deployment => ("apps", "v1"),
            Self::PodDisruptionBudget => ("policy", "v1"),
            Self::HorizontalPodAutoscaler => ("autoscaling", "v2"),
            Self::ScaledObject => ("keda.sh", "v1alpha1"),
            _ => ("", "v1"),
        }
    }

    /// The resource name in URLs and in RBAC rules.
    pub fn plural(self) -> &'static str {
        match self {
            Self::ServiceAccount => "serviceaccounts",
            Self::Role => "roles",
            Self::RoleBinding => "rolebindings",
            Self::ClusterRole => "clusterroles",
            Self::ClusterRoleBinding => "clusterrolebindings",
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
            Self::PersistentVolumeClaim => "persistentvolumeclaims",
            Self::Service => "services",
            Self::Job => "jobs",
            Self::Deployment => "deployments",
            Self::CronJob => "cronjobs",
            Self::PodDisruptionBudget => "poddisruptionbudgets",
            Self::HorizontalPodAutoscaler => "horizontalpodautoscalers",
            Self::ScaledObject => "scaledobjects",
        }
    }

    pub fn scope(self) -> Scope {
        match self {
            Self::ClusterRole | Self::ClusterRoleBinding => Scope::Cluster,
            _ => Scope::Namespace,
        }
    }

    /// Whether there are feature stores without an object of this kind, whose makers need no right to it.
    pub fn optional(self) -> bool {
        !matches!(
            self,
            Self::ServiceAccount
                | Self::Secret
                | Self::ConfigMap
                | Self::PersistentVolumeClaim
                | Self::Service
                | Self::Deployment
        )
    }

    /// Whether it is the kind of a custom resource, which a cluster may not know.
    pub fn is_custom(self) -> bool {
        matches!(self, Self::ScaledObject)
    }

    pub fn tier(self) -> Tier {
        match self {
            Self::Job => Tier::Preparation,
            Self::Deployment | Self::CronJob | Self::PodDisruptionBudget => Tier::Workload,
            Self::HorizontalPodAutoscaler | Self::ScaledObject => Tier::Autoscaler,
            _ => Tier::Prerequisites,
        }
    }
}

/// Which object of the store. Written `Kind/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub kind: Kind,
    pub name: String,
}

impl Key {
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// Reads `Kind/name`; `None` when the kind is not one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        Some(Self::new(kind, name))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

/// All objects of one feature store, each as its manifest (the fields that this provider owns, and no
/// others), by [`Key`].
#[derive(Clone, PartialEq)]
pub struct Objects<Phase> {
    pub namespace: String,
    pub manifests: BTreeMap<Key, Json>,
    pub(super) phase: Phase,
}
