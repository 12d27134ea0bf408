//! What can go wrong at the API server, with everything that a good message needs: what was being
//! done, to which object, where, why it failed, and what to do about it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;
use thiserror::Error;

use super::connection::Server;
use super::delete::StalledDeletion;
use super::rollout::trouble::{Trouble, paragraphs};
use crate::feast::objects::Scope;

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
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.reason {
            Reason::Forbidden { .. } if self.target.kind == "Namespace" => Some(
                "`expected_cluster_uid` needs the verb get on the namespace kube-system, which a ClusterRole gives; the guide \"Access to the cluster\" has the rule to copy.",
            ),
            reason => reason.hint(),
        }
    }

    /// Whether the reason may be that another cluster is meant than the one that is configured.
    pub fn is_about_the_connection(&self) -> bool {
        matches!(
            self.reason,
            Reason::Unreachable(_)
                | Reason::Unauthorized { .. }
                | Reason::Credentials(_)
                | Reason::WrongCluster { .. }
                | Reason::NamespaceMissing(_)
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

    #[error("it exists already and does not belong to this feature store{}", belongs(.owner))]
    Foreign {
        /// The feature store and the manager that its labels name, where they name any.
        owner: Option<String>,
    },

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
    Credentials(#[source] Arc<dyn std::error::Error + Send + Sync>),

    #[error("the answer of the API server could not be understood")]
    Unreadable(#[source] Arc<dyn std::error::Error + Send + Sync>),

    #[error("the rollout failed: {message}{}", paragraphs(.troubles))]
    RolloutFailed {
        message: String,
        troubles: Vec<Trouble>,
    },

    #[error("`feast apply` failed: {message}{}", paragraphs(.troubles))]
    JobFailed {
        message: String,
        troubles: Vec<Trouble>,
    },

    /// The Job has not ended, and waiting longer would not help.
    #[error("`feast apply` did not finish: {message}{}", paragraphs(.troubles))]
    JobUnfinished {
        message: String,
        troubles: Vec<Trouble>,
    },

    #[error("{waiting_for} after {seconds} s{}", paragraphs(.troubles))]
    TimedOut {
        seconds: u64,
        waiting_for: String,
        troubles: Vec<Trouble>,
    },

    #[error(
        "it is another cluster: the UID of its namespace kube-system is {found}, and expected_cluster_uid is {expected}"
    )]
    WrongCluster { expected: String, found: String },

    #[error("the operation was cancelled")]
    Cancelled,
}

impl Reason {
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::WrongCluster { .. } => {
                "Nothing was read or written. Check the kubeconfig, its context and the environment variables; only where the feature stores have really moved to this cluster, change expected_cluster_uid."
            }
            Self::Unauthorized { .. } | Self::Credentials(_) => {
                "Check the credentials of the provider block, or the environment variables behind it; a token may have expired."
            }
            Self::Forbidden { message }
                if message.contains("attempting to grant RBAC permissions") =>
            {
                "Kubernetes lets nobody grant rights that they do not hold themselves. Give this user those rights, or the verb escalate on this object (bind, for the binding); the guide \"Access to the cluster\" has the rules to copy."
            }
            // Else the API server says that this user "cannot" do it.
            Self::Forbidden { message } if !message.contains(" cannot ") => {
                "It is no matter of rights: a quota, an admission control of the cluster or a proxy before it refuses this, and the message says which."
            }
            Self::Forbidden { .. } => {
                "Give this user the verbs get, list, watch, create, patch and delete on this resource; the guide \"Access to the cluster\" has the rules to copy."
            }
            Self::NamespaceMissing(_) => {
                "Create the namespace first; this provider does not create namespaces."
            }
            Self::NamespaceTerminating(_) | Self::Terminating(_) => {
                "Wait until the deletion has finished, then apply again."
            }
            Self::KeyMissing(_) | Self::NotFound => "Check the name, the key and the namespace.",
            Self::Conflict(_) => WAYS_OUT_OF_A_CONFLICT,
            Self::Foreign { owner: Some(owner) } if owner.contains("\"feast-operator\"") => {
                "Import the feature store: `terraform import <address> <namespace>/<name>` reads the operator's custom resource, and the next apply takes its objects over. The guide \"Moving from the operator\" has the steps."
            }
            Self::Operated => {
                "Apply first, so that the claims stay when the custom resource goes, or leave the feature store to the operator: `terraform state rm <address>`."
            }
            Self::OperatorAtWork => {
                "Stop it (`kubectl scale deployment feast-operator-controller-manager --namespace feast-operator-system --replicas 0`, or wherever it runs), then apply again. Nothing else was changed."
            }
            Self::ChangedSincePlan(_) => {
                "These changes were left as they are. Plan again: the plan shows them, and its apply sets them back."
            }
            Self::Foreign { .. } => {
                "Choose another name for the feature store, or delete or rename that object. It is not overwritten."
            }
            Self::NotInstalled { api } if !api.starts_with("keda.sh/") => {
                "Check that the address is that of a Kubernetes API server, and its version: 1.23 is the first that has all APIs of this provider."
            }
            Self::NotInstalled { .. } => {
                "Nothing was written. Install KEDA (`helm install keda kedacore/keda --namespace keda --create-namespace`; https://keda.sh/docs/deploy/ has other ways), or write services.scaling.autoscaling in place of services.scaling.keda: that needs nothing installed."
            }
            Self::Stale { .. } => "Plan and apply again.",
            Self::Unreachable(_) => {
                "Check the address, the network and the proxy; the API server may also be restarting."
            }
            Self::RolloutFailed { .. } => {
                "Waiting longer would not help. Existing objects and the previous pods keep running; the next plan is not empty, and applying it resumes the rollout."
            }
            Self::JobFailed { .. } => {
                "The servers were not changed. Fix what the log of the pod reports, then apply again: a Job that failed is run again."
            }
            Self::JobUnfinished { .. } => {
                "Waiting longer would not help. The servers were not changed. Resolve the cause above, then apply again."
            }
            Self::TimedOut { .. } => {
                "Resolve what is named above, or raise the time-out (`timeouts`). Existing objects are kept, and the next apply resumes from there."
            }
            Self::NotText(_) => "Correct the value, or name another key.",
            Self::Invalid { .. } => {
                "Correct the attribute that sets this. Where none does, please report it: it is a defect of this provider."
            }
            Self::Rejected { .. } => {
                "It was the API server, an admission webhook or a proxy between: the message says what is wrong there. If it has passed by itself, apply again."
            }
            Self::Unreadable(_) => {
                "Check that the address is that of a Kubernetes API server, and that no proxy answers in its place."
            }
            Self::Cancelled => return None,
        })
    }
}

