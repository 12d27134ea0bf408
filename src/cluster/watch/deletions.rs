//! Waits until objects are gone, with one watch for each kind and namespace.
//!
//! Ten feature stores that are destroyed at the same time wait for ten Deployments, for their pods and for ten
//! CronJobs. All objects with the provider's label share one watch of metadata. An object without the label is watched
//! by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher;
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Selection, Unfinished, Watched};
use crate::cluster::error::{Reason, Verb};
use crate::cluster::resource::Resource;
use crate::cluster::{Cluster, StoreName, provider_selector, task};
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL};
use crate::kubernetes::kind::{Key, Scope};

/// The plural name of a kind, and a namespace.
type WatchKey = (&'static str, String);

/// The time for which a watch without waiters continues, because the next feature store often needs it soon.
const WATCH_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The watches in progress.
#[derive(Default)]
pub(in crate::cluster) struct DeletionWatches(Mutex<BTreeMap<WatchKey, watch::Sender<WatchState>>>);

impl DeletionWatches {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<WatchKey, watch::Sender<WatchState>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of one watch.
#[derive(Default)]
struct WatchState {
    /// The existing objects by name, or why the watch has failed for good; `None` before they are listed.
    existing: Option<Result<BTreeMap<String, ObjectIdentity>, Reason>>,
    /// The reason why the watch is interrupted. While it is, `existing` can be out of date.
    interruption: Option<String>,
}

impl WatchState {
    fn failed(reason: Reason) -> Self {
        Self {
            existing: Some(Err(reason)),
            interruption: None,
        }
    }
}

/// The part of an object that the watch requests.
type Metadata = PartialObjectMeta<DynamicObject>;

/// The part of the metadata that is kept.
#[derive(Clone)]
struct ObjectIdentity {
    uid: String,
    /// The feature store that its label names.
    store: String,
}

impl Cluster {
    /// Waits until the object with the UID of `live` is gone.
    pub(in crate::cluster) async fn watch_deletion(
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
            let is_gone = |existing: &BTreeMap<String, ObjectIdentity>| {
                let now = existing.get(&key.name);
                now.is_none_or(|now| metadata["uid"] != now.uid.as_str())
            };
            let name = Some(key.name.as_str());
            return (self.wait_absent(resource, store, name, deadline, cancel, is_gone)).await;
        }
        self.watch_until(
            resource,
            &store.namespace,
            Selection::Named(&key.name),
            deadline,
            cancel,
            |objects| {
                let mut objects = objects.values();
                let exists = objects.any(|object| object["metadata"]["uid"] == metadata["uid"]);
                (!exists).then_some(())
            },
        )
        .await
    }

    /// Waits until no object of the resource has a label with one of these names of feature stores.
    ///
    /// # Errors
    ///
    /// The end of the wait, with the last number of such objects; `None` if they were never listed.
    pub(in crate::cluster) async fn wait_until_none(
        &self,
        resource: Resource,
        store: &StoreName,
        labels: &[String],
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<(), (Option<usize>, Unfinished)> {
        let mut count = None;
        let is_none_left = |existing: &BTreeMap<String, ObjectIdentity>| {
            let objects = existing.values();
            let remaining = objects
                .filter(|object| labels.contains(&object.store))
                .count();
            count = Some(remaining);
            remaining == 0
        };
        let wait = self.wait_absent(resource, store, None, deadline, cancel, is_none_left);
        wait.await.map_err(|end| (count, end))
    }

    async fn wait_absent(
        &self,
        resource: Resource,
        store: &StoreName,
        name: Option<&str>,
        deadline: Instant,
        cancel: &CancellationToken,
        mut is_gone: impl FnMut(&BTreeMap<String, ObjectIdentity>) -> bool,
    ) -> Result<(), Unfinished> {
        let namespace = &store.namespace;
        let fail =
            |reason| Unfinished::Failed(self.error(Verb::Watch, resource, namespace, name, reason));
        let state = self.join_watch(resource, namespace).await;
        let mut state = state.map_err(fail)?;
        let at_the_end = state.clone();
        let changed = state.wait_for(|state| match &state.existing {
            None => false,
            Some(Err(_)) => true,
            Some(Ok(existing)) => is_gone(existing),
        });
        tokio::select! {
            changed = changed => match changed.as_deref().map(|state| &state.existing) {
                Ok(Some(Err(reason))) => Err(fail(reason.clone())),
                Ok(_) => Ok(()),
                // The sender is dropped only when the program ends.
                Err(_) => Err(fail(Reason::Cancelled)),
            },
            () = tokio::time::sleep_until(deadline) => {
                let interruption = at_the_end.borrow().interruption.clone();
                Err(Unfinished::TimedOut { interruption })
            }
            () = cancel.cancelled() => Err(fail(Reason::Cancelled)),
        }
    }

    /// Returns a receiver of the watch for this kind and namespace. Starts the watch if there is none.
    async fn join_watch(
        &self,
        resource: Resource,
        namespace: &str,
    ) -> Result<watch::Receiver<WatchState>, Reason> {
        let client = self.client().await?.clone();
        let key = (resource.plural, namespace.to_owned());
        let mut watches = self.inner.deletions.lock();
        if let Some(sender) = watches.get(&key) {
            return Ok(sender.subscribe());
        }
        let (sender, receiver) = watch::channel(WatchState::default());
        watches.insert(key.clone(), sender.clone());
        let api = Api::namespaced_with(client, namespace, &resource.api_resource());
        let (cluster, plural) = (Arc::downgrade(&self.inner), resource.plural);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = publish_catching_panics(plural, api.clone(), &sender) => {}
                    () = idle(&sender) => {}
                }
                let Some(cluster) = cluster.upgrade() else {
                    return;
                };
                let mut watches = cluster.deletions.lock();
                // A receiver can have joined in between. The watch continues for it, unless it has failed.
                if sender.is_closed() || matches!(sender.borrow().existing, Some(Err(_))) {
                    watches.remove(&key);
                    return;
                }
            }
        });
        Ok(receiver)
    }
}

