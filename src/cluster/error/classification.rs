//! Predicates of errors, by which callers decide whether to ignore, retry, undo or explain a failure.

use super::{Error, Reason};
use crate::kubernetes::kind::Key;

/// The user of a request without credentials.
const ANONYMOUS: &str = "User \"system:anonymous\"";

/// What the API server writes about a request that it forbids, after the name of the object.
const DENIAL: &str = " is forbidden: ";

/// The status code of a server that is overloaded or limits the requests of an account.
const TOO_MANY_REQUESTS: u16 = 429;

/// A class of pods that must exist in the cluster.
pub struct PodClass {
    pub kind: &'static str,
    /// The attribute with its name.
    pub attribute: &'static str,
    /// What the API server writes about a pod whose class does not exist.
    denial: &'static str,
}

const POD_CLASSES: [PodClass; 2] = [
    PodClass {
        kind: "PriorityClass",
        attribute: "services.priority_class_name",
        denial: "no PriorityClass with name",
    },
    PodClass {
        kind: "RuntimeClass",
        attribute: "services.runtime_class_name",
        denial: "pod rejected: RuntimeClass",
    },
];

impl PodClass {
    /// Returns the class that does not exist, by the words of the API server about a pod.
    pub fn missing(message: &str) -> Option<&'static Self> {
        POD_CLASSES
            .iter()
            .find(|class| message.contains(class.denial))
    }
}

impl Error {
    pub(in crate::cluster) fn is_not_found(&self) -> bool {
        matches!(self.reason, Reason::NotFound)
    }

    /// Returns whether the object has another version than the precondition of the request.
    pub(in crate::cluster) fn is_stale(&self) -> bool {
        matches!(self.reason, Reason::Stale { .. })
    }

    pub fn is_forbidden(&self) -> bool {
        matches!(self.reason, Reason::Forbidden { .. })
    }

    /// Returns whether the cluster lacks the API.
    pub(in crate::cluster) fn is_not_installed(&self) -> bool {
        matches!(self.reason, Reason::NotInstalled { .. })
    }

    /// Returns whether the reason can be that the wrong cluster is configured.
    pub fn may_be_wrong_cluster(&self) -> bool {
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

    /// Returns whether the reason can be a proxy.
    pub fn may_be_the_proxy(&self) -> bool {
        match &self.reason {
            Reason::Unreachable(_)
            | Reason::Unreadable(_)
            | Reason::NotKubernetes { .. }
            | Reason::Rejected { .. } => true,
            reason @ Reason::Forbidden { .. } => !reason.is_of_the_api_server(),
            _ => false,
        }
    }

    /// Returns whether the error is about one object, and not about the server, the account or the namespace.
    pub fn is_about_one_object(&self) -> bool {
        let namespace = matches!(self.reason, Reason::NamespaceTerminating(_));
        !namespace && !self.may_be_wrong_cluster()
    }

    /// Returns whether the error is about the object with this key.
    pub(in crate::cluster) fn is_about(&self, key: &Key) -> bool {
        self.target.kind == key.kind.as_str() && self.target.name.as_ref() == Some(&key.name)
    }

    /// Returns whether the API server has refused a write of the apply, and nothing else can have happened.
    pub fn is_refusal(&self) -> bool {
        let is_refusal = match &self.reason {
            Reason::Forbidden { .. }
            | Reason::Denied { .. }
            | Reason::NamespaceMissing(_)
            | Reason::NamespaceTerminating(_)
            | Reason::NotFound
            | Reason::NotIssued { .. }
            | Reason::NotInstalled { .. }
            | Reason::Invalid { .. }
            | Reason::NotStored { .. }
            | Reason::Conflict(_)
            | Reason::ChangedSincePlan(_)
            | Reason::Stale { .. }
            | Reason::Foreign { .. }
            | Reason::Terminating(_) => true,
            // A server that is overloaded says nothing about the write.
            Reason::Rejected { code, .. } => *code != TOO_MANY_REQUESTS,
            Reason::Unauthorized { .. }
            | Reason::KeyMissing(_)
            | Reason::NotText(_)
            | Reason::OwnerChanged
            | Reason::OwnedByOperator
            | Reason::OperatorRunning
            | Reason::OperatorUnknown { .. }
            | Reason::Unreachable(_)
            | Reason::Credentials(_)
            | Reason::Connection(_)
            | Reason::Panicked(_)
            | Reason::InvalidRequest(_)
            | Reason::Unreadable(_)
            | Reason::NotKubernetes { .. }
            | Reason::RolloutFailed { .. }
            | Reason::JobFailed { .. }
            | Reason::JobUnfinished { .. }
            | Reason::Paused
            | Reason::TimedOut { .. }
            | Reason::WrongCluster { .. }
            | Reason::Cancelled => false,
        };
        is_refusal && !self.maybe_done
    }
}

impl Reason {
    /// Returns whether the request was forbidden with a message that contains this text.
    fn is_forbidden_with(&self, text: &str) -> bool {
        matches!(self, Self::Forbidden { message } if message.contains(text))
    }

    /// Returns whether the account lacks a permission. Denials by a quota or an admission policy do not contain
    /// `cannot`.
    pub fn is_missing_permission(&self) -> bool {
        // The message says that the user "cannot" do it.
        self.is_forbidden_with(" cannot ")
    }

    /// Returns whether the API server has treated the request as anonymous, so that no role is missing.
    pub fn is_anonymous(&self) -> bool {
        self.is_forbidden_with(ANONYMOUS)
    }

