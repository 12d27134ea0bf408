//! Waiting: a loop over [`progress`] and [`diagnose`], fed by one watch of the object and one of its pods.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::diagnosis::{Seen, diagnose};
use super::events::{EventReader, stuck};
use super::grace_period::{GRACE, GracePeriod, Verdict};
use super::pod_issue::PodIssue;
use super::{Progress, exceeded_deadline, job_progress, progress};
use crate::cluster::error::{Error, Reason, Verb};
use crate::cluster::resource::{PODS, Resource};
use crate::cluster::watch::Selection;
use crate::cluster::{Cluster, StoreName};
use crate::feast::names::NAME_LABEL;
use crate::feast::secrets::redaction::Redaction;
use crate::kubernetes::kind::Kind;

/// How long the first look at what is waited for may take, however late it is: what is complete then is no failure,
/// and an error can say what there is.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// How to wait, for one object after the other: they share the time.
#[derive(Debug, Clone, Copy)]
pub struct Wait<'a> {
    pub deadline: Instant,
    /// The time-out that the deadline comes from, for the error.
    pub timeout: Duration,
    /// How long a issue that may pass by itself is put up with.
    pub grace: Duration,
    /// What must not be shown of a log.
    pub secrets: &'a Redaction,
}

impl<'a> Wait<'a> {
    /// The time begins now.
    pub fn new(timeout: Duration, secrets: &'a Redaction) -> Self {
        Self::since(Instant::now(), timeout, secrets)
    }

    pub fn since(began: Instant, timeout: Duration, secrets: &'a Redaction) -> Self {
        Self {
            deadline: began + timeout,
            timeout,
            grace: GRACE,
            secrets,
        }
    }
}

/// Of which Deployment.
#[derive(Debug, Clone, Copy)]
pub struct Rollout<'a> {
    pub deployment: &'a str,
    /// What its pods have for the feature store's name.
    pub pods: &'a str,
    /// See [`progress`].
    pub minimum: Option<i32>,
}

/// What is waited for.
struct Subject<'a> {
    kind: Kind,
    name: &'a str,
    /// Selects its pods, of whatever age.
    pods: String,
    /// See [`progress`].
    minimum: Option<i32>,
}

impl Subject<'_> {
    fn progress(&self, live: Option<&Json>) -> Progress {
        match (live, self.kind) {
            (None, Kind::Job) => Progress::Failed("the Job was deleted before it had ended".into()),
            (None, _) => Progress::Failed("the Deployment does not exist".into()),
            (Some(live), Kind::Job) => job_progress(live),
            (Some(live), _) => match deployment(live) {
                Some(deployment) => progress(&deployment, self.minimum),
                None => Progress::Waiting("the Deployment could not be read".into()),
            },
        }
    }

    /// What is seen of it, as far as it is watched and its events were read.
    fn seen<'a>(&'a self, view: &'a View, events: &'a [Event], field_manager: &'a str) -> Seen<'a> {
        Seen {
            deployment: view.deployment.as_ref(),
            job: (self.kind == Kind::Job).then_some(self.name),
            live: view.live.as_ref(),
            field_manager,
            pods: &view.pods,
            events,
            ..Seen::default()
        }
    }

    fn failed(&self, message: String, issues: Vec<PodIssue>) -> Reason {
        match self.kind {
            Kind::Job => Reason::JobFailed { message, issues },
            _ => Reason::RolloutFailed { message, issues },
        }
    }

    fn given_up(&self, message: String, issues: Vec<PodIssue>) -> Reason {
        match self.kind {
            Kind::Job => Reason::JobUnfinished { message, issues },
            _ => Reason::RolloutFailed { message, issues },
        }
    }
}

pub(super) fn deployment(live: &Json) -> Option<Deployment> {
    serde_json::from_value(live.clone()).ok()
}

/// The object and its pods, as they were last seen.
#[derive(Default)]
struct View {
    live: Option<Json>,
    deployment: Option<Deployment>,
    pods: Vec<Pod>,
}

/// Why the wait is over without success.
enum End {
    Failed(String),
    /// It has not failed, but waiting longer would not help.
    GivenUp(String),
    TimedOut,
}

