//! Diagnostics of a preflight. What the same run can create is a warning; everything else would fail the apply and is
//! an error.

use std::collections::BTreeMap;

use crate::cluster::preflight::permissions::Permission;
use crate::cluster::preflight::references::Missing;
use crate::cluster::{self, Reason, StoreName};
use crate::kubernetes::pod_template::Reference;
use crate::kubernetes::quota::Shortage;
use crate::schema::{Diagnostic, Path, Severity};

use super::{cluster_error, sentence};

const WOULD_FAIL: &str = "The apply would fail";

/// An environment variable that is neither true nor false.
pub fn not_a_boolean(variable: &str) -> Diagnostic {
    Diagnostic::error(
        "Invalid value",
        format!("The environment variable {variable} must be \"true\" or \"false\"."),
    )
}

/// An error that an apply would have.
pub fn would_fail(error: &cluster::Error) -> Diagnostic {
    let diagnostic = cluster_error(WOULD_FAIL, error);
    match error.reason {
        Reason::NamespaceMissing(_) | Reason::NotInstalled { .. } => created_first(diagnostic),
        _ => diagnostic,
    }
}

/// A Secret or ConfigMap of the user that cannot be read.
pub fn source_missing(diagnostic: Diagnostic, error: &cluster::Error) -> Diagnostic {
    match error.reason {
        Reason::NotFound | Reason::KeyMissing(_) => created_first(Diagnostic {
            summary: WOULD_FAIL.to_owned(),
            ..diagnostic
        }),
        _ => diagnostic,
    }
}

/// Turns the error into a warning, because the same run can create what is missing.
fn created_first(diagnostic: Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        detail: format!(
            "{}\n\nThis is a warning, because the same run can create it before the feature store.",
            diagnostic.detail
        ),
        ..diagnostic
    }
}

/// Permissions that the account lacks. They are a warning if the namespace does not exist yet, because the same run can
/// grant them in it.
pub fn missing_permissions(
    store: &StoreName,
    missing: &[Permission],
    has_namespace: bool,
) -> Diagnostic {
    let mut verbs: BTreeMap<(bool, &str, &str), Vec<&str>> = BTreeMap::new();
    for permission in missing {
        let Permission {
            group,
            resource,
            verb,
            is_cluster_wide,
        } = *permission;
        let rule = (is_cluster_wide, group, resource);
        verbs.entry(rule).or_default().push(verb);
    }
    let rules = verbs
        .iter()
        .map(|((is_cluster_wide, group, resource), verbs)| {
            let resource = match *group {
                "" => (*resource).to_owned(),
                group => format!("{resource}.{group}"),
            };
            let place = match is_cluster_wide {
                true => ", in a ClusterRole",
                false => "",
            };
            format!("\n- {resource}: {}{place}", verbs.join(", "))
        });
    let detail = format!(
        "The account lacks permissions that the feature store {:?} needs in namespace {:?}:\n{}\n\nGrant them; the guide \
         \"Access to the cluster\" has the rules to copy.",
        store.name,
        store.namespace,
        rules.collect::<String>()
    );
    let diagnostic = Diagnostic::error("Permissions are missing", detail);
    match has_namespace {
        true => diagnostic,
        false => created_first(diagnostic),
    }
}

/// An object that pods need and that does not exist.
pub fn missing_reference(store: &StoreName, missing: &Missing) -> Diagnostic {
    let Missing {
        by,
        reference: Reference { object, key, field },
        has_object,
    } = missing;
    let problem = match (key, has_object) {
        (Some(key), true) => format!("{object} has no key {key:?}"),
        _ => format!("{object} does not exist"),
    };
    created_first(Diagnostic::error(
        "Pods would not start",
        format!(
            "{problem} in namespace {:?}, and the pods of {by} need it ({}).",
            store.namespace,
            field.to_string().trim_start_matches('.')
        ),
    ))
}

