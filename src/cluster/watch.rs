//! Waits until a condition on some objects becomes true, by a watch instead of polling.

mod deletions;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use kube::api::{Api, DynamicObject};
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason, Verb};
use super::resource::Resource;
use super::{Cluster, ConnectionError};
use crate::kubernetes::kind::Scope;

pub(super) use deletions::DeletionWatches;

/// Selects objects of a kind.
pub(super) enum Selection<'a> {
    Named(&'a str),
    Labelled(String),
}

/// The end of a wait whose condition did not become true.
pub(super) enum Unfinished {
    TimedOut {
        /// The reason why the watch was interrupted at the end; `None` if it was not.
        interruption: Option<String>,
    },
    Failed(Error),
}

/// Adds to the text about an observation that it can be out of date, if the watch is interrupted.
pub(super) fn last_observation(text: String, interruption: Option<&str>) -> String {
    match interruption {
        Some(why) => {
            format!("{text} (last observation; the API server does not answer the watch: {why})")
        }
        None => text,
    }
}

impl Cluster {
    /// Begins to watch the selected objects.
    pub(super) async fn watch(
        &self,
        resource: Resource,
        namespace: &str,
        selection: Selection<'_>,
    ) -> Result<Watched<DynamicObject, Json>, Reason> {
        let client = self.client().await?.clone();
        let api = match resource.scope {
            Scope::Namespace => Api::namespaced_with(client, namespace, &resource.api_resource()),
            Scope::Cluster => Api::all_with(client, &resource.api_resource()),
        };
        let config = watcher::Config::default();
        let config = match selection {
            Selection::Named(name) => config.fields(&format!("metadata.name={name}")),
            Selection::Labelled(labels) => config.labels(&labels),
        };
        let events = watcher(api, config);
        Ok(Watched::new(resource.plural, events, |object| {
            let name = object.metadata.name.clone()?;
            Some((name, serde_json::to_value(object).ok()?))
        }))
    }

    /// Watches the selected objects, and calls `check` with all of them after each change, until it returns a value.
    pub(super) async fn watch_until<T>(
        &self,
        resource: Resource,
        namespace: &str,
        selection: Selection<'_>,
        deadline: Instant,
        cancel: &CancellationToken,
        mut check: impl FnMut(&BTreeMap<String, Json>) -> Option<T>,
    ) -> Result<T, Unfinished> {
        let name = match &selection {
            Selection::Named(name) => Some(*name),
            Selection::Labelled(_) => None,
        };
        let fail =
            |reason| Unfinished::Failed(self.error(Verb::Watch, resource, namespace, name, reason));
        let watched = self.watch(resource, namespace, selection).await;
        let mut watched = watched.map_err(fail)?;
        loop {
            tokio::select! {
                changed = watched.changed() => changed.map_err(fail)?,
                () = tokio::time::sleep_until(deadline) => {
                    let interruption = watched.interruption;
                    return Err(Unfinished::TimedOut { interruption });
                }
                () = cancel.cancelled() => return Err(fail(Reason::Cancelled)),
            }
            if let Some(value) = check(&watched.objects) {
                return Ok(value);
            }
        }
    }
}

/// A change of watched objects. `T` is what is kept of each object.
enum Change<T> {
    /// The objects were listed: these exist, by name, and no others.
    Listed(BTreeMap<String, T>),
    /// An object was created or changed; `None` for one without a name.
    Applied(Option<(String, T)>),
    /// The object with the name was deleted.
    Deleted(String),
}

impl<T> Change<T> {
    fn apply_to(self, objects: &mut BTreeMap<String, T>) {
        match self {
            Self::Listed(listed) => *objects = listed,
            Self::Applied(object) => objects.extend(object),
            Self::Deleted(name) => drop(objects.remove(&name)),
        }
    }
}

/// Watched objects. `K` is the type that the API server returns, `T` what is kept of each object.
pub(super) struct Watched<K, T> {
    plural: &'static str,
    events: BoxStream<'static, Result<watcher::Event<K>, watcher::Error>>,
    keep: fn(K) -> Option<(String, T)>,
    /// The objects by name, as last returned by the API server.
    pub objects: BTreeMap<String, T>,
    /// The objects of a list request in progress.
    listed: BTreeMap<String, T>,
    interruption: Option<String>,
}

