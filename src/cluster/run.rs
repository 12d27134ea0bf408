//! Runs on request: a command of Feast in a Job, and a restart of pods.
//!
//! # Guarantees
//!
//! - Two runs never share a Job: the caller chooses a name that is new. A request whose answer was lost is sent again
//!   for the same Job.
//! - A Job starts after each `feast apply` of the feature store that another Job runs has ended, because two of them
//!   can disturb each other. If that Job cannot end, the run fails with its diagnosis.
//! - A Job that has not ended is deleted at the end of the run, also after a cancellation.

mod log;
mod restart;

use std::time::Duration;

use kube::api::PatchParams;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::apply::is_terminating;
use super::error::{Error, Reason, Verb};
use super::report::Reporter;
use super::request::Request;
use super::resource::Resource;
use super::rollout::{JobRole, Wait, can_have_pods};
use super::watch::{Selection, Unfinished, last_observation};
use super::{Cluster, StoreName, provider_selector};
use crate::feast::names::{
    APPLY_SERVICE_TYPE, COMMAND_LABEL, JOB_LABEL, NAME_LABEL, SERVICE_TYPE_LABEL,
};
use crate::kubernetes::kind::{Key, Kind};
use log::LogFollower;

/// The time for the deletion of a Job, also after a cancellation.
const DELETION_TIMEOUT: Duration = Duration::from_secs(20);

/// The time for the last lines of the log of a Job that has succeeded.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);

/// The run of a Job.
#[derive(Clone, Copy)]
pub struct JobRun<'a> {
    pub store: &'a StoreName,
    pub manifest: &'a Json,
    /// The command of Feast, such as `feast apply`.
    pub command: &'static str,
    /// True if the pod is that of the CronJob, which runs the command in a pod of the servers.
    pub in_server: bool,
    pub wait: Wait<'a>,
}

/// A Job that has not succeeded.
#[derive(Debug)]
pub struct JobFailure {
    pub error: Error,
    pub left: Left,
}

/// The part of a failed run that is left in the cluster.
#[derive(Debug)]
pub enum Left {
    /// The Job was not created, or was deleted.
    Nothing { was_created: bool },
    /// The Job has ended, and its pods and logs are kept.
    Ended(Key),
    /// The Job could not be deleted, and can still run.
    Unknown(Key, Box<Error>),
}

