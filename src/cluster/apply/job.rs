//! The Job that prepares the rollout: run once for what it does, which its name tells.
//!
//! That it has succeeded is written on the Deployment, by an annotation that is applied after it, so that a
//! Job that is gone (its time to live is over, somebody deleted it) is not run again.

use serde_json::Value as Json;

use super::super::error::Error;
use super::super::rollout::{GRACE, Progress, job_progress};
use super::{Run, is_terminating};
use crate::feast::names::APPLIED_ANNOTATION;
use crate::feast::secrets::store_secret::created_at;
use crate::kubernetes::{Key, Kind};

impl Run<'_> {
    /// Runs the wanted Job, after those of other configurations have gone.
    pub(super) async fn prepare(&mut self) {
        if !self.goes_on() {
            return;
        }
        if let Err(error) = self.end_others().await {
            self.outcome.errors.push(error);
        }
        if !self.goes_on() {
            return;
        }
        let wanted = self.plan.wanted.iter();
        for (key, _) in wanted.filter(|(key, _)| key.kind == Kind::Job) {
            if let Err(error) = self.run_once(key).await {
                self.not_written(key, error);
            }
        }
    }

    /// Two that run at once would stand in each other's way.
    async fn end_others(&mut self) -> Result<(), Error> {
        let running: Vec<_> = (self.outcome.exists.iter())
            .filter(|(key, live)| {
                key.kind == Kind::Job
                    && !self.plan.wanted.contains_key(*key)
                    && matches!(job_progress(live), Progress::Waiting(_))
            })
            .map(|(key, live)| (key.clone(), live.clone()))
            .collect();
        self.prune(|key| key.kind == Kind::Job).await;
        if !self.goes_on() {
            // One that could not be deleted is not waited for.
            return Ok(());
        }
        for (key, live) in &running {
            self.until_deleted(key, live).await?;
        }
        Ok(())
    }

    async fn run_once(&mut self, key: &Key) -> Result<(), Error> {
        let manifest = &self.plan.wanted[key];
        let live = self.outcome.exists.get(key).cloned();
        match live.as_ref().map(job_progress) {
            Some(Progress::Done) => return Ok(()),
            None if self.is_done() => return Ok(()),
            Some(Progress::Failed(message)) => {
                tracing::info!("{key} has failed ({message}) and is run again");
                self.delete_job(key, live.as_ref()).await?;
            }
            Some(Progress::Waiting(_)) if live.as_ref().is_some_and(|it| self.got_no_pod(it)) => {
                tracing::info!("{key} has not been given a pod and is created again");
                self.delete_job(key, live.as_ref()).await?;
            }
            Some(Progress::Waiting(_)) | None => {}
        }
        let live = self.outcome.exists.get(key);
        if let Some(created) = self.one(key, manifest, live).await? {
            self.outcome.exists.insert(key.clone(), created);
            self.outcome.changed.insert(key.clone());
        }
        let Some(wait) = &self.plan.wait_for_job else {
            return Ok(());
        };
        let done = self
            .cluster
            .wait_for_job(self.plan.store, &key.name, wait, self.cancel)
            .await?;
        self.outcome.exists.insert(key.clone(), done);
        Ok(())
    }

    async fn delete_job(&mut self, key: &Key, live: Option<&Json>) -> Result<(), Error> {
        let Some(live) = live.filter(|live| !is_terminating(live)) else {
            return Ok(());
        };
        let deleted = (self.cluster).delete_one(self.plan.store, key, live, self.cancel);
        deleted.await?;
        self.until_deleted(key, live).await?;
        self.outcome.exists.remove(key);
        Ok(())
    }

    /// Returns whether an earlier apply left a Job that never got a pod. The Job controller retries after longer and
    /// longer pauses; a new Job starts at once. A Job that is younger than the grace period may still get its pod, for
    /// another apply that waits for it.
    fn got_no_pod(&self, live: &Json) -> bool {
        let grace = i64::try_from(GRACE.as_secs()).unwrap_or(i64::MAX);
        let age = created_at(live).map(|created| self.cluster.now().saturating_sub(created));
        has_no_pod(live) && age.is_some_and(|age| age >= grace)
    }

    /// Whether the live Deployment says that what the wanted one names has been done.
    fn is_done(&self) -> bool {
        let mut deployments = self.plan.wanted.iter();
        deployments.any(|(key, wanted)| {
            let wanted = &wanted["metadata"]["annotations"][APPLIED_ANNOTATION];
            key.kind == Kind::Deployment
                && !wanted.is_null()
                && self.outcome.exists.get(key).is_some_and(|live| {
                    live["metadata"]["annotations"][APPLIED_ANNOTATION] == *wanted
                })
        })
    }
}

/// Returns whether a Job has never had a pod. A suspended Job waits for its turn.
fn has_no_pod(live: &Json) -> bool {
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
    fn a_job_without_any_pod_is_told_from_others() {
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
