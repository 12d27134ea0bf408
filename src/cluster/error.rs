//! Errors of operations on the cluster: the operation, the object, the place, the reason, and what to do.

mod classification;
mod hint;

pub use classification::PodClass;

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;
use thiserror::Error;

use super::connection::{ApiServer, ConnectionError};
use super::delete::StalledDeletion;
use super::rollout::JobRole;
use super::rollout::pod_issue::{PodIssue, paragraphs};
use super::task::TaskError;
use crate::kubernetes::field_versions::Requirement;
use crate::kubernetes::kind::{Key, Scope};

/// The operation of a request or a wait. Not an RBAC verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Watch,
    /// Server-side apply. The RBAC verb is `patch`, and `create` for a new object.
    Apply,
    /// A merge patch, for changes that server-side apply cannot express.
    Patch,
    /// A merge patch that takes an object over from the Feast operator.
    TakeOver,
    Delete,
    /// A question to the API server about an object that is not stored.
    Check,
    /// A wait for a rollout or for the deletion of objects.
    Wait,
}

impl Verb {
    /// Returns whether the operation changes the cluster.
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
            Self::Check => "check",
            Self::Wait => "wait for",
        })
    }
}

/// The object of an operation. Written `Kind/name`, or as the plural resource if it is not one object.
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

/// A failed operation. The reason is its source.
#[derive(Debug, Clone, Error)]
#[error("cannot {verb} {target} {}of the cluster at {server}", self.place())]
pub struct Error {
    pub verb: Verb,
    pub target: Target,
    /// Empty for all namespaces.
    pub namespace: String,
    pub server: Arc<ApiServer>,
    #[source]
    pub reason: Reason,
    /// True for a write that the API server can have carried out, because its response was lost.
    pub maybe_done: bool,
}

impl Error {
    fn place(&self) -> String {
        match self.target.scope {
            Scope::Namespace if self.namespace.is_empty() => "in all namespaces ".to_owned(),
            Scope::Namespace => format!("in namespace \"{}\" ", self.namespace),
            Scope::Cluster => String::new(),
        }
    }
}

/// A field of the apply that another manager owns.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldConflict {
    /// In the notation of the API server: `.spec.template.spec.containers[name="online"].image`.
    pub field: String,
    pub manager: String,
    /// True if that manager wrote it by an update (`kubectl edit`, `kubectl scale`, a controller), not by server-side
    /// apply.
    pub by_update: bool,
    /// The time of that manager's last write, RFC 3339; `None` before the object is read.
    pub time: Option<String>,
    /// Both values without credentials; `None` before the object is read, for a Secret, and for a value that is not
    /// shown.
    pub values: Option<Values>,
}

/// The values of a field in conflict; `None` where the field does not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    pub wanted: Option<Json>,
    pub live: Option<Json>,
}

/// The largest number of characters of a value in a message.
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
            let (live, wanted) = (short(live), short(wanted));
            write!(f, " to {live}; the configured value is {wanted}")?;
        }
        Ok(())
    }
}

/// The hint about conflicts.
pub const CONFLICT_HINT: &str = "To take these fields over with the next apply, set force_conflicts = true in the provider block. To leave them to their owner, remove them from the configuration; if the provider always sets a field (such as an image), set it to the live value, because equal values do not conflict.";

/// The owner that the labels of an object name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabeledOwner {
    /// The feature store; for a cluster-scoped object with its namespace.
    pub store: Option<String>,
    /// The value of the label `app.kubernetes.io/managed-by`.
    pub manager: Option<String>,
}

/// A field that the API server rejects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    pub field: String,
    pub message: String,
}

/// A field that the API server does not store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnstoredField {
    /// In the notation of the API server.
    pub field: String,
    /// The condition on which an API server stores it; `None` if it is not known.
    pub requirement: Option<Requirement>,
}

impl fmt::Display for UnstoredField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        match &self.requirement {
            Some(requirement) => write!(f, ": requires {requirement}"),
            None => Ok(()),
        }
    }
}

/// The reason of a failed operation.
#[derive(Debug, Clone, Error)]
pub enum Reason {
    #[error("the API server rejects the credentials: {message}")]
    Unauthorized { message: String },

    #[error("the API server does not permit this: {message}")]
    Forbidden { message: String },

    /// An admission policy or webhook of the cluster denies the request.
    #[error("a policy of the cluster denies this: {message}")]
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

