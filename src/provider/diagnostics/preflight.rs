//! Diagnostics of a preflight. What the same run can create is a warning; everything else would fail the apply and is
//! an error.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::preflight::permissions::Permission;
use crate::cluster::references::Missing;
use crate::cluster::rollout::{self, JobRole};
use crate::cluster::{self, Reason, StoreName, Verb};
use crate::feast::names::{self, ServerKind};
use crate::feast::remote_store::{RegistryProblem, RemoteStoreError};
use crate::kubernetes::Kind;
use crate::kubernetes::pod_template::Reference;
use crate::kubernetes::quota::{Counted, Shortage};
use crate::schema::{Diagnostic, Path, Severity};

use super::{cluster_error, cluster_error_with, remote_store_error, sentence};

const WOULD_FAIL: &str = "The apply would fail";

/// An error that an apply would have. For pods that are refused, it has the solution that the failed rollout would have.
pub fn would_fail(error: &cluster::Error) -> Diagnostic {
    let diagnostic = match refused_pods(error) {
        Some(message) => {
            let solution = sentence(&rollout::denied_pods_solution(message, role(error)));
            cluster_error_with(WOULD_FAIL, error, Some(&solution))
        }
        None => cluster_error(WOULD_FAIL, error),
    };
    match &error.reason {
        Reason::NamespaceMissing(_) | Reason::NotInstalled { .. } => created_first(diagnostic),
        reason if reason.missing_pod_class().is_some() => created_first(diagnostic),
        _ => diagnostic,
    }
}

/// Returns the role of the pods of an object: those of the CronJob are also those of commands that run in a server.
fn role(error: &cluster::Error) -> Option<JobRole> {
    let is_cron_job = error.target.kind == Kind::CronJob.as_str();
    is_cron_job.then_some(JobRole::OnRequest {
        command: "",
        in_server: true,
    })
}

