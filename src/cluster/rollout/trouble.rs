//! One thing that keeps pods from getting ready: how it is told, how long there is hope, what to do.

use std::fmt;

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
pub enum Hope {
    None,
    /// It may be a matter of the moment; not when it lasts.
    Short,
    /// Somebody else is at work: a cluster autoscaler, a volume provisioner, the server itself.
    Lasting,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub cause: Cause,
    pub hope: Hope,
    /// The first pod that has it; `None` where no pod was made.
    pub pod: Option<String>,
    /// How many more have the same.
    pub others: usize,
    pub container: Option<String>,
    /// Whether the container is one of those that run before the servers.
    pub init: bool,
    pub reason: String,
    pub message: String,
    pub exit_code: Option<i32>,
    pub restarts: i32,
    /// The claim, its storage class, and what its provisioner says.
    pub claim: Option<String>,
    /// What Kubernetes reported of it last.
    pub event: Option<String>,
    /// The end of the container's log.
    pub log: Vec<String>,
}

impl Trouble {
    pub fn new(cause: Cause, hope: Hope, reason: impl Into<String>) -> Self {
        Self {
            cause,
            hope,
            pod: None,
            others: 0,
            container: None,
            init: false,
            reason: reason.into(),
            message: String::new(),
            exit_code: None,
            restarts: 0,
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

    fn advice(&self) -> &'static str {
        match self.cause {
            Cause::ImageName => "correct the image's name in the configuration.",
            Cause::Image => {
                "check the image's name and tag, and whether the nodes may pull it (`image_pull_secrets`)."
            }
            Cause::Crash if self.init => {
                "mend what its log tells of: the feature repository, its definitions, or the connections of the stores."
            }
            Cause::Crash => "mend what its log tells of; `kubectl logs --previous` has all of it.",
            Cause::Memory => {
                "raise `resources.limits.memory` of this container, or let it do less at once."
            }
            Cause::Configuration => {
                "create the Secret, the ConfigMap or the key that is missing in this namespace, or correct its name."
            }
            Cause::Start => {
                "the container runtime could not start it: check the image's command, and the volumes and devices of the pod."
            }
            Cause::Denied => {
                "raise the quota or change what the admission control refuses, or let the feature store ask for less."
            }
            Cause::Unschedulable => {
                "no node takes the pod: add nodes, or change its `resources`, `node_selector`, `tolerations` or `affinity`. A cluster autoscaler may still add one."
            }
            Cause::Claim => {
                "no volume is bound: check the storage class and its provisioner, and the claim's size and access modes."
            }
            Cause::NotReady => {
                "the server runs and its probe does not succeed: look at its log, and whether the stores can be reached."
            }
            Cause::Other => "`kubectl describe pod` has all that Kubernetes knows of it.",
        }
    }
}

/// In one line.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pod {
            Some(pod) => write!(f, "pod {pod}")?,
            None => f.write_str("a pod is refused")?,
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
pub fn paragraphs(troubles: &[Trouble]) -> String {
    let mut text = String::new();
    for trouble in troubles {
        let line = trouble.to_string();
        let (first, rest) = line.split_at(1);
        text.push_str(&format!("\n\n{}{rest}", first.to_uppercase()));
        if let Some(event) = &trouble.event {
            text.push_str(&format!("\n  Event: {event}"));
        }
        if !trouble.log.is_empty() {
            text.push_str("\n  The end of its log:");
        }
        for line in &trouble.log {
            text.push_str(&format!("\n    | {line}"));
        }
        text.push_str(&format!("\n  What to do: {}", trouble.advice()));
    }
    text
}
