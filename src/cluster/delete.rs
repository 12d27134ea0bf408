//! Deletes a feature store, and waits until its objects are gone.

mod stalled;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use futures::future::join_all;
use kube::api::{DeleteParams, Preconditions, PropagationPolicy};
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::apply::is_terminating;
use super::error::{Error, Reason, Verb};
use super::operator::{is_managed_by_operator, is_owned_by_custom_resource};
use super::request::{Call, Request};
use super::resource::{PODS, Resource};
use super::watch::{Unfinished, last_observation};
use super::{Cluster, PvcPolicy, StoreName};
use crate::feast::names::{self, MANAGED_BY, MANAGED_BY_LABEL};
use crate::kubernetes::kind::{Key, Kind, Pods, Propagation, Removal};
use stalled::join_pods;

pub use stalled::StalledDeletion;
pub(super) use stalled::deletion_facts;

/// The number of attempts of a DELETE that the API server answers with a conflict although the object is the same.
const DELETE_ATTEMPTS: u32 = 5;
/// The pause after the first conflict; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The objects after a deletion, which can have failed in part.
#[derive(Default)]
pub struct Deletion {
    /// PersistentVolumeClaims that were kept for their data.
    pub kept: Vec<Key>,
    /// Objects that should be gone and still exist, as last returned by the API server.
    pub remaining: BTreeMap<Key, Json>,
    pub errors: Vec<Error>,
}

/// Shows names only, because the objects can contain a Secret.
impl fmt::Debug for Deletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deletion")
            .field("kept", &self.kept)
            .field("remaining", &self.remaining.keys())
            .field("errors", &self.errors)
            .finish()
    }
}

/// The end of a wait for deletions.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    pub at: Instant,
    /// The timeout that ends then, for error messages.
    pub timeout: Duration,
}

impl Deadline {
    pub fn after(timeout: Duration) -> Self {
        Self {
            at: Instant::now() + timeout,
            timeout,
        }
    }
}

