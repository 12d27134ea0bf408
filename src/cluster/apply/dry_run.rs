//! Checks a create before anything is written: each object is sent as a server-side dry run.
//!
//! A dry run passes authentication, authorization, admission and validation, so it finds missing permissions, policies,
//! quotas and values that the API server rejects. An admission webhook that does not support dry runs makes the object
//! unchecked.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, Verb};
use super::super::request::{Call, Request};
use super::super::resource::NAMESPACES;
use super::super::{Cluster, Options, StoreName};
use super::object::{apply_request, to_apply_body};
use super::{is_terminating, push_error};
use crate::kubernetes::kind::{Key, Kind};

/// The create of a feature store that replaces another one.
pub struct Replacement<'a> {
    pub store: &'a StoreName,
    /// The objects to create. A null is an object of unknown content, of which only the name is checked.
    pub wanted: &'a BTreeMap<Key, Json>,
    /// The objects that are deleted before the create.
    pub freed: &'a BTreeSet<Key>,
    /// True if the deletion frees quota of the namespace.
    pub frees_quota: bool,
}

/// The result of checking a create.
#[derive(Debug, Default)]
pub struct Checked {
    /// Errors that the create would meet.
    pub refused: Vec<Error>,
    /// Errors that prevented a check.
    pub unchecked: Vec<Error>,
}

/// The meaning of the error of a dry run for the create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The create would fail in the same way.
    Refused,
    /// The error says nothing about the create.
    Irrelevant,
    /// The dry run was not carried out.
    Unchecked,
}

impl Cluster {
    /// Checks that objects can be created in the namespace.
    ///
    /// # Errors
    ///
    /// The namespace does not exist or is being deleted, or the API server did not answer. An account that may not
    /// read namespaces gets no error.
    pub async fn check_namespace(
        &self,
        namespace: &str,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let fail = |reason| self.error(Verb::Get, NAMESPACES, namespace, Some(namespace), reason);
        let request = Request::get(NAMESPACES, namespace, namespace);
        match self.send(request, cancel).await {
            Ok(found) if is_terminating(&found) || found["status"]["phase"] == "Terminating" => {
                Err(fail(Reason::NamespaceTerminating(namespace.to_owned())))
            }
            Ok(_) => Ok(()),
            Err(error) => match error.reason {
                Reason::Forbidden { .. } => Ok(()),
                Reason::NotFound => Err(fail(Reason::NamespaceMissing(namespace.to_owned()))),
                _ => Err(error),
            },
        }
    }

    /// Checks whether the wanted objects could be created, given the `live` ones of [`Cluster::read`]. Writes nothing.
    pub async fn check_create(
        &self,
        live: &BTreeMap<Key, Json>,
        replacement: &Replacement<'_>,
        cancel: &CancellationToken,
    ) -> Checked {
        let Replacement {
            store,
            wanted,
            freed,
            frees_quota,
        } = replacement;
        let mut remaining = live.clone();
        remaining.retain(|key, _| !freed.contains(key));
        let keys = || wanted.keys();
        let mut checked = Checked {
            refused: self.foreign_objects(store, keys(), &BTreeMap::new(), &remaining),
            ..Checked::default()
        };
        let missing = self.missing_apis(store, keys(), live, cancel).await;
        checked.refused.extend(missing);
        let named = |error: &Error, key: &Key| {
            error.target.kind == key.kind.as_str() && error.target.name.as_ref() == Some(&key.name)
        };
        let left = wanted.iter().filter(|(key, manifest)| {
            let mut refused = checked.refused.iter();
            !manifest.is_null() && !refused.any(|error| named(error, key))
        });
        let sent = left.map(|(key, manifest)| async move {
            (key, self.dry_run(store, key, manifest, cancel).await.err())
        });
        for (key, error) in join_all(sent).await {
            let Some(error) = error else { continue };
            match verdict(key, &error.reason, live.contains_key(key), *frees_quota) {
                Verdict::Refused => push_error(&mut checked.refused, error),
                Verdict::Unchecked => push_error(&mut checked.unchecked, error),
                Verdict::Irrelevant => {}
            }
        }
        checked
    }

    async fn dry_run(
        &self,
        store: &StoreName,
        key: &Key,
        manifest: &Json,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let Options { field_manager, .. } = self.options();
        let body = to_apply_body(key, manifest);
        // The create will not find the objects that conflicts are about.
        let mut request = apply_request(&store.namespace, key, field_manager, true, body);
        if let Call::Patch(params, _) = &mut request.call {
            params.dry_run = true;
        }
        self.send(request, cancel).await
    }
}

