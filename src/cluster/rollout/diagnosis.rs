//! The reasons why a rollout does not progress, as a pure function of the observed objects.

mod halted;
mod terminating;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, ObjectReference, PersistentVolumeClaim, Pod};
use serde_json::Value as Json;

use super::events::is_unfinished;
use super::pod_issue::{Cause, PodIssue, Recoverability, Workload};
use super::pods::{NOT_SCHEDULED, is_ended, issues, pvc_names};
use super::{JobRole, is_observed, progressing};

pub(super) use terminating::terminating;

/// The exit codes of a container that the kubelet has ended, after its grace period and within it.
const KILLED: i32 = 137;
const TERMINATED: i32 = 143;

/// The observed objects of a rollout, as far as they could be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observation<'a> {
    /// `None` for a Job.
    pub deployment: Option<&'a Deployment>,
    /// The Job's name; `None` for a Deployment.
    pub job: Option<&'a str>,
    /// The reason for which the Job runs; `None` for a Deployment.
    pub role: Option<JobRole>,
    /// The Deployment or Job as the API server returns it.
    pub live: Option<&'a Json>,
    /// The configured field manager.
    pub field_manager: &'a str,
    pub pods: &'a [Pod],
    pub events: &'a [Event],
    /// True if the account has no permission to list events.
    pub events_forbidden: bool,
    pub pvcs: &'a [PersistentVolumeClaim],
}

/// The time before the creation of the newest pod in which an ended pod was created that still matters. Ended pods stay
/// for days, and their replacements can run well.
const ENDED_WITHIN_SECONDS: i64 = 600;

/// Returns the issues that prevent the newest pods from becoming ready, least recoverable first. An issue of several
/// pods is one entry.
pub fn diagnose(observation: &Observation<'_>) -> Vec<PodIssue> {
    let Some(current) = current_pods(observation) else {
        let refused = observation.deployment.and_then(replica_set_refused);
        return refused.into_iter().collect();
    };
    let mut all = issues(&current);
    for pod in &current {
        let of_pod = |issue: &PodIssue| issue.pod == pod.metadata.name;
        let is_prepared = |issue: &PodIssue| issue.cause == Cause::Starting && of_pod(issue);
        if let Some(sidecars) = halted::sidecars(pod, observation) {
            all.retain(|issue| !of_pod(issue));
            all.extend(sidecars);
        } else if all.iter().any(is_prepared)
            && let Some(setup) = setup_failure(pod, observation.events)
        {
            // The node prepares the pod, not a single container.
            all.retain(|issue| !is_prepared(issue));
            all.push(setup);
        }
    }
    all.extend(terminating(observation));
    for issue in &mut all {
        if issue.cause != Cause::NodeSetup {
            issue.event = event_of(issue, observation.events);
        }
        if issue.cause == Cause::UnboundPvc {
            let pod = current.iter().find(|pod| pod.metadata.name == issue.pod);
            issue.pvc = pod.and_then(|pod| unbound(pod, observation));
            let is_bound = issue.pvc.is_none() && !observation.pvcs.is_empty();
            if is_bound && issue.reason == NOT_SCHEDULED {
                issue.cause = Cause::Unschedulable;
            }
        }
    }
    all.extend(halted::halted(observation));
    all.extend(observation.deployment.and_then(replica_set_refused));
    all.extend(denied(observation, &current).or_else(|| halted::without_pod(observation)));
    let mut grouped: Vec<PodIssue> = Vec::new();
    for issue in all {
        match grouped.iter_mut().find(|known| known.is_same(&issue)) {
            Some(known) => {
                known.others += 1;
                known.recoverability = known.recoverability.min(issue.recoverability);
                known.restarts = known.restarts.max(issue.restarts);
            }
            None => grouped.push(issue),
        }
    }
    for issue in &mut grouped {
        issue.role = observation.role;
        // A ReplicaSet replaces an ended pod at once. If the replacements end too, the next one will.
        if issue.cause == Cause::Ended && issue.others + 1 >= ends_to_fail(issue) {
            issue.recoverability = Recoverability::MaybeSoon;
        }
    }
    grouped.sort_by_key(|issue| issue.recoverability);
    grouped
}

