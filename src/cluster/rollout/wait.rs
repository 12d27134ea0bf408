//! The wait: a loop around [`progress`] and [`diagnose`], driven by one watch of the object and one of its pods.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DynamicObject;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::diagnosis::{Observation, diagnose};
use super::events::{EventReader, stuck};
use super::grace_period::{GRACE, GracePeriod, Verdict};
use super::pod_issue::{Cause, PodIssue};
use super::{JobRole, Progress, exceeded_deadline, job_progress, progress};
use crate::cluster::error::{Error, Reason, Verb};
use crate::cluster::report::Reporter;
use crate::cluster::resource::{PODS, Resource};
use crate::cluster::watch::{Selection, Watched, last_observation};
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
    /// True if the error of a failed Job has its causes.
    pub explains_failure: bool,
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
            explains_failure: true,
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

    fn view(&self, live: Option<Json>, pods: &BTreeMap<String, Json>) -> View {
        let deployment = match self.workload {
            AwaitedWorkload::Deployment { .. } => live.as_ref().and_then(deployment),
            AwaitedWorkload::Job(_) => None,
        };
        View {
            live,
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
        reader: &'a EventReader,
        field_manager: &'a str,
    ) -> Observation<'a> {
        let role = match self.workload {
            AwaitedWorkload::Deployment { .. } => None,
            AwaitedWorkload::Job(role) => Some(role),
        };
        Observation {
            deployment: view.deployment.as_ref(),
            job: role.map(|_| self.name),
            role,
            live: view.live.as_ref(),
            field_manager,
            pods: &view.pods,
            events: &reader.events,
            events_forbidden: reader.forbidden,
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
        let watch_error = |reason| fail(Verb::Watch, reason);
        let named = Selection::Named(subject.name);
        let object = self.watch(resource, namespace, named.clone()).await;
        let labels = Selection::Labels(subject.pods.clone());
        let pods = self.watch(PODS, namespace, labels).await;
        let mut observer = Observer {
            cluster: self,
            store,
            subject,
            wait,
            cancel,
            object: object.map_err(watch_error)?,
            pods: pods.map_err(watch_error)?,
            object_listed: false,
            pods_listed: false,
            pods_permitted: true,
            reader: EventReader::default(),
            view: View::default(),
            missing: format!("the {} could not be read yet", resource.kind),
        };
        let mut end = match observer.observe().await.map_err(watch_error)? {
            Ok(live) => return Ok(live),
            Err(end) => end,
        };
        let mut interruption = observer.object.interruption().map(str::to_owned);
        if matches!(end, End::TimedOut)
            && interruption.is_some()
            && let Some(mut objects) = self
                .read_interrupted(resource, namespace, &named, cancel)
                .await
        {
            interruption = None;
            match observer.update(objects.remove(subject.name)) {
                Some(Ok(live)) => return Ok(live),
                Some(Err(failed)) => end = failed,
                None => {}
            }
        }
        let issues = match wait.explains_failure || !matches!(end, End::Failed(_)) {
            true => (self.explain(store, observer.observation(), wait.secrets)).await,
            false => Vec::new(),
        };
        let Observer { view, missing, .. } = observer;
        let available = (view.deployment.as_ref())
            .and_then(|deployment| deployment.status.as_ref()?.available_replicas)
            .unwrap_or(0);
        let interruption = interruption.as_deref();
        let reason = subject.reason(end, wait, missing, available, interruption, issues);
        Err(fail(Verb::Wait, reason))
    }
}

/// The watches of a wait, and what they have shown.
struct Observer<'a> {
    cluster: &'a Cluster,
    store: &'a StoreName,
    subject: &'a Subject<'a>,
    wait: &'a Wait<'a>,
    cancel: &'a CancellationToken,
    object: Watched<DynamicObject, Json>,
    pods: Watched<DynamicObject, Json>,
    object_listed: bool,
    pods_listed: bool,
    pods_permitted: bool,
    reader: EventReader,
    view: View,
    /// A main clause about what is missing.
    missing: String,
}