impl Cluster {
    /// Creates a Job, and waits until it has succeeded.
    ///
    /// # Errors
    ///
    /// The Job was not created, has failed, or has not ended in time, or the operation was canceled.
    pub async fn run_job(
        &self,
        run: &JobRun<'_>,
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<(), Box<JobFailure>> {
        let JobRun {
            store,
            manifest,
            command,
            in_server,
            wait,
        } = *run;
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        let key = Key::new(Kind::Job, name);
        let not_created = |error| {
            let left = Left::Nothing { was_created: false };
            Box::new(JobFailure { error, left })
        };
        self.wait_for_apply_jobs(store, &key, &wait, reporter, cancel)
            .await
            .map_err(not_created)?;
        let params = PatchParams::apply(&self.options().field_manager);
        let request = Request::apply(&store.namespace, &key, params, manifest.clone());
        match self.send(request, cancel).await {
            Ok(_) => {}
            Err(error) if !error.maybe_done => return Err(not_created(error)),
            Err(error) => return Err(self.end(store, key, error).await),
        }
        reporter.step(format!(
            "{key} in namespace {} runs `{command}`",
            store.namespace
        ));
        let role = JobRole::OnRequest { command, in_server };
        let mut log = LogFollower::new(self, store, name, wait.secrets, reporter);
        let done = tokio::select! {
            done = self.wait_for_job(store, name, role, &wait, cancel) => done,
            never = log.follow() => match never {},
        };
        match done {
            Ok(_) => {
                // The log is only for information.
                tokio::time::timeout(LOG_TIMEOUT, log.report()).await.ok();
                Ok(())
            }
            Err(error) => Err(self.end(store, key, error).await),
        }
    }

    /// Waits until no other Job runs `feast apply` for the feature store.
    ///
    /// # Errors
    ///
    /// Such a Job cannot end or has not ended in time, the Jobs cannot be watched, or the operation was canceled. The
    /// failure of such a Job is no error.
    async fn wait_for_apply_jobs(
        &self,
        store: &StoreName,
        own: &Key,
        wait: &Wait<'_>,
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let resource = Resource::from(Kind::Job);
        let mut reported: Option<String> = None;
        loop {
            let mut awaited: Option<String> = None;
            let found = self.watch_until(
                resource,
                &store.namespace,
                Selection::Labels(provider_selector()),
                wait.deadline,
                cancel,
                |jobs| {
                    let mut running = jobs.iter().filter(|(_, job)| runs_apply(store, job));
                    let Some((name, job)) = running.next() else {
                        return Some(None);
                    };
                    if reported.as_ref() != Some(name) {
                        reporter.step(format!(
                            "Job/{name} is running `feast apply`; {own} starts after it"
                        ));
                        reported = Some(name.clone());
                    }
                    awaited = Some(name.clone());
                    // The wait for a Job ends when its deletion begins.
                    (!is_terminating(job)).then(|| Some((name.clone(), role_of(job))))
                },
            );
            let (name, role) = match found.await {
                Ok(None) => return Ok(()),
                Ok(Some(found)) => found,
                Err(Unfinished::Failed(error)) => return Err(error),
                Err(Unfinished::TimedOut { interruption }) => {
                    let missing = match &awaited {
                        Some(_) => "the Job that runs `feast apply` is being deleted".to_owned(),
                        None => "the Jobs could not be listed yet".to_owned(),
                    };
                    let reason = Reason::TimedOut {
                        seconds: wait.timeout.as_secs(),
                        waiting_for: last_observation(missing, interruption.as_deref()),
                        issues: Vec::new(),
                    };
                    let name = awaited.as_deref();
                    return Err(self.error(Verb::Wait, resource, &store.namespace, name, reason));
                }
            };
            // The failure of another run is not that of this one.
            let wait = Wait {
                explains_failure: false,
                ..*wait
            };
            match self.wait_for_job(store, &name, role, &wait, cancel).await {
                Ok(_) => {}
                Err(error) if matches!(error.reason, Reason::JobFailed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends a run that has failed: deletes the Job unless it has ended.
    async fn end(&self, store: &StoreName, key: Key, error: Error) -> Box<JobFailure> {
        // The token of the operation can be cancelled already.
        let cancel = CancellationToken::new();
        let deleted = tokio::time::timeout(
            DELETION_TIMEOUT,
            self.delete_unless_ended(store, &key, &cancel),
        );
        let left = match deleted.await {
            Ok(Ok(true)) => Left::Nothing { was_created: true },
            Ok(Ok(false)) => Left::Ended(key),
            Ok(Err(error)) => Left::Unknown(key, Box::new(error)),
            Err(_) => {
                let reason = Reason::TimedOut {
                    seconds: DELETION_TIMEOUT.as_secs(),
                    waiting_for: "the API server has not answered".to_owned(),
                    issues: Vec::new(),
                };
                let error = self.object_error(Verb::Delete, store, &key, reason);
                Left::Unknown(key, Box::new(error))
            }
        };
        Box::new(JobFailure { error, left })
    }

    /// Returns whether the Job is gone; otherwise it has ended by itself.
    async fn delete_unless_ended(
        &self,
        store: &StoreName,
        key: &Key,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        let Some(live) = self.get(&store.namespace, key, cancel).await? else {
            return Ok(true);
        };
        if can_have_pods(&live) {
            self.delete_one(store, key, &live, cancel).await?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// Returns whether the Job runs `feast apply` for the feature store: before a rollout, or on request.
fn runs_apply(store: &StoreName, job: &Json) -> bool {
    let labels = &job["metadata"]["labels"];
    let is = |label: &str, value: &str| labels[label] == value;
    let of_rollout = is(NAME_LABEL, &store.name) && is(SERVICE_TYPE_LABEL, APPLY_SERVICE_TYPE);
    let on_request = is(JOB_LABEL, &store.name) && is(COMMAND_LABEL, "apply");
    (of_rollout || on_request) && can_have_pods(job)
}

/// Returns the role of a Job that runs `feast apply`.
fn role_of(job: &Json) -> JobRole {
    if job["metadata"]["labels"][COMMAND_LABEL].is_null() {
        return JobRole::BeforeRollout;
    }
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    JobRole::OnRequest {
        command: "feast apply",
        in_server: container["command"][0] == "kubectl",
    }
}

#[cfg(test)]
mod tests;