impl Cluster {
    /// Waits until the Deployment runs what its spec says, and answers it as it is then.
    pub async fn wait_for_rollout(
        &self,
        store: &StoreName,
        rollout: &Rollout<'_>,
        wait: &Wait<'_>,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let subject = Subject {
            kind: Kind::Deployment,
            name: rollout.deployment,
            pods: format!("{NAME_LABEL}={}", rollout.pods),
            minimum: rollout.minimum,
        };
        self.wait_until_done(store, &subject, wait, cancel).await
    }

    /// Waits until the Job has succeeded, and answers it as it is then.
    pub async fn wait_for_job(
        &self,
        store: &StoreName,
        job: &str,
        wait: &Wait<'_>,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let subject = Subject {
            kind: Kind::Job,
            name: job,
            pods: format!("job-name={job}"),
            minimum: None,
        };
        self.wait_until_done(store, &subject, wait, cancel).await
    }

    async fn wait_until_done(
        &self,
        store: &StoreName,
        subject: &Subject<'_>,
        wait: &Wait<'_>,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let resource = Resource::from(subject.kind);
        let namespace = &store.namespace;
        let fail = |verb, reason| self.error(verb, resource, namespace, Some(subject.name), reason);
        let refused = |reason| fail(Verb::Watch, reason);
        let deadline = wait.deadline;
        let first_look = deadline.max(Instant::now() + FIRST_LOOK);
        let named = Selection::Named(subject.name);
        let mut object = self
            .watch(resource, namespace, named)
            .await
            .map_err(refused)?;
        let labelled = Selection::Labelled(subject.pods.clone());
        let mut pods = self
            .watch(PODS, namespace, labelled)
            .await
            .map_err(refused)?;
        let (mut object_seen, mut pods_seen, mut pods_permitted) = (false, false, true);
        let mut grace_period = GracePeriod::new(wait.grace, Instant::now());
        let mut reader = EventReader::default();
        let manager = &self.options().field_manager;
        let mut look_again = deadline;
        let mut missing = format!("the {} has not been seen", resource.kind);
        let mut told = String::new();
        let mut view = View::default();
        let end = loop {
            let all_seen = object_seen && (pods_seen || !pods_permitted);
            let wake = match all_seen {
                true => reader
                    .next()
                    .into_iter()
                    .fold(look_again.min(deadline), Instant::min),
                false => first_look,
            };
            tokio::select! {
                changed = object.changed() => {
                    changed.map_err(refused)?;
                    object_seen = true;
                }
                changed = pods.changed(), if pods_permitted => match changed {
                    Ok(()) => pods_seen = true,
                    Err(reason) => {
                        tracing::info!("what the pods wait for is not known: {reason}");
                        pods_permitted = false;
                    }
                },
                () = tokio::time::sleep_until(wake) => {
                    if Instant::now() >= deadline {
                        break End::TimedOut;
                    }
                }
                () = cancel.cancelled() => return Err(refused(Reason::Cancelled)),
            }
            if !object_seen {
                continue;
            }
            if reader.next().is_some_and(|next| next <= Instant::now()) {
                tokio::select! {
                    () = reader.read(self, store, cancel) => {}
                    () = tokio::time::sleep_until(deadline) => break End::TimedOut,
                    () = cancel.cancelled() => return Err(refused(Reason::Cancelled)),
                }
            }
            let live = object.objects.get(subject.name);
            view = View {
                live: live.cloned(),
                deployment: live
                    .filter(|_| subject.kind == Kind::Deployment)
                    .and_then(deployment),
                pods: (pods.objects.values())
                    .filter_map(|pod| serde_json::from_value(pod.clone()).ok())
                    .collect(),
            };
            missing = match (subject.progress(live), live) {
                (Progress::Done, Some(live)) => return Ok(live.clone()),
                (Progress::Failed(message), _) => break End::Failed(message),
                (Progress::Waiting(text), _) => text,
                (Progress::Done, None) => continue,
            };
            let seen = subject.seen(&view, &reader.events, manager);
            let issues = diagnose(&seen);
            tell(store, subject, &missing, &issues, &mut told);
            let (exceeded, words) = view.deployment.as_ref().and_then(exceeded_deadline).unzip();
            match grace_period.judge(&issues, exceeded, Instant::now()) {
                Verdict::GiveUp => break End::GivenUp(missing.clone()),
                Verdict::Overdue => break End::Failed(words.unwrap_or_default()),
                Verdict::GoOn(then) => look_again = then.unwrap_or(deadline),
            }
            let stuck = stuck(&seen, &issues);
            reader.plan(stuck, Instant::now());
        };
        let seen = subject.seen(&view, &reader.events, manager);
        let issues = self.explain(store, seen, wait.secrets).await;
        let reason = match end {
            End::Failed(message) => subject.failed(message, issues),
            End::GivenUp(message) => subject.given_up(message, issues),
            End::TimedOut => Reason::TimedOut {
                seconds: wait.timeout.as_secs(),
                waiting_for: match object.interruption() {
                    Some(why) => format!(
                        "{missing} (as last seen; the API server does not answer the watch: {why})"
                    ),
                    None => missing,
                },
                issues,
            },
        };
        Err(fail(Verb::Wait, reason))
    }
}

/// What is missing, once for each change.
fn tell(
    store: &StoreName,
    subject: &Subject<'_>,
    missing: &str,
    issues: &[PodIssue],
    told: &mut String,
) {
    let mut text = missing.to_owned();
    for issue in issues {
        text.push_str(&format!("; {issue}"));
    }
    if text != *told {
        let (kind, name, namespace) = (subject.kind.as_str(), subject.name, &store.namespace);
        tracing::info!("waiting for {kind}/{name} in namespace {namespace}: {text}");
        *told = text;
    }
}
