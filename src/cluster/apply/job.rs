//! The Job that prepares the rollout by `feast apply`. It runs once for each content; its name has a hash of the
//! content.
//!
//! An annotation of the Deployment, which is applied after the Job, records that the Job has succeeded. So a Job that
//! is gone, because its time to live is over or somebody has deleted it, is not run again. The record is removed before
//! another Job starts.
//!
//! An apply that does not wait writes the annotation without knowing the result. Such a Job has no time to live, so that
//! a later refresh can find that it has failed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::error::{Error, Verb};
use super::super::rollout::{GRACE, JobRole, Progress, can_have_pods, has_no_pod, job_progress};
use super::replace::DELETION_TIMEOUT;
use super::{Applier, is_terminating};
use crate::feast::names::APPLIED_ANNOTATION;
use crate::feast::secrets::store_secret::created_at;
use crate::kubernetes::kind::{Key, Kind};

impl Applier<'_> {
    /// Runs the desired Job after the Jobs of other configurations are deleted, unless it has succeeded before.
    pub(super) async fn run_due_jobs(&mut self) {
        if !self.ok_so_far() {
            return;
        }
        let due: Vec<Key> = self.due_jobs().cloned().collect();
        if let Err(error) = self.prepare_to_run(&due).await {
            self.outcome.errors.push(error);
        }
        if !self.ok_so_far() {
            return;
        }
        for key in due {
            if let Err(error) = self.run_job(&key).await {
                self.note_failure(&key, error);
            }
        }
    }

    /// Returns the desired Jobs that have not succeeded.
    pub(super) fn due_jobs(&self) -> impl Iterator<Item = &Key> {
        let keys = self.manifests().keys();
        keys.filter(move |key| key.kind == Kind::Job && self.is_due(key))
    }

    async fn prepare_to_run(&mut self, due: &[Key]) -> Result<(), Error> {
        if !due.is_empty() {
            self.clear_success().await?;
        }
        self.delete_other_jobs().await
    }

    fn is_due(&self, key: &Key) -> bool {
        match self.outcome.objects.get(key) {
            Some(live) => !matches!(job_progress(live), Progress::Done),
            None => !has_succeeded(self.manifests(), &self.outcome.objects),
        }
    }

    /// Deletes the Jobs of other configurations, because two must not run at the same time.
    async fn delete_other_jobs(&mut self) -> Result<(), Error> {
        let running: Vec<_> = (self.outcome.objects.iter())
            .filter(|(key, live)| {
                key.kind == Kind::Job && !self.manifests().contains_key(*key) && can_have_pods(live)
            })
            .map(|(key, live)| (key.clone(), live.clone()))
            .collect();
        self.prune(|key| key.kind == Kind::Job).await;
        if !self.ok_so_far() {
            // A Job that could not be deleted does not go away.
            return Ok(());
        }
        for (key, live) in &running {
            self.wait_until_deleted(Verb::Delete, key, live, DELETION_TIMEOUT)
                .await?;
        }
        Ok(())
    }

    async fn run_job(&mut self, key: &Key) -> Result<(), Error> {
        let manifest = &self.desired.objects.manifests[key];
        let live = self.outcome.objects.get(key).cloned();
        match live.as_ref().map(job_progress) {
            Some(Progress::Failed(message)) => {
                tracing::info!("running {key} again, which has failed: {message}");
                self.delete_job(key, live.as_ref()).await?;
            }
            Some(Progress::Waiting(_)) if live.as_ref().is_some_and(|live| self.is_stuck(live)) => {
                tracing::info!("creating {key} again, which has no pod");
                self.delete_job(key, live.as_ref()).await?;
            }
            Some(Progress::Waiting(_) | Progress::Done) | None => {}
        }
        let live = self.outcome.objects.get(key);
        let written = self.apply_object(key, manifest, live).await?;
        self.note_write(key, written);
        self.note_differences(key);
        let Some(wait) = &self.desired.wait_for_job else {
            return Ok(());
        };
        let role = JobRole::BeforeRollout;
        let done = self
            .cluster
            .wait_for_job(self.desired.store, &key.name, role, wait, self.cancel)
            .await?;
        self.outcome.objects.insert(key.clone(), done);
        Ok(())
    }

    /// Removes the record of the previous Job from the Deployment, before that Job is deleted and another one starts.
    /// If this update does not complete and is reverted, the previous Job must run again.
    async fn clear_success(&mut self) -> Result<(), Error> {
        let keys = self.outcome.objects.keys();
        let deployments: Vec<Key> = (keys.filter(|key| key.kind == Kind::Deployment))
            .cloned()
            .collect();
        let patch = |live: &Json| {
            let metadata = &live["metadata"];
            (!metadata["annotations"][APPLIED_ANNOTATION].is_null()).then(|| {
                json!({"metadata": {
                    "resourceVersion": metadata["resourceVersion"],
                    "annotations": {APPLIED_ANNOTATION: null},
                }})
            })
        };
        for key in deployments {
            let live = &self.outcome.objects[&key];
            let patched = self
                .writer
                .patch_current(Verb::Patch, &key, live, patch)
                .await?;
            match patched.map(Cow::into_owned) {
                Some(live) => self.outcome.objects.insert(key, live),
                None => self.outcome.objects.remove(&key),
            };
        }
        Ok(())
    }

    async fn delete_job(&mut self, key: &Key, live: Option<&Json>) -> Result<(), Error> {
        let Some(live) = live.filter(|live| !is_terminating(live)) else {
            return Ok(());
        };
        let deleted = (self.cluster).delete_one(self.desired.store, key, live, self.cancel);
        deleted.await?;
        self.wait_until_deleted(Verb::Delete, key, live, DELETION_TIMEOUT)
            .await?;
        self.outcome.objects.remove(key);
        Ok(())
    }

    /// Returns whether an earlier apply left a Job that never had a pod. The Job controller retries after longer and
    /// longer pauses; a new Job starts at once. A Job that is younger than the grace period can still get its pod, for
    /// another apply that waits for it.
    fn is_stuck(&self, live: &Json) -> bool {
        let grace = i64::try_from(GRACE.as_secs()).unwrap_or(i64::MAX);
        let age = created_at(live).map(|created| self.cluster.now().saturating_sub(created));
        has_no_pod(live) && age.is_some_and(|age| age >= grace)
    }
}

/// Returns whether the live Deployment records that the Job of these manifests has succeeded.
pub(super) fn has_succeeded(manifests: &BTreeMap<Key, Json>, live: &BTreeMap<Key, Json>) -> bool {
    manifests.iter().any(|(key, manifest)| {
        let hash = &manifest["metadata"]["annotations"][APPLIED_ANNOTATION];
        key.kind == Kind::Deployment
            && !hash.is_null()
            && live
                .get(key)
                .is_some_and(|live| live["metadata"]["annotations"][APPLIED_ANNOTATION] == *hash)
    })
}
