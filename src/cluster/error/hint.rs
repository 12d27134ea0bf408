//! What the user can do about an [`Error`].

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Error, LabelledOwner, Reason, WAYS_OUT_OF_A_CONFLICT, causes};
use crate::cluster::connection::{self, Identity, shown};
use crate::cluster::resource::FEAST_GROUP;
use crate::feast::names::OPERATOR;
use crate::kubernetes::kind::{Api, Kind, KindInfo};

/// The user that an API server takes a request without credentials for.
const ANONYMOUS: &str = "User \"system:anonymous\"";

const CONFIGURE_CREDENTIALS: &str = "set `token`, `exec`, or `client_certificate` and `client_key` in the provider block (or the environment variables behind them), or name a user of the kubeconfig that has credentials";

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match &self.reason {
            Reason::Unauthorized { .. } => return Some(self.rejected_credentials().into()),
            Reason::Forbidden { message } if message.contains(ANONYMOUS) => {
                return Some(self.anonymous().into());
            }
            Reason::Credentials(_) => {
                return Some(match &self.server.identity {
                    Identity::Anonymous => "Check the credentials of the provider block.".into(),
                    Identity::Configured { source, .. } => {
                        format!("The credentials come from {source}. Correct them there.").into()
                    }
                });
            }
            Reason::NotInstalled { api } => return Some(self.missing_api(api)),
            Reason::Forbidden { .. } if self.target.kind == "Namespace" => {
                "`expected_cluster_uid` needs the verb get on the namespace kube-system, which a ClusterRole gives; the guide \"Access to the cluster\" has the rule to copy."
            }
            reason => reason.hint()?,
        }))
    }

    /// Explains a 401.
    fn rejected_credentials(&self) -> String {
        match &self.server.identity {
            Identity::Anonymous => format!(
                "The request carried no credentials, and the API server accepts no anonymous requests: {CONFIGURE_CREDENTIALS}."
            ),
            Identity::Configured {
                source,
                expires: Some(time),
            } if *time < Timestamp::now() => format!(
                "The token expired at {}. It comes from {source}, and nothing renews it there. Get a new token, or configure `exec` with a program that renews it.",
                shown(*time)
            ),
            Identity::Configured { source, .. } => format!(
                "The credentials come from {source}. They may have expired, or belong to another cluster. Get new ones, or configure `exec` with a program that renews them."
            ),
        }
    }

    /// Explains a 403 for the anonymous user.
    fn anonymous(&self) -> String {
        match &self.server.identity {
            Identity::Anonymous => format!(
                "The request carried no credentials, so the API server took it for an anonymous one. No role is missing: {CONFIGURE_CREDENTIALS}."
            ),
            Identity::Configured { source, .. } => format!(
                "The API server took the request for an anonymous one: it did not accept the credentials from {source}. No role is missing. A proxy or load balancer that ends TLS does not pass on a client certificate; and a certificate must be signed by the cluster's own authority."
            ),
        }
    }

    /// Explains a kind that the API server does not know, by its API group.
    fn missing_api(&self, api: &str) -> Cow<'static, str> {
        let group = self.target.group;
        if group == FEAST_GROUP {
            return "The custom resource definitions of the Feast operator are not installed in this cluster.".into();
        }
        let mut kinds = Kind::ALL.iter().map(|kind| kind.info());
        if let Some(KindInfo {
            api: Api::Custom { remedy },
            ..
        }) = kinds.find(|kind| kind.name == self.target.kind)
        {
            return format!("Nothing was written. {remedy}").into();
        }
        // Kubernetes' own groups have no dot, or end thus.
        if group.contains('.') && !group.ends_with(".k8s.io") {
            return format!(
                "Nothing was written. {} is a custom resource: install the add-on that brings the API group {group}, or remove from the configuration what needs it.",
                self.target.kind
            )
            .into();
        }
        format!(
            "Check that the address is that of a Kubernetes API server, and its version: 1.23 is the first that has all APIs of this provider ({api} is part of Kubernetes itself)."
        )
        .into()
    }
}

