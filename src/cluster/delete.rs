//! Taking a whole store away, and waiting until it is really gone.

mod stalled;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value as Json, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::apply::is_terminating;
use super::error::{Error, Reason, Verb};
use super::operator::{is_operated, is_owned};
use super::request::Request;
use super::resource::{PODS, Resource};
use super::watch::Unfinished;
use super::{Cluster, PvcPolicy, StoreName};
use crate::feast::names;
use crate::kubernetes::kind::Tier;
use crate::kubernetes::{Key, Kind};
use stalled::enumerated;

pub use stalled::StalledDeletion;

/// How often a DELETE is sent that the API server answers with a conflict, although the object is the same.
const DELETE_ATTEMPTS: u32 = 5;
/// The pause after the first conflict; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What is left after a deletion.
#[derive(Default)]
pub struct Deletion {
    /// Claims that were kept for their data.
    pub kept: Vec<Key>,
    /// What still exists though it should not, as it was last seen.
    pub remaining: BTreeMap<Key, Json>,
    pub errors: Vec<Error>,
}

/// Names only: among the objects may be a Secret.
impl fmt::Debug for Deletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deletion")
            .field("kept", &self.kept)
            .field("remaining", &self.remaining.keys())
            .field("errors", &self.errors)
            .finish()
    }
}

impl Cluster {
    /// Deletes every object of the store, found by label and by `known` key: the autoscaler and the
    /// Deployment first, and when their pods are gone, what the pods used. What is gone already is
    /// fine. `Err` means that nothing was deleted.
    pub async fn delete(
        &self,
        store: &StoreName,
        known: &BTreeSet<Key>,
        claims: &PvcPolicy,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<Deletion, Error> {
        let deadline = Instant::now() + timeout;
        let mut deletion = Deletion::default();
        for (key, live) in self.read_before_delete(store, known, cancel).await? {
            if known.contains(&key) && is_owned(&live, store) {
                // Its claims would go with the custom resource, whatever is said of them here.
                return Err(self.object_error(Verb::Delete, store, &key, Reason::Operated));
            }
            let known = known.contains(&key);
            if !(self.is_ours(store, &live, known) || known && is_operated(&live, store)) {
                continue;
            }
            if claims.is_external(&key) {
                continue;
            }
            if claims.retains(&key) {
                deletion.kept.push(key);
            } else {
                deletion.remaining.insert(key, live);
            }
        }
        let lineage = Key::new(Kind::Deployment, names::lineage(&store.name));
        let mut pods = vec![store.name.clone()];
        if deletion.remaining.contains_key(&lineage) {
            pods.push(names::lineage_label(&store.name));
        }
        let mut run = Run {
            cluster: self,
            store,
            timeout,
            deadline,
            cancel,
            deletion,
        };
        let used_by_pods = |key: &Key| key.kind.tier() == Tier::Prerequisites;
        run.take_away(|key| !used_by_pods(key)).await;
        run.wait_for_pods(&pods).await;
        run.take_away(used_by_pods).await;
        Ok(run.deletion)
    }

    /// Deletes this very object (by UID), not one that has taken its name since.
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

    /// Asks for the deletion of this very object. Returns whether it is gone already; if not, finalizers or the garbage
    /// collector still have to finish.
    ///
    /// A conflict says nothing about the object: it is read again. It is gone if it does not exist or has another UID;
    /// otherwise the request is repeated.
    ///
    /// # Errors
    ///
    /// The request is refused, or is answered with a conflict [`DELETE_ATTEMPTS`] times while the object is the same.
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
                Err(Error {
                    reason: Reason::NotFound,
                    ..
                }) => return Ok(true),
                Err(error) if matches!(error.reason, Reason::Stale { .. }) => error,
                Err(error) => return Err(error),
            };
            match self.get(&store.namespace, key, cancel).await? {
                None => return Ok(true),
                Some(now) if now["metadata"]["uid"] != live["metadata"]["uid"] => return Ok(true),
                Some(now) if is_terminating(&now) => return Ok(false),
                Some(_) if attempt == DELETE_ATTEMPTS => return Err(conflict),
                Some(_) => {}
            }
            tracing::info!("the deletion of {key} met a conflict, and is requested again");
            tokio::select! {
                () = tokio::time::sleep(pause) => pause *= 2,
                () = cancel.cancelled() => return Err(self.object_error(Verb::Delete, store, key, Reason::Cancelled)),
            }
        }
        unreachable!("the last attempt returns")
    }
}

/// Deletes this very object, by its UID.
fn delete_request<'a>(store: &'a StoreName, key: &'a Key, live: &Json) -> Request<'a> {
    // What has pods stays until they are gone, so that there is something to wait for.
    let propagation = match key.kind {
        Kind::Deployment | Kind::Job | Kind::CronJob => "Foreground",
        _ => "Background",
    };
    Request {
        verb: Verb::Delete,
        resource: Resource::from(key.kind),
        namespace: &store.namespace,
        name: Some(&key.name),
        query: Vec::new(),
        body: Some(json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": live["metadata"]["uid"]},
        })),
    }
}

/// One deletion on its way.
struct Run<'a> {
    cluster: &'a Cluster,
    store: &'a StoreName,
    timeout: Duration,
    deadline: Instant,
    cancel: &'a CancellationToken,
    deletion: Deletion,
}

