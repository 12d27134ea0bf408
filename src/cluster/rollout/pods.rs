//! The issues in the status of pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod, PodCondition, PodStatus};

use super::pod_issue::{Cause, PodIssue, Recoverability};

/// The number of restarts after which a waiting container is unrecoverable. The pauses of the kubelet are 10, 20, 40 s
/// and so on, so that at least half a minute has passed.
const RESTARTS: i32 = 3;

/// The reason of a pod that the scheduler has neither assigned to a node nor rejected. It waits for volumes, or has not
/// looked at the pod yet.
pub(super) const NOT_SCHEDULED: &str = "not scheduled yet";

/// The reason of a pod that is not ready without a reason of the kubelet. The controller of nodes sets this after a
/// node has stopped responding.
pub(super) const NOT_READY_ON_NODE: &str = "not ready, although its containers are";

/// Parts of the scheduler's messages about a PersistentVolumeClaim without a volume, in lower case.
const UNBOUND_PVC: [&str; 4] = [
    "persistentvolumeclaim",
    "binding volumes",
    "for pvc",
    "persistent volumes to bind",
];

/// Returns one issue for each container that prevents its pod from becoming ready, and one for each pod that is not
/// ready for another reason.
pub fn issues(pods: &[Pod]) -> Vec<PodIssue> {
    pods.iter().flat_map(pod_issues).collect()
}

/// Returns, for each container name, the number of pods in which that container is ready.
pub fn ready_pods_by_container(pods: &[Pod]) -> BTreeMap<String, i32> {
    let mut ready = BTreeMap::new();
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref());
    for container in statuses.flat_map(|status| status.container_statuses.iter().flatten()) {
        *ready.entry(container.name.clone()).or_insert(0) += i32::from(container.ready);
    }
    ready
}

/// Returns the names of the PersistentVolumeClaims that the pod mounts.
pub(super) fn pvc_names(pod: &Pod) -> impl Iterator<Item = &String> {
    let volumes = (pod.spec.iter()).flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| Some(&volume.persistent_volume_claim.as_ref()?.claim_name))
}

fn pod_issues(pod: &Pod) -> Vec<PodIssue> {
    let status = pod.status.clone().unwrap_or_default();
    if let Some(ended) = ended(pod) {
        return vec![ended];
    }
    let mut conditions = status.conditions.iter().flatten();
    let ready =
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let terminating = pod.metadata.deletion_timestamp.is_some();
    if ready || terminating || status.phase.as_deref() == Some("Succeeded") {
        return Vec::new();
    }
    let init = status.init_container_statuses.iter().flatten();
    let main = status.container_statuses.iter().flatten();
    let init = init.map(|container| (container, true));
    let main = main.map(|container| (container, false));
    let mut found: Vec<PodIssue> = init
        .chain(main)
        .filter(|(container, _)| !container.ready)
        .filter_map(|(container, init)| container_issue(container, init))
        .collect();
    // Containers that wait for init containers are no issue.
    if found.iter().any(|issue| !waits_for_init(issue)) {
        found.retain(|issue| !waits_for_init(issue));
    }
    if found.is_empty() {
        found.push(without_container_issue(pod, status));
    }
    for issue in &mut found {
        issue.pod.clone_from(&pod.metadata.name);
        issue.namespace.clone_from(&pod.metadata.namespace);
    }
    found
}

/// Returns the issue of a pod that is not ready, although no container has an issue.
fn without_container_issue(pod: &Pod, status: PodStatus) -> PodIssue {
    let conditions = status.conditions.unwrap_or_default();
    let unmet = |name: &str| {
        let mut conditions = conditions.iter();
        conditions.find(|condition| condition.type_ == name && condition.status != "True")
    };
    if let Some(condition) = unmet("PodScheduled") {
        return scheduling_issue(condition.clone());
    }
    let node = (pod.spec.as_ref()).and_then(|spec| spec.node_name.as_deref());
    let containers = status.container_statuses.unwrap_or_default();
    let are_ready = !containers.is_empty() && containers.iter().all(|container| container.ready);
    let reason = status.reason.or(status.phase.clone());
    let reason = reason.unwrap_or_else(|| "not ready".to_owned());
    let message = status.message.unwrap_or_default();
    let (cause, reason, message) = match (status.phase.as_deref(), node) {
        (Some("Pending"), None) => {
            let cause = match pvc_names(pod).next() {
                Some(_) => Cause::UnboundPvc,
                None => Cause::Unschedulable,
            };
            (cause, NOT_SCHEDULED.to_owned(), message)
        }
        (Some("Pending"), Some(_)) => (Cause::Starting, reason, message),
        (Some("Running"), Some(node)) if are_ready => match unmet("Ready").cloned() {
            Some(PodCondition {
                reason: Some(reason),
                message,
                ..
            }) => (Cause::Other, reason, message.unwrap_or_default()),
            _ => {
                let message = format!("node {node} may have stopped responding");
                (Cause::Other, NOT_READY_ON_NODE.to_owned(), message)
            }
        },
        _ => (Cause::Other, reason, message),
    };
    PodIssue {
        message,
        ..PodIssue::new(cause, Recoverability::Eventually, reason)
    }
}

