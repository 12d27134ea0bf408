//! The kinds of object that the provider manages: one row each.

use std::fmt;

/// The properties of a kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindInfo {
    /// The name of the kind, such as `Deployment`.
    pub name: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    /// The resource name in URLs and in RBAC rules.
    pub plural: &'static str,
    pub scope: Scope,
    pub tier: Tier,
    pub access: Access,
    pub pods: Pods,
    pub removal: Removal,
    pub propagation: Propagation,
    pub mutability: Mutability,
    pub api: Api,
}

/// The scope of the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Namespace,
    /// Outside of namespaces: names must be unique in the cluster.
    Cluster,
}

/// A group of kinds that are applied together, after all objects of the previous tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// What pods need before they can start: ServiceAccounts, Secrets, PersistentVolumeClaims, Services.
    Prerequisites,
    /// Jobs that must succeed before the pods are changed.
    Preparation,
    Workload,
    Autoscaler,
}

/// The feature stores for which the provider needs access to a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For every feature store.
    Always,
    /// Only for a feature store that has, or had, an object of the kind.
    IfUsed,
}

/// The relation of pods to an object. It decides what a deletion can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pods {
    /// The object has no pods. Pods that use it do not prevent its deletion.
    None,
    /// The object owns the pods that its selector selects.
    Owned,
    /// As `Owned`. The pods have the label with the name of the feature store, so that a destroy can wait for them.
    Servers,
    /// The object owns Jobs, which own pods.
    OwnedByJobs,
    /// Pods mount the object, which protects it from deletion.
    Mounting,
}

/// The step of a destroy that deletes the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The first step: workloads, their autoscalers and budgets, and objects that direct traffic or scrapes to pods.
    WithWorkload,
    /// The second step, when no pod of a server is left: objects that pods use.
    AfterPods,
}

/// The order in which the garbage collector deletes an object of the kind and its dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// The dependents first: pods, or the autoscaler of a ScaledObject. When the object is gone, so are they.
    Foreground,
    /// The object first. It has no dependents that a client has to wait for.
    Background,
}

/// The ability of an apply to change the specification of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    Mutable,
    /// The API server rejects changes of most fields.
    Immutable,
}

/// The availability of the API of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    BuiltIn,
    /// The API of a custom resource, which a cluster need not have.
    Custom {
        /// The installation instructions, as sentences of an error message.
        remedy: &'static str,
    },
}

/// Defines [`Kind`] and its table from one row for each kind, so that no kind can lack a row.
macro_rules! kinds {
    ($($name:ident: $group:literal $version:literal $plural:literal,
        $scope:ident $tier:ident $access:ident $pods:ident $removal:ident $propagation:ident $mutability:ident, $api:expr;)*) => {
        /// A kind of object, in the order in which objects are applied.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($name,)*
        }

        impl Kind {
            /// Every kind, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn info(self) -> KindInfo {
                match self {
                    $(Self::$name => KindInfo {
                        name: stringify!($name),
                        group: $group,
                        version: $version,
                        plural: $plural,
                        scope: Scope::$scope,
                        tier: Tier::$tier,
                        access: Access::$access,
                        pods: Pods::$pods,
                        removal: Removal::$removal,
                        propagation: Propagation::$propagation,
                        mutability: Mutability::$mutability,
                        api: $api,
                    },)*
                }
            }
        }
    };
}