    /// Returns whether the account would grant permissions that it does not have.
    pub(super) fn is_escalation(&self) -> bool {
        self.is_forbidden_with("attempting to grant RBAC permissions")
    }

    /// Returns whether only an API server writes such a message about a request that it forbids.
    pub fn is_of_the_api_server(&self) -> bool {
        self.is_forbidden_with(DENIAL) || self.is_missing_permission() || self.is_escalation()
    }

    /// Returns whether a quota of the namespace forbids the request.
    pub fn exceeds_quota(&self) -> bool {
        self.is_forbidden_with("exceeded quota")
    }

    /// Returns the class of the pods that does not exist.
    pub fn missing_pod_class(&self) -> Option<&'static PodClass> {
        match self {
            Self::Forbidden { message } => PodClass::missing(message),
            _ => None,
        }
    }

    /// Returns whether the error of a dry run says nothing about the object: the API server did not answer, failed, or
    /// is overloaded, or a webhook with side effects refuses dry runs.
    pub(in crate::cluster) fn is_inconclusive(&self) -> bool {
        match self {
            Self::Rejected { message, .. } if message.contains("does not support dry run") => true,
            reason => reason.is_server_failure() || reason.is_unanswered(),
        }
    }

    /// Returns whether the API server, or a webhook that it calls, failed or is overloaded.
    pub(in crate::cluster) fn is_server_failure(&self) -> bool {
        matches!(self, Self::Rejected { code, .. } if *code >= 500 || *code == TOO_MANY_REQUESTS)
    }

    /// Returns whether the request did not reach the object: the connection, the credentials or the response failed.
    pub fn is_unanswered(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Connection(_)
                | Self::Credentials(_)
                | Self::Unauthorized { .. }
                | Self::NotKubernetes { .. }
                | Self::Panicked(_)
                | Self::InvalidRequest(_)
                | Self::Unreadable(_)
                | Self::Cancelled
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::connection::{ApiServer, ConnectionError, CredentialsInfo, Origin};
    use crate::cluster::error::{Target, Verb};
    use crate::kubernetes::kind::Scope;

    fn error(reason: Reason) -> Error {
        Error {
            verb: Verb::List,
            target: Target {
                kind: "Secret",
                resource: "secrets",
                group: "",
                scope: Scope::Namespace,
                name: None,
            },
            namespace: "ns".to_owned(),
            server: Arc::new(ApiServer {
                url: "https://h/".to_owned(),
                origin: Origin::default(),
                proxy: Some("http://p:3128/".to_owned()),
                credentials_info: CredentialsInfo::Anonymous,
            }),
            reason,
            maybe_done: false,
        }
    }

    #[test]
    fn failures_of_the_server_say_nothing_about_the_object() {
        let no_dry_run = "admission webhook \"w\" does not support dry run";
        // Inconclusive, a failure of the server, and a refusal of a write.
        for (reason, expected) in [
            (Reason::rejected(400, "bad"), [false, false, true]),
            (Reason::rejected(400, no_dry_run), [true, false, true]),
            (
                Reason::rejected(429, "too many requests"),
                [true, true, false],
            ),
            (
                Reason::rejected(500, "failed calling webhook"),
                [true, true, true],
            ),
            (Reason::rejected(503, "unavailable"), [true, true, true]),
            (Reason::Cancelled, [true, false, false]),
            (Reason::NotFound, [false, false, true]),
        ] {
            let error = error(reason);
            let reason = &error.reason;
            let found = [
                reason.is_inconclusive(),
                reason.is_server_failure(),
                error.is_refusal(),
            ];
            assert_eq!(found, expected, "{reason:?}");
        }
    }

    #[test]
    fn a_proxy_can_cause_what_the_api_server_does_not_explain() {
        let message = || "m".to_owned();
        let forbidden = |message: &str| Reason::Forbidden {
            message: message.to_owned(),
        };
        let cause = || Arc::new(std::io::Error::other("e"));
        let credentials = || Arc::new(ConnectionError::NothingConfigured);
        for (expected, reason) in [
            (true, Reason::Unreachable(cause())),
            (true, Reason::Unreadable(cause())),
            (
                true,
                Reason::NotKubernetes {
                    code: 302,
                    content_type: "text/html".to_owned(),
                },
            ),
            (
                true,
                Reason::Rejected {
                    code: 502,
                    reason: "Bad Gateway".to_owned(),
                    message: message(),
                },
            ),
            (true, forbidden("<html>Access denied</html>")),
            (
                false,
                forbidden(
                    "secrets is forbidden: User \"u\" cannot list resource \"secrets\" in API group \"\"",
                ),
            ),
            (
                false,
                forbidden("secrets \"s\" is forbidden: exceeded quota: q, requested: secrets=1"),
            ),
            (
                false,
                forbidden(
                    "roles \"r\" is forbidden: user \"u\" (groups=[\"g\"]) is attempting to grant RBAC permissions not currently held",
                ),
            ),
            (
                false,
                forbidden(
                    "pods \"p\" is forbidden: maximum cpu usage per Container is 1, but limit is 2",
                ),
            ),
            (false, Reason::Unauthorized { message: message() }),
            (false, Reason::Denied { message: message() }),
            (false, Reason::NotFound),
            (false, Reason::NamespaceMissing("ns".to_owned())),
            (false, Reason::Stale { message: message() }),
            (false, Reason::Credentials(credentials())),
            (false, Reason::Connection(credentials())),
            (false, Reason::Cancelled),
        ] {
            let error = error(reason);
            assert_eq!(error.may_be_the_proxy(), expected, "{:?}", error.reason);
        }
    }
}
