//! The permissions of the account, by SelfSubjectAccessReviews.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::try_join_all;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::cluster::error::Error;
use crate::cluster::request::Request;
use crate::cluster::resource::{PODS, Resource, SELF_SUBJECT_ACCESS_REVIEWS};
use crate::cluster::single_flight::SingleFlight;
use crate::cluster::{Cluster, StoreName};
use crate::feast::names;
use crate::kubernetes::kind::{Kind, Scope};

/// The verbs that an apply, a refresh and a destroy need for each kind of object.
const OBJECT_VERBS: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];
/// Cluster-scoped objects are never listed.
const CLUSTER_VERBS: [&str; 4] = ["get", "create", "patch", "delete"];

/// A permission as an RBAC rule grants it, formatted as `create deployments.apps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    pub group: &'static str,
    pub resource: &'static str,
    pub verb: &'static str,
    /// True if only a ClusterRole can grant it.
    pub is_cluster_wide: bool,
}

impl Permission {
    fn new(resource: Resource, verb: &'static str) -> Self {
        Self {
            group: resource.group,
            resource: resource.plural,
            verb,
            is_cluster_wide: resource.scope == Scope::Cluster,
        }
    }

    /// The permission to check pods by a dry run, which an apply does not need.
    fn to_check_pods() -> Self {
        Self::new(PODS, "create")
    }

    fn attributes(self, scope: &ReviewScope) -> Json {
        let mut attributes =
            json!({"group": self.group, "resource": self.resource, "verb": self.verb});
        match scope {
            ReviewScope::Cluster => {}
            ReviewScope::Namespace(namespace) => attributes["namespace"] = json!(namespace),
            ReviewScope::Object(name) => attributes["name"] = json!(name),
        }
        attributes
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            resource,
            verb,
            ..
        } = self;
        match *group {
            "" => write!(f, "{verb} {resource}"),
            group => write!(f, "{verb} {resource}.{group}"),
        }
    }
}

/// Returns the permissions that a feature store with objects of these kinds needs.
fn needed(kinds: &BTreeSet<Kind>) -> BTreeSet<Permission> {
    let objects = kinds.iter().flat_map(|kind| {
        let verbs = match kind.scope() {
            Scope::Namespace => OBJECT_VERBS.as_slice(),
            Scope::Cluster => CLUSTER_VERBS.as_slice(),
        };
        let resource = Resource::from(*kind);
        verbs
            .iter()
            .map(move |verb| Permission::new(resource, verb))
    });
    let pods = ["list", "watch"].map(|verb| Permission::new(PODS, verb));
    objects.chain(pods).collect()
}

/// The objects that a review is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum ReviewScope {
    /// All objects of the resource.
    Cluster,
    /// All objects of the resource in this namespace.
    Namespace(String),
    /// The cluster-scoped object with this name. Rules with `resourceNames` grant nothing else.
    Object(String),
}

/// The answer to a review, once there is one.
type ReviewResult = Arc<SingleFlight<bool, Error>>;

/// The answers of one connection, which feature stores share.
#[derive(Default)]
pub(in crate::cluster) struct Reviews(Mutex<BTreeMap<(ReviewScope, Permission), ReviewResult>>);

impl Reviews {
    fn answer(&self, scope: ReviewScope, permission: Permission) -> ReviewResult {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.entry((scope, permission)).or_default().clone()
    }
}

impl Cluster {
    /// Returns the permissions that the account lacks for a feature store with objects of these kinds.
    ///
    /// # Errors
    ///
    /// The API server does not answer, or does not review permissions.
    pub async fn missing_permissions(
        &self,
        store: &StoreName,
        kinds: &BTreeSet<Kind>,
        cancel: &CancellationToken,
    ) -> Result<Vec<Permission>, Error> {
        let reviews = needed(kinds).into_iter().map(|permission| async move {
            let is_granted = match permission.is_cluster_wide {
                true => {
                    self.is_granted_for_cluster(store, permission, cancel)
                        .await?
                }
                false => {
                    let scope = ReviewScope::Namespace(store.namespace.clone());
                    self.is_granted(scope, permission, cancel).await?
                }
            };
            Ok::<_, Error>((!is_granted).then_some(permission))
        });
        let missing = try_join_all(reviews).await?;
        Ok(missing.into_iter().flatten().collect())
    }

