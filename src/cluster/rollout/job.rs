//! How far a Job has come, and waiting until it has ended.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Progress, troubles};
use crate::cluster::error::{Error, PodTrouble, Reason, Verb};
use crate::cluster::request::Request;
use crate::cluster::resource::{EVENTS, PODS, Resource};
use crate::cluster::watch::{Selection, Unfinished};
use crate::cluster::{Cluster, StoreName};
use crate::feast::objects::Kind;

/// How far a live Job has come.
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

impl Cluster {
    /// Waits until the Job has succeeded, and answers it as it is then.
    pub async fn wait_for_job(
        &self,
        store: &StoreName,
        job: &str,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        tracing::info!("waiting for Job/{job} in namespace {}", store.namespace);
        let mut missing = "the Job has not been seen".to_owned();
        let waited = self
            .watch_until(
                Resource::from(Kind::Job),
                &store.namespace,
                Selection::Named(job),
                Instant::now() + timeout,
                cancel,
                |objects| {
                    let live = objects.get(job);
                    let state = live.map_or_else(
                        || Progress::Failed("the Job was deleted before it had ended".into()),
                        job_progress,
                    );
                    match state {
                        Progress::Done => live.map(|live| Ok(live.clone())),
                        Progress::Failed(message) => Some(Err(message)),
                        Progress::Waiting(text) => {
                            missing = text;
                            None
                        }
                    }
                },
            )
            .await;
        let reason = match waited {
            Ok(Ok(live)) => return Ok(live),
            Ok(Err(message)) => Reason::JobFailed {
                message,
                pods: self.last_pod(store, job).await,
            },
            Err(Unfinished::TimedOut) => {
                let pods = self.last_pod(store, job).await;
                if pods.is_empty()
                    && let Some(warning) = self.last_warning(store, job).await
                {
                    missing = format!("{missing} ({warning})");
                }
                Reason::TimedOut {
                    seconds: timeout.as_secs(),
                    waiting_for: missing,
                    pods,
                }
            }
            Err(Unfinished::Failed(error)) => return Err(error),
        };
        let resource = Resource::from(Kind::Job);
        Err(self.error(Verb::Wait, resource, &store.namespace, Some(job), reason))
    }

    /// What the newest of the Job's pods says; those before it mostly say the same.
    async fn last_pod(&self, store: &StoreName, job: &str) -> Vec<PodTrouble> {
        let selector = format!("job-name={job}");
        let pods: Vec<Pod> = self.look(store, PODS, ("labelSelector", &selector)).await;
        let newest = pods
            .into_iter()
            .max_by_key(|pod| pod.metadata.creation_timestamp.clone().map(|time| time.0));
        troubles(newest.as_slice())
    }

    /// Why there is no pod: a Job's status does not tell.
    async fn last_warning(&self, store: &StoreName, job: &str) -> Option<String> {
        let selector = format!("type=Warning,involvedObject.kind=Job,involvedObject.name={job}");
        let events: Vec<Event> = self.look(store, EVENTS, ("fieldSelector", &selector)).await;
        let newest = events
            .into_iter()
            .max_by_key(|event| event.last_timestamp.clone().map(|time| time.0))?;
        let reason = newest.reason.unwrap_or_default();
        Some(format!("{reason}: {}", newest.message.unwrap_or_default()))
    }

    /// An explanation is worth an attempt; without it the error stands all the same.
    async fn look<T: DeserializeOwned>(
        &self,
        store: &StoreName,
        resource: Resource,
        query: (&str, &str),
    ) -> Vec<T> {
        let request = Request {
            verb: Verb::List,
            resource,
            namespace: &store.namespace,
            name: None,
            query: vec![query],
            body: None,
        };
        match self.send(request, &CancellationToken::new()).await {
            Ok(list) => serde_json::from_value(list["items"].clone()).unwrap_or_default(),
            Err(error) => {
                tracing::debug!("the {} of the Job are unknown: {error}", resource.plural);
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_ends_one_way_or_the_other() {
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