impl Run<'_> {
    /// Whether the next step may be begun.
    fn goes_on(&self) -> bool {
        self.deletion.errors.is_empty()
    }

    /// Deletes the selected objects in parallel, and waits until they are gone. All of them are tried, whatever fails.
    async fn take_away(&mut self, selected: impl Fn(&Key) -> bool) {
        if !self.goes_on() {
            return;
        }
        let remaining = self.deletion.remaining.iter();
        let run = &*self;
        let ended = join_all(
            remaining
                .filter(|(key, _)| selected(key))
                .map(|(key, live)| async move { (key.clone(), run.one(key, live).await) }),
        );
        for (key, result) in ended.await {
            match result {
                Ok(()) => {
                    self.deletion.remaining.remove(&key);
                }
                Err(error) => self.deletion.errors.push(error),
            }
        }
    }

    async fn one(&self, key: &Key, live: &Json) -> Result<(), Error> {
        let (cluster, store) = (self.cluster, self.store);
        if cluster.send_delete(store, key, live, self.cancel).await? {
            return Ok(());
        }
        let gone = cluster.wait_deleted(store, key, live, self.deadline, self.cancel);
        match gone.await {
            Ok(()) => Ok(()),
            Err(Unfinished::Failed(error)) => Err(error),
            Err(Unfinished::TimedOut) => {
                let stalled = cluster.stalled_deletion(store, key, live, self.timeout);
                match stalled.await {
                    Some(reason) => Err(cluster.object_error(Verb::Delete, store, key, reason)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Pods of the store normally go before their Deployment does; this is for those that were orphaned.
    async fn wait_for_pods(&mut self, labels: &[String]) {
        if !self.goes_on() {
            return;
        }
        let (cluster, store) = (self.cluster, self.store);
        let none = cluster.wait_until_none(PODS, store, labels, self.deadline, self.cancel);
        let error = match none.await {
            Ok(()) => return,
            Err((_, Unfinished::Failed(error))) => error,
            Err((left, Unfinished::TimedOut)) => {
                let pods = match left {
                    Some(_) => cluster.remaining_pods(store, labels).await,
                    None => None,
                };
                let reason = self.timed_out(match (left, pods) {
                    (Some(_), Some(pods)) if pods.is_empty() => return,
                    (Some(_), Some(pods)) => {
                        format!("these pods still exist: {}", enumerated(&pods))
                    }
                    (Some(left), None) => format!("{left} pods are still there"),
                    (None, _) => "the pods could not be looked at".to_owned(),
                });
                cluster.error(Verb::Wait, PODS, &store.namespace, None, reason)
            }
        };
        self.deletion.errors.push(error);
    }

    fn timed_out(&self, waiting_for: String) -> Reason {
        Reason::TimedOut {
            seconds: self.timeout.as_secs(),
            waiting_for,
            issues: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    /// There is nothing to delete, and the watch of the pods does not answer.
    #[tokio::test]
    async fn pods_that_were_not_seen_are_not_counted() {
        let (asked, mut was_asked) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            if it.line != "GET /api/v1/namespaces/ns/pods" {
                return Reply::Answer(200, json!({"items": []}));
            }
            asked.send(()).unwrap();
            Reply::Hang
        });
        let cluster = cluster.await;
        let (store, known) = (fake_api::store("x"), BTreeSet::new());
        let (claims, cancel) = (PvcPolicy::default(), CancellationToken::new());
        let timeout = Duration::from_secs(3600);
        let deleted = cluster.delete(&store, &known, &claims, timeout, &cancel);
        let (deletion, ()) = tokio::join!(deleted, fake_api::time_passes(&mut was_asked));
        let errors = deletion.unwrap().errors;
        let errors = errors.iter().map(|error| error.reason.to_string());
        assert_eq!(
            errors.collect::<Vec<_>>(),
            ["the pods could not be looked at after 3600 s"]
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

    /// What becomes of the deletion of a Service with the UID `1`, with what the server was asked for.
    async fn deleted(acts: impl IntoIterator<Item = Reply>) -> (Result<bool, String>, Vec<String>) {
        let mut acts = acts.into_iter().collect::<Vec<_>>().into_iter();
        let (asked, mut lines) = tokio::sync::mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            let method = it.line.split(' ').next().unwrap().to_owned();
            asked.send(method).unwrap();
            acts.next()
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
    async fn after_a_conflict_the_same_object_is_deleted_again() {
        let acts = [
            conflict(),
            Reply::Answer(200, service("1", false)),
            Reply::Answer(200, json!({"kind": "Status", "status": "Success"})),
        ];
        let (answer, methods) = deleted(acts).await;
        assert_eq!(answer, Ok(true));
        assert_eq!(methods, ["DELETE", "GET", "DELETE"]);
    }

    #[tokio::test]
    async fn a_conflict_over_a_successor_or_none_means_that_it_is_gone() {
        let gone = Reply::Answer(404, json!({"kind": "Status", "message": "not found"}));
        for now in [Reply::Answer(200, service("2", false)), gone] {
            let (answer, methods) = deleted([conflict(), now]).await;
            assert_eq!(answer, Ok(true));
            assert_eq!(methods, ["DELETE", "GET"]);
        }
    }

    #[tokio::test]
    async fn a_conflict_over_an_object_that_somebody_else_deletes_leaves_the_wait() {
        let (answer, _) = deleted([conflict(), Reply::Answer(200, service("1", true))]).await;
        assert_eq!(answer, Ok(false));
    }

    #[tokio::test]
    async fn conflicts_without_end_are_an_error_about_the_object() {
        let (answer, methods) = deleted([]).await;
        let reason = "it was changed by someone else at the same moment: busy";
        assert_eq!(
            answer,
            Err(format!("delete Service/feast-x-online: {reason}"))
        );
        assert_eq!(methods, ["DELETE", "GET"].repeat(5));
    }
}