impl Reason {
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::WrongCluster { .. } => {
                "Nothing was read or written. Check the kubeconfig, its context and the environment variables; only where the feature stores have really moved to this cluster, change expected_cluster_uid."
            }
            Self::Forbidden { message }
                if message.contains("attempting to grant RBAC permissions") =>
            {
                "Kubernetes lets nobody grant rights that they do not hold themselves. Give this user those rights, or the verb escalate on this object (bind, for the binding); the guide \"Access to the cluster\" has the rules to copy."
            }
            // Else the API server says that this user "cannot" do it.
            Self::Forbidden { message } if !message.contains(" cannot ") => {
                "This is not a permissions problem: a quota, an admission policy or a proxy rejected the request. See the message above."
            }
            Self::Denied { .. } => {
                "This is not a permissions problem, and not a defect of this provider: an admission policy or webhook of the cluster rejected the request. The message above is the policy's. Change what it objects to, or ask those who maintain the policy for an exception."
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
            Self::Foreign {
                owner:
                    LabelledOwner {
                        manager: Some(manager),
                        ..
                    },
            } if manager == OPERATOR => {
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
            Self::Stale { .. } | Self::OwnerChanged => "Plan and apply again.",
            Self::Unreachable(error) if is_of_an_authority(error.as_ref()) => {
                "The API server presents a certificate that is marked as a certificate authority (CA:TRUE). That is accepted only where this very certificate is configured as a root: put it into `cluster_ca_certificate`, or into certificate-authority-data of the kubeconfig."
            }
            Self::Unreachable(_) => {
                "Check the address, the network and the proxy; the API server may also be restarting."
            }
            Self::RolloutFailed { .. } => {
                "Waiting longer would not help. Existing objects and the previous pods keep running."
            }
            Self::JobFailed { .. } => {
                "The servers were not changed. Fix what the log of the pod reports: the next apply runs a Job that has failed again."
            }
            Self::JobUnfinished { .. } => {
                "Waiting longer would not help. The servers were not changed. Resolve the cause above, then apply again."
            }
            Self::TimedOut { .. } => {
                "Resolve what is named above, or raise the time-out (`timeouts`). Existing objects are kept."
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
            Self::NotKubernetes { .. } => {
                "A proxy, a load balancer or a login page answered in place of the API server. Check the address and the proxy settings, log in where that is needed, then run the command again."
            }
            Self::Connection(_) => {
                "Correct the provider block, the environment variable or the kubeconfig that the message names."
            }
            Self::Panicked(_) => {
                "This is a defect of the provider. Please report it, with the output under TF_LOG=ERROR. What exists is kept."
            }
            // [`Error::hint`] words them.
            Self::Unauthorized { .. } | Self::Credentials(_) | Self::NotInstalled { .. } => {
                return None;
            }
            Self::Cancelled => return None,
        })
    }
}

