//! Workloads that only a user or another controller can resume: a paused Deployment, a suspended Job, a Job whose pod is
//! kept running by an injected container, and a Job that has no pod for an unknown reason.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::Value as Json;

use super::Observation;
use crate::cluster::rollout::events::is_unfinished;
use crate::cluster::rollout::job::has_no_pod;
use crate::cluster::rollout::pod_issue::{Cause, PodIssue, Recoverability, Workload};
use crate::cluster::rollout::pods::container_issue;
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::managed_fields::{ManagedFields, last_writer};

/// Returns the issue if the Deployment is paused or the Job is suspended.
pub(super) fn halted(observation: &Observation<'_>) -> Option<PodIssue> {
    let live = observation.live?;
    let (kind, cause, field, reason) = match observation.job {
        Some(_) => ("Job", Cause::Suspended, "suspend", "suspended"),
        None => ("Deployment", Cause::Paused, "paused", "paused"),
    };
    if live["spec"][field] != true {
        return None;
    }
    if cause == Cause::Paused && !needs_rollout(observation.deployment?) {
        return None;
    }
    let managed = ManagedFields::of(live);
    let author = last_writer(managed.owners(&FieldPath::of(&["spec", field])));
    let by = author.as_ref().map_or_else(String::new, |author| {
        let time = author.time.as_ref();
        let time = time.map_or_else(String::new, |time| format!(" at {time}"));
        format!(", set by \"{}\"{time}", author.manager)
    });
    let recoverability = match cause {
        // A queue suspends Jobs by a webhook when they are created, and resumes them later.
        Cause::Suspended if is_queued(live) => Recoverability::Eventually,
        Cause::Suspended
            if author.is_none_or(|author| author.manager == observation.field_manager) =>
        {
            Recoverability::Eventually
        }
        Cause::Suspended => Recoverability::Never,
        _ if is_stuck_while_paused(observation.deployment?) => Recoverability::Never,
        // Its ReplicaSet can still be scaled.
        _ => Recoverability::MaybeSoon,
    };
    let metadata = &live["metadata"];
    Some(PodIssue {
        namespace: metadata["namespace"].as_str().map(str::to_owned),
        workload: Some(Workload {
            kind,
            name: metadata["name"].as_str().unwrap_or_default().to_owned(),
        }),
        message: format!("spec.{field} is true{by}"),
        ..PodIssue::new(cause, recoverability, reason)
    })
}

/// Returns whether Kueue manages the Job.
fn is_queued(live: &Json) -> bool {
    !live["metadata"]["labels"]["kueue.x-k8s.io/queue-name"].is_null()
}

/// Returns whether pods are missing or old ones exist. A paused Deployment does not replace pods.
fn needs_rollout(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref();
    let updated = status.and_then(|status| status.updated_replicas);
    is_stuck_while_paused(deployment)
        || updated.unwrap_or(0) < deployment.spec.replicas.unwrap_or(1)
}

/// Returns whether old pods exist, which a paused Deployment does not replace.
fn is_stuck_while_paused(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref();
    let count = |of: Option<i32>| of.unwrap_or(0);
    status.is_some_and(|status| count(status.replicas) > count(status.updated_replicas))
}

/// Returns the issues of the pod of a Job whose own containers have ended, and which injected containers keep running:
/// one for each own container that has failed, or else one for each injected one. `None` if it is not such a pod.
///
/// The phase of the pod does not change while a container runs, so that the Job counts neither a success nor a failure.
pub(super) fn sidecars(pod: &Pod, observation: &Observation<'_>) -> Option<Vec<PodIssue>> {
    let job = observation.job?;
    let own = observation.live?["spec"]["template"]["spec"]["containers"].as_array()?;
    let own: Vec<&str> = own
        .iter()
        .filter_map(|container| container["name"].as_str())
        .collect();
    // The containers of a pod that is deleted have not failed.
    let is_deleted = pod.metadata.deletion_timestamp.is_some();
    let status = (pod.status.as_ref()).filter(|_| is_unfinished(pod) && !is_deleted)?;
    let containers = status.container_statuses.as_deref()?;
    let (own_statuses, others): (Vec<_>, Vec<_>) = containers
        .iter()
        .partition(|container| own.contains(&container.name.as_str()));
    let running: Vec<String> = (others.into_iter())
        .filter(|container| is_running(container))
        .map(|container| container.name.clone())
        .collect();
    let all_ended = own_statuses.len() == own.len()
        && own_statuses.iter().all(|container| has_ended(container));
    if !all_ended || running.is_empty() {
        return None;
    }
    let of_pod = |issue: PodIssue| PodIssue {
        pod: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        workload: Some(Workload {
            kind: "Job",
            name: job.to_owned(),
        }),
        recoverability: Recoverability::MaybeSoon,
        ..issue
    };
    let failed: Vec<PodIssue> = (own_statuses.into_iter())
        .filter_map(|container| container_issue(container, false))
        .map(|issue| PodIssue {
            kept_running_by: running.clone(),
            ..of_pod(issue)
        })
        .collect();
    if !failed.is_empty() {
        return Some(failed);
    }
    let message = format!(
        "the Job's own containers ({}) have ended with exit code 0",
        own.join(", ")
    );
    let running = running.into_iter().map(|container| PodIssue {
        container: Some(container),
        message: message.clone(),
        ..of_pod(PodIssue::new(
            Cause::Sidecar,
            Recoverability::MaybeSoon,
            "still running",
        ))
    });
    Some(running.collect())
}

fn is_running(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    state.is_some_and(|state| state.running.is_some())
}

fn has_ended(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    state.is_some_and(|state| state.terminated.is_some())
}

/// Returns the issue of a Job that has no pod, if the account cannot list the events, which have the reason. It can be a
/// controller that is late.
pub(super) fn without_pod(observation: &Observation<'_>) -> Option<PodIssue> {
    let (job, live) = (observation.job?, observation.live?);
    let is_unexplained =
        observation.events_forbidden && observation.pods.is_empty() && has_no_pod(live);
    is_unexplained.then(|| PodIssue {
        namespace: live["metadata"]["namespace"].as_str().map(str::to_owned),
        workload: Some(Workload {
            kind: "Job",
            name: job.to_owned(),
        }),
        message: "its events, which have the reason, cannot be listed".to_owned(),
        ..PodIssue::new(Cause::NoPod, Recoverability::Eventually, "it has no pod")
    })
}