    /// The service CA of OpenShift has not issued a certificate.
    #[error(
        "the service CA of OpenShift has not issued the certificate that {by} asks for{}",
        (.problem.as_ref()).map_or(String::new(), |it| format!(": {it}"))
    )]
    NotIssued { by: Key, problem: Option<String> },

    #[error("the value of its key \"{0}\" is not UTF-8 text")]
    NotText(String),

    #[error("the API server rejects the object as invalid: {message}")]
    Invalid {
        message: String,
        fields: Vec<InvalidField>,
    },

    /// The API server does not know fields of the object, or drops them because their feature gate is off.
    #[error(
        "the API server{} does not store these fields:{}",
        (.version.as_ref()).map_or(String::new(), |it| format!(" (Kubernetes {it})")),
        lines(.fields)
    )]
    NotStored {
        /// The version of the API server, such as `v1.30.14`; `None` if it is not known.
        version: Option<String>,
        fields: Vec<UnstoredField>,
    },

    #[error("other field managers own these fields:{}", lines(.0))]
    Conflict(Vec<FieldConflict>),

    #[error("these fields were changed after the plan was made:{}", lines(.0))]
    ChangedSincePlan(Vec<FieldConflict>),

    #[error("another client changed it at the same time: {message}")]
    Stale { message: String },

    /// The feature store's Secret has another owner than when it was read.
    #[error("another apply of this feature store has just written it")]
    OwnerChanged,

    #[error("it exists already and does not belong to this feature store{}", belongs(.owner))]
    Foreign { owner: LabeledOwner },

    #[error(
        "the Feast operator's custom resource owns it until an apply takes it over, and it is deleted together with the custom resource"
    )]
    OwnedByOperator,

    #[error("the Feast operator is running: it took the object back within seconds")]
    OperatorRunning,

    /// The watch that shows whether the operator takes an object back was interrupted.
    #[error(
        "it is not known whether the Feast operator is running, because the API server does not answer the watch: {interruption}"
    )]
    OperatorUnknown { interruption: String },

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

    #[error("the request could not be built")]
    InvalidRequest(#[source] Arc<dyn std::error::Error + Send + Sync>),

    #[error("the response of the API server is malformed")]
    Unreadable(#[source] Arc<dyn std::error::Error + Send + Sync>),

    #[error(
        "the response does not come from a Kubernetes API server: {content_type} with status {code}"
    )]
    NotKubernetes { code: u16, content_type: String },

    #[error("the rollout failed: {message}{}", paragraphs(.issues))]
    RolloutFailed {
        message: String,
        /// The number of available pods, previous and new ones.
        available: i32,
        issues: Vec<PodIssue>,
    },

    #[error("`{}` failed: {message}{}", .role.command(), paragraphs(.issues))]
    JobFailed {
        role: JobRole,
        message: String,
        issues: Vec<PodIssue>,
    },

    /// The Job has not ended, and waiting longer would not help.
    #[error("`{}` did not finish: {message}{}", .role.command(), paragraphs(.issues))]
    JobUnfinished {
        role: JobRole,
        message: String,
        issues: Vec<PodIssue>,
    },

    /// A restart of a paused Deployment.
    #[error("it is paused, so that its pods would not be replaced")]
    Paused,

    #[error("{waiting_for} after {seconds} s{}", paragraphs(.issues))]
    TimedOut {
        seconds: u64,
        waiting_for: String,
        issues: Vec<PodIssue>,
    },

    #[error(
        "this is another cluster: the UID of its namespace kube-system is {found}, and expected_cluster_uid is {expected}"
    )]
    WrongCluster { expected: String, found: String },

    #[error("the operation was canceled")]
    Cancelled,
}

impl Reason {
    /// Returns the reason of a write that had another version of the object than its precondition in each attempt.
    pub(super) fn changes_too_often() -> Self {
        Self::Stale {
            message: "its version changes too often".to_owned(),
        }
    }

    /// Returns a response of the API server, for tests.
    #[cfg(test)]
    fn rejected(code: u16, message: &str) -> Self {
        Self::Rejected {
            code,
            reason: String::new(),
            message: message.to_owned(),
        }
    }
}

impl From<Arc<ConnectionError>> for Reason {
    fn from(error: Arc<ConnectionError>) -> Self {
        if let ConnectionError::Task(error) = &*error {
            return error.clone().into();
        }
        match error.is_about_credentials() {
            true => Self::Credentials(error),
            false => Self::Connection(error),
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

/// Returns the error and its sources, including the errors that I/O errors wrap.
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

fn lines<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("\n  {item}")).collect()
}

fn belongs(owner: &LabeledOwner) -> String {
    let LabeledOwner { store, manager } = owner;
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
