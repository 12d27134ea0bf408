//! The wait: a loop around [`progress`] and [`diagnose`], driven by one watch of the object and one of its pods.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::diagnosis::{Observation, diagnose};
use super::events::{EventReader, stuck};
use super::grace_period::{GRACE, GracePeriod, Verdict};
use super::pod_issue::{Cause, PodIssue};
use super::{Progress, exceeded_deadline, job_progress, progress};
use crate::cluster::error::{Error, Reason, Verb};
use crate::cluster::report::Reporter;
use crate::cluster::resource::{PODS, Resource};
use crate::cluster::watch::{Selection, last_observation};
use crate::cluster::{Cluster, StoreName};
use crate::feast::names::NAME_LABEL;
use crate::feast::secrets::redaction::Redaction;
use crate::kubernetes::kind::Kind;

/// The time for the first lists, even after the deadline: a workload that is complete by then is no failure, and an
/// error can have details.
const FIRST_LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Options of a wait. Consecutive waits share the deadline.
#[derive(Debug, Clone, Copy)]
pub struct Wait<'a> {
    pub deadline: Instant,
    /// The timeout of the deadline, for error messages.
    pub timeout: Duration,
    /// The time for issues that can be temporary.
    pub grace: Duration,
    /// Values that must not be shown in a log.
    pub secrets: &'a Redaction,
    /// Receives what is missing, after each change.
    pub reporter: Option<&'a Reporter>,
}

impl<'a> Wait<'a> {
    /// Starts the timeout now.
    pub fn new(timeout: Duration, secrets: &'a Redaction) -> Self {
        Self::since(Instant::now(), timeout, secrets)
    }

    pub fn since(began: Instant, timeout: Duration, secrets: &'a Redaction) -> Self {
        Self {
            deadline: began + timeout,
            timeout,
            grace: GRACE,
            secrets,
            reporter: None,
        }
    }
}

/// The Deployment to wait for.
#[derive(Debug, Clone, Copy)]
pub struct Rollout<'a> {
    pub deployment: &'a str,
    /// The value of the label with the feature store's name on its pods.
    pub pods: &'a str,
    /// See [`progress`].
    pub minimum: Option<i32>,
}

/// The reason for which a Job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobRole {
    /// It runs `feast apply` before a rollout.
    BeforeRollout,
    /// It runs this command of Feast because a user has asked for it.
    OnRequest(&'static str),
}

impl JobRole {
    /// Returns the command of Feast.
    pub fn command(self) -> &'static str {
        match self {
            Self::BeforeRollout => "feast apply",
            Self::OnRequest(command) => command,
        }
    }
}

/// A kind of workload that a wait is for.
#[derive(Clone, Copy)]
enum AwaitedWorkload {
    Deployment {
        /// See [`progress`].
        minimum: Option<i32>,
    },
    Job(JobRole),
}

/// The object that a wait is for.
struct Subject<'a> {
    workload: AwaitedWorkload,
    name: &'a str,
    /// The label selector of all its pods.
    pods: String,
}