fn lines(conflicts: &[FieldConflict]) -> String {
    (conflicts.iter())
        .map(|conflict| format!("\n  {conflict}"))
        .collect()
}

fn belongs(owner: &Option<String>) -> String {
    owner
        .as_ref()
        .map_or_else(String::new, |owner| format!("; it belongs to {owner}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_fit_the_cause() {
        let hint = |reason: Reason| {
            let words = reason.hint().map(|hint| hint.split(' ').take(5));
            words.map(|words| words.collect::<Vec<_>>().join(" "))
        };
        let forbidden = |message: &str| {
            hint(Reason::Forbidden {
                message: message.to_owned(),
            })
        };
        let missing = |api: &str| {
            hint(Reason::NotInstalled {
                api: api.to_owned(),
            })
        };
        for (found, expected) in [
            (
                forbidden(
                    "secrets is forbidden: User \"u\" cannot list resource \"secrets\" in API group \"\"",
                ),
                "Give this user the verbs",
            ),
            (
                forbidden(
                    "roles \"r\" is forbidden: user \"u\" (groups=[\"g\"]) is attempting to grant RBAC permissions not currently held",
                ),
                "Kubernetes lets nobody grant rights",
            ),
            (
                forbidden("secrets \"s\" is forbidden: exceeded quota: q, requested: secrets=1"),
                "It is no matter of",
            ),
            (
                missing("keda.sh/v1alpha1"),
                "Nothing was written. Install KEDA",
            ),
            (missing("autoscaling/v2"), "Check that the address is"),
        ] {
            assert_eq!(found.as_deref(), Some(expected));
        }
        assert_eq!(hint(Reason::Cancelled), None);
    }
}
