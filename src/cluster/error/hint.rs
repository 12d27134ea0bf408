//! Hints for the user on an [`Error`].

use std::borrow::Cow;

use jiff::Timestamp;

use super::{CONFLICT_HINT, Error, LabeledOwner, Reason, causes};
use crate::cluster::clock::format_time;
use crate::cluster::connection::{self, CredentialsInfo};
use crate::cluster::resource::{FEAST_GROUP, is_custom};
use crate::cluster::rollout::JobRole;
use crate::cluster::rollout::pod_issue::Cause;
use crate::feast::names::OPERATOR;
use crate::kubernetes::field_versions::OLDEST;
use crate::kubernetes::kind::{Api, Kind, KindInfo};

const CONFIGURE_CREDENTIALS: &str = "set `token`, `exec`, or `client_certificate` and `client_key` in the provider block (or the environment variables behind them), or name a user of the kubeconfig that has credentials";

impl Error {
    /// Returns what the user can do about the error.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match &self.reason {
            Reason::Unauthorized { .. } => return Some(self.rejected_credentials().into()),
            reason if reason.is_anonymous() => return Some(self.anonymous().into()),
            Reason::Credentials(_) => {
                return Some(match &self.server.credentials_info {
                    CredentialsInfo::Anonymous => {
                        "Check the credentials of the provider block.".into()
                    }
                    CredentialsInfo::Configured { origin, .. } => {
                        format!("The credentials come from {origin}. Correct them there.").into()
                    }
                });
            }
            Reason::NotInstalled { api } => return Some(self.missing_api(api)),
            Reason::NotStored { .. } if is_custom(self.target.group) => {
                "The custom resource definition in the cluster is older than these fields. Remove the attributes that set them, or upgrade the add-on that the definition belongs to."
            }
            Reason::Forbidden { .. } if self.target.kind == "Namespace" => {
                "`expected_cluster_uid` needs the verb get on the namespace kube-system, from a ClusterRole; the guide \"Access to the cluster\" has the rule to copy."
            }
            reason => reason.hint()?,
        }))
    }

    /// Explains a 401.
    fn rejected_credentials(&self) -> String {
        match &self.server.credentials_info {
            CredentialsInfo::Anonymous => format!(
                "The request carried no credentials, and the API server accepts no anonymous requests: {CONFIGURE_CREDENTIALS}."
            ),
            CredentialsInfo::Configured {
                origin,
                expires: Some(time),
                ..
            } if *time < Timestamp::now() => format!(
                "The token expired at {}. It comes from {origin}, and nothing renews it. Get a new token, or configure `exec` with a program that renews it.",
                format_time(*time)
            ),
            CredentialsInfo::Configured {
                origin,
                from_plugin: true,
                ..
            } => format!(
                "A program prints the credentials ({origin}). They may belong to another cluster or account, or the program's own login may have expired. Check its arguments, and log in again."
            ),
            CredentialsInfo::Configured { origin, .. } => format!(
                "The credentials come from {origin}. They may have expired, or belong to another cluster. Get new ones, or configure `exec` with a program that renews them."
            ),
        }
    }

    /// Explains a 403 for the anonymous user.
    fn anonymous(&self) -> String {
        match &self.server.credentials_info {
            CredentialsInfo::Anonymous => format!(
                "The request carried no credentials, so the API server treated it as anonymous. No role is missing: {CONFIGURE_CREDENTIALS}."
            ),
            CredentialsInfo::Configured { origin, .. } => format!(
                "The API server treated the request as anonymous: it did not accept the credentials from {origin}. No role is missing. A proxy or load balancer that terminates TLS does not forward a client certificate. A client certificate must be signed by the certificate authority of the cluster."
            ),
        }
    }

    /// Explains an API that the cluster lacks, by its group.
    fn missing_api(&self, api: &str) -> Cow<'static, str> {
        if self.target.group == FEAST_GROUP {
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
        if is_custom(self.target.group) {
            return format!(
                "Nothing was written. {} is a custom resource: install the add-on that provides the API group {}, or remove the attributes that need it.",
                self.target.kind, self.target.group
            )
            .into();
        }
        format!(
            "Check that the address is that of a Kubernetes API server, and its version: this provider supports Kubernetes 1.{OLDEST} and later ({api} is part of Kubernetes itself)."
        )
        .into()
    }
}