/// A ResourceQuota of the namespace that is too small.
pub fn quota_exceeded(store: &StoreName, shortage: &Shortage) -> Diagnostic {
    let Shortage {
        quota,
        resource,
        needed,
        used,
        hard,
    } = shortage;
    let remedy = match resource.as_str() {
        "requests.storage" => "Reduce the size of the PersistentVolumeClaims",
        _ => "Reduce the replicas or the resources",
    };
    Diagnostic::error(
        "The ResourceQuota is too small",
        format!(
            "The feature store {:?} needs {needed} more of {resource}, and the ResourceQuota {quota:?} of namespace {:?} \
             allows {hard}, and {used} are used. {remedy}, or ask for more quota.",
            store.name, store.namespace
        ),
    )
}

/// A preflight that could not ask, or could ask only in part.
pub fn preflight_incomplete(reason: &str) -> Diagnostic {
    Diagnostic::warning(
        "The preflight is incomplete",
        format!(
            "{} The plan is not affected. To plan without a preflight, set `preflight = false` in the provider block.",
            sentence(reason)
        ),
    )
}

/// An error that prevented a check.
pub fn not_checked(error: &cluster::Error) -> Diagnostic {
    preflight_incomplete(&cluster_error("", error).detail)
}

/// Pods that the account may not check.
pub fn pods_not_checked(namespace: &str) -> Diagnostic {
    preflight_incomplete(&format!(
        "The pods were not checked for Pod Security, limits and admission policies: a preflight needs the verb create on \
         pods in namespace {namespace:?}, which it uses for dry runs alone."
    ))
}

/// Returns the attribute that most likely caused a rejection by Pod Security, by the words of the API server.
pub fn pod_security_attribute(message: &str) -> Option<Path> {
    let (_, violations) = message.split_once("violates PodSecurity")?;
    let attributes = [
        (
            "allowPrivilegeEscalation",
            "services.container_security_context",
        ),
        ("capabilities", "services.container_security_context"),
        ("privileged", "services.container_security_context"),
        ("hostPath volumes", "services.volumes"),
        ("restricted volume types", "services.volumes"),
        ("runAsNonRoot", "services.security_context"),
        ("runAsUser", "services.security_context"),
        ("seccompProfile", "services.security_context"),
    ];
    (attributes.into_iter())
        .find(|(word, _)| violations.contains(word))
        .map(|(_, attribute)| Path::of(attribute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> StoreName {
        StoreName {
            namespace: "ns".to_owned(),
            name: "demo".to_owned(),
        }
    }

    #[test]
    fn missing_permissions_are_grouped_by_resource() {
        let permission = |group, resource, verb, is_cluster_wide| Permission {
            group,
            resource,
            verb,
            is_cluster_wide,
        };
        let missing = [
            permission("", "secrets", "get", false),
            permission("", "secrets", "list", false),
            permission("apps", "deployments", "patch", false),
            permission("rbac.authorization.k8s.io", "clusterroles", "get", true),
        ];
        let rules = "The account lacks permissions that the feature store \"demo\" needs in namespace \"ns\":\n\n\
             - secrets: get, list\n\
             - deployments.apps: patch\n\
             - clusterroles.rbac.authorization.k8s.io: get, in a ClusterRole\n\n\
             Grant them; the guide \"Access to the cluster\" has the rules to copy.";
        let diagnostic = missing_permissions(&store(), &missing, true);
        let expected = Diagnostic::error("Permissions are missing", rules);
        assert_eq!(diagnostic, expected);
        let diagnostic = missing_permissions(&store(), &missing, false);
        let later =
            "This is a warning, because the same run can create it before the feature store.";
        let expected =
            Diagnostic::warning("Permissions are missing", format!("{rules}\n\n{later}"));
        assert_eq!(diagnostic, expected);
    }

    #[test]
    fn violations_of_pod_security_have_an_attribute() {
        let path = |violation: &str| {
            let message = format!(
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": {violation}"
            );
            pod_security_attribute(&message).map(|path| path.to_string())
        };
        assert_eq!(
            path("unrestricted capabilities (container \"online\" must set …)").as_deref(),
            Some("services.container_security_context")
        );
        assert_eq!(
            path("runAsNonRoot != true (pod must set …)").as_deref(),
            Some("services.security_context")
        );
        assert_eq!(path("something new"), None);
        assert_eq!(pod_security_attribute("exceeded quota"), None);
    }
}
