//! Waiting until objects are gone, with one watch of a kind and namespace for all feature stores that wait.
//!
//! Only metadata is watched, and everything of the kind, so that an object is not taken for gone whose labels
//! somebody has taken off; of pods, those of feature stores. A watch is open for as long as anybody waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::TryStreamExt;
use kube::api::{Api, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::watch::{self, Receiver, Sender};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::error::{Error, Reason, Verb};
use super::resource::{PODS, Resource};
use super::watch::{Pauses, Unfinished, refusal};
use crate::feast::names::NAME_LABEL;

/// The plural name of a kind, and a namespace.
type Place = (&'static str, String);

/// The watches that are open.
#[derive(Default)]
pub(super) struct Departures(Mutex<BTreeMap<Place, Weak<Sender<Seen>>>>);

impl Departures {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Weak<Sender<Seen>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a watch has shown so far.
#[derive(Default)]
struct Seen {
    /// By name; `None` before the first list is complete.
    present: Option<Present>,
    /// What a list under way has shown.
    listed: Present,
    /// Why the watch has ended.
    refused: Option<Reason>,
}

/// The objects that are there, by name.
pub(super) type Present = BTreeMap<String, Head>;

/// As much of an object as tells which one it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub uid: String,
    /// The feature store that its label names.
    pub store: Option<String>,
}

impl Seen {
    fn take(&mut self, event: Event<PartialObjectMeta<DynamicObject>>) {
        let into = match &event {
            Event::Init | Event::InitApply(_) | Event::InitDone => &mut self.listed,
            Event::Apply(_) | Event::Delete(_) => self.present.get_or_insert_default(),
        };
        match event {
            Event::Init => into.clear(),
            Event::InitDone => self.present = Some(std::mem::take(into)),
            Event::InitApply(object) | Event::Apply(object) => {
                let (name, head) = head(object.metadata);
                into.insert(name, head);
            }
            Event::Delete(object) => {
                into.remove(&object.metadata.name.unwrap_or_default());
            }
        }
    }
}

fn head(metadata: ObjectMeta) -> (String, Head) {
    let mut labels = metadata.labels.unwrap_or_default();
    let head = Head {
        uid: metadata.uid.unwrap_or_default(),
        store: labels.remove(NAME_LABEL),
    };
    (metadata.name.unwrap_or_default(), head)
}

/// A share in a watch.
pub(super) struct Attendance<'a> {
    cluster: &'a Cluster,
    resource: Resource,
    namespace: &'a str,
    seen: Receiver<Seen>,
}

impl Cluster {
    /// Begins to watch the kind in the namespace, or joins those who do.
    pub(super) fn attend<'a>(&'a self, resource: Resource, namespace: &'a str) -> Attendance<'a> {
        let place = (resource.plural, namespace.to_owned());
        let mut open = self.inner.departures.lock();
        let sender = open.get(&place).and_then(Weak::upgrade);
        let seen = match sender.filter(|sender| sender.borrow().refused.is_none()) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, seen) = watch::channel(Seen::default());
                let sender = Arc::new(sender);
                open.insert(place.clone(), Arc::downgrade(&sender));
                tokio::spawn(self.clone().watch_departures(resource, place, sender));
                seen
            }
        };
        Attendance {
            cluster: self,
            resource,
            namespace,
            seen,
        }
    }

    async fn watch_departures(self, resource: Resource, place: Place, sender: Arc<Sender<Seen>>) {
        let client = match self.client().await {
            Ok(client) => client.clone(),
            Err(reason) => return refuse(&sender, reason),
        };
        let api: Api<PartialObjectMeta<DynamicObject>> =
            Api::namespaced_with(client, &place.1, &resource.api_resource());
        let mut config = watcher::Config::default();
        if resource == PODS {
            config = config.labels(NAME_LABEL);
        }
        let events = watcher(api, config).backoff(Pauses::default());
        let mut events = std::pin::pin!(events);
        loop {
            let event = tokio::select! {
                event = events.try_next() => event,
                () = sender.closed() => {
                    // Somebody may just have joined.
                    let mut open = self.inner.departures.lock();
                    if sender.receiver_count() > 0 {
                        continue;
                    }
                    open.remove(&place);
                    return;
                }
            };
            match event {
                Ok(Some(event)) => sender.send_modify(|seen| seen.take(event)),
                // A watch does not end by itself.
                Ok(None) => return,
                Err(error) => match refusal(&error) {
                    Some(reason) => return refuse(&sender, reason),
                    None => tracing::debug!("the watch of {} is taken up again", resource.plural),
                },
            }
        }
    }
}

fn refuse(sender: &Sender<Seen>, reason: Reason) {
    sender.send_modify(|seen| seen.refused = Some(reason));
}

impl Attendance<'_> {
    /// Waits until `check` answers yes to what is there.
    pub async fn until(
        &mut self,
        name: Option<&str>,
        deadline: Instant,
        cancel: &CancellationToken,
        mut check: impl FnMut(&Present) -> bool,
    ) -> Result<(), Unfinished> {
        let decided =
            |seen: &Seen| seen.refused.is_some() || seen.present.as_ref().is_some_and(&mut check);
        let reason = tokio::select! {
            seen = self.seen.wait_for(decided) => match seen {
                Ok(seen) => seen.refused.clone(),
                Err(_) => Some(Reason::Cancelled),
            },
            () = tokio::time::sleep_until(deadline) => return Err(Unfinished::TimedOut),
            () = cancel.cancelled() => Some(Reason::Cancelled),
        };
        match reason {
            None => Ok(()),
            Some(reason) => Err(Unfinished::Failed(self.error(name, reason))),
        }
    }

    fn error(&self, name: Option<&str>, reason: Reason) -> Error {
        (self.cluster).error(Verb::Watch, self.resource, self.namespace, name, reason)
    }
}

#[cfg(test)]
mod tests {
    use kube::core::PartialObjectMetaExt;

    use super::*;

    fn object(name: &str, uid: &str) -> PartialObjectMeta<DynamicObject> {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            uid: Some(uid.to_owned()),
            labels: Some([(NAME_LABEL.to_owned(), "s".to_owned())].into()),
            ..ObjectMeta::default()
        };
        metadata.into_response_partial()
    }

    #[test]
    fn nothing_is_known_before_a_list_is_complete_nor_lost_during_the_next() {
        let uids = |seen: &Seen| {
            let present = seen.present.as_ref()?;
            let uids = present
                .iter()
                .map(|(name, head)| format!("{name}={}", head.uid));
            Some(uids.collect::<Vec<_>>().join(" "))
        };
        let mut seen = Seen::default();
        let mut after = Vec::new();
        for event in [
            Event::Init,
            Event::InitApply(object("a", "1")),
            Event::InitApply(object("b", "2")),
            Event::InitDone,
            Event::Delete(object("a", "1")),
            Event::Apply(object("a", "3")),
            Event::Init,
            Event::InitApply(object("b", "2")),
            Event::InitDone,
        ] {
            seen.take(event);
            after.push(uids(&seen));
        }
        let known = ["a=1 b=2", "b=2", "a=3 b=2", "a=3 b=2", "a=3 b=2", "b=2"];
        let known = known.map(|text| Some(text.to_owned()));
        assert_eq!(after, [vec![None; 3], known.to_vec()].concat());
    }
}
