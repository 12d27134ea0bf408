//! APIs that not every cluster has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason, Verb};
use super::request::Request;
use super::resource::{POD_METRICS, Resource, SECURITY_CONTEXT_CONSTRAINTS};
use super::{Cluster, StoreName};
use crate::kubernetes::kind::{Key, Kind};

/// The time limit of the question about metrics. While metrics-server is down, the API server answers 503, which is
/// retried for longer.
const METRICS_TIMEOUT: Duration = Duration::from_secs(5);

impl Cluster {
    /// Returns whether the cluster is an OpenShift cluster, which assigns users and groups to pods. `None` if the
    /// cluster does not say. Feature stores share the answer.
    pub async fn is_openshift(&self, cancel: &CancellationToken) -> Option<bool> {
        let asked = || async {
            let answer = self.serves(SECURITY_CONTEXT_CONSTRAINTS, cancel).await;
            answer.ok_or(())
        };
        let answer = self.inner.is_openshift.get_or_create(asked).await;
        answer.ok().copied()
    }

    /// Returns whether the cluster has the API from which a HorizontalPodAutoscaler reads CPU and memory usage. `None`
    /// if the cluster does not say in time. It is asked once; feature stores share the answer.
    pub async fn has_metrics_api(&self, cancel: &CancellationToken) -> Option<bool> {
        let asked = || async {
            let answer = self.serves(POD_METRICS, cancel);
            let answer = tokio::time::timeout(METRICS_TIMEOUT, answer).await;
            answer.ok().flatten()
        };
        *self.inner.has_metrics_api.get_or_init(asked).await
    }

    /// Returns whether the cluster has the API of a resource. `None` if the cluster does not say.
    async fn serves(&self, resource: Resource, cancel: &CancellationToken) -> Option<bool> {
        match self.send(Request::discovery(resource), cancel).await {
            Ok(_) => Some(true),
            Err(error) if error.is_not_found() || error.is_not_installed() => Some(false),
            Err(_) => None,
        }
    }

    /// Returns whether the cluster has the API of a custom resource. True if the cluster does not say.
    pub(super) async fn may_serve(&self, resource: Resource, cancel: &CancellationToken) -> bool {
        self.serves(resource, cancel).await.unwrap_or(true)
    }

    /// Returns an error for each of these objects whose API the cluster lacks. An object that exists has its API.
    pub(super) async fn missing_apis<'k>(
        &self,
        store: &StoreName,
        keys: impl Iterator<Item = &'k Key>,
        live: &BTreeMap<Key, Json>,
        cancel: &CancellationToken,
    ) -> Vec<Error> {
        let keys = keys.filter(|key| key.kind.is_custom() && !live.contains_key(*key));
        let keys: Vec<&Key> = keys.collect();
        let kinds: BTreeSet<Kind> = keys.iter().map(|key| key.kind).collect();
        let checks = kinds.into_iter().map(|kind| async move {
            let reason = self.missing_api(store, kind, cancel).await?;
            Some((kind, reason))
        });
        let missing: BTreeMap<Kind, Reason> =
            join_all(checks).await.into_iter().flatten().collect();
        let missing = keys.into_iter().filter_map(|key| {
            let reason = missing.get(&key.kind)?.clone();
            Some(self.object_error(Verb::Apply, store, key, reason))
        });
        missing.collect()
    }

    /// Ignores other errors, such as a missing permission: the apply itself reports them.
    async fn missing_api(
        &self,
        store: &StoreName,
        kind: Kind,
        cancel: &CancellationToken,
    ) -> Option<Reason> {
        let error = self.list_at_server(store, kind, cancel).await.err()?;
        error.is_not_installed().then_some(error.reason)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    #[tokio::test]
    async fn a_cluster_with_security_context_constraints_is_openshift() {
        let not_found =
            json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"});
        for (code, answer, expected, requests) in [
            (200, json!({"kind": "APIResourceList"}), Some(true), 1),
            (404, not_found, Some(false), 1),
            (
                403,
                json!({"kind": "Status", "status": "Failure", "code": 403}),
                None,
                2,
            ),
        ] {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            let cluster = fake_api::cluster(move |request| {
                sender.send(request.line.clone()).unwrap();
                Reply::Answer(code, answer.clone())
            });
            let cluster = cluster.await;
            for _ in 0..2 {
                let is_openshift = cluster.is_openshift(&CancellationToken::new()).await;
                assert_eq!(is_openshift, expected, "{code}");
            }
            for _ in 0..requests {
                let line = receiver.try_recv().unwrap();
                assert_eq!(line, "GET /apis/security.openshift.io/v1");
            }
            assert!(receiver.try_recv().is_err(), "{code}");
        }
    }

    #[tokio::test]
    async fn a_metrics_api_that_does_not_answer_is_not_missing() {
        let cancel = CancellationToken::new();
        let not_found = json!({"kind": "Status", "status": "Failure", "code": 404});
        for (code, answer, expected) in [
            (200, json!({"kind": "APIResourceList"}), true),
            (404, not_found, false),
        ] {
            let cluster = fake_api::cluster(move |request| {
                assert_eq!(request.line, "GET /apis/metrics.k8s.io/v1beta1");
                Reply::Answer(code, answer.clone())
            });
            let cluster = cluster.await;
            assert_eq!(cluster.has_metrics_api(&cancel).await, Some(expected));
        }
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |_| {
            sender.send(()).unwrap();
            Reply::Answer(
                503,
                json!({"kind": "Status", "status": "Failure", "code": 503}),
            )
        });
        let cluster = cluster.await;
        let start = tokio::time::Instant::now();
        let passing = fake_api::time_passes(&mut receiver);
        let (answer, ()) = tokio::join!(cluster.has_metrics_api(&cancel), passing);
        assert_eq!(answer, None);
        assert!(
            start.elapsed() < 2 * METRICS_TIMEOUT,
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test]
    async fn a_missing_api_is_asked_for_once_and_reported_for_each_object() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |request| {
            sender.send(request.line.clone()).unwrap();
            Reply::Answer(404, json!({"kind": "Status", "code": 404}))
        });
        let cluster = cluster.await;
        let keys = ["a", "b"].map(|name| Key::new(Kind::Route, name));
        let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
        let live = BTreeMap::new();
        let missing = cluster.missing_apis(&store, keys.iter(), &live, &cancel);
        let names = missing.await.into_iter().map(|error| error.target.name);
        assert_eq!(
            Vec::from_iter(names),
            ["a", "b"].map(|name| Some(name.to_owned()))
        );
        receiver.try_recv().unwrap();
        assert!(receiver.try_recv().is_err());
    }
}
