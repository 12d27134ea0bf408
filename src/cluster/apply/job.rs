//! The Job that prepares the rollout: run once for what it does, which its name tells.
//!
//! That it has succeeded is written on the Deployment, by an annotation that is applied after it, so that a
//! Job that is gone (its time to live is over, somebody deleted it) is not run again.

use super::super::error::Error;
use super::super::rollout::{Progress, job_progress};
use super::{Run, is_terminating};
use crate::feast::names::APPLIED_ANNOTATION;
use crate::feast::objects::{Key, Kind};

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
                let live = live.as_ref().filter(|live| !is_terminating(live));
                tracing::info!("{key} has failed ({message}) and is run again");
                if let Some(live) = live {
                    self.cluster
                        .delete_one(self.plan.store, key, live, self.cancel)
                        .await?;
                    self.until_deleted(key, live).await?;
                    self.outcome.exists.remove(key);
                }
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