/// Returns the issue of a pod that the kubelet has ended or rejected as a whole. The status of its containers does not
/// have the reason. Which pods are recent enough to matter is decided by [`diagnose`](super::diagnose).
fn ended(pod: &Pod) -> Option<PodIssue> {
    let status = pod.status.as_ref()?;
    let reason = status.reason.as_ref()?;
    let terminating = pod.metadata.deletion_timestamp.is_some();
    (is_ended(pod) && !terminating).then(|| PodIssue {
        pod: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        message: (status.message.as_deref().unwrap_or_default().trim()).to_owned(),
        ..PodIssue::new(Cause::Ended, Recoverability::Eventually, reason)
    })
}

/// Returns whether the kubelet has ended or rejected the pod as a whole.
pub(super) fn is_ended(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    status.is_some_and(|it| it.phase.as_deref() == Some("Failed") && it.reason.is_some())
}

fn waits_for_init(issue: &PodIssue) -> bool {
    issue.reason == "PodInitializing"
}

fn scheduling_issue(condition: PodCondition) -> PodIssue {
    let message = condition.message.unwrap_or_default();
    let text = message.to_lowercase();
    let cause = match UNBOUND_PVC.iter().any(|part| text.contains(part)) {
        true => Cause::UnboundPvc,
        false => Cause::Unschedulable,
    };
    let reason = condition
        .reason
        .unwrap_or_else(|| "Unschedulable".to_owned());
    PodIssue {
        message,
        ..PodIssue::new(cause, Recoverability::Eventually, reason)
    }
}

/// Returns the issue of a container; `None` if it has succeeded.
pub(super) fn container_issue(container: &ContainerStatus, init: bool) -> Option<PodIssue> {
    let ContainerState {
        waiting,
        terminated,
        ..
    } = container.state.clone().unwrap_or_default();
    let last = container
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.clone());
    let mut issue = if let Some(waiting) = waiting {
        let reason = waiting.reason.unwrap_or_else(|| "waiting".to_owned());
        let (cause, recoverability) = classify_reason(&reason, container.restart_count);
        PodIssue {
            message: waiting.message.unwrap_or_default(),
            ..PodIssue::new(cause, recoverability, reason)
        }
    } else if let Some(terminated) = &terminated {
        if terminated.exit_code == 0 {
            return None;
        }
        let reason = terminated.reason.clone();
        let reason = reason.unwrap_or_else(|| "Error".to_owned());
        PodIssue::new(Cause::Crash, Recoverability::Eventually, reason)
    } else if init {
        // The container runs.
        PodIssue::new(Cause::Other, Recoverability::Eventually, "still running")
    } else {
        PodIssue::new(Cause::NotReady, Recoverability::Eventually, "not ready")
    };
    issue.container = Some(container.name.clone());
    issue.init = init;
    issue.restarts = container.restart_count;
    issue.in_previous_run = terminated.is_none() && last.is_some();
    if matches!(issue.cause, Cause::Crash | Cause::NotReady)
        && let Some(ended) = terminated.or(last)
    {
        issue.exit_code = Some(ended.exit_code);
        // The last lines of the log, if the container's terminationMessagePolicy asks for them.
        let message = ended.message.unwrap_or_default();
        issue.log = message.lines().map(str::to_owned).collect();
        if ended.reason.as_deref() == Some("OOMKilled") {
            issue.cause = Cause::Memory;
            issue.reason = "OOMKilled".to_owned();
        }
    }
    Some(issue)
}

/// Returns the meaning of a reason of the kubelet.
fn classify_reason(reason: &str, restarts: i32) -> (Cause, Recoverability) {
    match reason {
        "InvalidImageName" => (Cause::ImageName, Recoverability::Never),
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => (Cause::Image, Recoverability::MaybeSoon),
        "CrashLoopBackOff" if restarts >= RESTARTS => (Cause::Crash, Recoverability::Never),
        "CrashLoopBackOff" => (Cause::Crash, Recoverability::Eventually),
        "CreateContainerConfigError" => (Cause::Configuration, Recoverability::MaybeSoon),
        "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "PostStartHookError" => (Cause::Start, Recoverability::MaybeSoon),
        "ContainerCreating" | "PodInitializing" => (Cause::Starting, Recoverability::Eventually),
        _ => (Cause::Other, Recoverability::Eventually),
    }
}