impl Reason {
    /// Returns whether the API server did not answer, so that nothing is known about the object.
    pub fn is_no_answer(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Connection(_)
                | Self::Credentials(_)
                | Self::Unauthorized { .. }
                | Self::NotKubernetes { .. }
                | Self::Panicked(_)
                | Self::Unreadable(_)
                | Self::Cancelled
        )
    }
}

/// Returns the meaning of the error for the create. An object that `exists` was checked as an update.
fn verdict(key: &Key, reason: &Reason, exists: bool, frees_quota: bool) -> Verdict {
    match reason {
        reason if reason.is_no_answer() => Verdict::Unchecked,
        Reason::Rejected { code, message, .. } if *code >= 500 || refuses_dry_runs(message) => {
            Verdict::Unchecked
        }
        // The message about a Secret is withheld, so that it may be the refusal of a dry run.
        Reason::Rejected { code: 400, .. } if key.kind == Kind::Secret => Verdict::Unchecked,
        // Somebody else has written the object at the same time.
        Reason::Conflict(_) | Reason::Stale { .. } => Verdict::Irrelevant,
        Reason::Invalid { .. } | Reason::Rejected { .. } if exists => Verdict::Irrelevant,
        // The role that a binding names is created together with it.
        Reason::NotInstalled { .. } | Reason::NotFound
            if matches!(key.kind, Kind::RoleBinding | Kind::ClusterRoleBinding) =>
        {
            Verdict::Irrelevant
        }
        Reason::Forbidden { message } if frees_quota && message.contains("exceeded quota") => {
            Verdict::Irrelevant
        }
        _ => Verdict::Refused,
    }
}

/// Returns whether the message is about a webhook with side effects.
fn refuses_dry_runs(message: &str) -> bool {
    message.contains("does not support dry run")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(code: u16, message: &str) -> Reason {
        Reason::Rejected {
            code,
            reason: "Because".to_owned(),
            message: message.to_owned(),
        }
    }

    fn forbidden(message: &str) -> Reason {
        Reason::Forbidden {
            message: message.to_owned(),
        }
    }

    #[test]
    fn verdicts_depend_on_reason_and_object() {
        let invalid = || Reason::Invalid {
            message: "no".to_owned(),
            fields: Vec::new(),
        };
        let missing_role = || Reason::NotInstalled {
            api: "rbac.authorization.k8s.io/v1".to_owned(),
        };
        let quota = "deployments \"d\" is forbidden: exceeded quota: q";
        let webhook = "admission webhook \"w\" does not support dry run";
        let page = Reason::NotKubernetes {
            code: 200,
            content_type: "text/html".to_owned(),
        };
        let denied = Reason::Denied {
            message: "no".to_owned(),
        };
        use Verdict::{Irrelevant, Refused, Unchecked};
        for (kind, reason, exists, frees_quota, expected) in [
            (Kind::Deployment, invalid(), false, false, Refused),
            (Kind::Deployment, invalid(), true, false, Irrelevant),
            (
                Kind::Deployment,
                forbidden("User \"u\" cannot"),
                true,
                true,
                Refused,
            ),
            (Kind::Deployment, forbidden(quota), false, false, Refused),
            (Kind::Deployment, forbidden(quota), false, true, Irrelevant),
            (
                Kind::Deployment,
                rejected(400, webhook),
                false,
                false,
                Unchecked,
            ),
            (
                Kind::Deployment,
                rejected(400, "denied"),
                false,
                false,
                Refused,
            ),
            (
                Kind::Deployment,
                rejected(500, "no answer"),
                false,
                false,
                Unchecked,
            ),
            (
                Kind::Secret,
                rejected(400, "withheld"),
                false,
                false,
                Unchecked,
            ),
            (
                Kind::Secret,
                rejected(422, "withheld"),
                false,
                false,
                Refused,
            ),
            (Kind::RoleBinding, missing_role(), false, false, Irrelevant),
            (Kind::ScaledObject, missing_role(), false, false, Refused),
            (Kind::Service, Reason::Cancelled, false, false, Unchecked),
            (Kind::Service, page, false, false, Unchecked),
            (Kind::Service, denied, true, false, Refused),
            (
                Kind::Service,
                Reason::Conflict(Vec::new()),
                true,
                false,
                Irrelevant,
            ),
        ] {
            let key = Key::new(kind, "x");
            let verdict = verdict(&key, &reason, exists, frees_quota);
            assert_eq!(verdict, expected, "{key}: {reason}");
        }
    }
}
