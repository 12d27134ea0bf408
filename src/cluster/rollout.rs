//! Waits for rollouts of Deployments and for Jobs, and explains why they do not finish.
//!
//! [`progress`] and [`diagnose`] are pure functions of the observed objects. The wait is a loop around them. The
//! desired replica count is the live `spec.replicas`, because an autoscaler can change it during the rollout.

pub mod pod_issue;

mod advice;
mod diagnosis;
mod events;
mod explain;
mod grace_period;
mod job;
mod pods;
mod wait;

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};

pub use advice::denied as denied_pods_solution;
pub use diagnosis::{Observation, diagnose};
pub use grace_period::GRACE;
pub use job::{JobRole, can_have_pods, has_no_pod, job_progress};
pub use pods::ready_pods_by_container;
pub use wait::{Rollout, Wait};

/// The progress of a rollout or a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// Not complete yet. The text is a main clause about what is missing.
    Waiting(String),
    /// It cannot complete without a change.
    Failed(String),
}

/// Returns the progress of the Deployment. `minimum` is the smallest replica count to wait for: the `minReplicas` of an
/// autoscaler, whose controller raises the replica count after the apply.
pub fn progress(deployment: &Deployment, minimum: Option<i32>) -> Progress {
    let spec = &deployment.spec;
    if deployment.metadata.deletion_timestamp.is_some() {
        return Progress::Failed("the Deployment is being deleted".into());
    }
    let status = deployment.status.clone().unwrap_or_default();
    if !is_observed(deployment.metadata.generation, status.observed_generation) {
        return Progress::Waiting(
            "the Deployment controller has not observed the change yet".into(),
        );
    }
    let desired = spec.replicas.unwrap_or(1);
    let count = |count: Option<i32>| count.unwrap_or(0);
    let (all, updated, available) = (
        count(status.replicas),
        count(status.updated_replicas),
        count(status.available_replicas),
    );
    let waiting = if updated < desired {
        let mut text = format!("{updated} of {desired} replicas are updated");
        if spec.paused == Some(true) {
            text.push_str("; the Deployment is paused");
        }
        text
    } else if all > updated {
        still_exist(all - updated, "old")
    } else if all > desired {
        still_exist(all - desired, "surplus")
    } else if available < desired {
        format!("{available} of {desired} replicas are available")
    } else if let Some(minimum) = minimum.filter(|minimum| desired > 0 && desired < *minimum) {
        // An autoscaler does not scale a Deployment with 0 replicas.
        format!("the autoscaler has not yet raised {desired} replicas to its minimum of {minimum}")
    } else {
        return Progress::Done;
    };
    Progress::Waiting(waiting)
}

fn still_exist(count: i32, kind: &str) -> String {
    match count {
        1 => format!("1 {kind} replica still exists"),
        _ => format!("{count} {kind} replicas still exist"),
    }
}

/// Returns whether the Deployment controller has observed this generation. Until then, the status is that of an older
/// specification.
pub(super) fn is_observed(generation: Option<i64>, observed: Option<i64>) -> bool {
    observed >= generation
}

/// Returns the progress deadline and the controller's message if the controller reports that the deadline is exceeded.
///
/// That alone does not mean that the rollout has failed: the deadline includes the time in which pods are unschedulable
/// and images are pulled. See decision 013.
pub(super) fn exceeded_deadline(deployment: &Deployment) -> Option<(Duration, String)> {
    let condition = progressing(deployment)?;
    let exceeded = condition.status.as_deref() == Some("False")
        && condition.reason.as_deref() == Some("ProgressDeadlineExceeded");
    let seconds = deployment.spec.progress_deadline_seconds.unwrap_or(600);
    let deadline = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    exceeded.then(|| (deadline, sentence(condition)))
}

/// Returns the condition in which the Deployment controller reports the rollout.
fn progressing(deployment: &Deployment) -> Option<&DeploymentCondition> {
    let mut conditions = deployment
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|condition| condition.type_.as_deref() == Some("Progressing"))
}

/// Returns the current and the desired replica count.
pub fn scaling_status(deployment: &Deployment) -> (i32, i32) {
    let current = deployment
        .status
        .as_ref()
        .and_then(|status| status.replicas);
    (current.unwrap_or(0), deployment.spec.replicas.unwrap_or(1))
}

fn sentence(condition: &DeploymentCondition) -> String {
    let reason = condition.reason.as_deref().unwrap_or_default();
    match condition.message.as_deref() {
        Some(message) if !message.is_empty() => format!("{reason}: {message}"),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