/// Returns when the watch has had no receiver for [`WATCH_IDLE_TIMEOUT`].
async fn idle(sender: &watch::Sender<WatchState>) {
    loop {
        sender.closed().await;
        tokio::time::sleep(WATCH_IDLE_TIMEOUT).await;
        if sender.is_closed() {
            return;
        }
    }
}

/// Publishes a panic to all receivers.
async fn publish_catching_panics(
    plural: &'static str,
    api: Api<Metadata>,
    sender: &watch::Sender<WatchState>,
) {
    if let Err(error) = task::catch_panic(publish(plural, api, sender)).await {
        sender.send_replace(WatchState::failed(error.into()));
    }
}

/// Publishes the existing objects after each change, and each interruption, until the watch fails for good.
async fn publish(plural: &'static str, api: Api<Metadata>, sender: &watch::Sender<WatchState>) {
    let labels = watcher::Config::default().labels(&provider_selector());
    let mut watched = Watched::new(plural, watcher(api, labels), identity);
    loop {
        let change = match watched.next_event().await {
            Ok(change) => change,
            Err(reason) => {
                sender.send_replace(WatchState::failed(reason));
                return;
            }
        };
        sender.send_if_modified(|state| {
            state.interruption = watched.interruption().map(str::to_owned);
            let Some(change) = change else {
                return false;
            };
            // In place: a copy after each change would cost the square of the number of objects.
            match &mut state.existing {
                Some(Ok(existing)) => change.apply_to(existing),
                existing => {
                    let mut listed = BTreeMap::new();
                    change.apply_to(&mut listed);
                    *existing = Some(Ok(listed));
                }
            }
            true
        });
    }
}

fn identity(object: Metadata) -> Option<(String, ObjectIdentity)> {
    let metadata = object.metadata;
    let mut labels = metadata.labels.unwrap_or_default();
    let identity = ObjectIdentity {
        uid: metadata.uid?,
        store: labels.remove(NAME_LABEL).unwrap_or_default(),
    };
    Some((metadata.name?, identity))
}
