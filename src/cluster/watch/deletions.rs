//! Waiting until objects are gone, with one watch of a kind and namespace for all who wait there.
//!
//! Ten feature stores that are destroyed at once wait for ten Deployments, for their pods and for ten CronJobs. Of
//! what carries the provider's label one watch of metadata tells them all; what has lost it is watched by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Pauses, Selection, Unfinished, refusal};
use crate::cluster::error::{Reason, Verb};
use crate::cluster::resource::Resource;
use crate::cluster::{Cluster, StoreName, provider_selector, task};
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL};
use crate::kubernetes::kind::{Key, Scope};

/// A kind, by its plural, and a namespace.
type Place = (&'static str, String);

/// How long a watch goes on at which nobody waits: of many feature stores the next ones do soon.
const WATCH_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The watches that somebody waits at, or did a moment ago.
#[derive(Default)]
pub(in crate::cluster) struct DeletionWatches(Mutex<BTreeMap<Place, watch::Sender<Seen>>>);

impl DeletionWatches {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, watch::Sender<Seen>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is there of a kind, by name; `None` as long as that is not known.
type Seen = Option<Result<BTreeMap<String, Present>, Reason>>;

struct Present {
    uid: String,
    /// What its label says.
    store: String,
}

impl Cluster {
    /// Waits until this very object is gone; another may have taken its name.
    pub(in crate::cluster) async fn wait_deleted(
        &self,
        store: &StoreName,
        key: &Key,
        live: &Json,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<(), Unfinished> {
        let metadata = &live["metadata"];
        let resource = Resource::from(key.kind);
        if resource.scope == Scope::Namespace && metadata["labels"][MANAGED_BY_LABEL] == MANAGED_BY
        {
            let gone = |present: &BTreeMap<String, Present>| {
                let now = present.get(&key.name);
                now.is_none_or(|now| metadata["uid"] != now.uid.as_str())
            };
            let name = Some(key.name.as_str());
            return (self.wait_absent(resource, store, name, deadline, cancel, gone)).await;
        }
        self.watch_until(
            resource,
            &store.namespace,
            Selection::Named(&key.name),
            deadline,
            cancel,
            |objects| {
                let mut objects = objects.values();
                let still = objects.any(|object| object["metadata"]["uid"] == metadata["uid"]);
                (!still).then_some(())
            },
        )
        .await
    }

    /// Waits until no object of this resource has one of these names of a feature store on it; where that does not
    /// happen, tells how many there were last, if that has been seen.
    pub(in crate::cluster) async fn wait_until_none(
        &self,
        resource: Resource,
        store: &StoreName,
        labels: &[String],
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<(), (Option<usize>, Unfinished)> {
        let mut left = None;
        let none = |present: &BTreeMap<String, Present>| {
            let of_store = present.values().filter(|it| labels.contains(&it.store));
            let count = of_store.count();
            left = Some(count);
            count == 0
        };
        let ended = self.wait_absent(resource, store, None, deadline, cancel, none);
        ended.await.map_err(|end| (left, end))
    }

    async fn wait_absent(
        &self,
        resource: Resource,
        store: &StoreName,
        name: Option<&str>,
        deadline: Instant,
        cancel: &CancellationToken,
        mut gone: impl FnMut(&BTreeMap<String, Present>) -> bool,
    ) -> Result<(), Unfinished> {
        let namespace = &store.namespace;
        let fail =
            |reason| Unfinished::Failed(self.error(Verb::Watch, resource, namespace, name, reason));
        let joined = self.join_watch(resource, namespace).await;
        let mut seen = joined.map_err(fail)?;
        let changed = seen.wait_for(|seen| match seen {
            None => false,
            Some(Err(_)) => true,
            Some(Ok(present)) => gone(present),
        });
        tokio::select! {
            changed = changed => match changed.as_deref() {
                Ok(Some(Err(reason))) => Err(fail(reason.clone())),
                Ok(_) => Ok(()),
                // The watch ends only with the program.
                Err(_) => Err(fail(Reason::Cancelled)),
            },
            () = tokio::time::sleep_until(deadline) => Err(Unfinished::TimedOut),
            () = cancel.cancelled() => Err(fail(Reason::Cancelled)),
        }
    }

    /// The watch of this place, which goes on for a moment after the last one who waits at it.
    async fn join_watch(
        &self,
        resource: Resource,
        namespace: &str,
    ) -> Result<watch::Receiver<Seen>, Reason> {
        let client = self.client().await?.clone();
        let place = (resource.plural, namespace.to_owned());
        let mut watches = self.inner.deletions.lock();
        if let Some(sender) = watches.get(&place) {
            return Ok(sender.subscribe());
        }
        let (sender, receiver) = watch::channel(None);
        watches.insert(place.clone(), sender.clone());
        let api = Api::namespaced_with(client, namespace, &resource.api_resource());
        let cluster = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = follow_guarded(api.clone(), &sender) => {}
                    () = idle(&sender) => {}
                }
                let Some(cluster) = cluster.upgrade() else {
                    return;
                };
                let mut watches = cluster.deletions.lock();
                // Whoever has joined since waits on, unless there is nothing more to be told.
                if sender.is_closed() || matches!(&*sender.borrow(), Some(Err(_))) {
                    watches.remove(&place);
                    return;
                }
            }
        });
        Ok(receiver)
    }
}

/// Nobody has listened for a moment.
async fn idle(sender: &watch::Sender<Seen>) {
    loop {
        sender.closed().await;
        tokio::time::sleep(WATCH_IDLE_TIMEOUT).await;
        if sender.is_closed() {
            return;
        }
    }
}

/// A panic is told to all who wait.
async fn follow_guarded(api: Api<PartialObjectMeta<DynamicObject>>, sender: &watch::Sender<Seen>) {
    if let Err(error) = task::guarded(follow(api, sender)).await {
        sender.send_replace(Some(Err(error.into())));
    }
}

/// Tells what is there until that may not be known.
async fn follow(api: Api<PartialObjectMeta<DynamicObject>>, sender: &watch::Sender<Seen>) {
    let labels = watcher::Config::default().labels(&provider_selector());
    let mut events = watcher(api, labels).backoff(Pauses::default()).boxed();
    let mut listed = BTreeMap::new();
    loop {
        match events.try_next().await {
            Ok(Some(watcher::Event::Init)) => listed.clear(),
            Ok(Some(watcher::Event::InitApply(object))) => listed.extend(entry(object)),
            Ok(Some(watcher::Event::InitDone)) => {
                sender.send_replace(Some(Ok(std::mem::take(&mut listed))));
            }
            Ok(Some(watcher::Event::Apply(object))) => sender.send_modify(|seen| {
                if let Some(Ok(present)) = seen {
                    present.extend(entry(object));
                }
            }),
            Ok(Some(watcher::Event::Delete(object))) => sender.send_modify(|seen| {
                if let Some(Ok(present)) = seen {
                    present.remove(&object.metadata.name.unwrap_or_default());
                }
            }),
            // A watch does not end by itself.
            Ok(None) => std::future::pending().await,
            Err(error) => {
                if let Some(reason) = refusal(error) {
                    sender.send_replace(Some(Err(reason)));
                    return;
                }
            }
        }
    }
}

fn entry(object: PartialObjectMeta<DynamicObject>) -> Option<(String, Present)> {
    let metadata = object.metadata;
    let mut labels = metadata.labels.unwrap_or_default();
    let present = Present {
        uid: metadata.uid?,
        store: labels.remove(NAME_LABEL).unwrap_or_default(),
    };
    Some((metadata.name?, present))
}