/// Returns the newest pods; `None` if status and pods are those of an older specification.
pub(super) fn current_pods(observation: &Observation<'_>) -> Option<Vec<Pod>> {
    let Some(deployment) = observation.deployment else {
        return Some(newest_pod(observation.pods).into_iter().collect());
    };
    let status = deployment.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation);
    if !is_observed(deployment.metadata.generation, observed) {
        return None;
    }
    let mut pods = without_past_failures(of_newest_replica_set(deployment, observation.pods));
    if has_no_updated_pod(deployment) {
        // The condition `Progressing` still names the previous ReplicaSet. Ended pods are never counted.
        pods.retain(is_ended);
    }
    Some(pods)
}

/// Returns whether every pod that runs is of an older specification. The controller replaces pods by the strategy
/// `Recreate` in this order: it deletes the old pods, then creates the ReplicaSet.
fn has_no_updated_pod(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref();
    let updated = status.and_then(|status| status.updated_replicas);
    updated.unwrap_or(0) == 0
}

/// Returns the pods of the newest ReplicaSet. Pods of an older one can fail for reasons that the change corrects.
fn of_newest_replica_set(deployment: &Deployment, pods: &[Pod]) -> Vec<Pod> {
    let newest = replica_set(deployment)
        .or_else(|| newest_pod(pods).and_then(|pod| owner(&pod).map(str::to_owned)));
    let of_newest = |pod: &&Pod| newest.is_none() || owner(pod) == newest.as_deref();
    pods.iter().filter(of_newest).cloned().collect()
}

/// Returns the name of the newest ReplicaSet. The condition `Progressing` has it in its message: `ReplicaSet "x" is
/// progressing.`, `Created new replica set "x"`. Listing ReplicaSets would need one more permission.
pub(super) fn replica_set(deployment: &Deployment) -> Option<String> {
    let name = progressing(deployment)?
        .message
        .as_ref()?
        .split('"')
        .nth(1)?;
    Some(name.to_owned())
}

/// Returns the number of pods that have to end for the same reason until waiting longer would not help. A pod that
/// exceeds its own limit ends on every node, but a node that lacks memory or disk space can end several pods at once.
fn ends_to_fail(issue: &PodIssue) -> usize {
    match issue.message.contains("limit") {
        true => 2,
        false => 3,
    }
}

/// Returns the pods without those that ended long before the newest pod was created.
fn without_past_failures(pods: Vec<Pod>) -> Vec<Pod> {
    let created = |pod: &Pod| Some(pod.metadata.creation_timestamp.as_ref()?.0.as_second());
    let newest = pods.iter().filter_map(created).max();
    let is_past = |pod: &Pod| {
        is_ended(pod)
            && (created(pod).zip(newest))
                .is_some_and(|(created, newest)| newest - created > ENDED_WITHIN_SECONDS)
    };
    pods.into_iter().filter(|pod| !is_past(pod)).collect()
}

fn newest_pod(pods: &[Pod]) -> Option<Pod> {
    let made = |pod: &&Pod| pod.metadata.creation_timestamp.clone().map(|time| time.0);
    pods.iter().max_by_key(made).cloned()
}

fn owner(pod: &Pod) -> Option<&str> {
    let owners = pod.metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers.next().map(|owner| owner.name.as_str())
}

/// Returns the issue if the API server rejects new pods.
fn denied(observation: &Observation<'_>, current: &[Pod]) -> Option<PodIssue> {
    let conditions = observation
        .deployment
        .and_then(|deployment| deployment.status.as_ref()?.conditions.as_ref());
    let condition = conditions.and_then(|conditions| {
        (conditions.iter()).find(|condition| {
            condition.type_.as_deref() == Some("ReplicaFailure")
                && condition.status.as_deref() == Some("True")
        })
    });
    let (reason, message) = match condition {
        Some(condition) => (condition.reason.clone(), condition.message.clone()),
        // A Job has no such condition. While it has an unfinished pod, it creates no other.
        None if current.iter().any(is_unfinished) => return None,
        None => {
            let since = current
                .iter()
                .filter_map(|pod| pod.metadata.creation_timestamp.as_ref());
            let since = since.map(|time| time.0.as_second()).max();
            let event = newest_event(observation.events.iter().filter(|event| {
                event.reason.as_deref() == Some("FailedCreate")
                    && makes_its_pods(&event.involved_object, observation)
            }))?;
            if since.is_some_and(|since| time_of(event) < Some(since)) {
                return None;
            }
            let message = event.message.as_deref().unwrap_or_default();
            let message = message.strip_prefix("Error creating: ").unwrap_or(message);
            (event.reason.clone(), Some(message.to_owned()))
        }
    };
    // Pods that are being deleted can free the quota.
    let terminating = observation.pods.iter();
    let recoverability = match terminating
        .filter(|pod| pod.metadata.deletion_timestamp.is_some())
        .count()
    {
        0 => Recoverability::MaybeSoon,
        _ => Recoverability::Eventually,
    };
    Some(PodIssue {
        message: message.unwrap_or_default(),
        ..PodIssue::new(
            Cause::Denied,
            recoverability,
            reason.unwrap_or_else(|| "FailedCreate".to_owned()),
        )
    })
}

