//! Reads the events of objects that are stuck without a reason in their status: a Job whose pods are rejected, a pod that
//! its node cannot prepare. Events are read at intervals while an object is stuck, so that other rollouts need no request.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::diagnosis::Observation;
use super::pod_issue::{Cause, PodIssue};
use crate::cluster::error::Reason;
use crate::cluster::request::{List, Request};
use crate::cluster::resource::EVENTS;
use crate::cluster::{Cluster, StoreName};

/// The delay of the first read. Most pods are prepared within this time.
const FIRST_READ: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_secs(10);
/// The number of stuck objects whose events are read; the others usually have the same cause.
const OBJECTS: usize = 3;

/// The kind and name of a stuck object.
pub(super) type Stuck = (&'static str, String);

/// Reads events, and keeps those of the last read.
#[derive(Default)]
pub(super) struct EventReader {
    pub events: Vec<Event>,
    stuck: Vec<Stuck>,
    next: Option<Instant>,
    forbidden: bool,
}

impl EventReader {
    /// Sets the stuck objects, and plans the next read.
    pub fn plan(&mut self, stuck: Vec<Stuck>, now: Instant) {
        self.stuck = stuck;
        if self.stuck.is_empty() || self.forbidden {
            self.next = None;
            self.events.clear();
        } else if self.next.is_none() {
            self.next = Some(now + FIRST_READ);
        }
    }

    /// Returns the time of the next read.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    pub async fn read(&mut self, cluster: &Cluster, store: &StoreName, cancel: &CancellationToken) {
        let mut events = Vec::new();
        for (kind, name) in self.stuck.iter().take(OBJECTS) {
            let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
            let params = ListParams::default().fields(&selector);
            let request = Request::list(EVENTS, &store.namespace, params);
            match cluster.send_for::<List<Event>>(request, cancel).await {
                Ok(list) => events.extend(list.items.unwrap_or_default()),
                Err(error) => {
                    tracing::info!("cannot list the events of {kind}/{name}: {}", error.reason);
                    self.forbidden |= matches!(error.reason, Reason::Forbidden { .. });
                }
            }
        }
        self.events = events;
        self.next = (!self.forbidden).then(|| Instant::now() + INTERVAL);
    }
}

/// Returns the objects that are stuck without a reason in their status.
pub(super) fn stuck(observation: &Observation<'_>, issues: &[PodIssue]) -> Vec<Stuck> {
    let mut stuck: Vec<Stuck> = (issues.iter())
        .filter(|issue| {
            matches!(
                issue.cause,
                Cause::Starting | Cause::NodeSetup | Cause::Configuration
            )
        })
        .filter_map(|issue| Some(("Pod", issue.pod.clone()?)))
        .collect();
    stuck.dedup();
    if let Some(job) = observation.job
        && !observation.pods.iter().any(is_unfinished)
    {
        stuck.push(("Job", job.to_owned()));
    }
    stuck
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
    use crate::cluster::rollout::pod_issue::Recoverability;

    #[test]
    fn reads_at_intervals_while_something_is_stuck() {
        let start = Instant::now();
        let stuck = || vec![("Pod", "p".to_owned())];
        let mut reader = EventReader::default();
        reader.plan(Vec::new(), start);
        assert_eq!(reader.next(), None);
        reader.plan(stuck(), start);
        assert_eq!(reader.next(), Some(start + FIRST_READ));
        reader.plan(stuck(), start + Duration::from_secs(1));
        assert_eq!(reader.next(), Some(start + FIRST_READ));
        reader.events = vec![Event::default()];
        reader.plan(Vec::new(), start);
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
            stuck(&observation, &[])
        };
        let job = vec![("Job", "j".to_owned())];
        assert_eq!(of(&[]), job);
        assert_eq!(of(&[pod("Failed")]), job);
        assert_eq!(of(&[pod("Failed"), pod("Pending")]), []);
    }

    #[test]
    fn a_pod_is_stuck_while_its_node_prepares_it() {
        let issue = |cause, pod: &str| PodIssue {
            pod: Some(pod.to_owned()),
            ..PodIssue::new(cause, Recoverability::Eventually, "r")
        };
        let issues = [
            issue(Cause::Starting, "a"),
            issue(Cause::NodeSetup, "b"),
            issue(Cause::NotReady, "c"),
            issue(Cause::Unschedulable, "d"),
        ];
        let expected = [("Pod", "a".to_owned()), ("Pod", "b".to_owned())];
        assert_eq!(stuck(&Observation::default(), &issues), expected);
    }
}