/// Returns true if a server was rejected because its certificate is that of an authority.
fn is_of_an_authority(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<rustls::Error>())
        .any(connection::is_of_an_authority)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::connection::{Origin, Server};
    use crate::cluster::error::{Target, Verb};
    use crate::cluster::task::TaskError;
    use crate::kubernetes::kind::Scope;

    fn error(kind: Kind, identity: Identity, reason: Reason) -> Error {
        Error {
            verb: Verb::Apply,
            target: Target {
                kind: kind.as_str(),
                resource: kind.plural(),
                group: kind.info().group,
                scope: Scope::Namespace,
                name: Some("feast-x".to_owned()),
            },
            namespace: "ns".to_owned(),
            server: Arc::new(Server {
                url: "https://h/".to_owned(),
                origin: Origin::default(),
                proxy: None,
                identity,
            }),
            reason,
            maybe_done: false,
        }
    }

    fn configured(expires: Option<&str>) -> Identity {
        Identity::Configured {
            source: "`token` in the provider block".to_owned(),
            expires: expires.map(|time| time.parse().unwrap()),
        }
    }

    fn hint(identity: Identity, reason: Reason) -> String {
        let hint = error(Kind::Deployment, identity, reason).hint();
        hint.map(Cow::into_owned).unwrap_or_default()
    }

    fn forbidden(message: &str) -> Reason {
        Reason::Forbidden {
            message: message.to_owned(),
        }
    }

    fn unauthorized() -> Reason {
        Reason::Unauthorized {
            message: "Unauthorized".to_owned(),
        }
    }

    /// The first words.
    fn start(text: &str) -> String {
        text.split(' ').take(5).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn hints_fit_the_cause() {
        for (reason, expected) in [
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
                "This is not a permissions",
            ),
            (
                Reason::Denied {
                    message: "no".to_owned(),
                },
                "This is not a permissions",
            ),
            (
                Reason::Panicked(TaskError::Panicked("a bug".to_owned())),
                "This is a defect of",
            ),
            (Reason::Cancelled, ""),
        ] {
            assert_eq!(start(&hint(configured(None), reason)), expected);
        }
    }

    #[test]
    fn a_request_without_credentials_is_never_given_advice_about_roles() {
        let anonymous = forbidden(
            "secrets is forbidden: User \"system:anonymous\" cannot list resource \"secrets\" in API group \"\" in the namespace \"ns\"",
        );
        let ways = "set `token`, `exec`, or `client_certificate` and `client_key` in the provider block (or the environment variables behind them), or name a user of the kubeconfig that has credentials.";
        assert_eq!(
            hint(Identity::Anonymous, anonymous.clone()),
            format!(
                "The request carried no credentials, so the API server took it for an anonymous one. No role is missing: {ways}"
            )
        );
        assert_eq!(
            hint(Identity::Anonymous, unauthorized()),
            format!(
                "The request carried no credentials, and the API server accepts no anonymous requests: {ways}"
            )
        );
        assert_eq!(
            hint(configured(None), anonymous.clone()),
            "The API server took the request for an anonymous one: it did not accept the credentials from `token` in the provider block. No role is missing. A proxy or load balancer that ends TLS does not pass on a client certificate; and a certificate must be signed by the cluster's own authority."
        );
        // The guard against the wrong cluster asks for a namespace.
        let mut guarded = error(Kind::Deployment, Identity::Anonymous, anonymous);
        guarded.target.kind = "Namespace";
        assert!(
            guarded
                .hint()
                .unwrap()
                .starts_with("The request carried no credentials")
        );
    }

    #[test]
    fn rejected_credentials_are_named_with_their_source() {
        assert_eq!(
            hint(configured(Some("2000-01-01T00:00:00Z")), unauthorized()),
            "The token expired at 2000-01-01T00:00:00Z. It comes from `token` in the provider block, and nothing renews it there. Get a new token, or configure `exec` with a program that renews it."
        );
        let rejected = "The credentials come from `token` in the provider block. They may have expired, or belong to another cluster. Get new ones, or configure `exec` with a program that renews them.";
        assert_eq!(
            hint(configured(Some("9999-01-01T00:00:00Z")), unauthorized()),
            rejected
        );
        assert_eq!(hint(configured(None), unauthorized()), rejected);
    }

    #[test]
    fn a_missing_api_is_explained_by_its_group() {
        let missing = |kind: Kind| {
            let reason = Reason::NotInstalled {
                api: "group/version".to_owned(),
            };
            error(kind, Identity::Anonymous, reason)
        };
        let said = |error: &Error| error.hint().unwrap().into_owned();
        for (kind, expected) in [
            (Kind::ScaledObject, "Nothing was written. Install KEDA"),
            (Kind::HorizontalPodAutoscaler, "Check that the address is"),
            (Kind::Role, "Check that the address is"),
            (Kind::Secret, "Check that the address is"),
        ] {
            assert_eq!(start(&said(&missing(kind))), expected, "{kind:?}");
        }
        let mut monitor = missing(Kind::ScaledObject);
        monitor.target.group = "monitoring.coreos.com";
        monitor.target.kind = "ServiceMonitor";
        assert_eq!(
            said(&monitor),
            "Nothing was written. ServiceMonitor is a custom resource: install the add-on that brings the API group monitoring.coreos.com, or remove from the configuration what needs it."
        );
    }

    #[test]
    fn an_object_of_the_operator_is_known_by_its_label() {
        let foreign = |store: &str, manager: &str| {
            let owner = LabelledOwner {
                store: Some(store.to_owned()),
                manager: Some(manager.to_owned()),
            };
            start(&hint(Identity::Anonymous, Reason::Foreign { owner }))
        };
        assert_eq!(
            foreign("x", OPERATOR),
            "Import the feature store: `terraform"
        );
        // A feature store may have that name.
        assert_eq!(foreign(OPERATOR, "helm"), "Choose another name for the");
    }
}
