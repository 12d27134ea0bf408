//! The progress of a Job, and the reason for which it runs.

use k8s_openapi::api::batch::v1::Job;
use serde_json::Value as Json;

use super::Progress;

/// The reason for which a Job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobRole {
    /// It runs `feast apply` before a rollout.
    BeforeRollout,
    /// It runs a command of Feast because a user has asked for it.
    OnRequest {
        /// The command, such as `feast materialize`.
        command: &'static str,
        /// True if its pod is that of the CronJob, which runs the command in a pod of the servers.
        in_server: bool,
    },
}

impl JobRole {
    /// Returns the command of Feast.
    pub fn command(self) -> &'static str {
        match self {
            Self::BeforeRollout => "feast apply",
            Self::OnRequest { command, .. } => command,
        }
    }
}

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

/// Returns whether a Job has never had a pod. A suspended Job has none by intent.
pub fn has_no_pod(live: &Json) -> bool {
    let status = &live["status"];
    let none = |count: &str| status[count].as_i64().unwrap_or(0) == 0;
    let uncounted = &status["uncountedTerminatedPods"];
    let counted = |list: &str| uncounted[list].as_array().is_none_or(Vec::is_empty);
    live["spec"]["suspend"] != true
        && ["active", "succeeded", "failed", "terminating"]
            .into_iter()
            .all(none)
        && ["succeeded", "failed"].into_iter().all(counted)
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

    #[test]
    fn counts_of_pods_show_whether_a_job_had_one() {
        let job = |status: Json| has_no_pod(&json!({"spec": {}, "status": status}));
        assert!(job(json!({})));
        assert!(job(
            json!({"active": 0, "terminating": 0, "uncountedTerminatedPods": {}})
        ));
        for status in [
            json!({"active": 1}),
            json!({"failed": 1}),
            json!({"succeeded": 1}),
            json!({"terminating": 1}),
            json!({"uncountedTerminatedPods": {"succeeded": ["uid"]}}),
        ] {
            assert!(!job(status.clone()), "{status}");
        }
        assert!(!has_no_pod(
            &json!({"spec": {"suspend": true}, "status": {}})
        ));
    }
}