/// Returns the issue if the API server rejects the ReplicaSet. The controller then reports a condition for the newest
/// specification without an observed generation.
fn replica_set_refused(deployment: &Deployment) -> Option<PodIssue> {
    let condition = progressing(deployment)?;
    let reason = condition.reason.as_deref();
    let refused =
        condition.status.as_deref() == Some("False") && reason == Some("ReplicaSetCreateError");
    refused.then(|| PodIssue {
        workload: Some(Workload {
            kind: "ReplicaSet of Deployment",
            name: deployment.metadata.name.clone().unwrap_or_default(),
        }),
        message: condition.message.clone().unwrap_or_default(),
        ..PodIssue::new(
            Cause::Denied,
            Recoverability::MaybeSoon,
            "ReplicaSetCreateError",
        )
    })
}

/// Returns the reason why the node cannot prepare the pod, from the newest event of the pod: an older one can be out of
/// date.
fn setup_failure(pod: &Pod, events: &[Event]) -> Option<PodIssue> {
    let event = newest_event(events.iter().filter(|event| {
        let of = &event.involved_object;
        // This event precedes another attempt, and says nothing about its result.
        event.reason.as_deref() != Some("SandboxChanged")
            && of.kind.as_deref() == Some("Pod")
            && of.name == pod.metadata.name
            && (of.uid.is_none() || pod.metadata.uid.is_none() || of.uid == pod.metadata.uid)
    }))?;
    let reason = event.reason.as_deref().unwrap_or_default();
    if event.type_.as_deref() != Some("Warning") || reason == "FailedScheduling" {
        return None;
    }
    let message = event.message.clone().unwrap_or_default();
    let (cause, recoverability) = match reason {
        "FailedMount" if is_misconfigured(&message) => {
            (Cause::Configuration, Recoverability::MaybeSoon)
        }
        // A volume is detached from a node that does not respond only after 6 minutes, and attached elsewhere then. The
        // kubelet reports that it waits for this.
        "FailedAttachVolume" => (Cause::NodeSetup, Recoverability::Eventually),
        "FailedMount" if is_waiting(&message) => (Cause::NodeSetup, Recoverability::Eventually),
        _ => (Cause::NodeSetup, Recoverability::MaybeSoon),
    };
    Some(PodIssue {
        pod: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        message,
        ..PodIssue::new(cause, recoverability, reason)
    })
}

/// Returns whether the kubelet has waited too long for a volume.
fn is_waiting(message: &str) -> bool {
    message.contains("timed out") || message.contains("context deadline exceeded")
}

/// Returns whether the source of a volume does not exist.
fn is_misconfigured(message: &str) -> bool {
    let missing = (message.contains("secret \"") || message.contains("configmap \""))
        && message.contains("not found");
    missing
        || message.contains("references non-existent")
        || message.contains("hostPath type check failed")
}

/// Returns whether the object creates the pods of the workload: it is the Job, or a ReplicaSet with the name of the
/// Deployment and a hash.
fn makes_its_pods(object: &ObjectReference, observation: &Observation<'_>) -> bool {
    let name = object.name.as_deref().unwrap_or_default();
    match object.kind.as_deref() {
        // An earlier Job can have had the same name.
        Some("Job") => {
            let uid = observation
                .live
                .and_then(|live| live["metadata"]["uid"].as_str());
            let same = object.uid.is_none() || uid.is_none() || object.uid.as_deref() == uid;
            observation.job == Some(name) && same
        }
        Some("ReplicaSet") => {
            let deployment = observation
                .deployment
                .and_then(|it| it.metadata.name.as_deref());
            let rest = deployment.and_then(|deployment| name.strip_prefix(deployment));
            let hash = rest.and_then(|rest| rest.strip_prefix('-'));
            hash.is_some_and(|hash| !hash.contains('-'))
        }
        _ => false,
    }
}