impl Reason {
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::WrongCluster { .. } => {
                "Nothing was read or written. Check the kubeconfig, its context and the environment variables. Change expected_cluster_uid only if the feature stores have moved to this cluster."
            }
            _ if self.is_escalation() => {
                "Kubernetes does not allow a user to grant permissions that the user does not have. Give this user those permissions, or the verb escalate on this object (bind, for the binding); the guide \"Access to the cluster\" has the rules to copy."
            }
            Self::Forbidden { .. } if !self.is_missing_permission() => {
                "This is not a permissions problem: a quota, an admission policy or a proxy rejected the request. See the message above."
            }
            Self::Denied { .. } => {
                "This is neither a permissions problem nor a defect of this provider: an admission policy or webhook of the cluster rejected the request. Change what the message above rejects, or ask the maintainers of the policy for an exception."
            }
            Self::Forbidden { .. } => {
                "Grant this user the permission that the message above names; the guide \"Access to the cluster\" has the rules to copy."
            }
            Self::NamespaceMissing(_) => {
                "Create the namespace first; this provider does not create namespaces."
            }
            Self::NamespaceTerminating(_) | Self::Terminating(_) => {
                "Wait until the deletion has finished, then run the command again."
            }
            Self::NotIssued { .. } => {
                "Check that the service CA operator runs (`oc get clusteroperator service-ca`), and the annotations and events of that object."
            }
            Self::KeyMissing(_) | Self::NotFound => "Check the name, the key and the namespace.",
            Self::Conflict(_) => CONFLICT_HINT,
            Self::Foreign {
                owner:
                    LabeledOwner {
                        manager: Some(manager),
                        ..
                    },
            } if manager == OPERATOR => {
                "Import the feature store: `terraform import <address> <namespace>/<name>`, or `pulumi import feast:index/featureStore:FeatureStore <name> <namespace>/<name>`, reads the operator's custom resource, and the next apply takes its objects over. The guide \"Migrating from the Feast operator\" has the steps."
            }
            Self::OwnedByOperator => {
                "Apply first, so that the PersistentVolumeClaims are kept when the custom resource is deleted, or leave the feature store to the operator: `terraform state rm <address>`, or `pulumi state delete <urn>`."
            }
            Self::OperatorRunning => {
                "Stop the operator (`kubectl scale deployment feast-operator-controller-manager --namespace feast-operator-system --replicas 0`, or in the namespace where it runs), then apply again. Nothing else was changed."
            }
            Self::OperatorUnknown { .. } => {
                "Make sure that the API server answers and that the operator does not run, then apply again. Nothing else was changed."
            }
            Self::ChangedSincePlan(_) => {
                "These changes were kept. Plan again: the plan shows them, and its apply reverts them."
            }
            Self::Foreign { .. } => {
                "Choose another name for the feature store, or delete that object. It was not changed."
            }
            Self::Stale { .. } | Self::OwnerChanged => "Plan and apply again.",
            Self::Unreachable(error) if is_of_an_authority(error.as_ref()) => {
                "The API server presents a certificate that is marked as a certificate authority (CA:TRUE). It is accepted only if this certificate is configured as a root: set it in `cluster_ca_certificate`, or in certificate-authority-data of the kubeconfig."
            }
            Self::Unreachable(_) => {
                "Check the address, the network and the proxy; the API server may also be restarting."
            }
            Self::RolloutFailed { available: 0, .. } => {
                "Waiting longer would not help. Existing objects are kept. No pod of the feature store is available."
            }
            Self::RolloutFailed { .. } => {
                "Waiting longer would not help. Existing objects are kept, and the pods that are available keep serving."
            }
            Self::JobFailed {
                role: JobRole::OnRequest { .. },
                ..
            } => "Fix the problem in the log of the pod, then invoke the action again.",
            Self::JobUnfinished {
                role: JobRole::OnRequest { .. },
                issues,
                ..
            } if issues.iter().any(|issue| issue.cause == Cause::Sidecar) => {
                "Waiting longer would not help. The command of the Job has succeeded and does not have to run again. Resolve the cause above before the next run."
            }
            Self::JobUnfinished {
                role: JobRole::OnRequest { .. },
                ..
            } => {
                "Waiting longer would not help. Resolve the cause above, then invoke the action again."
            }
            Self::JobFailed { .. } => {
                "The servers were not changed. Fix the problem in the log of the pod, then apply again: each apply runs a failed Job again."
            }
            Self::JobUnfinished { .. } => {
                "Waiting longer would not help. The servers were not changed. Resolve the cause above, then run the command again."
            }
            Self::Paused => {
                "Nothing was changed. Find out why it was paused, resume it with `kubectl rollout resume`, then invoke the action again."
            }
            Self::TimedOut { issues, .. } if issues.is_empty() => {
                "Check the events of the object that the message names, and the controllers of the cluster, or increase the timeout (`timeouts`, or `timeout` of an action)."
            }
            Self::TimedOut { .. } => {
                "Resolve the cause above, or increase the timeout (`timeouts`, or `timeout` of an action)."
            }
            Self::NotText(_) => "Correct the value, or name another key.",
            Self::Invalid { .. } => {
                "Correct the attribute that sets this field. If no attribute sets it, please report a defect of this provider."
            }
            Self::NotStored { .. } => {
                "Remove the attributes that set these fields, or upgrade the cluster. The guide \"Operations\" has the versions that are supported."
            }
            Self::Rejected { message, .. } if message.contains("failed calling webhook") => {
                "An admission webhook of the cluster failed. Check the pods and the Service of the webhook that the message above names, then apply again."
            }
            Self::Rejected { code: 429, .. } => {
                "The API server is overloaded, or limits the requests of this account. Apply again later."
            }
            Self::Rejected { .. } => {
                "The API server, an admission webhook or a proxy rejected the request. See the message above. If the problem was temporary, apply again."
            }
            Self::Unreadable(_) => {
                "Check that the address is that of a Kubernetes API server, and that no proxy responds in its place."
            }
            Self::NotKubernetes { .. } => {
                "A proxy, a load balancer or a login page responded in place of the API server. Check the address and the proxy settings, log in if needed, then run the command again."
            }
            Self::Connection(_) => {
                "Correct the provider block, the environment variable or the kubeconfig that the message names."
            }
            Self::InvalidRequest(_) => {
                "Correct the value that the message names. If no attribute sets it, please report a defect of this provider."
            }
            Self::Panicked(_) => {
                "This is a defect of the provider. Please report it, with the output under TF_LOG_PROVIDER=ERROR. Existing objects are kept."
            }
            // [`Error::hint`] has their hints.
            Self::Unauthorized { .. } | Self::Credentials(_) | Self::NotInstalled { .. } => {
                return None;
            }
            Self::Cancelled => return None,
        })
    }
}

