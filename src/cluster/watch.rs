//! Waits until a condition on some objects becomes true, by a watch instead of polling.

mod deletions;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::ready;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use http::StatusCode;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::Status;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason, Verb};
use super::request::{List, Request};
use super::resource::Resource;
use super::{Cluster, ConnectionError};
use crate::kubernetes::kind::Scope;

pub(super) use deletions::DeletionWatches;

/// The time for the read after a watch that was interrupted.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest pause after the API server has answered that it gets too many requests (429). It asks for a second by
/// the header `Retry-After`, which errors of kube do not have, and the first pauses of [`WatchBackoff`] are shorter.
const TOO_MANY_REQUESTS_PAUSE: Duration = Duration::from_secs(1);

/// The time for which a denied watch is an interruption, if it was permitted before. An API server that starts can
/// answer 401 before it knows the keys of an identity provider, and 403 before it has read the roles.
const DENIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// The time without a failure after which a denied watch was resumed, for which there is no event. Longer than the
/// pauses of [`WatchBackoff`].
const RESUMED_AFTER: Duration = Duration::from_secs(10);

/// Selects objects of a kind.
#[derive(Clone)]
pub(super) enum Selection<'a> {
    Named(&'a str),
    Labels(String),
}

/// The end of a wait whose condition did not become true.
pub(super) enum Unfinished {
    TimedOut {
        /// The reason why the objects could not be observed at the end; `None` if they were.
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
            Selection::Labels(labels) => config.labels(&labels),
        };
        let events = watcher(api, config);
        Ok(Watched::new(resource.plural, events, |object| {
            let name = object.metadata.name.clone()?;
            Some((name, serde_json::to_value(object).ok()?))
        }))
    }

    /// Returns the selected objects at the end of a watch that was interrupted: it can have been resumed since then,
    /// without an event. `None` if the API server does not answer.
    pub(super) async fn read_interrupted(
        &self,
        resource: Resource,
        namespace: &str,
        selection: &Selection<'_>,
        cancel: &CancellationToken,
    ) -> Option<BTreeMap<String, Json>> {
        let params = ListParams::default();
        let params = match selection {
            Selection::Named(name) => params.fields(&format!("metadata.name={name}")),
            Selection::Labels(labels) => params.labels(labels),
        };
        let request = Request::list(resource, namespace, params);
        let list = self.send_for::<List<Json>>(request, cancel);
        let list = tokio::time::timeout(READ_TIMEOUT, list).await.ok()?.ok()?;
        let objects = list.items.unwrap_or_default().into_iter();
        let named = objects.filter_map(|object| {
            let name = object["metadata"]["name"].as_str()?.to_owned();
            Some((name, object))
        });
        Some(named.collect())
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
            Selection::Labels(_) => None,
        };
        let fail =
            |reason| Unfinished::Failed(self.error(Verb::Watch, resource, namespace, name, reason));
        let watched = self.watch(resource, namespace, selection.clone()).await;
        let mut watched = watched.map_err(fail)?;
        loop {
            tokio::select! {
                changed = watched.changed() => changed.map_err(fail)?,
                () = tokio::time::sleep_until(deadline) => break,
                () = cancel.cancelled() => return Err(fail(Reason::Cancelled)),
            }
            if let Some(value) = check(&watched.objects) {
                return Ok(value);
            }
        }
        let mut interruption = watched.interruption;
        if interruption.is_some()
            && let Some(objects) = self
                .read_interrupted(resource, namespace, &selection, cancel)
                .await
        {
            if let Some(value) = check(&objects) {
                return Ok(value);
            }
            interruption = None;
        }
        Err(Unfinished::TimedOut { interruption })
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
    /// The last interruption without a change since then.
    interruption: Option<String>,
    /// The end of the pause after an answer that there are too many requests.
    paused_until: Option<Instant>,
    /// True after the first complete list.
    was_listed: bool,
    /// The times of the first and the last of consecutive denials.
    denied: Option<(Instant, Instant)>,
}

