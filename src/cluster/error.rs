//! What can go wrong at the API server, with everything that a good message needs: what was being
//! done, to which object, where, why it failed, and what to do about it.

mod hint;

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;
use thiserror::Error;

use super::connection::{ConnectionError, Server};
use super::delete::StalledDeletion;
use super::rollout::pod_issue::{PodIssue, paragraphs};
use super::task::TaskError;
use crate::kubernetes::kind::Scope;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Watch,
    /// Server-side apply; the API server's verb is `patch`, and `create` for a new object.
    Apply,
    /// A merge patch: only where server-side apply cannot say it.
    Patch,
    /// A merge patch that gives an object of the Feast operator's to us.
    TakeOver,
    Delete,
    /// Waiting for a rollout to finish, or for objects to be gone.
    Wait,
}

impl Verb {
    /// Whether it changes the cluster.
    pub(super) fn writes(self) -> bool {
        matches!(
            self,
            Self::Apply | Self::Patch | Self::TakeOver | Self::Delete
        )
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Apply => "apply",
            Self::Patch => "patch",
            Self::TakeOver => "take over",
            Self::Delete => "delete",
            Self::Wait => "wait for",
        })
    }
}

/// What it was being done to. Written `Kind/name`, or as the plural resource when it is not one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub kind: &'static str,
    /// The name in RBAC rules, such as `deployments`.
    pub resource: &'static str,
    pub group: &'static str,
    pub scope: Scope,
    pub name: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.kind),
            None => f.write_str(self.resource),
        }
    }
}

/// One failed operation. The cause is its source.
#[derive(Debug, Clone, Error)]
#[error("cannot {verb} {target} {}of the cluster at {server}", self.place())]
pub struct Error {
    pub verb: Verb,
    pub target: Target,
    pub namespace: String,
    pub server: Arc<Server>,
    #[source]
    pub reason: Reason,
    /// Whether it is a write that may have been carried out all the same: the answer to it was lost.
    pub maybe_done: bool,
}

impl Error {
    /// Whether the reason may be that another cluster is meant than the one that is configured.
    pub fn is_about_the_connection(&self) -> bool {
        matches!(
            self.reason,
            Reason::Unreachable(_)
                | Reason::Unauthorized { .. }
                | Reason::Credentials(_)
                | Reason::NotKubernetes { .. }
                | Reason::Connection(_)
                | Reason::WrongCluster { .. }
                | Reason::NamespaceMissing(_)
        )
    }

    /// Returns true if a proxy between may be the reason.
    pub fn may_be_the_proxy(&self) -> bool {
        matches!(
            self.reason,
            Reason::Unreachable(_) | Reason::Unreadable(_) | Reason::Rejected { .. }
        )
    }

    /// Not of the server, the account or the namespace.
    pub fn is_about_one_object(&self) -> bool {
        let namespace = matches!(self.reason, Reason::NamespaceTerminating(_));
        !namespace && !self.is_about_the_connection()
    }

    fn place(&self) -> String {
        match self.target.scope {
            Scope::Namespace => format!("in namespace \"{}\" ", self.namespace),
            Scope::Cluster => String::new(),
        }
    }
}

/// One field that we want to set and another manager owns.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldConflict {
    /// In the API server's words: `.spec.template.spec.containers[name="online"].image`.
    pub field: String,
    pub manager: String,
    /// Whether that manager wrote it by plain update (`kubectl edit`, `kubectl scale`, a controller)
    /// and not by server-side apply.
    pub by_update: bool,
    /// When that manager last wrote the object, RFC 3339; `None` while nobody has looked.
    pub time: Option<String>,
    /// Both values; `None` while nobody has looked, and for a Secret.
    pub values: Option<Values>,
}

/// The two sides of a conflict; `None` where the field is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    pub wanted: Option<Json>,
    pub live: Option<Json>,
}

/// So that a list of many elements does not fill the screen.
const LONGEST_VALUE: usize = 200;

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: &Option<Json>| match value {
            None => "nothing".to_owned(),
            Some(value) => {
                let text = value.to_string();
                match text.char_indices().nth(LONGEST_VALUE) {
                    Some((end, _)) => format!("{}…", &text[..end]),
                    None => text,
                }
            }
        };
        let how = if self.by_update { "set" } else { "applied" };
        write!(f, "{}: {how} by \"{}\"", self.field, self.manager)?;
        if let Some(time) = &self.time {
            write!(f, " at {time}")?;
        }
        if let Some(Values { wanted, live }) = &self.values {
            write!(f, ", to {}; wanted is {}", short(live), short(wanted))?;
        }
        Ok(())
    }
}

/// Said of every conflict.
pub const WAYS_OUT_OF_A_CONFLICT: &str = "Two ways out: set force_conflicts = true in the provider block, and the next apply takes these fields over; or leave them to their owner: take them out of the configuration, or, where this provider always sets a field (an image, for one), write the live value there, since equal values do not conflict.";

/// The owner of an object, as far as its labels name one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelledOwner {
    /// The feature store; with its namespace for an object that is in none.
    pub store: Option<String>,
    /// The value of the label `app.kubernetes.io/managed-by`.
    pub manager: Option<String>,
}

