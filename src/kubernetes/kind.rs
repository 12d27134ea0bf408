//! The kinds of object that the provider manages: one row each.

use std::fmt;

/// The facts about a kind of object that the provider needs.
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
    pub api: Api,
}

/// Where an object of a kind lives.
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

/// When the provider needs access to a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For every feature store.
    Always,
    /// Only for a feature store that has, or had, an object of the kind.
    IfUsed,
}

/// The availability of the API of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    BuiltIn,
    /// The API of a custom resource, which a cluster may not have.
    Custom {
        /// How to get it, as sentences of an error message.
        remedy: &'static str,
    },
}

/// Defines [`Kind`] and its table from one row a kind, so that no kind can be without a row.
macro_rules! kinds {
    ($($name:ident: $group:literal $version:literal $plural:literal, $scope:ident, $tier:ident, $access:ident, $api:expr;)*) => {
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
                        api: $api,
                    },)*
                }
            }
        }
    };
}

kinds! {
    ServiceAccount: "" "v1" "serviceaccounts", Namespace, Prerequisites, Always, Api::BuiltIn;
    Role: "rbac.authorization.k8s.io" "v1" "roles", Namespace, Prerequisites, IfUsed, Api::BuiltIn;
    RoleBinding: "rbac.authorization.k8s.io" "v1" "rolebindings", Namespace, Prerequisites, IfUsed, Api::BuiltIn;
    ClusterRole: "rbac.authorization.k8s.io" "v1" "clusterroles", Cluster, Prerequisites, IfUsed, Api::BuiltIn;
    ClusterRoleBinding: "rbac.authorization.k8s.io" "v1" "clusterrolebindings", Cluster, Prerequisites, IfUsed, Api::BuiltIn;
    Secret: "" "v1" "secrets", Namespace, Prerequisites, Always, Api::BuiltIn;
    ConfigMap: "" "v1" "configmaps", Namespace, Prerequisites, Always, Api::BuiltIn;
    PersistentVolumeClaim: "" "v1" "persistentvolumeclaims", Namespace, Prerequisites, Always, Api::BuiltIn;
    Service: "" "v1" "services", Namespace, Prerequisites, Always, Api::BuiltIn;
    Job: "batch" "v1" "jobs", Namespace, Preparation, IfUsed, Api::BuiltIn;
    Deployment: "apps" "v1" "deployments", Namespace, Workload, Always, Api::BuiltIn;
    CronJob: "batch" "v1" "cronjobs", Namespace, Workload, IfUsed, Api::BuiltIn;
    PodDisruptionBudget: "policy" "v1" "poddisruptionbudgets", Namespace, Workload, IfUsed, Api::BuiltIn;
    HorizontalPodAutoscaler: "autoscaling" "v2" "horizontalpodautoscalers", Namespace, Autoscaler, IfUsed, Api::BuiltIn;
    ScaledObject: "keda.sh" "v1alpha1" "scaledobjects", Namespace, Autoscaler, IfUsed, Api::Custom {
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

    /// Returns whether it is the kind of a custom resource, which a cluster may not serve.
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

    /// Reads `Kind/name`. Returns `None` for a kind that is not in the table.
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
    fn a_key_is_read_as_it_is_written() {
        for kind in Kind::ALL {
            let key = Key::new(*kind, "feast-x");
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
        assert_eq!(Key::parse("Pod/x"), None);
        assert_eq!(Key::parse("Secret"), None);
    }

    #[test]
    fn names_and_resources_are_unique() {
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
    fn api_versions_have_no_slash_in_the_core_group() {
        let versions = [Kind::Secret, Kind::Deployment, Kind::ScaledObject].map(Kind::api_version);
        assert_eq!(versions, ["v1", "apps/v1", "keda.sh/v1alpha1"]);
    }
}