impl Cluster {
    /// Deletes every object of the feature store, found by its labels or by a key in `known`: first the workloads,
    /// the autoscaler and the Services, then, when the pods are gone, the objects that they used ([`Removal`]). Ignores
    /// objects that are gone already.
    ///
    /// # Errors
    ///
    /// The objects could not be read, or the Feast operator's custom resource owns one. Nothing was deleted.
    pub async fn delete(
        &self,
        store: &StoreName,
        known: &BTreeSet<Key>,
        pvc_policy: &PvcPolicy,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<Deletion, Error> {
        let deadline = Deadline::after(timeout);
        let deletion = self.select_for_deletion(store, known, pvc_policy, cancel);
        let deletion = deletion.await?;
        let lineage = Key::new(Kind::Deployment, names::lineage(&store.name));
        let mut pods = vec![store.name.clone()];
        if deletion.remaining.contains_key(&lineage) {
            pods.push(names::lineage_label(&store.name));
        }
        let mut deleter = Deleter {
            cluster: self,
            store,
            deadline,
            cancel,
            deletion,
            terminating: BTreeSet::new(),
        };
        deleter.request_step(Removal::WithWorkload).await;
        // The garbage collector removes a Deployment some time after its pods. The wait for pods knows those of servers
        // with the label of this provider, and not those of Jobs or of a Deployment of the Feast operator.
        let has_known_pods = |key: &Key, live: &Json| {
            key.kind.pods() == Pods::Servers
                && live["metadata"]["labels"][MANAGED_BY_LABEL] == MANAGED_BY
        };
        deleter
            .wait_until_gone(|key, live| !has_known_pods(key, live))
            .await;
        let pods = deleter.wait_for_pods(&pods).await;
        if pods.is_ok() {
            deleter.request_step(Removal::AfterPods).await;
        }
        deleter.wait_until_gone(|_, _| true).await;
        // The error about a workload names its pods.
        if let Err(error) = pods
            && deleter.ok_so_far()
        {
            deleter.deletion.errors.push(error);
        }
        Ok(deleter.deletion)
    }

    /// Returns the objects to delete as `remaining`, and the PersistentVolumeClaims to keep.
    async fn select_for_deletion(
        &self,
        store: &StoreName,
        known: &BTreeSet<Key>,
        pvc_policy: &PvcPolicy,
        cancel: &CancellationToken,
    ) -> Result<Deletion, Error> {
        let mut deletion = Deletion::default();
        for (key, live) in self.read_before_delete(store, known, cancel).await? {
            let is_known = known.contains(&key);
            if is_known && is_owned_by_custom_resource(&live, store) {
                // The PersistentVolumeClaims would be deleted with the custom resource, whatever the policy is.
                return Err(self.object_error(Verb::Delete, store, &key, Reason::OwnedByOperator));
            }
            let is_ours = self.is_ours(store, &live, is_known)
                || is_known && is_managed_by_operator(&live, store);
            if !is_ours || pvc_policy.is_external(&key) {
                continue;
            }
            match pvc_policy.retains(&key) {
                // Its deletion was requested before.
                true if is_terminating(&live) => {}
                true => deletion.kept.push(key),
                false => drop(deletion.remaining.insert(key, live)),
            }
        }
        Ok(deletion)
    }

    /// Waits until the object with the UID of `live` is gone. `verb` is the operation that needs this.
    pub(super) async fn wait_until_deleted(
        &self,
        verb: Verb,
        store: &StoreName,
        key: &Key,
        live: &Json,
        Deadline { at, timeout }: Deadline,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let interruption = match self.watch_deletion(store, key, live, at, cancel).await {
            Ok(()) => return Ok(()),
            Err(Unfinished::Failed(error)) => return Err(error),
            Err(Unfinished::TimedOut { interruption }) => interruption,
        };
        let stalled = self.stalled_deletion(store, key, live, timeout, interruption);
        match stalled.await {
            Some(reason) => Err(self.object_error(verb, store, key, reason)),
            None => Ok(()),
        }
    }

    /// Deletes the object with the UID of `live`, and no later object of the same name.
    pub(super) async fn delete_one(
        &self,
        store: &StoreName,
        key: &Key,
        live: &Json,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let deleted = self.send_delete(store, key, live, cancel).await;
        deleted.map(|_| ())
    }

    /// Requests the deletion of the object with the UID and the version of `live`.
    ///
    /// # Errors
    ///
    /// [`Reason::Stale`] if the object has changed. Otherwise, the request is rejected.
    pub(super) async fn delete_version(
        &self,
        store: &StoreName,
        key: &Key,
        live: &Json,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let mut request = delete_request(store, key, live);
        if let Call::Delete(DeleteParams {
            preconditions: Some(preconditions),
            ..
        }) = &mut request.call
        {
            let version = live["metadata"]["resourceVersion"].as_str();
            preconditions.resource_version = version.map(str::to_owned);
        }
        match self.send(request, cancel).await {
            Err(error) if error.is_not_found() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Requests the deletion of the object with the UID of `live`. Returns whether it is gone; if it is not, finalizers
    /// or the garbage collector have to finish.
    ///
    /// After a conflict the object is read again. It is gone if it does not exist or has another UID; otherwise the
    /// request is repeated.
    ///
    /// # Errors
    ///
    /// The request is rejected, or answered with a conflict [`DELETE_ATTEMPTS`] times while the object is the same.
    async fn send_delete(
        &self,
        store: &StoreName,
        key: &Key,
        live: &Json,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let conflict = match self.send(delete_request(store, key, live), cancel).await {
                Ok(answer) => {
                    let finalizers = answer["metadata"]["finalizers"].as_array();
                    return Ok(finalizers.is_none_or(Vec::is_empty));
                }
                Err(error) if error.is_not_found() => return Ok(true),
                Err(error) if error.is_stale() => error,
                Err(error) => return Err(error),
            };
            match self.get(&store.namespace, key, cancel).await? {
                None => return Ok(true),
                Some(now) if now["metadata"]["uid"] != live["metadata"]["uid"] => return Ok(true),
                Some(now) if is_terminating(&now) => return Ok(false),
                Some(_) if attempt == DELETE_ATTEMPTS => return Err(conflict),
                Some(_) => {}
            }
            tracing::info!("deleting {key} again after a conflict");
            tokio::select! {
                () = tokio::time::sleep(pause) => pause *= 2,
                () = cancel.cancelled() => return Err(self.object_error(Verb::Delete, store, key, Reason::Cancelled)),
            }
        }
        unreachable!("the last attempt returns")
    }
}

/// Returns the request that deletes the object with the UID of `live`.
fn delete_request<'a>(store: &'a StoreName, key: &'a Key, live: &Json) -> Request<'a> {
    let propagation_policy = match key.kind.propagation() {
        Propagation::Foreground => PropagationPolicy::Foreground,
        Propagation::Background => PropagationPolicy::Background,
    };
    let preconditions = Preconditions {
        uid: live["metadata"]["uid"].as_str().map(str::to_owned),
        resource_version: None,
    };
    Request {
        verb: Verb::Delete,
        resource: Resource::from(key.kind),
        namespace: &store.namespace,
        name: Some(&key.name),
        call: Call::Delete(DeleteParams {
            propagation_policy: Some(propagation_policy),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        }),
    }
}

/// A deletion in progress.
struct Deleter<'a> {
    cluster: &'a Cluster,
    store: &'a StoreName,
    deadline: Deadline,
    cancel: &'a CancellationToken,
    deletion: Deletion,
    /// The objects of `deletion.remaining` whose deletion was requested.
    terminating: BTreeSet<Key>,
}

impl Deleter<'_> {
    /// Returns whether the next step can begin.
    fn ok_so_far(&self) -> bool {
        self.deletion.errors.is_empty()
    }