kinds! {
    ServiceAccount: "" "v1" "serviceaccounts", Namespace Prerequisites Always None AfterPods Background Mutable, Api::BuiltIn;
    Role: "rbac.authorization.k8s.io" "v1" "roles", Namespace Prerequisites IfUsed None AfterPods Background Mutable, Api::BuiltIn;
    RoleBinding: "rbac.authorization.k8s.io" "v1" "rolebindings", Namespace Prerequisites IfUsed None AfterPods Background Mutable, Api::BuiltIn;
    ClusterRole: "rbac.authorization.k8s.io" "v1" "clusterroles", Cluster Prerequisites IfUsed None AfterPods Background Mutable, Api::BuiltIn;
    ClusterRoleBinding: "rbac.authorization.k8s.io" "v1" "clusterrolebindings", Cluster Prerequisites IfUsed None AfterPods Background Mutable, Api::BuiltIn;
    Secret: "" "v1" "secrets", Namespace Prerequisites Always None AfterPods Background Mutable, Api::BuiltIn;
    ConfigMap: "" "v1" "configmaps", Namespace Prerequisites Always None AfterPods Background Mutable, Api::BuiltIn;
    PersistentVolumeClaim: "" "v1" "persistentvolumeclaims", Namespace Prerequisites Always Mounting AfterPods Background Immutable, Api::BuiltIn;
    Service: "" "v1" "services", Namespace Prerequisites Always None WithWorkload Background Mutable, Api::BuiltIn;
    NetworkPolicy: "networking.k8s.io" "v1" "networkpolicies", Namespace Prerequisites IfUsed None AfterPods Background Mutable, Api::BuiltIn;
    Route: "route.openshift.io" "v1" "routes", Namespace Prerequisites IfUsed None WithWorkload Background Mutable, Api::Custom {
        remedy: "Routes exist only in OpenShift. Remove `services.openshift.routes`, and use an Ingress, a \
                 Gateway route or `service = { type = \"LoadBalancer\" }` instead.",
    };
    ServiceMonitor: "monitoring.coreos.com" "v1" "servicemonitors", Namespace Prerequisites IfUsed None WithWorkload Background Mutable, Api::Custom {
        remedy: "Install the Prometheus Operator (`helm install monitoring prometheus-community/kube-prometheus-stack`; \
                 https://prometheus-operator.dev/docs/getting-started/installation/ lists other ways), or remove \
                 `services.service_monitor`.",
    };
    Job: "batch" "v1" "jobs", Namespace Preparation IfUsed Owned WithWorkload Foreground Immutable, Api::BuiltIn;
    Deployment: "apps" "v1" "deployments", Namespace Workload Always Servers WithWorkload Foreground Mutable, Api::BuiltIn;
    CronJob: "batch" "v1" "cronjobs", Namespace Workload IfUsed OwnedByJobs WithWorkload Foreground Mutable, Api::BuiltIn;
    PodDisruptionBudget: "policy" "v1" "poddisruptionbudgets", Namespace Workload IfUsed None WithWorkload Background Mutable, Api::BuiltIn;
    HorizontalPodAutoscaler: "autoscaling" "v2" "horizontalpodautoscalers", Namespace Autoscaler IfUsed None WithWorkload Background Mutable, Api::BuiltIn;
    ScaledObject: "keda.sh" "v1alpha1" "scaledobjects", Namespace Autoscaler IfUsed None WithWorkload Foreground Mutable, Api::Custom {
        remedy: "Install KEDA (`helm install keda kedacore/keda --namespace keda --create-namespace`; \
                 https://keda.sh/docs/deploy/ lists other ways), or use `services.scaling.autoscaling` instead of \
                 `services.scaling.keda`, which needs no installation.",
    };
}

impl Kind {
    /// The name of the kind, such as `Deployment`.
    pub const fn as_str(self) -> &'static str {
        self.info().name
    }

    /// The resource name in URLs and in RBAC rules, such as `deployments`.
    pub const fn plural(self) -> &'static str {
        self.info().plural
    }

    /// The `apiVersion` of objects of the kind, such as `apps/v1`.
    pub fn api_version(self) -> String {
        let KindInfo { group, version, .. } = self.info();
        match group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        }
    }

    pub const fn scope(self) -> Scope {
        self.info().scope
    }

    pub const fn tier(self) -> Tier {
        self.info().tier
    }

    pub const fn access(self) -> Access {
        self.info().access
    }

    pub const fn pods(self) -> Pods {
        self.info().pods
    }

    pub const fn removal(self) -> Removal {
        self.info().removal
    }

    pub const fn propagation(self) -> Propagation {
        self.info().propagation
    }

    pub const fn mutability(self) -> Mutability {
        self.info().mutability
    }

    /// Returns whether it is the kind of a custom resource, which a cluster need not serve.
    pub const fn is_custom(self) -> bool {
        matches!(self.info().api, Api::Custom { .. })
    }
}

/// The kind and name of an object of a feature store, formatted as `Kind/name`.
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

    /// Parses `Kind/name`. Returns `None` for a kind that is not in the table.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        let kind = Kind::ALL.iter().find(|known| known.as_str() == kind)?;
        Some(Self::new(*kind, name))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_round_trip() {
        for kind in Kind::ALL {
            let key = Key::new(*kind, "feast-x");
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
        assert_eq!(Key::parse("Pod/x"), None);
        assert_eq!(Key::parse("Secret"), None);
    }

    #[test]
    fn kinds_have_unique_names_and_resources() {
        let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        let resources = Kind::ALL.iter().map(|kind| {
            let KindInfo { group, plural, .. } = kind.info();
            (group, plural)
        });
        let resources: BTreeSet<_> = resources.collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert_eq!(resources.len(), Kind::ALL.len());
    }

    #[test]
    fn api_versions_of_the_core_group_have_no_slash() {
        let versions = [Kind::Secret, Kind::Deployment, Kind::ScaledObject].map(Kind::api_version);
        assert_eq!(versions, ["v1", "apps/v1", "keda.sh/v1alpha1"]);
    }
}