/// One field that the API server refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    pub field: String,
    pub message: String,
}

#[derive(Debug, Clone, Error)]
pub enum Reason {
    #[error("the API server does not know who is asking: {message}")]
    Unauthorized { message: String },

    #[error("the API server does not permit it: {message}")]
    Forbidden { message: String },

    /// An admission policy or webhook of the cluster.
    #[error("a policy of the cluster denies it: {message}")]
    Denied { message: String },

    #[error("there is no namespace \"{0}\"")]
    NamespaceMissing(String),

    #[error("the namespace \"{0}\" is being deleted")]
    NamespaceTerminating(String),

    #[error("it does not exist")]
    NotFound,

    #[error("the cluster has no API {api}")]
    NotInstalled { api: String },

    #[error("it has no key \"{0}\"")]
    KeyMissing(String),

    #[error("the value of its key \"{0}\" is not UTF-8 text")]
    NotText(String),

    #[error("the API server refuses it as invalid: {message}")]
    Invalid {
        message: String,
        fields: Vec<InvalidField>,
    },

    #[error("other managers own fields of it:{}", lines(.0))]
    Conflict(Vec<FieldConflict>),

    #[error("others have changed fields of it since the plan was made:{}", lines(.0))]
    ChangedSincePlan(Vec<FieldConflict>),

    #[error("it was changed by someone else at the same moment: {message}")]
    Stale { message: String },

    /// The feature store's Secret has another owner than when it was read.
    #[error("another apply of this feature store has just written it")]
    OwnerChanged,

    #[error("it exists already and does not belong to this feature store{}", belongs(.owner))]
    Foreign { owner: LabelledOwner },

    #[error(
        "it is the Feast operator's until an apply has taken it over, and goes when its custom resource goes"
    )]
    Operated,

    #[error(
        "the Feast operator is at work: it put the object back under its custom resource within seconds"
    )]
    OperatorAtWork,

    #[error("{0}")]
    Terminating(Box<StalledDeletion>),

    #[error("the API server answered {code} {reason}: {message}")]
    Rejected {
        code: u16,
        reason: String,
        message: String,
    },

    #[error("the API server could not be reached")]
    Unreachable(#[source] Arc<dyn std::error::Error + Send + Sync>),

    #[error("the credentials could not be obtained")]
    Credentials(#[source] Arc<ConnectionError>),

    #[error("the connection could not be set up")]
    Connection(#[source] Arc<ConnectionError>),

    #[error("{0}")]
    Panicked(TaskError),

    #[error("the answer of the API server could not be understood")]
    Unreadable(#[source] Arc<dyn std::error::Error + Send + Sync>),

    #[error(
        "what answered is not a Kubernetes API server: it sent {content_type} with status {code}"
    )]
    NotKubernetes { code: u16, content_type: String },

    #[error("the rollout failed: {message}{}", paragraphs(.issues))]
    RolloutFailed {
        message: String,
        issues: Vec<PodIssue>,
    },

    #[error("`feast apply` failed: {message}{}", paragraphs(.issues))]
    JobFailed {
        message: String,
        issues: Vec<PodIssue>,
    },

    /// The Job has not ended, and waiting longer would not help.
    #[error("`feast apply` did not finish: {message}{}", paragraphs(.issues))]
    JobUnfinished {
        message: String,
        issues: Vec<PodIssue>,
    },

    #[error("{waiting_for} after {seconds} s{}", paragraphs(.issues))]
    TimedOut {
        seconds: u64,
        waiting_for: String,
        issues: Vec<PodIssue>,
    },

    #[error(
        "it is another cluster: the UID of its namespace kube-system is {found}, and expected_cluster_uid is {expected}"
    )]
    WrongCluster { expected: String, found: String },

    #[error("the operation was cancelled")]
    Cancelled,
}

impl From<ConnectionError> for Reason {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Task(error) => error.into(),
            error if error.is_about_credentials() => Self::Credentials(Arc::new(error)),
            error => Self::Connection(Arc::new(error)),
        }
    }
}

impl From<TaskError> for Reason {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Panicked(_) => Self::Panicked(error),
            TaskError::Ended => Self::Cancelled,
        }
    }
}

/// The error and everything below it, what an I/O error wraps included.
pub(super) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        match error.downcast_ref::<std::io::Error>() {
            Some(error) => match error.get_ref() {
                Some(inner) => Some(inner),
                None => None,
            },
            None => error.source(),
        }
    })
}

fn lines(conflicts: &[FieldConflict]) -> String {
    (conflicts.iter())
        .map(|conflict| format!("\n  {conflict}"))
        .collect()
}

fn belongs(owner: &LabelledOwner) -> String {
    let LabelledOwner { store, manager } = owner;
    let owner = match (store, manager) {
        (Some(store), Some(manager)) => {
            format!("the feature store \"{store}\", managed by \"{manager}\"")
        }
        (Some(store), None) => format!("the feature store \"{store}\""),
        (None, Some(manager)) => format!("\"{manager}\""),
        (None, None) => return String::new(),
    };
    format!("; it belongs to {owner}")
}
