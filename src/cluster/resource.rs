//! Resources of the Kubernetes API: groups, versions, plural names and URLs.

use kube::api::DynamicObject;
use kube::core::ApiResource;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use crate::kubernetes::kind::{Kind, KindInfo, Scope};

/// All characters except the unreserved ones of RFC 3986.
const ESCAPED: AsciiSet = (NON_ALPHANUMERIC.remove(b'-').remove(b'.'))
    .remove(b'_')
    .remove(b'~');

/// A resource of the Kubernetes API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    pub plural: &'static str,
    pub kind: &'static str,
    pub scope: Scope,
}

/// Pods, which the provider only reads.
pub(super) const PODS: Resource = Resource {
    group: "",
    version: "v1",
    plural: "pods",
    kind: "Pod",
    scope: Scope::Namespace,
};

/// Events, which the provider reads where it is permitted.
pub(super) const EVENTS: Resource = Resource {
    plural: "events",
    kind: "Event",
    ..PODS
};

/// ResourceQuotas, which a preflight reads where it is permitted.
pub(super) const RESOURCE_QUOTAS: Resource = Resource {
    plural: "resourcequotas",
    kind: "ResourceQuota",
    ..PODS
};

/// The question whether the account has a permission, which every authenticated user can ask (`system:basic-user`).
pub(super) const SELF_SUBJECT_ACCESS_REVIEWS: Resource = Resource {
    group: "authorization.k8s.io",
    plural: "selfsubjectaccessreviews",
    kind: "SelfSubjectAccessReview",
    scope: Scope::Cluster,
    ..PODS
};

/// Namespaces. The provider reads single ones and never lists them.
pub(super) const NAMESPACES: Resource = Resource {
    plural: "namespaces",
    kind: "Namespace",
    scope: Scope::Cluster,
    ..PODS
};

/// The custom resource of the Feast operator in all its versions, the newest first.
pub(super) const FEATURE_STORES: [Resource; 2] = [FEATURE_STORE, FEATURE_STORE_ALPHA];

/// The API group of the Feast operator's custom resource.
pub(super) const FEAST_GROUP: &str = "feast.dev";

const FEATURE_STORE: Resource = Resource {
    group: FEAST_GROUP,
    plural: "featurestores",
    kind: "FeatureStore",
    ..PODS
};

const FEATURE_STORE_ALPHA: Resource = Resource {
    version: "v1alpha1",
    ..FEATURE_STORE
};

/// The policies by which OpenShift assigns users and groups to pods. The provider only asks whether there is such an
/// API.
pub(super) const SECURITY_CONTEXT_CONSTRAINTS: Resource = Resource {
    group: "security.openshift.io",
    plural: "securitycontextconstraints",
    kind: "SecurityContextConstraints",
    scope: Scope::Cluster,
    ..PODS
};

/// The CPU and memory usage of pods, which metrics-server serves to HorizontalPodAutoscalers. The provider only asks
/// whether there is such an API.
pub(super) const POD_METRICS: Resource = Resource {
    group: "metrics.k8s.io",
    version: "v1beta1",
    kind: "PodMetrics",
    ..PODS
};

impl From<Kind> for Resource {
    fn from(kind: Kind) -> Self {
        let KindInfo {
            name,
            group,
            version,
            plural,
            scope,
            ..
        } = kind.info();
        Self {
            group,
            version,
            plural,
            kind: name,
            scope,
        }
    }
}

/// Returns whether an API group is not part of Kubernetes: those of Kubernetes have no dot, or the suffix `.k8s.io`.
pub(super) fn is_custom(group: &str) -> bool {
    group.contains('.') && !group.ends_with(".k8s.io")
}

impl Resource {
    /// Returns whether the API is not part of Kubernetes, so that a cluster need not have it.
    pub fn is_custom(self) -> bool {
        is_custom(self.group)
    }

    /// Returns kube's builder of requests. The namespace counts only for a namespaced resource; an empty one stands for
    /// all namespaces.
    pub fn requests(self, namespace: &str) -> kube::core::Request {
        let namespace = escape(namespace).to_string();
        let namespace = match self.scope {
            Scope::Namespace if !namespace.is_empty() => Some(namespace.as_str()),
            Scope::Namespace | Scope::Cluster => None,
        };
        let path = <DynamicObject as kube::Resource>::url_path(&self.api_resource(), namespace);
        kube::core::Request::new(path)
    }

    pub fn api_version(self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Returns the resource as a type of kube.
    pub fn api_resource(self) -> ApiResource {
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}

/// Escapes a segment of a path, which kube does not: a name must not lead to another object.
pub(super) fn escape(segment: &str) -> PercentEncode<'_> {
    utf8_percent_encode(segment, &ESCAPED)
}
