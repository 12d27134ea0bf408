//! Where the objects are in the API: groups, versions, plural names, URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use crate::kubernetes::kind::{Kind, KindInfo, Scope};

/// All but RFC 3986's unreserved characters.
const ESCAPED: AsciiSet = (NON_ALPHANUMERIC.remove(b'-').remove(b'.'))
    .remove(b'_')
    .remove(b'~');

/// One kind of the Kubernetes API, as far as requests need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    pub plural: &'static str,
    pub kind: &'static str,
    pub scope: Scope,
}

/// The pods of a Deployment: looked at, never written.
pub(super) const PODS: Resource = Resource {
    group: "",
    version: "v1",
    plural: "pods",
    kind: "Pod",
    scope: Scope::Namespace,
};

/// What Kubernetes has to say about an object: looked at where that is allowed.
pub(super) const EVENTS: Resource = Resource {
    plural: "events",
    kind: "Event",
    ..PODS
};

/// Received for one of them only, to tell the cluster by.
pub(super) const NAMESPACES: Resource = Resource {
    plural: "namespaces",
    kind: "Namespace",
    scope: Scope::Cluster,
    ..PODS
};

/// The Feast operator's custom resource, in the versions that it has been served in, the newer first.
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

impl Resource {
    /// Returns whether the API is not Kubernetes's own, so that a cluster need not have it.
    pub fn is_custom(self) -> bool {
        self.group.contains('.') && !self.group.ends_with(".k8s.io")
    }

    /// The path and query of a request; the namespace counts only for what lives in one.
    pub fn url(self, namespace: &str, name: Option<&str>, query: &[(&str, &str)]) -> String {
        self.path(namespace, name) + &written(query)
    }

    /// The path and query of a request for a part of one object, such as a pod's log.
    pub fn subresource_url(
        self,
        namespace: &str,
        name: &str,
        part: &str,
        query: &[(&str, &str)],
    ) -> String {
        format!(
            "{}/{part}{}",
            self.path(namespace, Some(name)),
            written(query)
        )
    }

    fn path(self, namespace: &str, name: Option<&str>) -> String {
        let mut url = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if self.scope == Scope::Namespace {
            url.push_str("/namespaces/");
            url.extend(escape(namespace));
        }
        url.push('/');
        url.push_str(self.plural);
        if let Some(name) = name {
            url.push('/');
            url.extend(escape(name));
        }
        url
    }

    pub fn api_version(self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// For kube's watcher.
    pub fn api_resource(self) -> kube::core::ApiResource {
        kube::core::ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}

fn written(query: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (position, (key, value)) in query.iter().enumerate() {
        text.push(if position == 0 { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        text.extend(escape(value));
    }
    text
}

fn escape(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, &ESCAPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert_eq!(
            PODS.subresource_url("ns", "p", "log", &[("previous", "true")]),
            "/api/v1/namespaces/ns/pods/p/log?previous=true"
        );
        assert_eq!(
            Resource::from(Kind::Deployment).url(
                "ns",
                Some("feast-x"),
                &[("fieldManager", "a b"), ("force", "true")]
            ),
            "/apis/apps/v1/namespaces/ns/deployments/feast-x?fieldManager=a%20b&force=true"
        );
        assert_eq!(
            Resource::from(Kind::Secret).url(
                "../kube-system",
                None,
                &[("labelSelector", "feast.dev/name=x,a=b")]
            ),
            "/api/v1/namespaces/..%2Fkube-system/secrets?labelSelector=feast.dev%2Fname%3Dx%2Ca%3Db"
        );
        assert_eq!(
            Resource::from(Kind::ClusterRole).url("ns", Some("feast:ns:x"), &[]),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/feast%3Ans%3Ax"
        );
    }
}
