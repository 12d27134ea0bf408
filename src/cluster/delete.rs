//! Taking a whole store away, and waiting until it is really gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value as Json, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason, Verb};
use super::operator::{is_operated, is_owned};
use super::request::Request;
use super::resource::{PODS, Resource};
use super::watch::Unfinished;
use super::{Claims, Cluster, StoreName};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::kubernetes::kind::Tier;

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
        claims: &Claims,
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
            if claims.spares(&key) {
                continue;
            }
            if claims.keeps(&key) {
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

    /// Asks for the deletion of this very object, and answers whether it is gone already, which is so unless somebody
    /// still has to finish something.
    async fn send_delete(
        &self,
        store: &StoreName,
        key: &Key,
        live: &Json,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        // What has pods stays until they are gone, so that there is something to wait for.
        let propagation = match key.kind {
            Kind::Deployment | Kind::Job | Kind::CronJob => "Foreground",
            _ => "Background",
        };
        let request = Request {
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
        };
        match self.send(request, cancel).await {
            Ok(answer) => {
                let finalizers = answer["metadata"]["finalizers"].as_array();
                Ok(finalizers.is_none_or(Vec::is_empty))
            }
            Err(Error {
                reason: Reason::NotFound | Reason::Stale { .. },
                ..
            }) => Ok(true),
            Err(error) => Err(error),
        }
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
        let gone = cluster.wait_gone(store, key, live, self.deadline, self.cancel);
        gone.await.map_err(|end| match end {
            Unfinished::Failed(error) => error,
            Unfinished::TimedOut => {
                let reason = self.timed_out(format!("{key} is still being deleted"));
                cluster.object_error(Verb::Delete, store, key, reason)
            }
        })
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
                let reason = self.timed_out(match left {
                    Some(left) => format!("{left} pods are still there"),
                    None => "the pods could not be looked at".to_owned(),
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
            troubles: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::scripted::{self, Act};

    /// There is nothing to delete, and the watch of the pods does not answer.
    #[tokio::test]
    async fn pods_that_were_not_seen_are_not_counted() {
        let (asked, mut was_asked) = tokio::sync::mpsc::unbounded_channel();
        let cluster = scripted::cluster(move |it| {
            if it.line != "GET /api/v1/namespaces/ns/pods" {
                return Act::Answer(200, json!({"items": []}));
            }
            asked.send(()).unwrap();
            Act::Hang
        });
        let cluster = cluster.await;
        let (store, known) = (scripted::store("x"), BTreeSet::new());
        let (claims, cancel) = (Claims::default(), CancellationToken::new());
        let timeout = Duration::from_secs(3600);
        let deleted = cluster.delete(&store, &known, &claims, timeout, &cancel);
        let (deletion, ()) = tokio::join!(deleted, scripted::time_passes(&mut was_asked));
        let errors = deletion.unwrap().errors;
        let errors = errors.iter().map(|error| error.reason.to_string());
        assert_eq!(
            errors.collect::<Vec<_>>(),
            ["the pods could not be looked at after 3600 s"]
        );
    }
}