    /// Requests the deletion of the objects of a step, in parallel. A failure does not stop the others.
    async fn request_step(&mut self, step: Removal) {
        if !self.ok_so_far() {
            return;
        }
        let (cluster, store, cancel) = (self.cluster, self.store, self.cancel);
        let remaining = self.deletion.remaining.iter();
        let of_step = remaining.filter(|(key, _)| key.kind.removal() == step);
        let requested = join_all(of_step.map(|(key, live)| async move {
            (
                key.clone(),
                cluster.send_delete(store, key, live, cancel).await,
            )
        }));
        for (key, result) in requested.await {
            match result {
                Ok(true) => drop(self.deletion.remaining.remove(&key)),
                Ok(false) => drop(self.terminating.insert(key)),
                Err(error) => self.deletion.errors.push(error),
            }
        }
    }

    /// Waits until those of the selected objects are gone whose deletion was requested, in parallel. Waits for them
    /// even after the deletion of another object was refused.
    async fn wait_until_gone(&mut self, selected: impl Fn(&Key, &Json) -> bool) {
        let remaining = self.deletion.remaining.iter();
        let selected =
            remaining.filter(|(key, live)| selected(key, live) && self.terminating.contains(*key));
        let (cluster, store) = (self.cluster, self.store);
        let (deadline, cancel) = (self.deadline, self.cancel);
        let gone = join_all(selected.map(|(key, live)| async move {
            let deleted =
                cluster.wait_until_deleted(Verb::Delete, store, key, live, deadline, cancel);
            (key.clone(), deleted.await)
        }));
        for (key, result) in gone.await {
            self.terminating.remove(&key);
            match result {
                Ok(()) => drop(self.deletion.remaining.remove(&key)),
                Err(error) => self.deletion.errors.push(error),
            }
        }
    }

    /// Waits until no pod of the feature store is left, unless something has failed.
    async fn wait_for_pods(&self, labels: &[String]) -> Result<(), Error> {
        if !self.ok_so_far() {
            return Ok(());
        }
        let (cluster, store) = (self.cluster, self.store);
        let none = cluster.wait_until_none(PODS, store, labels, self.deadline.at, self.cancel);
        let (left, interruption) = match none.await {
            Ok(()) => return Ok(()),
            Err((_, Unfinished::Failed(error))) => return Err(error),
            Err((left, Unfinished::TimedOut { interruption })) => (left, interruption),
        };
        let pods = match left {
            Some(_) => cluster.remaining_pods(store, labels).await,
            None => None,
        };
        let interruption = interruption.as_deref();
        let reason = self.timed_out(match (left, pods) {
            (Some(_), Some(pods)) if pods.is_empty() => return Ok(()),
            (Some(_), Some(pods)) => {
                format!("these pods still exist: {}", join_pods(&pods))
            }
            (Some(left), None) => {
                let still = match left {
                    1 => "1 pod still exists".to_owned(),
                    _ => format!("{left} pods still exist"),
                };
                last_observation(still, interruption)
            }
            (None, _) => match interruption {
                Some(why) => format!("the pods could not be read ({why})"),
                None => "the pods could not be read".to_owned(),
            },
        });
        Err(cluster.error(Verb::Wait, PODS, &store.namespace, None, reason))
    }

