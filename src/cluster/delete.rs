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
use crate::feast::objects::{Key, Kind, Tier};

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
        for first in [true, false] {
            let round: Vec<Key> = deletion
                .remaining
                .keys()
                .filter(|key| (key.kind.tier() != Tier::Prerequisites) == first)
                .cloned()
                .collect();
            let ended = join_all(round.iter().map(|key| {
                let live = &deletion.remaining[key];
                async move {
                    if self.end(store, key, live, cancel).await? {
                        return Ok(());
                    }
                    let gone = self.wait_gone(store, key, live, deadline, cancel).await;
                    gone.map_err(|end| self.not_gone(end, store, key, timeout))
                }
            }))
            .await;
            for (key, result) in round.into_iter().zip(ended) {
                match result {
                    Ok(()) => {
                        deletion.remaining.remove(&key);
                    }
                    Err(error) => deletion.errors.push(error),
                }
            }
            if first && deletion.errors.is_empty() {
                let gone = self.wait_for_pods(store, &pods, deadline, timeout, cancel);
                deletion.errors.extend(gone.await);
            }
            if !deletion.errors.is_empty() {
                break;
            }
        }
        Ok(deletion)
    }

    /// Pods of the store normally go before their Deployment does; this is for those that were orphaned.
    async fn wait_for_pods(
        &self,
        store: &StoreName,
        labels: &[String],
        deadline: Instant,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Option<Error> {
        let none = self.wait_until_none(PODS, store, labels, deadline, cancel);
        let (left, end) = none.await.err()?;
        Some(match end {
            Unfinished::Failed(error) => error,
            Unfinished::TimedOut => {
                let reason = Reason::TimedOut {
                    seconds: timeout.as_secs(),
                    waiting_for: format!("{left} pods are still there"),
                    troubles: Vec::new(),
                };
                self.error(Verb::Wait, PODS, &store.namespace, None, reason)
            }
        })
    }

    fn not_gone(&self, end: Unfinished, store: &StoreName, key: &Key, timeout: Duration) -> Error {
        match end {
            Unfinished::Failed(error) => error,
            Unfinished::TimedOut => {
                let reason = Reason::TimedOut {
                    seconds: timeout.as_secs(),
                    waiting_for: format!("{key} is still being deleted"),
                    troubles: Vec::new(),
                };
                self.object_error(Verb::Delete, store, key, reason)
            }
        }
    }

    /// Deletes this very object (by UID), not one that has taken its name since.
    pub(super) async fn delete_one(
        &self,
        store: &StoreName,
        key: &Key,
        live: &Json,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        self.end(store, key, live, cancel).await.map(|_| ())
    }

    /// The same; answers whether it is gone already, which is so unless somebody still has to finish something.
    async fn end(
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
