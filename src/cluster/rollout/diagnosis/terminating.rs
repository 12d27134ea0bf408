//! Old pods that the strategy `Recreate` waits for.

use super::{Observation, has_no_updated_pod};
use crate::cluster::delete::deletion_facts;
use crate::cluster::rollout::events::is_unfinished;
use crate::cluster::rollout::pod_issue::{Cause, PodIssue, Recoverability};

/// Returns one issue for each terminating pod if it prevents new pods: with the strategy `Recreate`, the Deployment
/// controller creates the first new pod when every old one has ended. Without one, the result is empty.
///
/// Most pods end within their grace period, so the issue can always resolve.
pub(in crate::cluster::rollout) fn terminating(observation: &Observation<'_>) -> Vec<PodIssue> {
    let waits_for_old_pods = observation.deployment.is_some_and(|deployment| {
        let strategy = deployment.spec.strategy.as_ref();
        strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate"))
            && deployment.spec.replicas != Some(0)
            && deployment.spec.paused != Some(true)
            && has_no_updated_pod(deployment)
    });
    let pods = observation.pods.iter().filter(|pod| {
        waits_for_old_pods && pod.metadata.deletion_timestamp.is_some() && is_unfinished(pod)
    });
    let issues = pods.map(|pod| PodIssue {
        pod: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        message: "with the strategy `Recreate`, new pods are created when it has ended".to_owned(),
        ..PodIssue::new(
            Cause::Terminating,
            Recoverability::Eventually,
            deletion_facts(pod).join(", "),
        )
    });
    issues.collect()
}