    fn timed_out(&self, waiting_for: String) -> Reason {
        Reason::TimedOut {
            seconds: self.deadline.timeout.as_secs(),
            waiting_for,
            issues: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::feast::names::NAME_LABEL;

    /// Deletes a feature store, and returns why that has failed after an hour, which passes from the first message on.
    async fn timed_out(cluster: Cluster, receiver: &mut UnboundedReceiver<()>) -> Vec<String> {
        let (store, known) = (fake_api::store("x"), BTreeSet::new());
        let (pvc_policy, cancel) = (PvcPolicy::default(), CancellationToken::new());
        let timeout = Duration::from_secs(3600);
        let deleted = cluster.delete(&store, &known, &pvc_policy, timeout, &cancel);
        let (deletion, ()) = tokio::join!(deleted, fake_api::time_passes(receiver));
        let errors = deletion.unwrap().errors;
        let errors = errors.iter().map(|error| error.reason.to_string());
        errors.collect()
    }

    /// There are no objects, and the watch of the pods does not answer.
    #[tokio::test]
    async fn pods_that_could_not_be_read_are_not_counted() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            if it.line != "GET /api/v1/namespaces/ns/pods" {
                return Reply::Answer(200, json!({"items": []}));
            }
            sender.send(()).unwrap();
            Reply::Hang
        });
        assert_eq!(
            timed_out(cluster.await, &mut receiver).await,
            ["the pods could not be read after 3600 s"]
        );
    }

    /// The Service is being deleted when the API server stops answering.
    #[tokio::test]
    async fn an_outage_during_the_wait_is_named() {
        let live = live(Kind::Service, "feast-x-online");
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut out = false;
        let cluster = fake_api::cluster(move |it| {
            out |= it.line.starts_with("DELETE");
            match it.line.as_str() {
                "DELETE /api/v1/namespaces/ns/services/feast-x-online" => {
                    let mut live = live.clone();
                    live["metadata"]["finalizers"] =
                        json!(["service.kubernetes.io/load-balancer-cleanup"]);
                    Reply::Answer(200, live)
                }
                "GET /api/v1/namespaces/ns/services" if !out => {
                    Reply::Answer(200, json!({"items": [live]}))
                }
                _ if out => {
                    sender.send(()).unwrap();
                    Reply::Answer(
                        503,
                        json!({"kind": "Status", "message": "etcd is down", "reason": "ServiceUnavailable", "code": 503,
                            "details": {"retryAfterSeconds": 3600}}),
                    )
                }
                _ => Reply::Answer(200, json!({"items": []})),
            }
        });
        assert_eq!(
            timed_out(cluster.await, &mut receiver).await,
            ["the deletion is not confirmed (503 ServiceUnavailable: etcd is down) after 3600 s"]
        );
    }

    fn live(kind: Kind, name: &str) -> Json {
        json!({
            "apiVersion": kind.api_version(),
            "kind": kind.as_str(),
            "metadata": {
                "name": name, "namespace": "ns", "uid": "1", "resourceVersion": "1",
                "labels": {MANAGED_BY_LABEL: MANAGED_BY, NAME_LABEL: "x"},
            },
        })
    }

    /// The last pod is gone some time after the request to delete the Deployment, and the garbage collector removes the
    /// Deployment some time after that.
    #[tokio::test]
    async fn objects_of_pods_are_deleted_between_the_last_pod_and_the_deployment() {
        let deployment = live(Kind::Deployment, "feast-x");
        let pod = json!({"metadata": {"name": "feast-x-0", "namespace": "ns", "uid": "2", "labels": {
            MANAGED_BY_LABEL: MANAGED_BY, NAME_LABEL: "x",
        }}});
        let mut is_secret_deleted = false;
        let mut reads_of_pods = 0;
        let cluster = fake_api::cluster(move |it| {
            let items = |items: &[&Json]| {
                Reply::Answer(
                    200,
                    json!({"metadata": {"resourceVersion": "1"}, "items": items}),
                )
            };
            match it.line.as_str() {
                "DELETE /apis/apps/v1/namespaces/ns/deployments/feast-x" => {
                    let mut terminating = deployment.clone();
                    terminating["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
                    Reply::Answer(200, terminating)
                }
                "GET /api/v1/namespaces/ns/pods" => {
                    reads_of_pods += 1;
                    match reads_of_pods {
                        1 => items(&[&pod]),
                        // The watch that follows the list.
                        2 => Reply::Answer(200, json!({"type": "DELETED", "object": pod})),
                        _ => items(&[]),
                    }
                }
                "DELETE /api/v1/namespaces/ns/secrets/feast-x" => {
                    assert!(reads_of_pods > 1, "a pod is left");
                    is_secret_deleted = true;
                    Reply::Answer(200, json!({"kind": "Status", "status": "Success"}))
                }
                "GET /api/v1/namespaces/ns/secrets" => items(&[&live(Kind::Secret, "feast-x")]),
                "GET /apis/apps/v1/namespaces/ns/deployments" if !is_secret_deleted => {
                    items(&[&deployment])
                }
                _ => items(&[]),
            }
        });
        let (store, known) = (fake_api::store("x"), BTreeSet::new());
        let (pvc_policy, cancel) = (PvcPolicy::default(), CancellationToken::new());
        let timeout = Duration::from_secs(60);
        let cluster = cluster.await;
        let deleted = cluster.delete(&store, &known, &pvc_policy, timeout, &cancel);
        let deletion = deleted.await.unwrap();
        assert_eq!(
            (deletion.remaining, deletion.errors.len()),
            (BTreeMap::new(), 0)
        );
    }

    fn service(uid: &str, terminating: bool) -> Json {
        let mut live =
            json!({"metadata": {"name": "feast-x-online", "namespace": "ns", "uid": uid}});
        if terminating {
            live["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        live
    }

    fn conflict() -> Reply {
        Reply::Answer(409, json!({"kind": "Status", "message": "busy"}))
    }

    /// Deletes a Service with the UID `1`, with these replies of the API server. Returns the result and the methods of
    /// the requests.
    async fn deleted(
        replies: impl IntoIterator<Item = Reply>,
    ) -> (Result<bool, String>, Vec<String>) {
        let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter();
        let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            let method = it.line.split(' ').next().unwrap().to_owned();
            sender.send(method).unwrap();
            replies
                .next()
                .unwrap_or_else(|| match it.line.starts_with("DELETE") {
                    true => conflict(),
                    false => Reply::Answer(200, service("1", false)),
                })
        });
        let cluster = cluster.await;
        let key = Key::new(Kind::Service, "feast-x-online");
        let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
        let answer = cluster
            .send_delete(&store, &key, &service("1", false), &cancel)
            .await;
        let answer =
            answer.map_err(|error| format!("{} {}: {}", error.verb, error.target, error.reason));
        lines.close();
        let mut methods = Vec::new();
        while let Some(method) = lines.recv().await {
            methods.push(method);
        }
        (answer, methods)
    }

    #[tokio::test]
    async fn a_conflict_about_the_same_object_is_retried() {
        let replies = [
            conflict(),
            Reply::Answer(200, service("1", false)),
            Reply::Answer(200, json!({"kind": "Status", "status": "Success"})),
        ];
        let (answer, methods) = deleted(replies).await;
        assert_eq!(answer, Ok(true));
        assert_eq!(methods, ["DELETE", "GET", "DELETE"]);
    }

    #[tokio::test]
    async fn a_conflict_about_a_successor_or_no_object_means_gone() {
        let gone = Reply::Answer(404, json!({"kind": "Status", "message": "not found"}));
        for now in [Reply::Answer(200, service("2", false)), gone] {
            let (answer, methods) = deleted([conflict(), now]).await;
            assert_eq!(answer, Ok(true));
            assert_eq!(methods, ["DELETE", "GET"]);
        }
    }

    #[tokio::test]
    async fn a_conflict_about_a_terminating_object_is_not_retried() {
        let (answer, _) = deleted([conflict(), Reply::Answer(200, service("1", true))]).await;
        assert_eq!(answer, Ok(false));
    }

    #[tokio::test]
    async fn repeated_conflicts_are_an_error_about_the_object() {
        let (answer, methods) = deleted([]).await;
        let reason = "another client changed it at the same time: busy";
        assert_eq!(
            answer,
            Err(format!("delete Service/feast-x-online: {reason}"))
        );
        assert_eq!(methods, ["DELETE", "GET"].repeat(5));
    }
}