/// Returns a description of the first PersistentVolumeClaim of the pod that is not bound.
fn unbound(pod: &Pod, observation: &Observation<'_>) -> Option<String> {
    let (name, pvc) = pvc_names(pod)
        .filter_map(|name| {
            let of_name = |pvc: &&PersistentVolumeClaim| pvc.metadata.name.as_ref() == Some(name);
            Some((name, observation.pvcs.iter().find(of_name)?))
        })
        .find(|(_, pvc)| {
            let phase = pvc
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            phase != Some("Bound")
        })?;
    let class = pvc
        .spec
        .as_ref()
        .and_then(|spec| spec.storage_class_name.as_deref());
    let class = match class {
        Some(class) if !class.is_empty() => format!("storage class {class}"),
        _ => "no storage class".to_owned(),
    };
    let of_pvc = observation.events.iter().filter(|event| {
        let of = &event.involved_object;
        of.kind.as_deref() == Some("PersistentVolumeClaim") && of.name.as_ref() == Some(name)
    });
    // A normal event precedes each attempt of a provisioner. Without one that runs, there are no others.
    let (normal, warnings): (Vec<_>, Vec<_>) = of_pvc.partition(|event| is_normal(event));
    let event = newest_event(warnings.into_iter()).or_else(|| newest_event(normal.into_iter()));
    let event = event.map_or_else(String::new, |event| format!(", {}", sentence(event)));
    Some(format!("PersistentVolumeClaim {name}, {class}{event}"))
}

/// Returns the newest event of the pod that adds information to its status.
fn event_of(issue: &PodIssue, events: &[Event]) -> Option<String> {
    let of_pod = events.iter().filter(|event| {
        let of = &event.involved_object;
        let container = issue.container.as_deref().unwrap_or_default();
        let elsewhere = of
            .field_path
            .as_deref()
            .is_some_and(|path| !path.contains(&format!("{{{container}}}")));
        let reason = event.reason.as_deref();
        // A server that crashes or exceeds its memory limit also fails its probes.
        let is_cause = match issue.cause {
            Cause::Crash => matches!(issue.exit_code, None | Some(0 | KILLED | TERMINATED)),
            cause => cause != Cause::Memory,
        };
        let is_consequence = reason == Some("Unhealthy") && !is_cause;
        // Of the normal events, only a pull explains a delay. That of a back-off repeats the status.
        let is_informative = (!is_normal(event) || reason == Some("Pulling"))
            && reason != Some("BackOff")
            && !is_consequence;
        of.kind.as_deref() == Some("Pod") && of.name == issue.pod && !elsewhere && is_informative
    });
    let (informative, others): (Vec<_>, Vec<_>) = of_pod.partition(|event| {
        let message = event.message.as_deref().unwrap_or_default();
        match issue.cause {
            Cause::Image => message.starts_with("Failed to pull"),
            Cause::Crash => {
                message.starts_with("Liveness probe") || message.starts_with("Startup probe")
            }
            _ => false,
        }
    });
    let found =
        newest_event(informative.into_iter()).or_else(|| newest_event(others.into_iter()))?;
    // The event of the scheduler repeats its condition, and that of an eviction the status of the pod.
    let message = found.message.as_deref().unwrap_or_default();
    (message.trim() != issue.message.trim()).then(|| sentence(found))
}

/// Returns the newest event. Most times have a precision of one second; a warning is newer than a normal event of the
/// same second.
fn newest_event<'a>(events: impl Iterator<Item = &'a Event>) -> Option<&'a Event> {
    events.max_by_key(|event| (time_of(event), !is_normal(event)))
}

fn is_normal(event: &Event) -> bool {
    event.type_.as_deref() == Some("Normal")
}

/// Returns the Unix time of the last occurrence in seconds.
fn time_of(event: &Event) -> Option<i64> {
    let series = event.series.as_ref();
    let times = [
        event.last_timestamp.as_ref().map(|time| time.0),
        event.event_time.as_ref().map(|time| time.0),
        series
            .and_then(|series| series.last_observed_time.as_ref())
            .map(|time| time.0),
        event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0),
    ];
    Some(times.into_iter().flatten().max()?.as_second())
}

fn sentence(event: &Event) -> String {
    let reason = event.reason.as_deref().unwrap_or_default();
    format!("{reason}: {}", event.message.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests;