impl Subject<'_> {
    fn kind(&self) -> Kind {
        match self.workload {
            AwaitedWorkload::Deployment { .. } => Kind::Deployment,
            AwaitedWorkload::Job(_) => Kind::Job,
        }
    }

    fn progress(&self, live: Option<&Json>) -> Progress {
        match (self.workload, live) {
            (AwaitedWorkload::Job(_), None) => {
                Progress::Failed("the Job was deleted before it had ended".into())
            }
            (AwaitedWorkload::Job(_), Some(live)) => job_progress(live),
            (AwaitedWorkload::Deployment { .. }, None) => {
                Progress::Failed("the Deployment does not exist".into())
            }
            (AwaitedWorkload::Deployment { minimum }, Some(live)) => match deployment(live) {
                Some(deployment) => progress(&deployment, minimum),
                None => Progress::Waiting("the Deployment could not be read".into()),
            },
        }
    }

    fn view(&self, live: Option<&Json>, pods: &BTreeMap<String, Json>) -> View {
        let deployment = match self.workload {
            AwaitedWorkload::Deployment { .. } => live.and_then(deployment),
            AwaitedWorkload::Job(_) => None,
        };
        View {
            live: live.cloned(),
            deployment,
            pods: (pods.values())
                .filter_map(|pod| serde_json::from_value(pod.clone()).ok())
                .collect(),
        }
    }

    /// Returns the parts of the observation that the watches and the event reader have.
    fn observation<'a>(
        &'a self,
        view: &'a View,
        events: &'a [Event],
        field_manager: &'a str,
    ) -> Observation<'a> {
        Observation {
            deployment: view.deployment.as_ref(),
            job: matches!(self.workload, AwaitedWorkload::Job(_)).then_some(self.name),
            live: view.live.as_ref(),
            field_manager,
            pods: &view.pods,
            events,
            ..Observation::default()
        }
    }

    /// Returns the reason of the error at the end of a wait.
    fn reason(
        &self,
        end: End,
        wait: &Wait<'_>,
        missing: String,
        available: i32,
        interruption: Option<&str>,
        issues: Vec<PodIssue>,
    ) -> Reason {
        match (end, self.workload) {
            (End::Failed(message), AwaitedWorkload::Job(role)) => Reason::JobFailed {
                role,
                message,
                issues,
            },
            (End::GivenUp(message), AwaitedWorkload::Job(role)) => Reason::JobUnfinished {
                role,
                message,
                issues,
            },
            (End::Failed(message) | End::GivenUp(message), AwaitedWorkload::Deployment { .. }) => {
                Reason::RolloutFailed {
                    message,
                    available,
                    issues,
                }
            }
            (End::TimedOut, _) => Reason::TimedOut {
                seconds: wait.timeout.as_secs(),
                waiting_for: last_observation(missing, interruption),
                issues,
            },
        }
    }
}

pub(super) fn deployment(live: &Json) -> Option<Deployment> {
    serde_json::from_value(live.clone()).ok()
}

/// The object and its pods, as last returned by the API server.
#[derive(Default)]
struct View {
    live: Option<Json>,
    deployment: Option<Deployment>,
    pods: Vec<Pod>,
}

/// The end of a wait without success.
enum End {
    Failed(String),
    /// The workload has not failed, but waiting longer would not help.
    GivenUp(String),
    TimedOut,
}