/// Returns the message of the API server that refuses the pods of an object.
fn refused_pods(error: &cluster::Error) -> Option<&str> {
    match &error.reason {
        Reason::Forbidden { message }
            if error.verb == Verb::Check
                && error.reason.is_of_the_api_server()
                && !error.reason.is_missing_permission() =>
        {
            Some(message)
        }
        _ => None,
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
pub fn created_first(diagnostic: Diagnostic) -> Diagnostic {
    as_warning(
        diagnostic,
        "the same run can create it before the feature store",
    )
}

/// The registry of another feature store that cannot be used. Two feature stores that one run creates or changes can
/// refer to each other.
pub fn remote_store_not_ready(error: &RemoteStoreError) -> Diagnostic {
    let diagnostic = remote_store_error(error);
    match error.problem {
        RegistryProblem::Missing { .. } => created_first(diagnostic),
        RegistryProblem::Encrypted | RegistryProblem::Plain => as_warning(
            diagnostic,
            "the same run can create or change it before the feature store",
        ),
    }
}

/// Turns the error about an existing feature store into a warning, because Terraform can destroy that one before the
/// create.
pub fn destroyed_first(diagnostic: Diagnostic) -> Diagnostic {
    as_warning(
        diagnostic,
        "that feature store is in the state: if it is tainted, Terraform destroys it before the create",
    )
}

fn as_warning(diagnostic: Diagnostic, reason: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        detail: format!(
            "{}\n\nThis is a warning, because {reason}.",
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

/// An object that pods name and that does not exist.
pub fn missing_reference(store: &StoreName, missing: &Missing) -> Diagnostic {
    let Reference {
        field,
        blocks_start,
        ..
    } = &missing.reference;
    let (summary, effect) = match blocks_start {
        true => ("Pods would not start", "need it"),
        false => (
            "Images would be pulled without credentials",
            "pull their images with it",
        ),
    };
    Diagnostic::error(
        summary,
        format!(
            "{missing} in namespace {:?}, and the pods of {} {effect} ({}).",
            store.namespace,
            missing.by,
            field.to_string().trim_start_matches('.')
        ),
    )
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
    let remedy = match shortage.counted() {
        Counted::Pods => "Reduce the replicas or the resources",
        Counted::Volumes => "Reduce the number or the size of the PersistentVolumeClaims",
        Counted::Objects => "Delete objects of this kind that are no longer needed",
    };
    Diagnostic::error(
        "The ResourceQuota is too small",
        format!(
            "The feature store {:?} needs {needed} more of {resource} in namespace {:?}. The ResourceQuota {quota:?} \
             allows {hard}, of which {used} are used. {remedy}, or ask for more quota.",
            store.name, store.namespace
        ),
    )
}

/// An autoscaler by CPU and memory usage in a cluster without metrics.
pub fn no_metrics_api() -> Diagnostic {
    created_first(Diagnostic::error(
        "The HorizontalPodAutoscaler cannot read metrics",
        "The cluster serves no metrics.k8s.io API (metrics-server is not installed), so the HorizontalPodAutoscaler cannot \
         read CPU or memory usage. Until the cluster serves it, the HorizontalPodAutoscaler keeps the number of pods, and \
         only raises it to `min_replicas`.",
    ))
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

/// Returns the attributes that set the resources of the containers in a rejection by a ResourceQuota, by the words of the
/// API server: `must specify limits.cpu for: offline,online; limits.memory for: online`. Init containers have the
/// resources of the largest server, so they have their own attribute only where no server lacks resources.
pub fn required_resources_attributes(message: &str, is_cron_job: bool) -> Vec<Path> {
    let required = message.split_once("must specify ");
    let required = required.map_or("", |(_, required)| required).split("; ");
    let containers: BTreeSet<&str> = required
        .filter_map(|resource| resource.split_once(" for: "))
        .flat_map(|(_, containers)| containers.split(','))
        .map(str::trim)
        .collect();
    if is_cron_job {
        let is_ours = (containers.iter()).any(|name| name.starts_with("feast-"));
        return Vec::from_iter(is_ours.then(|| Path::of("cron_job.container_configs.resources")));
    }
    let servers = ServerKind::ALL.into_iter();
    let servers: Vec<Path> = servers
        .filter(|server| containers.contains(server.as_str()))
        .map(|server| Path::of(&format!("{}.resources", server.attribute())))
        .collect();
    let prepares = [names::INIT_CONTAINER, names::APPLY_CONTAINER];
    match servers.is_empty() && prepares.iter().any(|name| containers.contains(name)) {
        true => vec![Path::of("services.init_resources")],
        false => servers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::quantity::Quantity;
    use crate::provider::resources::feature_store::testing::refused_pods_error;

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
    fn a_shortage_names_what_helps() {
        for (resource, remedy) in [
            ("pods", "Reduce the replicas or the resources"),
            (
                "persistentvolumeclaims",
                "Reduce the number or the size of the PersistentVolumeClaims",
            ),
            (
                "services",
                "Delete objects of this kind that are no longer needed",
            ),
        ] {
            let shortage = Shortage {
                quota: "q".to_owned(),
                resource: resource.to_owned(),
                needed: Quantity::ONE,
                used: "2".to_owned(),
                hard: "2".to_owned(),
            };
            let expected = format!(
                "The feature store \"demo\" needs 1 more of {resource} in namespace \"ns\". The ResourceQuota \"q\" \
                 allows 2, of which 2 are used. {remedy}, or ask for more quota."
            );
            assert_eq!(quota_exceeded(&store(), &shortage).detail, expected);
        }
    }

    #[test]
    fn refused_pods_have_the_solution_of_a_failed_rollout() {
        for (kind, message, solution) in [
            (
                Kind::CronJob,
                "failed quota: q: must specify limits.cpu for: feast-0",
                "A ResourceQuota of the namespace counts the resources that the message names, so every container must \
                 set them: write them under `cron_job.container_configs.resources`",
            ),
            (
                Kind::Deployment,
                "failed quota: q: must specify limits.cpu for: online",
                "A ResourceQuota of the namespace counts the resources that the message names, so every container must \
                 set them: write them under `resources` of every server",
            ),
            (
                Kind::Deployment,
                "maximum cpu usage per Container is 1, but limit is 2",
                "Set `resources` within the bounds of the namespace's LimitRange",
            ),
            (
                Kind::Deployment,
                "violates PodSecurity \"restricted:latest\": hostPath volumes",
                "Remove what the message names from `services.security_context`",
            ),
        ] {
            let message = format!("pods \"x\" is forbidden: {message}");
            let error = refused_pods_error(kind, &message);
            let detail = would_fail(&error).detail;
            assert!(detail.contains(&message), "{detail}");
            assert!(detail.contains(&format!("\n\n{solution}")), "{detail}");
            // An object that is refused itself has no pods yet.
            let object = cluster::Error {
                verb: Verb::Apply,
                ..error
            };
            assert_eq!(would_fail(&object), cluster_error(WOULD_FAIL, &object));
        }
        let cannot = "pods is forbidden: User \"u\" cannot create resource \"pods\"";
        let error = refused_pods_error(Kind::Deployment, cannot);
        assert_eq!(would_fail(&error), cluster_error(WOULD_FAIL, &error));
    }

    #[test]
    fn required_resources_have_the_attributes_of_their_containers() {
        let paths = |required: &str, is_cron_job: bool| {
            let message =
                format!("pods \"x\" is forbidden: failed quota: q: must specify {required}");
            let paths = required_resources_attributes(&message, is_cron_job).into_iter();
            paths.map(|path| path.to_string()).collect::<Vec<_>>()
        };
        let online = "services.online_store.server.resources";
        assert_eq!(paths("limits.cpu for: online", false), [online]);
        assert_eq!(
            paths(
                "limits.cpu for: feast-init,offline,online; limits.memory for: lineage,ui",
                false
            ),
            [
                "services.offline_store.server.resources",
                online,
                "services.ui.resources",
                "openlineage.consumer.lineage_server.server.resources",
            ]
        );
        assert_eq!(
            paths("limits.cpu for: feast-apply", false),
            ["services.init_resources"]
        );
        assert_eq!(
            paths("limits.cpu for: feast-0,feast-1", true),
            ["cron_job.container_configs.resources"]
        );
        for is_cron_job in [false, true] {
            assert_eq!(paths("limits.cpu for: istio-proxy", is_cron_job), [""; 0]);
            assert_eq!(paths("requests.storage", is_cron_job), [""; 0]);
            let other = required_resources_attributes("exceeded quota", is_cron_job);
            assert_eq!(other, []);
        }
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
