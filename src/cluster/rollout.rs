//! How far a Deployment or a Job has come, waiting until it is done, and why it is not.
//!
//! [`progress`] is a pure predicate over one live Deployment, [`diagnose`] a pure function over what else
//! was seen; the wait is a dumb loop over both. The wanted number of pods is the live `spec.replicas`,
//! because an autoscaler may move it meanwhile.

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

pub use diagnosis::{Seen, diagnose};
pub use grace_period::GRACE;
pub use job::job_progress;
pub use pods::ready;
pub use wait::{Rollout, Wait};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// What is still missing, in one sentence.
    Waiting(String),
    /// It will not get done by itself.
    Failed(String),
}

/// How far the Deployment has come. `minimum` is the least number of replicas to wait for: an
/// autoscaler's `minReplicas`, to which its controller raises the Deployment after it was applied.
pub fn progress(deployment: &Deployment, minimum: Option<i32>) -> Progress {
    let spec = &deployment.spec;
    if deployment.metadata.deletion_timestamp.is_some() {
        return Progress::Failed("the Deployment is being deleted".into());
    }
    let status = deployment.status.clone().unwrap_or_default();
    // Everything in the status is about an older spec until then.
    if deployment.metadata.generation > status.observed_generation {
        return Progress::Waiting(
            "the Deployment controller has not looked at the change yet".into(),
        );
    }
    let wanted = spec.replicas.unwrap_or(1);
    let count = |count: Option<i32>| count.unwrap_or(0);
    let (all, updated, available) = (
        count(status.replicas),
        count(status.updated_replicas),
        count(status.available_replicas),
    );
    let waiting = if updated < wanted {
        let mut text = format!("{updated} of {wanted} replicas are updated");
        if spec.paused == Some(true) {
            text.push_str("; the Deployment is paused");
        }
        text
    } else if all > updated {
        format!("{} old replicas are still there", all - updated)
    } else if all > wanted {
        format!("{} replicas too many are still there", all - wanted)
    } else if available < wanted {
        format!("{available} of {wanted} replicas are available")
    } else if let Some(minimum) = minimum.filter(|minimum| wanted > 0 && wanted < *minimum) {
        // With 0 replicas an autoscaler is switched off, and does nothing.
        format!("the autoscaler has not yet raised {wanted} replicas to its minimum of {minimum}")
    } else {
        return Progress::Done;
    };
    Progress::Waiting(waiting)
}

/// The progress deadline, with the controller's words, if the controller says that it has passed.
///
/// That alone does not mean that the rollout has failed: the controller counts the time in which no node takes the
/// pods, and in which images are pulled. See decision 013.
pub(super) fn exceeded_deadline(deployment: &Deployment) -> Option<(Duration, String)> {
    let condition = progressing(deployment)?;
    let exceeded = condition.status.as_deref() == Some("False")
        && condition.reason.as_deref() == Some("ProgressDeadlineExceeded");
    let seconds = deployment.spec.progress_deadline_seconds.unwrap_or(600);
    let deadline = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    exceeded.then(|| (deadline, sentence(condition)))
}

/// The condition in which the Deployment's controller reports on the rollout.
fn progressing(deployment: &Deployment) -> Option<&DeploymentCondition> {
    let mut conditions = deployment
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|condition| condition.type_.as_deref() == Some("Progressing"))
}

/// Current and desired replicas.
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