impl Observer<'_> {
    /// Waits until the workload is done, and returns it, or until the wait ends otherwise.
    ///
    /// # Errors
    ///
    /// The object cannot be watched, or the operation was canceled.
    async fn observe(&mut self) -> Result<Result<Json, End>, Reason> {
        let deadline = self.wait.deadline;
        let first_list = deadline.max(Instant::now() + FIRST_LIST_TIMEOUT);
        let mut grace_period = GracePeriod::new(self.wait.grace, Instant::now());
        let mut decide_again = deadline;
        let mut logged = String::new();
        loop {
            let all_listed = self.object_listed && (self.pods_listed || !self.pods_permitted);
            let next_read = self.reader.next().into_iter();
            let wake = match all_listed {
                true => next_read.fold(decide_again.min(deadline), Instant::min),
                false => first_list,
            };
            if !self.changed(wake).await? && Instant::now() >= deadline {
                return Ok(Err(End::TimedOut));
            }
            if !self.object_listed {
                continue;
            }
            if (self.reader.next()).is_some_and(|next| next <= Instant::now()) {
                tokio::select! {
                    () = self.reader.read(self.cluster, self.store, self.cancel) => {}
                    () = tokio::time::sleep_until(deadline) => return Ok(Err(End::TimedOut)),
                    () = self.cancel.cancelled() => return Err(Reason::Cancelled),
                }
            }
            let live = self.object.objects.get(self.subject.name).cloned();
            if let Some(end) = self.update(live) {
                return Ok(end);
            }
            let observation = self.observation();
            let issues = diagnose(&observation);
            let stuck = stuck(&observation, &issues);
            let (store, subject) = (self.store, self.subject);
            report(
                store,
                subject,
                self.wait,
                &self.missing,
                &issues,
                &mut logged,
            );
            let deployment = self.view.deployment.as_ref();
            let (exceeded, message) = deployment.and_then(exceeded_deadline).unzip();
            match grace_period.verdict(&issues, exceeded, Instant::now()) {
                Verdict::GiveUp => return Ok(Err(End::GivenUp(self.missing.clone()))),
                Verdict::Overdue => return Ok(Err(End::Failed(message.unwrap_or_default()))),
                Verdict::Continue(then) => decide_again = then.unwrap_or(deadline),
            }
            self.reader.plan(stuck, Instant::now());
        }
    }

    /// Waits for a change of the object or of its pods, at most until `wake`. Returns whether there was one.
    async fn changed(&mut self, wake: Instant) -> Result<bool, Reason> {
        tokio::select! {
            changed = self.object.changed() => {
                changed?;
                self.object_listed = true;
            }
            changed = self.pods.changed(), if self.pods_permitted => match changed {
                Ok(()) => self.pods_listed = true,
                Err(reason) => {
                    tracing::info!("cannot watch the pods: {reason}");
                    // They were permitted before, and can be again.
                    self.pods_permitted = self.pods_listed;
                }
            },
            () = tokio::time::sleep_until(wake) => return Ok(false),
            () = self.cancel.cancelled() => return Err(Reason::Cancelled),
        }
        Ok(true)
    }

    /// Sets the current object. Returns the end of the wait if the workload is done or has failed.
    fn update(&mut self, live: Option<Json>) -> Option<Result<Json, End>> {
        self.view = self.subject.view(live, &self.pods.objects);
        let live = self.view.live.as_ref();
        match self.subject.progress(live) {
            Progress::Done => return live.cloned().map(Ok),
            Progress::Failed(message) => return Some(Err(End::Failed(message))),
            Progress::Waiting(text) => self.missing = text,
        }
        None
    }

    fn observation(&self) -> Observation<'_> {
        let manager = &self.cluster.options().field_manager;
        (self.subject).observation(&self.view, &self.reader, manager)
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
