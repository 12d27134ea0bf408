//! A problem that prevents pods from becoming ready.

use std::fmt;

use super::JobRole;
use super::advice::advice;

/// The cause of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The image name is invalid.
    ImageName,
    /// The image cannot be pulled.
    Image,
    /// The container has ended with an error.
    Crash,
    /// The container exceeded its memory limit.
    Memory,
    /// A Secret, a ConfigMap or a key of one is missing.
    Configuration,
    /// The container runtime could not start the container.
    Start,
    /// The kubelet has ended or rejected the whole pod: an eviction, a node that lacks what the pod needs.
    Ended,
    /// The node prepares the pod: it pulls images, mounts volumes, creates the sandbox.
    Starting,
    /// The node cannot prepare the pod: its sandbox, its network or a volume.
    NodeSetup,
    /// The containers of a Job have succeeded, and an injected container keeps the pod running.
    Sidecar,
    /// The Deployment is paused.
    Paused,
    /// The Job is suspended.
    Suspended,
    /// The Job has no pod, and the events that have the reason cannot be listed.
    NoPod,
    /// The API server rejects the pods, because of a quota or an admission policy.
    Denied,
    /// An old pod has not ended, and the strategy `Recreate` waits for it.
    Terminating,
    /// No node can run the pod.
    Unschedulable,
    /// A PersistentVolumeClaim is not bound.
    UnboundPvc,
    /// The container runs, and its readiness probe fails.
    NotReady,
    /// Any other reason in the status.
    Other,
}

/// The chance that an issue ends without a change by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recoverability {
    Never,
    /// It can be temporary. If it lasts, it is permanent. [`GracePeriod`](super::grace_period::GracePeriod) has the
    /// time, which depends on the cause.
    MaybeSoon,
    /// A controller or the server itself can still resolve it: a cluster autoscaler, a volume provisioner.
    Eventually,
}

/// One reason why pods are not ready. Issues of several pods are merged (`others`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodIssue {
    pub cause: Cause,
    pub recoverability: Recoverability,
    /// The namespace, for commands in the advice.
    pub namespace: Option<String>,
    /// The first pod with the issue; `None` if no pod was created.
    pub pod: Option<String>,
    /// The workload, if the issue is not that of a pod, or if commands in the advice need it.
    pub workload: Option<Workload>,
    /// The reason for which the Job runs; `None` for a Deployment.
    pub role: Option<JobRole>,
    /// The number of other pods with the same issue.
    pub others: usize,
    pub container: Option<String>,
    /// True for an init container.
    pub init: bool,
    pub reason: String,
    pub message: String,
    pub exit_code: Option<i32>,
    pub restarts: i32,
    /// True if the previous run of the container has failed, so that its log needs `--previous`.
    pub in_previous_run: bool,
    /// The injected containers that keep the pod of a Job running after this container has failed. The Job then does
    /// not count the failure.
    pub kept_running_by: Vec<String>,
    /// The PersistentVolumeClaim, its storage class, and the last event of its provisioner.
    pub pvc: Option<String>,
    /// The newest event.
    pub event: Option<String>,
    /// The last lines of the container's log.
    pub log: Vec<String>,
}

/// A Deployment, Job or ReplicaSet, by kind and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub kind: &'static str,
    pub name: String,
}

impl PodIssue {
    pub fn new(cause: Cause, recoverability: Recoverability, reason: impl Into<String>) -> Self {
        Self {
            cause,
            recoverability,
            namespace: None,
            pod: None,
            workload: None,
            role: None,
            others: 0,
            container: None,
            init: false,
            reason: reason.into(),
            message: String::new(),
            exit_code: None,
            restarts: 0,
            in_previous_run: false,
            kept_running_by: Vec::new(),
            pvc: None,
            event: None,
            log: Vec::new(),
        }
    }

    /// Returns whether both are the same issue of different pods.
    pub fn is_same(&self, other: &Self) -> bool {
        self.cause == other.cause
            && self.container == other.container
            && self.reason == other.reason
            && self.exit_code == other.exit_code
    }

    /// Returns whether the containers cannot run yet, because the cluster has to find a node, pull images or attach
    /// volumes.
    pub(super) fn waits_for_cluster(&self) -> bool {
        match self.cause {
            Cause::Image
            | Cause::Denied
            | Cause::Terminating
            | Cause::Unschedulable
            | Cause::UnboundPvc
            | Cause::Starting
            | Cause::NodeSetup
            | Cause::Paused
            | Cause::Suspended
            | Cause::NoPod => true,
            Cause::ImageName
            | Cause::Crash
            | Cause::Memory
            | Cause::Configuration
            | Cause::Start
            | Cause::Ended
            | Cause::Sidecar
            | Cause::NotReady
            | Cause::Other => false,
        }
    }
}

/// Writes one line.
impl fmt::Display for PodIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.pod, &self.workload) {
            (Some(pod), _) => write!(f, "pod {pod}")?,
            (None, Some(Workload { kind, name })) => write!(f, "{kind} {name}")?,
            (None, None) => f.write_str("a pod is rejected")?,
        }
        match self.others {
            0 => {}
            1 => f.write_str(" and 1 other")?,
            others => write!(f, " and {others} others")?,
        }
        if let Some(container) = &self.container {
            let kind = if self.init {
                "init container"
            } else {
                "container"
            };
            write!(f, ", {kind} {container}")?;
        }
        write!(f, ": {}", self.reason)?;
        if let Some(code) = self.exit_code {
            write!(f, ", exit code {code}")?;
        }
        match self.restarts {
            0 => {}
            1 => f.write_str(", 1 restart")?,
            restarts => write!(f, ", {restarts} restarts")?,
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(pvc) = &self.pvc {
            write!(f, "; {pvc}")?;
        }
        match self.kept_running_by.as_slice() {
            [] => Ok(()),
            [container] => write!(
                f,
                "; the pod does not end, because the container {container}, which was added to it, still runs"
            ),
            containers => write!(
                f,
                "; the pod does not end, because the containers {}, which were added to it, still run",
                containers.join(", ")
            ),
        }
    }
}

/// Returns the issues with all details. A blank line precedes each of them.
pub fn paragraphs(issues: &[PodIssue]) -> String {
    let mut text = String::new();
    for issue in issues {
        let line = issue.to_string();
        let (first, rest) = line.split_at(1);
        text.push_str(&format!("\n\n{}{rest}", first.to_uppercase()));
        if let Some(event) = &issue.event {
            text.push_str(&format!("\n  Event: {event}"));
        }
        if !issue.log.is_empty() {
            text.push_str("\n  Last lines of the log:");
        }
        for line in &issue.log {
            text.push_str(&format!("\n    | {line}"));
        }
        text.push_str(&format!("\n  Advice: {}", advice(issue)));
    }
    text
}