impl Cluster {
    /// Waits until the rollout of the Deployment is complete. Returns the Deployment.
    ///
    /// # Errors
    ///
    /// The rollout has failed or cannot finish, the timeout is over, or the operation was canceled.
    pub async fn wait_for_rollout(
        &self,
        store: &StoreName,
        rollout: &Rollout<'_>,
        wait: &Wait<'_>,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let subject = Subject {
            workload: AwaitedWorkload::Deployment {
                minimum: rollout.minimum,
            },
            name: rollout.deployment,
            pods: format!("{NAME_LABEL}={}", rollout.pods),
        };
        self.wait_until_done(store, &subject, wait, cancel).await
    }

    /// Waits until the Job has succeeded. Returns the Job.
    ///
    /// # Errors
    ///
    /// The Job has failed or cannot finish, the timeout is over, or the operation was canceled.
    pub async fn wait_for_job(
        &self,
        store: &StoreName,
        job: &str,
        role: JobRole,
        wait: &Wait<'_>,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let subject = Subject {
            workload: AwaitedWorkload::Job(role),
            name: job,
            pods: format!("job-name={job}"),
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
        let resource = Resource::from(subject.kind());
        let namespace = &store.namespace;
        let fail = |verb, reason| self.error(verb, resource, namespace, Some(subject.name), reason);
        let refused = |reason| fail(Verb::Watch, reason);
        let deadline = wait.deadline;
        let first_list = deadline.max(Instant::now() + FIRST_LIST_TIMEOUT);
        let named = Selection::Named(subject.name);
        let mut object = self
            .watch(resource, namespace, named.clone())
            .await
            .map_err(refused)?;
        let labelled = Selection::Labelled(subject.pods.clone());
        let mut pods = self
            .watch(PODS, namespace, labelled)
            .await
            .map_err(refused)?;
        let (mut object_listed, mut pods_listed, mut pods_permitted) = (false, false, true);
        let mut grace_period = GracePeriod::new(wait.grace, Instant::now());
        let mut reader = EventReader::default();
        let manager = &self.options().field_manager;
        let mut decide_again = deadline;
        let mut missing = format!("the {} could not be read yet", resource.kind);
        let mut logged = String::new();
        let mut view = View::default();
        let mut end = loop {
            let all_listed = object_listed && (pods_listed || !pods_permitted);
            let wake = match all_listed {
                true => reader
                    .next()
                    .into_iter()
                    .fold(decide_again.min(deadline), Instant::min),
                false => first_list,
            };
            tokio::select! {
                changed = object.changed() => {
                    changed.map_err(refused)?;
                    object_listed = true;
                }
                changed = pods.changed(), if pods_permitted => match changed {
                    Ok(()) => pods_listed = true,
                    Err(reason) => {
                        tracing::info!("cannot watch the pods: {reason}");
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
            if !object_listed {
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
            view = subject.view(live, &pods.objects);
            missing = match (subject.progress(live), live) {
                (Progress::Done, Some(live)) => return Ok(live.clone()),
                (Progress::Failed(message), _) => break End::Failed(message),
                (Progress::Waiting(text), _) => text,
                (Progress::Done, None) => continue,
            };
            let observation = subject.observation(&view, &reader.events, manager);
            let issues = diagnose(&observation);
            report(store, subject, wait, &missing, &issues, &mut logged);
            let (exceeded, message) = view.deployment.as_ref().and_then(exceeded_deadline).unzip();
            match grace_period.verdict(&issues, exceeded, Instant::now()) {
                Verdict::GiveUp => break End::GivenUp(missing.clone()),
                Verdict::Overdue => break End::Failed(message.unwrap_or_default()),
                Verdict::Continue(then) => decide_again = then.unwrap_or(deadline),
            }
            let stuck = stuck(&observation, &issues);
            reader.plan(stuck, Instant::now());
        };
        let mut interruption = object.interruption().map(str::to_owned);
        if matches!(end, End::TimedOut)
            && interruption.is_some()
            && let Some(objects) = self
                .read_interrupted(resource, namespace, &named, cancel)
                .await
        {
            interruption = None;
            let live = objects.get(subject.name);
            view = subject.view(live, &pods.objects);
            match (subject.progress(live), live) {
                (Progress::Done, Some(live)) => return Ok(live.clone()),
                (Progress::Failed(message), _) => end = End::Failed(message),
                (Progress::Waiting(text), _) => missing = text,
                (Progress::Done, None) => {}
            }
        }
        let observation = subject.observation(&view, &reader.events, manager);
        let issues = self.explain(store, observation, wait.secrets).await;
        let available = (view.deployment.as_ref())
            .and_then(|deployment| deployment.status.as_ref()?.available_replicas)
            .unwrap_or(0);
        let interruption = interruption.as_deref();
        let reason = subject.reason(end, wait, missing, available, interruption, issues);
        Err(fail(Verb::Wait, reason))
    }
}

/// Logs and reports what is missing, once for each change.
fn report(
    store: &StoreName,
    subject: &Subject<'_>,
    wait: &Wait<'_>,
    missing: &str,
    issues: &[PodIssue],
    logged: &mut String,
) {
    let mut text = missing.to_owned();
    let is_running = |issue: &&PodIssue| {
        // The pod of a Job runs until its container has ended.
        matches!(subject.workload, AwaitedWorkload::Job(_))
            && (issue.cause, issue.reason.as_str()) == (Cause::Other, "Running")
    };
    for issue in issues.iter().filter(|issue| !is_running(issue)) {
        text.push_str(&format!("; {issue}"));
        // The status does not say why a probe fails. The events of other causes are in their text, or follow at the
        // end.
        if let (Cause::NotReady, Some(event)) = (issue.cause, &issue.event) {
            text.push_str(&format!(": {event}"));
        }
    }
    let text = wait.secrets.redact(&text);
    if text != *logged {
        let (kind, name, namespace) = (subject.kind().as_str(), subject.name, &store.namespace);
        tracing::info!("waiting for {kind}/{name} in namespace {namespace}: {text}");
        if let Some(reporter) = wait.reporter {
            reporter.status(text.clone());
        }
        *logged = text;
    }
}
