//! Waiting for something to become true of some objects, by a watch and not by polling.

mod deletions;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
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

/// Which objects of a kind.
pub(super) enum Selection<'a> {
    Named(&'a str),
    Labelled(String),
}

/// How a wait ended without the thing becoming true.
pub(super) enum Unfinished {
    TimedOut,
    Failed(Error),
}

impl Cluster {
    /// Begins to follow the selected objects.
    pub(super) async fn follow(
        &self,
        resource: Resource,
        namespace: &str,
        selection: Selection<'_>,
    ) -> Result<Followed, Reason> {
        let client = self.client().await?;
        let api: Api<DynamicObject> = match resource.scope {
            Scope::Namespace => {
                Api::namespaced_with(client.clone(), namespace, &resource.api_resource())
            }
            Scope::Cluster => Api::all_with(client.clone(), &resource.api_resource()),
        };
        let config = match &selection {
            Selection::Named(name) => {
                watcher::Config::default().fields(&format!("metadata.name={name}"))
            }
            Selection::Labelled(labels) => watcher::Config::default().labels(labels),
        };
        Ok(Followed {
            plural: resource.plural,
            events: watcher(api, config).backoff(Pauses::default()).boxed(),
            objects: BTreeMap::new(),
            listed: BTreeMap::new(),
            interruption: None,
        })
    }

    /// Follows the selected objects, and hands all of them to `check` whenever one has changed, until
    /// it answers.
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
        let followed = self.follow(resource, namespace, selection).await;
        let mut followed = followed.map_err(fail)?;
        loop {
            tokio::select! {
                changed = followed.changed() => changed.map_err(fail)?,
                () = tokio::time::sleep_until(deadline) => return Err(Unfinished::TimedOut),
                () = cancel.cancelled() => return Err(fail(Reason::Cancelled)),
            }
            if let Some(answer) = check(&followed.objects) {
                return Ok(answer);
            }
        }
    }
}

/// Objects that are being followed by a watch.
pub(super) struct Followed {
    plural: &'static str,
    events: BoxStream<'static, Result<watcher::Event<DynamicObject>, watcher::Error>>,
    /// As they were last seen, by name.
    pub objects: BTreeMap<String, Json>,
    /// What a listing under way has shown.
    listed: BTreeMap<String, Json>,
    /// Why nothing can be seen at the moment.
    interruption: Option<String>,
}

impl Followed {
    /// Returns why the watch is interrupted, if it is: then `objects` is what was seen before.
    pub fn interruption(&self) -> Option<&str> {
        self.interruption.as_deref()
    }

    /// Waits until the objects have been seen, then for each change of them. Interrupted watches are taken
    /// up again; only what cannot get better (no permission) is an error. May be dropped and called again.
    pub async fn changed(&mut self) -> Result<(), Reason> {
        loop {
            let event = self.events.try_next().await;
            self.interruption = event.as_ref().err().map(explain);
            match event {
                Ok(Some(watcher::Event::Init)) => self.listed.clear(),
                Ok(Some(watcher::Event::InitApply(object))) => insert(&mut self.listed, object),
                Ok(Some(watcher::Event::InitDone)) => {
                    self.objects = std::mem::take(&mut self.listed);
                    return Ok(());
                }
                Ok(Some(watcher::Event::Apply(object))) => {
                    insert(&mut self.objects, object);
                    return Ok(());
                }
                Ok(Some(watcher::Event::Delete(object))) => {
                    self.objects
                        .remove(&object.metadata.name.unwrap_or_default());
                    return Ok(());
                }
                // A watch does not end by itself.
                Ok(None) => std::future::pending().await,
                Err(error) => match refusal(error) {
                    Some(reason) => return Err(reason),
                    None => tracing::info!(
                        "the watch of {} was interrupted ({}) and begins again",
                        self.plural,
                        self.interruption().unwrap_or_default(),
                    ),
                },
            }
        }
    }
}

/// How long to wait before a broken watch is taken up again: kube's own pauses grow to half a minute,
/// and someone is waiting here.
#[derive(Default)]
struct Pauses(u32);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = Duration::from_millis(250 << self.0.min(4));
        self.0 += 1;
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

fn insert(objects: &mut BTreeMap<String, Json>, object: DynamicObject) {
    let name = object.metadata.name.clone().unwrap_or_default();
    if let Ok(json) = serde_json::to_value(object) {
        objects.insert(name, json);
    }
}

/// Returns the cause of a broken watch, without the errors of libraries that only repeat it.
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

/// What will be the same the next time: a refusal, or credentials that cannot be renewed.
fn refusal(error: watcher::Error) -> Option<Reason> {
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