impl<K: kube::Resource + Send + 'static, T> Watched<K, T> {
    /// `keep` returns the name of an object and what is kept of it.
    fn new(
        plural: &'static str,
        events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
        keep: fn(K) -> Option<(String, T)>,
    ) -> Self {
        // The beginning of another list does not mean that it succeeds.
        let events = events.try_filter(|event| ready(!matches!(event, watcher::Event::Init)));
        Self {
            plural,
            events: events.backoff(WatchBackoff::default()).boxed(),
            keep,
            objects: BTreeMap::new(),
            listed: BTreeMap::new(),
            interruption: None,
            paused_until: None,
            was_listed: false,
            denied: None,
        }
    }

    /// Returns why the watch was interrupted. From then on until the next change, `objects` can be out of date.
    pub fn interruption(&self) -> Option<&str> {
        self.interruption.as_deref()
    }

    /// Waits until the objects are listed, then for each change. The future can be dropped and called again.
    ///
    /// # Errors
    ///
    /// A failure that a new watch would repeat, such as a missing permission. Other interruptions are resumed, and so
    /// are the first denials of a watch that was permitted before.
    pub async fn changed(&mut self) -> Result<(), Reason> {
        loop {
            if let Some(change) = self.next_event().await? {
                change.apply_to(&mut self.objects);
                return Ok(());
            }
        }
    }

    /// Waits for one event, and returns its change, which `objects` does not have yet. Events without a change are part
    /// of a list, or interrupt the watch.
    ///
    /// # Errors
    ///
    /// The same as for [`Watched::changed`].
    async fn next_event(&mut self) -> Result<Option<Change<T>>, Reason> {
        if let Some(end) = self.paused_until {
            tokio::time::sleep_until(end).await;
            self.paused_until = None;
        }
        let event = self.events.try_next().await;
        match &event {
            Ok(None | Some(watcher::Event::Init | watcher::Event::InitApply(_))) => {}
            Ok(Some(_)) => {
                self.interruption = None;
                self.was_listed = true;
                self.denied = None;
            }
            Err(error) => {
                self.interruption = Some(explain(error));
                self.listed.clear();
                let status = status(error);
                if status.is_some_and(|status| status.code == StatusCode::TOO_MANY_REQUESTS) {
                    self.paused_until = Some(Instant::now() + TOO_MANY_REQUESTS_PAUSE);
                }
            }
        }
        match event {
            Ok(Some(watcher::Event::Init)) => {}
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
            Err(error) => {
                let failure = permanent_failure(error);
                let can_pass = self.can_pass(failure.as_ref());
                match failure {
                    Some(reason) if !can_pass => return Err(reason),
                    _ => tracing::info!(
                        "resuming the watch of {}, which was interrupted: {}",
                        self.plural,
                        self.interruption().unwrap_or_default(),
                    ),
                }
            }
        }
        Ok(None)
    }

    /// Records a failure. Returns whether it is a denial that can pass: the watch was permitted before, and is denied
    /// for a short time only.
    fn can_pass(&mut self, failure: Option<&Reason>) -> bool {
        if !matches!(
            failure,
            Some(Reason::Unauthorized { .. } | Reason::Forbidden { .. })
        ) {
            self.denied = None;
            return false;
        }
        let now = Instant::now();
        let since = match self.denied {
            Some((since, last)) if now - last < RESUMED_AFTER => since,
            _ => now,
        };
        self.denied = Some((since, now));
        self.was_listed && now - since < DENIAL_TIMEOUT
    }
}

/// The pauses before an interrupted watch is resumed or a failed list is repeated. Those of kube grow to half a minute,
/// which is too long for a user who waits.
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

/// Returns the answer of the API server, if it has interrupted the watch.
fn status(error: &watcher::Error) -> Option<&Status> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        WatchError(status)
        | InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// Returns the root cause of an interruption.
