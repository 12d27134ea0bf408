//! The CronJob, with defaults.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, ResourceRequirements};

use crate::feast::config::{self, CronJobContainers, ImagePullPolicy, JobSpec};
use crate::feast::names;

/// The default commands of the Feast operator.
const COMMANDS: [&str; 2] = [
    "feast apply",
    "feast materialize-incremental $(date -u +'%Y-%m-%dT%H:%M:%S')",
];

/// A CronJob that runs commands in a pod of the servers with `kubectl exec`.
#[derive(Debug, Clone, PartialEq)]
pub struct CronJob {
    pub schedule: String,
    pub time_zone: Option<String>,
    pub concurrency_policy: Option<&'static str>,
    pub suspend: Option<bool>,
    pub starting_deadline_seconds: Option<i64>,
    pub successful_jobs_history_limit: Option<i32>,
    pub failed_jobs_history_limit: Option<i32>,
    pub annotations: BTreeMap<String, String>,
    /// As configured: the defaults are those of Kubernetes.
    pub job: JobSpec,
    pub image: String,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    /// The name in Kubernetes.
    pub image_pull_policy: Option<&'static str>,
    pub resources: Option<ResourceRequirements>,
    pub node_selector: BTreeMap<String, String>,
    /// At least one command.
    pub commands: Vec<String>,
}

impl CronJob {
    /// Returns `None` without a schedule.
    pub(super) fn new(cron_job: &config::CronJob) -> Option<Self> {
        let config::CronJob {
            schedule,
            time_zone,
            concurrency_policy,
            suspend,
            starting_deadline_seconds,
            successful_jobs_history_limit,
            failed_jobs_history_limit,
            annotations,
            job_spec,
            container_configs,
        } = cron_job.clone();
        let CronJobContainers {
            image,
            env,
            env_from,
            image_pull_policy,
            resources,
            node_selector,
            commands,
        } = container_configs.unwrap_or_default();
        Some(Self {
            schedule: schedule?,
            time_zone,
            concurrency_policy: concurrency_policy.map(config::ConcurrencyPolicy::as_str),
            suspend,
            starting_deadline_seconds,
            successful_jobs_history_limit,
            failed_jobs_history_limit,
            annotations: annotations.unwrap_or_default(),
            job: job_spec.unwrap_or_default(),
            image: image.unwrap_or_else(|| names::CRON_JOB_IMAGE.to_owned()),
            env: env.unwrap_or_default(),
            env_from: env_from.unwrap_or_default(),
            image_pull_policy: image_pull_policy.map(ImagePullPolicy::as_str),
            resources,
            node_selector: node_selector.unwrap_or_default(),
            commands: commands_or_default(commands),
        })
    }
}

/// Returns the configured commands, or the defaults.
pub fn commands_or_default(configured: Option<Vec<String>>) -> Vec<String> {
    configured
        .filter(|commands| !commands.is_empty())
        .unwrap_or_else(|| COMMANDS.map(str::to_owned).to_vec())
}
