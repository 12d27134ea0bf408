//! One thing that keeps pods from getting ready: how it is told, how long there is recoverability, what to do.

use std::fmt;

use super::advice::advice;

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// No image can have such a name.
    ImageName,
    Image,
    Crash,
    /// The kernel ended it for its memory.
    Memory,
    /// A Secret, a ConfigMap or a key of one is missing.
    Configuration,
    /// The container runtime could not start it.
    Start,
    /// The node prepares the pod: it pulls images, mounts volumes, creates the sandbox.
    Starting,
    /// The node cannot prepare the pod: its sandbox, its network or a volume.
    NodeSetup,
    /// The containers of a Job have ended, and a container that is not the Job's keeps the pod running.
    Sidecar,
    /// The Deployment is paused.
    Paused,
    /// The Job is suspended.
    Suspended,
    /// The API server let no pod be made: a quota, an admission webhook.
    Denied,
    Unschedulable,
    /// A claim has no volume.
    Claim,
    /// It runs, and its probe does not succeed.
    NotReady,
    /// Whatever else its status says.
    Other,
}

/// Whether it can end well without anybody doing something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recoverability {
    Never,
    /// It may be a matter of the moment; not when it lasts.
    MaybeSoon,
    /// Somebody else is at work: a cluster autoscaler, a volume provisioner, the server itself.
    Eventually,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodIssue {
    pub cause: Cause,
    pub recoverability: Recoverability,
    /// The namespace, for commands.
    pub namespace: Option<String>,
    /// The first pod that has it; `None` where no pod was made.
    pub pod: Option<String>,
    /// The workload that has it, where it is not a pod that has it.
    pub workload: Option<Workload>,
    /// How many more have the same.
    pub others: usize,
    pub container: Option<String>,
    /// Whether the container is one of those that run before the servers.
    pub init: bool,
    pub reason: String,
    pub message: String,
    pub exit_code: Option<i32>,
    pub restarts: i32,
    /// Whether it is the run before the current one that has ended badly; its log needs `--previous`.
    pub in_previous_run: bool,
    /// The claim, its storage class, and what its provisioner says.
    pub claim: Option<String>,
    /// What Kubernetes reported of it last.
    pub event: Option<String>,
    /// The end of the container's log.
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
            others: 0,
            container: None,
            init: false,
            reason: reason.into(),
            message: String::new(),
            exit_code: None,
            restarts: 0,
            in_previous_run: false,
            claim: None,
            event: None,
            log: Vec::new(),
        }
    }

    /// Whether both are the same thing, in different pods.
    pub fn is_like(&self, other: &Self) -> bool {
        self.cause == other.cause
            && self.container == other.container
            && self.reason == other.reason
            && self.exit_code == other.exit_code
    }

    /// Whether the cluster has yet to do its part before the containers can run: find a node, pull images, bring volumes.
    pub(super) fn awaits_cluster(&self) -> bool {
        match self.cause {
            Cause::Image
            | Cause::Denied
            | Cause::Unschedulable
            | Cause::Claim
            | Cause::Starting
            | Cause::NodeSetup
            | Cause::Paused
            | Cause::Suspended => true,
            Cause::ImageName
            | Cause::Crash
            | Cause::Memory
            | Cause::Configuration
            | Cause::Start
            | Cause::Sidecar
            | Cause::NotReady
            | Cause::Other => false,
        }
    }
}

/// In one line.
impl fmt::Display for PodIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.pod, &self.workload) {
            (Some(pod), _) => write!(f, "pod {pod}")?,
            (None, Some(Workload { kind, name })) => write!(f, "{kind} {name}")?,
            (None, None) => f.write_str("a pod is refused")?,
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
        if let Some(claim) = &self.claim {
            write!(f, "; {claim}")?;
        }
        Ok(())
    }
}

/// All that is known, each on lines of its own, after a blank one.
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
            text.push_str("\n  The end of its log:");
        }
        for line in &issue.log {
            text.push_str(&format!("\n    | {line}"));
        }
        text.push_str(&format!("\n  What to do: {}", advice(issue)));
    }
    text
}