/// Returns whether a server was rejected because its certificate is that of a certificate authority.
fn is_of_an_authority(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<rustls::Error>())
        .any(connection::is_of_an_authority)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::connection::{ApiServer, Origin};
    use crate::cluster::error::{Target, Verb};
    use crate::cluster::rollout::pod_issue::{PodIssue, Recoverability};
    use crate::cluster::task::TaskError;
    use crate::kubernetes::kind::Scope;

    fn error(kind: Kind, info: CredentialsInfo, reason: Reason) -> Error {
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
            server: Arc::new(ApiServer {
                url: "https://h/".to_owned(),
                origin: Origin::default(),
                proxy: None,
                credentials_info: info,
            }),
            reason,
            maybe_done: false,
        }
    }

    fn configured(expires: Option<&str>) -> CredentialsInfo {
        CredentialsInfo::Configured {
            origin: "`token` in the provider block".to_owned(),
            expires: expires.map(|time| time.parse().unwrap()),
            from_plugin: false,
        }
    }

    fn hint(info: CredentialsInfo, reason: Reason) -> String {
        let hint = error(Kind::Deployment, info, reason).hint();
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

    /// Returns the first words.
    fn start(text: &str) -> String {
        text.split(' ').take(5).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn hints_depend_on_the_reason() {
        for (reason, expected) in [
            (
                forbidden(
                    "secrets is forbidden: User \"u\" cannot list resource \"secrets\" in API group \"\"",
                ),
                "Grant this user the permission",
            ),
            (
                forbidden(
                    "roles \"r\" is forbidden: user \"u\" (groups=[\"g\"]) is attempting to grant RBAC permissions not currently held",
                ),
                "Kubernetes does not allow a",
            ),
            (
                forbidden("secrets \"s\" is forbidden: exceeded quota: q, requested: secrets=1"),
                "This is not a permissions",
            ),
            (
                Reason::Denied {
                    message: "no".to_owned(),
                },
                "This is neither a permissions",
            ),
            (
                Reason::rejected(500, "failed calling webhook \"w\": no endpoints"),
                "An admission webhook of the",
            ),
            (
                Reason::rejected(429, "too many requests"),
                "The API server is overloaded,",
            ),
            (
                Reason::rejected(500, "an internal error"),
                "The API server, an admission",
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
    fn the_hint_on_an_unfinished_wait_depends_on_its_issues() {
        let issues = |cause| vec![PodIssue::new(cause, Recoverability::MaybeSoon, "r")];
        let timed_out = |issues| Reason::TimedOut {
            seconds: 60,
            waiting_for: "the Job has not ended yet".to_owned(),
            issues,
        };
        let unfinished = |issues| Reason::JobUnfinished {
            role: JobRole::OnRequest {
                command: "feast materialize",
                in_server: false,
            },
            message: "the Job has not ended yet".to_owned(),
            issues,
        };
        for (reason, expected) in [
            (
                timed_out(Vec::new()),
                "Check the events of the object that the message names, ",
            ),
            (timed_out(issues(Cause::Crash)), "Resolve the cause above, "),
            (
                unfinished(issues(Cause::Crash)),
                "Waiting longer would not help. Resolve the cause above, then invoke the action again.",
            ),
            (
                unfinished(issues(Cause::Sidecar)),
                "Waiting longer would not help. The command of the Job has succeeded and does not have to run again.",
            ),
        ] {
            let hint = hint(configured(None), reason);
            assert!(hint.starts_with(expected), "{hint}");
        }
    }

    #[test]
    fn an_anonymous_request_has_no_hint_about_roles() {
        let anonymous = forbidden(
            "secrets is forbidden: User \"system:anonymous\" cannot list resource \"secrets\" in API group \"\" in the namespace \"ns\"",
        );
        let ways = "set `token`, `exec`, or `client_certificate` and `client_key` in the provider block (or the environment variables behind them), or name a user of the kubeconfig that has credentials.";
        assert_eq!(
            hint(CredentialsInfo::Anonymous, anonymous.clone()),
            format!(
                "The request carried no credentials, so the API server treated it as anonymous. No role is missing: {ways}"
            )
        );
        assert_eq!(
            hint(CredentialsInfo::Anonymous, unauthorized()),
            format!(
                "The request carried no credentials, and the API server accepts no anonymous requests: {ways}"
            )
        );
        assert_eq!(
            hint(configured(None), anonymous.clone()),
            "The API server treated the request as anonymous: it did not accept the credentials from `token` in the provider block. No role is missing. A proxy or load balancer that terminates TLS does not forward a client certificate. A client certificate must be signed by the certificate authority of the cluster."
        );
        // The guard against the wrong cluster reads a namespace.
        let mut guarded = error(Kind::Deployment, CredentialsInfo::Anonymous, anonymous);
        guarded.target.kind = "Namespace";
        assert!(
            guarded
                .hint()
                .unwrap()
                .starts_with("The request carried no credentials")
        );
    }

    #[test]
    fn rejected_credentials_are_named_with_their_origin() {
        assert_eq!(
            hint(configured(Some("2000-01-01T00:00:00Z")), unauthorized()),
            "The token expired at 2000-01-01T00:00:00Z. It comes from `token` in the provider block, and nothing renews it. Get a new token, or configure `exec` with a program that renews it."
        );
        let rejected = "The credentials come from `token` in the provider block. They may have expired, or belong to another cluster. Get new ones, or configure `exec` with a program that renews them.";
        assert_eq!(
            hint(configured(Some("9999-01-01T00:00:00Z")), unauthorized()),
            rejected
        );
        assert_eq!(hint(configured(None), unauthorized()), rejected);
        let printed = CredentialsInfo::Configured {
            origin: "`exec` in the provider block".to_owned(),
            expires: None,
            from_plugin: true,
        };
        assert_eq!(
            hint(printed, unauthorized()),
            "A program prints the credentials (`exec` in the provider block). They may belong to another cluster or account, or the program's own login may have expired. Check its arguments, and log in again."
        );
    }

    #[test]
    fn the_hint_on_a_missing_api_depends_on_its_group() {
        let missing = |kind: Kind| {
            let reason = Reason::NotInstalled {
                api: "group/version".to_owned(),
            };
            error(kind, CredentialsInfo::Anonymous, reason)
        };
        let message = |error: &Error| error.hint().unwrap().into_owned();
        for (kind, expected) in [
            (Kind::ScaledObject, "Nothing was written. Install KEDA"),
            (Kind::ServiceMonitor, "Nothing was written. Install the"),
            (Kind::Route, "Nothing was written. Routes exist"),
            (Kind::HorizontalPodAutoscaler, "Check that the address is"),
            (Kind::Role, "Check that the address is"),
            (Kind::Secret, "Check that the address is"),
        ] {
            assert_eq!(start(&message(&missing(kind))), expected, "{kind:?}");
        }
        let mut monitor = missing(Kind::ScaledObject);
        monitor.target.group = "monitoring.coreos.com";
        monitor.target.kind = "PodMonitor";
        assert_eq!(
            message(&monitor),
            "Nothing was written. PodMonitor is a custom resource: install the add-on that provides the API group monitoring.coreos.com, or remove the attributes that need it."
        );
    }

    #[test]
    fn the_hint_on_unknown_fields_depends_on_the_group() {
        let unknown = |kind: Kind| {
            let reason = Reason::NotStored {
                version: None,
                fields: Vec::new(),
            };
            let hint = error(kind, CredentialsInfo::Anonymous, reason).hint();
            start(&hint.unwrap())
        };
        assert_eq!(unknown(Kind::Deployment), "Remove the attributes that set");
        assert_eq!(
            unknown(Kind::ScaledObject),
            "The custom resource definition in"
        );
    }

    #[test]
    fn the_label_identifies_objects_of_the_operator() {
        let foreign = |store: &str, manager: &str| {
            let owner = LabeledOwner {
                store: Some(store.to_owned()),
                manager: Some(manager.to_owned()),
            };
            start(&hint(CredentialsInfo::Anonymous, Reason::Foreign { owner }))
        };
        assert_eq!(
            foreign("x", OPERATOR),
            "Import the feature store: `terraform"
        );
        // A feature store can have the name of the operator.
        assert_eq!(foreign(OPERATOR, "helm"), "Choose another name for the");
    }
}
