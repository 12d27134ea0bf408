//! Reads the events of objects that are stuck without a reason in their status: a Job whose pods are rejected, a pod
//! that its node cannot prepare, a server whose probe does not succeed. Events are read at intervals while an object is
//! stuck, so that other rollouts need no request.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::diagnosis::Observation;
use super::pod_issue::{Cause, PodIssue};
use crate::cluster::error::Error;
use crate::cluster::request::{List, Request};
use crate::cluster::resource::EVENTS;
use crate::cluster::{Cluster, StoreName};

/// The delay of the first read. Most pods are prepared within this time.
const FIRST_READ: Duration = Duration::from_secs(2);
/// The delay of the first read while all containers run. Most servers are ready within this time.
const FIRST_READ_OF_PROBES: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(10);
/// The time for a read. The rollout can complete meanwhile.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of stuck objects whose events are read; the others usually have the same cause.
const OBJECTS: usize = 3;

/// Stuck objects by kind and name, and the delay of the first read of their events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stuck {
    objects: Vec<(&'static str, String)>,
    delay: Duration,
}

/// Reads events, and keeps those of the last successful read.
#[derive(Default)]
pub(super) struct EventReader {
    pub events: Vec<Event>,
    /// True after a read that the account has no permission for.
    pub forbidden: bool,
    stuck: Stuck,
    next: Option<Instant>,
}

impl EventReader {
    /// Sets the stuck objects, and plans the next read.
    pub fn plan(&mut self, stuck: Stuck, now: Instant) {
        let is_changed = self.stuck.delay != stuck.delay;
        self.stuck = stuck;
        if self.stuck.objects.is_empty() || self.forbidden {
            self.next = None;
            self.events.clear();
        } else if self.next.is_none() || is_changed {
            self.next = Some(now + self.stuck.delay);
        }
    }

    /// Returns the time of the next read.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    pub async fn read(&mut self, cluster: &Cluster, store: &StoreName, cancel: &CancellationToken) {
        let objects = self.stuck.objects.iter().take(OBJECTS);
        let reads = join_all(objects.map(|(kind, name)| async move {
            let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
            let read = cluster.list_events(store, &selector, cancel);
            let read = timeout(READ_TIMEOUT, read).await;
            (*kind, name.as_str(), read)
        }));
        let mut events = Vec::new();
        for (kind, name, read) in reads.await {
            match read {
                Ok(Ok(read)) => {
                    events.extend(read);
                    continue;
                }
                Ok(Err(error)) => {
                    tracing::info!("cannot list the events of {kind}/{name}: {}", error.reason);
                    self.forbidden |= error.is_forbidden();
                }
                Err(_) => tracing::info!("cannot list the events of {kind}/{name} in time"),
            }
            let known = self.events.iter().filter(|event| {
                let of = &event.involved_object;
                (of.kind.as_deref(), of.name.as_deref()) == (Some(kind), Some(name))
            });
            events.extend(known.cloned());
        }
        self.events = events;
        self.next = (!self.forbidden).then(|| Instant::now() + INTERVAL);
    }
}