    pub(super) async fn may_check_pods(
        &self,
        namespace: &str,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        let scope = ReviewScope::Namespace(namespace.to_owned());
        let permission = Permission::to_check_pods();
        self.is_granted(scope, permission, cancel).await
    }

    /// Asks about all objects first, because feature stores share that answer.
    async fn is_granted_for_cluster(
        &self,
        store: &StoreName,
        permission: Permission,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        if (self.is_granted(ReviewScope::Cluster, permission, cancel)).await? {
            return Ok(true);
        }
        let name = names::token_review(&store.name, &store.namespace);
        let scope = ReviewScope::Object(name);
        self.is_granted(scope, permission, cancel).await
    }

    async fn is_granted(
        &self,
        scope: ReviewScope,
        permission: Permission,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        let attributes = permission.attributes(&scope);
        let answer = self.inner.reviews.answer(scope, permission);
        let is_granted = answer.get_or_create(|| async {
            let review = json!({
                "apiVersion": SELF_SUBJECT_ACCESS_REVIEWS.api_version(),
                "kind": SELF_SUBJECT_ACCESS_REVIEWS.kind,
                "spec": {"resourceAttributes": attributes},
            });
            let request = Request::check(SELF_SUBJECT_ACCESS_REVIEWS, "", review);
            let reviewed = self.send(request, cancel).await?;
            Ok(reviewed["status"]["allowed"] == true)
        });
        is_granted.await.copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    #[tokio::test]
    async fn missing_permissions_are_asked_for_once() {
        let (sender, mut questions) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            assert_eq!(
                it.line,
                "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            );
            let asked = it.body["spec"]["resourceAttributes"].clone();
            // The account can get and patch only the ClusterRole of this feature store.
            let by_name = asked["name"] == "feast:ns:demo:token-review"
                && (asked["verb"] == "get" || asked["verb"] == "patch");
            let denied = match asked["resource"].as_str() {
                Some("clusterroles") => !by_name,
                _ => asked["verb"] == "delete",
            };
            sender.send(asked).unwrap();
            Reply::Answer(201, json!({"status": {"allowed": !denied}}))
        });
        let cluster = cluster.await;
        let kinds = BTreeSet::from([Kind::Deployment, Kind::ClusterRole]);
        let cancel = CancellationToken::new();
        let store = StoreName {
            namespace: "ns".into(),
            name: "demo".into(),
        };
        for _ in 0..2 {
            let missing = cluster.missing_permissions(&store, &kinds, &cancel).await;
            let missing = missing.unwrap();
            let texts: Vec<String> = missing.iter().map(Permission::to_string).collect();
            assert_eq!(
                texts,
                [
                    "delete deployments.apps",
                    "create clusterroles.rbac.authorization.k8s.io",
                    "delete clusterroles.rbac.authorization.k8s.io",
                ]
            );
        }
        questions.close();
        let mut asked = Vec::new();
        while let Some(question) = questions.recv().await {
            asked.push(question);
        }
        assert_eq!(asked.len(), 6 + 4 + 4 + 2);
        let is_about_cluster = |it: &&Json| it.get("namespace").is_none();
        assert_eq!(asked.iter().filter(is_about_cluster).count(), 8);
        let create = json!({"group": "apps", "resource": "deployments", "verb": "create", "namespace": "ns"});
        assert!(asked.contains(&create), "{asked:?}");
    }

    /// The account has no permission to ask.
    #[tokio::test]
    async fn waiting_feature_stores_share_an_error() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |_| {
            sender.send(()).unwrap();
            Reply::Answer(
                403,
                json!({"kind": "Status", "status": "Failure", "code": 403}),
            )
        });
        let (cluster, cancel) = (cluster.await, CancellationToken::new());
        let ask = || cluster.may_check_pods("ns", &cancel);
        let answers = tokio::join!(ask(), ask());
        assert!(answers.0.is_err() && answers.1.is_err());
        assert_eq!(receiver.len(), 1);
        ask().await.unwrap_err();
        assert_eq!(receiver.len(), 2);
    }
}