fn explain(error: &watcher::Error) -> String {
    match status(error) {
        Some(status) => format!("{} {}: {}", status.code, status.reason, status.message),
        None => {
            let mut cause: &dyn std::error::Error = error;
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
    if let Some(status) = status(&error) {
        let message = status.message.clone();
        return match status.code {
            401 => Some(Reason::Unauthorized { message }),
            403 => Some(Reason::Forbidden { message }),
            _ => None,
        };
    }
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => {
            ConnectionError::of_credentials(error)
                .ok()
                .map(Reason::from)
        }
        WatchError(_) | NoResourceVersion => None,
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL};
    use crate::kubernetes::kind::{Key, Kind};

    /// Each list begins with an event, and fails.
    #[tokio::test(start_paused = true)]
    async fn pauses_between_failed_lists_grow() {
        let mut begins = false;
        let events = stream::repeat_with(move || {
            begins = !begins;
            match begins {
                true => Ok(watcher::Event::<Pod>::Init),
                false => Err(watcher::Error::NoResourceVersion),
            }
        });
        let mut watched = Watched::new("pods", events, |pod| Some((pod.metadata.name?, ())));
        let start = Instant::now();
        for seconds in [0.0, 0.25, 0.75, 1.75, 3.75, 7.75, 11.75] {
            assert!(watched.next_event().await.unwrap().is_none());
            let elapsed = start.elapsed().as_secs_f64();
            assert!((elapsed - seconds).abs() < 0.1, "{elapsed}, not {seconds}");
        }
    }

    /// A wait of more than 400 ms is dropped, and begins again.
    #[tokio::test(start_paused = true)]
    async fn pauses_after_too_many_requests_are_longer() {
        for (code, times) in [(503, [0.0, 0.25, 0.75, 1.75]), (429, [0.0, 1.0, 2.0, 3.0])] {
            let status = Status::failure("busy", "Busy").with_code(code).boxed();
            let events = stream::repeat_with(move || {
                Err::<watcher::Event<Pod>, _>(watcher::Error::WatchError(status.clone()))
            });
            let mut watched = Watched::new("pods", events, |pod| Some((pod.metadata.name?, ())));
            let start = Instant::now();
            for seconds in times {
                let wait = tokio::time::timeout(Duration::from_millis(400), watched.next_event());
                let event = match wait.await.ok() {
                    Some(event) => event,
                    None => watched.next_event().await,
                };
                assert!(event.unwrap().is_none());
                let elapsed = start.elapsed().as_secs_f64();
                assert!((elapsed - seconds).abs() < 0.1, "{elapsed}, not {seconds}");
            }
        }
    }

    fn denial(code: u16) -> watcher::Result<watcher::Event<Pod>> {
        let status = Status::failure("m", "r").with_code(code);
        Err(watcher::Error::WatchError(status.boxed()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_is_permanent_before_the_first_list_or_if_it_lasts() {
        for code in [401, 403] {
            for (is_listed, seconds) in [(false, 0.0), (true, 31.75)] {
                let list = is_listed.then_some(Ok(watcher::Event::InitDone));
                let events = stream::iter(list).chain(stream::repeat_with(move || denial(code)));
                let mut watched =
                    Watched::new("pods", events, |pod| Some((pod.metadata.name?, ())));
                let start = Instant::now();
                let reason = loop {
                    if let Err(reason) = watched.next_event().await {
                        break reason;
                    }
                };
                let elapsed = start.elapsed().as_secs_f64();
                assert!((elapsed - seconds).abs() < 0.1, "{elapsed}, not {seconds}");
                let is_expected = match reason {
                    Reason::Unauthorized { .. } => code == 401,
                    Reason::Forbidden { .. } => code == 403,
                    _ => false,
                };
                assert!(is_expected, "{code}: {reason}");
            }
        }
    }

    /// The watch is resumed without an event between the denials.
    #[tokio::test(start_paused = true)]
    async fn denials_that_are_far_apart_are_not_permanent() {
        let later = stream::repeat_with(|| ()).then(|()| async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            denial(403)
        });
        let events = stream::iter([Ok(watcher::Event::InitDone)]).chain(later);
        let mut watched = Watched::new("pods", events, |pod| Some((pod.metadata.name?, ())));
        assert!(watched.next_event().await.unwrap().is_some());
        for _ in 0..5 {
            assert!(watched.next_event().await.unwrap().is_none());
        }
    }

    /// The object exists, its watch is denied once, and then it is deleted.
    #[tokio::test]
    async fn a_denied_watch_is_resumed() {
        let script = || {
            let object = json!({"metadata": {"name": "x", "uid": "u", "resourceVersion": "2"}});
            let mut requests = 0;
            move |_: &fake_api::Received| {
                requests += 1;
                match requests {
                    1 => {
                        let list = json!({"metadata": {"resourceVersion": "1"}, "items": [object]});
                        Reply::Answer(200, list)
                    }
                    2 => Reply::Answer(
                        403,
                        json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"}),
                    ),
                    3 => Reply::Answer(200, json!({"type": "DELETED", "object": object})),
                    _ => Reply::Hang,
                }
            }
        };
        let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
        let key = Key::new(Kind::Service, "x");
        // An object with the label is watched together with others.
        for labels in [json!({}), json!({MANAGED_BY_LABEL: MANAGED_BY})] {
            let cluster = fake_api::cluster(script()).await;
            let live = json!({"metadata": {"name": "x", "uid": "u", "labels": labels}});
            let deadline = Instant::now() + Duration::from_secs(60);
            let ended = cluster.watch_deletion(&store, &key, &live, deadline, &cancel);
            assert!(ended.await.is_ok(), "{labels}");
        }
    }

    /// The watch fails once, and is resumed without an event.
    #[tokio::test]
    async fn a_resumed_watch_is_not_an_interruption() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut requests = 0;
        let cluster = fake_api::cluster(move |_| {
            requests += 1;
            match requests {
                1 | 4 => {
                    let items = json!([{"metadata": {"name": "x"}}]);
                    let list = json!({"metadata": {"resourceVersion": "1"}, "items": items});
                    Reply::Answer(200, list)
                }
                2 => Reply::Answer(
                    503,
                    json!({"kind": "Status", "status": "Failure", "code": 503}),
                ),
                _ => {
                    sender.send(()).unwrap();
                    Reply::Hang
                }
            }
        });
        let (cluster, cancel) = (cluster.await, CancellationToken::new());
        let mut checks = 0;
        let ended = cluster.watch_until(
            Resource::from(Kind::Job),
            "ns",
            Selection::Labels("a=b".to_owned()),
            Instant::now() + Duration::from_secs(3600),
            &cancel,
            |objects| {
                assert!(objects.contains_key("x"));
                checks += 1;
                None::<()>
            },
        );
        let (ended, ()) = tokio::join!(ended, fake_api::time_passes(&mut receiver));
        assert!(matches!(
            ended,
            Err(Unfinished::TimedOut { interruption: None })
        ));
        assert_eq!(checks, 2);
    }
}