impl<K: kube::Resource + Send + 'static, T> Watched<K, T> {
    /// `keep` returns the name of an object and what is kept of it.
    fn new(
        plural: &'static str,
        events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
        keep: fn(K) -> Option<(String, T)>,
    ) -> Self {
        Self {
            plural,
            events: events.backoff(WatchBackoff::default()).boxed(),
            keep,
            objects: BTreeMap::new(),
            listed: BTreeMap::new(),
            interruption: None,
        }
    }

    /// Returns why the watch is interrupted. While it is, `objects` can be out of date.
    pub fn interruption(&self) -> Option<&str> {
        self.interruption.as_deref()
    }

    /// Waits until the objects are listed, then for each change. The future can be dropped and called again.
    ///
    /// # Errors
    ///
    /// A failure that a new watch would repeat, such as a missing permission. Other interruptions are resumed.
    pub async fn changed(&mut self) -> Result<(), Reason> {
        loop {
            if let Some(change) = self.next_event().await? {
                change.apply_to(&mut self.objects);
                return Ok(());
            }
        }
    }

    /// Waits for one event, and returns its change, which `objects` does not have yet. Events without a change begin a
    /// list, or interrupt the watch.
    ///
    /// # Errors
    ///
    /// The same as for [`Watched::changed`].
    async fn next_event(&mut self) -> Result<Option<Change<T>>, Reason> {
        let event = self.events.try_next().await;
        match &event {
            // The beginning of another list does not mean that it succeeds.
            Ok(None | Some(watcher::Event::Init | watcher::Event::InitApply(_))) => {}
            Ok(Some(_)) => self.interruption = None,
            Err(error) => self.interruption = Some(explain(error)),
        }
        match event {
            Ok(Some(watcher::Event::Init)) => self.listed.clear(),
            Ok(Some(watcher::Event::InitApply(object))) => {
                self.listed.extend((self.keep)(object));
            }
            Ok(Some(watcher::Event::InitDone)) => {
                let listed = std::mem::take(&mut self.listed);
                return Ok(Some(Change::Listed(listed)));
            }
            Ok(Some(watcher::Event::Apply(object))) => {
                return Ok(Some(Change::Applied((self.keep)(object))));
            }
            Ok(Some(watcher::Event::Delete(object))) => {
                let name = object.meta().name.clone().unwrap_or_default();
                return Ok(Some(Change::Deleted(name)));
            }
            // The stream of a watcher does not end.
            Ok(None) => std::future::pending().await,
            Err(error) => match permanent_failure(error) {
                Some(reason) => return Err(reason),
                None => tracing::info!(
                    "resuming the watch of {}, which was interrupted: {}",
                    self.plural,
                    self.interruption().unwrap_or_default(),
                ),
            },
        }
        Ok(None)
    }
}

/// The pauses before an interrupted watch is resumed. Those of kube grow to half a minute, which is too long for a user
/// who waits.
#[derive(Default)]
struct WatchBackoff(u32);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = Duration::from_millis(250 << self.0.min(4));
        self.0 += 1;
        Some(pause)
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Returns the root cause of an interruption.
fn explain(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        WatchError(status)
        | InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => {
            format!("{} {}: {}", status.code, status.reason, status.message)
        }
        other => {
            let mut cause: &dyn std::error::Error = other;
            while let Some(source) = cause.source() {
                cause = source;
            }
            cause.to_string()
        }
    }
}

/// Returns the reason of a failure that a new watch would repeat: missing permissions, or credentials that cannot be
/// renewed.
fn permanent_failure(error: watcher::Error) -> Option<Reason> {
    use watcher::Error::{
        InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed,
    };
    let status = match error {
        WatchError(status) => status,
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => {
            match ConnectionError::of_credentials(error) {
                Ok(error) => return Some(Reason::from(error)),
                Err(kube::Error::Api(status)) => status,
                Err(_) => return None,
            }
        }
        NoResourceVersion => return None,
    };
    let message = status.message;
    match status.code {
        401 => Some(Reason::Unauthorized { message }),
        403 => Some(Reason::Forbidden { message }),
        _ => None,
    }
}
