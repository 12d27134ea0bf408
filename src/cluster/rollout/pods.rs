//! Why pods are not ready, as far as the pods themselves say.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::super::error::PodTrouble;

/// One entry for each container that keeps its pod from being ready, and one for each pod that is not
/// ready without any container saying why.
pub fn troubles(pods: &[Pod]) -> Vec<PodTrouble> {
    pods.iter().flat_map(of_pod).collect()
}

/// In how many pods each container is ready.
pub fn ready(pods: &[Pod]) -> BTreeMap<String, i32> {
    let mut ready = BTreeMap::new();
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref());
    for container in statuses.flat_map(|status| status.container_statuses.iter().flatten()) {
        *ready.entry(container.name.clone()).or_insert(0) += i32::from(container.ready);
    }
    ready
}

fn of_pod(pod: &Pod) -> Vec<PodTrouble> {
    let status = pod.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let leaving = pod.metadata.deletion_timestamp.is_some();
    if ready || leaving || status.phase.as_deref() == Some("Succeeded") {
        return Vec::new();
    }
    let name = pod.metadata.name.clone().unwrap_or_default();
    let init = status.init_container_statuses.unwrap_or_default();
    let main = status.container_statuses.unwrap_or_default();
    let found: Vec<PodTrouble> = init
        .iter()
        .chain(&main)
        .filter(|container| !container.ready)
        .filter_map(|container| of_container(&name, container))
        .collect();
    if !found.is_empty() {
        return but_for_waiting(found);
    }
    let unscheduled = conditions
        .into_iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    let (reason, message) = match unscheduled {
        Some(condition) => (condition.reason, condition.message),
        None => (status.reason, status.message),
    };
    vec![PodTrouble {
        pod: name,
        container: None,
        reason: reason
            .or(status.phase)
            .unwrap_or_else(|| "not ready".to_owned()),
        message: message.unwrap_or_default(),
    }]
}

/// Containers whose turn has not come are not what keeps the pod.
fn but_for_waiting(found: Vec<PodTrouble>) -> Vec<PodTrouble> {
    let (waiting, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|trouble| trouble.reason == "PodInitializing");
    if others.is_empty() { waiting } else { others }
}

fn of_container(pod: &str, container: &ContainerStatus) -> Option<PodTrouble> {
    let state = container.state.clone().unwrap_or_default();
    let (reason, message) = if let Some(waiting) = state.waiting {
        (waiting.reason, waiting.message)
    } else if let Some(terminated) = state.terminated {
        if terminated.exit_code == 0 {
            return None;
        }
        let text = format!("exit code {}", terminated.exit_code);
        // "Error" alone says no more than the code does.
        let reason = terminated.reason.filter(|reason| reason != "Error");
        (reason.or(Some(text)), terminated.message)
    } else {
        (None, None)
    };
    Some(PodTrouble {
        pod: pod.to_owned(),
        container: Some(container.name.clone()),
        reason: reason.unwrap_or_else(|| "not ready".to_owned()),
        message: message.unwrap_or_default(),
    })
}