impl Cluster {
    /// Returns the events with these fields.
    pub(super) async fn list_events(
        &self,
        store: &StoreName,
        selector: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<Event>, Error> {
        let params = ListParams::default().fields(selector);
        let request = Request::list(EVENTS, &store.namespace, params);
        let list = self.send_for::<List<Event>>(request, cancel).await?;
        Ok(list.items.unwrap_or_default())
    }
}

/// Returns the objects that are stuck without a reason in their status. A server that is not ready counts only if no
/// other object is stuck.
pub(super) fn stuck(observation: &Observation<'_>, issues: &[PodIssue]) -> Stuck {
    let of = |causes: &[Cause]| {
        let issues = issues.iter().filter(|issue| causes.contains(&issue.cause));
        let mut pods: Vec<_> = issues
            .filter_map(|issue| Some(("Pod", issue.pod.clone()?)))
            .collect();
        pods.dedup();
        pods
    };
    let mut objects = of(&[Cause::Starting, Cause::NodeSetup, Cause::Configuration]);
    if let Some(job) = observation.job
        && !observation.pods.iter().any(is_unfinished)
    {
        objects.push(("Job", job.to_owned()));
    }
    match objects.is_empty() {
        true => Stuck {
            objects: of(&[Cause::NotReady]),
            delay: FIRST_READ_OF_PROBES,
        },
        false => Stuck {
            objects,
            delay: FIRST_READ,
        },
    }
}

/// Returns whether the pod has neither succeeded nor failed.
pub(super) fn is_unfinished(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::cluster::rollout::pod_issue::Recoverability;

    fn pod(name: &str) -> (&'static str, String) {
        ("Pod", name.to_owned())
    }

    #[tokio::test]
    async fn a_failed_read_keeps_the_events() {
        let event =
            |name: &str| json!({"metadata": {}, "involvedObject": {"kind": "Pod", "name": name}});
        let list = json!({"items": [event("p")]});
        let mut replies = [
            Reply::Answer(200, list),
            Reply::Answer(
                400,
                json!({"kind": "Status", "status": "Failure", "code": 400}),
            ),
        ]
        .into_iter();
        let cluster = fake_api::cluster(move |_| replies.next().unwrap()).await;
        let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
        let mut reader = EventReader {
            events: vec![serde_json::from_value(event("q")).unwrap()],
            stuck: Stuck {
                objects: vec![pod("p")],
                delay: FIRST_READ,
            },
            ..EventReader::default()
        };
        for _ in 0..2 {
            reader.read(&cluster, &store, &cancel).await;
            let names = reader.events.iter();
            let names: Vec<_> = names.map(|it| it.involved_object.name.clone()).collect();
            assert_eq!(names, [Some("p".to_owned())]);
        }
    }

    #[tokio::test]
    async fn a_forbidden_read_is_the_last() {
        let status = json!({"kind": "Status", "status": "Failure", "code": 403});
        let cluster = fake_api::cluster(move |_| Reply::Answer(403, status.clone())).await;
        let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
        let stuck = || Stuck {
            objects: vec![pod("p")],
            delay: FIRST_READ,
        };
        let mut reader = EventReader {
            stuck: stuck(),
            ..EventReader::default()
        };
        reader.read(&cluster, &store, &cancel).await;
        assert!(reader.forbidden);
        reader.plan(stuck(), Instant::now());
        assert_eq!(reader.next(), None);
    }

    #[test]
    fn reads_at_intervals_while_something_is_stuck() {
        let start = Instant::now();
        let stuck = |delay| Stuck {
            objects: vec![pod("p")],
            delay,
        };
        let second = start + Duration::from_secs(1);
        let mut reader = EventReader::default();
        reader.plan(Stuck::default(), start);
        assert_eq!(reader.next(), None);
        reader.plan(stuck(FIRST_READ), start);
        assert_eq!(reader.next(), Some(start + FIRST_READ));
        reader.plan(stuck(FIRST_READ), second);
        assert_eq!(reader.next(), Some(start + FIRST_READ));
        // The container has started meanwhile.
        reader.plan(stuck(FIRST_READ_OF_PROBES), second);
        assert_eq!(reader.next(), Some(second + FIRST_READ_OF_PROBES));
        reader.events = vec![Event::default()];
        reader.plan(Stuck::default(), start);
        assert_eq!((reader.next(), reader.events.len()), (None, 0));
    }

    #[test]
    fn a_job_is_stuck_without_an_unfinished_pod() {
        let pod = |phase: &str| -> Pod {
            serde_json::from_value(json!({"metadata": {}, "status": {"phase": phase}}))
                .expect("a pod")
        };
        let of = |pods: &[Pod]| {
            let observation = Observation {
                job: Some("j"),
                pods,
                ..Observation::default()
            };
            stuck(&observation, &[]).objects
        };
        let job = vec![("Job", "j".to_owned())];
        assert_eq!(of(&[]), job);
        assert_eq!(of(&[pod("Failed")]), job);
        assert_eq!(of(&[pod("Failed"), pod("Pending")]), []);
    }

    #[test]
    fn a_pod_is_stuck_while_its_node_prepares_it_and_later_if_it_is_not_ready() {
        let issue = |cause, pod: &str| PodIssue {
            pod: Some(pod.to_owned()),
            ..PodIssue::new(cause, Recoverability::Eventually, "r")
        };
        let issues = [
            issue(Cause::NotReady, "c"),
            issue(Cause::Unschedulable, "d"),
            issue(Cause::Starting, "a"),
            issue(Cause::NodeSetup, "b"),
        ];
        let stuck = |issues: &[PodIssue]| stuck(&Observation::default(), issues);
        let expected = Stuck {
            objects: vec![pod("a"), pod("b")],
            delay: FIRST_READ,
        };
        assert_eq!(stuck(&issues), expected);
        let expected = Stuck {
            objects: vec![pod("c")],
            delay: FIRST_READ_OF_PROBES,
        };
        assert_eq!(stuck(&issues[..2]), expected);
    }
}
