//! The progress of a Job.

use k8s_openapi::api::batch::v1::Job;
use serde_json::Value as Json;

use super::Progress;

/// Returns the progress of a live Job.
pub fn job_progress(live: &Json) -> Progress {
    let Ok(job) = serde_json::from_value::<Job>(live.clone()) else {
        return Progress::Waiting("the Job could not be read".into());
    };
    if job.metadata.deletion_timestamp.is_some() {
        return Progress::Failed("the Job is being deleted".into());
    }
    let status = job.status.unwrap_or_default();
    for condition in status.conditions.unwrap_or_default() {
        match (condition.type_.as_str(), condition.status.as_str()) {
            ("Complete", "True") => return Progress::Done,
            ("Failed", "True") => {
                let reason = condition.reason.unwrap_or_default();
                let message = condition.message.unwrap_or_default();
                return Progress::Failed(format!("{reason}: {message}"));
            }
            _ => {}
        }
    }
    Progress::Waiting(match status.failed.unwrap_or(0) {
        0 => "the Job has not ended yet".into(),
        failed => format!("the Job has not ended yet; {failed} of its pods have failed"),
    })
}

/// Returns whether the Job can still have pods. A Job that is being deleted counts as long as it exists.
pub fn can_have_pods(live: &Json) -> bool {
    match job_progress(live) {
        Progress::Waiting(_) => true,
        Progress::Done => false,
        Progress::Failed(_) => !live["metadata"]["deletionTimestamp"].is_null(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_terminating_job_can_have_pods() {
        let job = |status: Json, deleted: Json| {
            can_have_pods(&json!({"metadata": {"deletionTimestamp": deleted}, "status": status}))
        };
        let failed = || json!({"conditions": [{"type": "Failed", "status": "True"}]});
        assert!(job(json!({}), Json::Null));
        assert!(!job(failed(), Json::Null));
        assert!(job(failed(), json!("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn a_job_succeeds_or_fails() {
        let job = |status: Json| job_progress(&json!({"status": status}));
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "R", "message": "m"});
        let waiting = |text: &str| Progress::Waiting(text.to_owned());
        assert_eq!(job(json!({})), waiting("the Job has not ended yet"));
        assert_eq!(
            job(json!({"failed": 2, "conditions": [condition("Failed", "False")]})),
            waiting("the Job has not ended yet; 2 of its pods have failed")
        );
        let done = [
            condition("SuccessCriteriaMet", "True"),
            condition("Complete", "True"),
        ];
        assert_eq!(job(json!({"conditions": done})), Progress::Done);
        assert_eq!(
            job(json!({"conditions": [condition("Failed", "True")]})),
            Progress::Failed("R: m".to_owned())
        );
    }
}
