//! The CronJob.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::PodFailurePolicy;
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, ResourceRequirements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ImagePullPolicy;
use super::string_enum::string_enum;

/// A Kubernetes CronJob that runs commands in a pod of the feature store with `kubectl exec`, by default `feast apply`
/// and then `feast materialize-incremental` up to the current time. It is created if `schedule` is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronJob {
    /// Schedule: minute, hour, day of month, month and day of week, such as `0 3 * * *`, or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly` or `@every 90m`. Default: none, so that no CronJob is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub schedule: Option<String>,

    /// Time zone of the schedule, such as `Etc/UTC` or `Europe/Berlin`. Default: the time zone of the
    /// kube-controller-manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: Option<String>,

    /// What happens if the previous run has not finished: `Allow` starts another, `Forbid` skips the new run, and
    /// `Replace` stops the previous one. Default: `Allow`, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,

    /// Whether to suspend subsequent runs. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub suspend: Option<bool>,

    /// Deadline in seconds for starting a run that missed its scheduled time. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub starting_deadline_seconds: Option<i64>,

    /// Number of successful Jobs to keep. Default: 3, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub successful_jobs_history_limit: Option<i32>,

    /// Number of failed Jobs to keep. Default: 1, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed_jobs_history_limit: Option<i32>,

    /// Annotations of the CronJob, in addition to those of every object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,

    /// Settings of the Jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_spec: Option<JobSpec>,

    /// The commands, and the containers that run them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_configs: Option<CronJobContainers>,
}

string_enum! {
    /// Kubernetes' `concurrencyPolicy`.
    pub enum ConcurrencyPolicy {
        Allow = "Allow",
        Forbid = "Forbid",
        Replace = "Replace",
    }
}

/// Settings of a Job (a subset of Kubernetes `JobSpec`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobSpec {
    /// Annotations of the Job's pods, such as `sidecar.istio.io/inject = "false"`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_annotations: Option<BTreeMap<String, String>>,

    /// Labels of the Job's pods, in addition to those of every pod (`services.pod_labels`), whose values they replace.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_labels: Option<BTreeMap<String, String>>,

    /// Number of pods that run at the same time. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub parallelism: Option<i32>,

    /// Number of pods that must succeed. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub completions: Option<i32>,

    /// Time limit of the Job in seconds. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub active_deadline_seconds: Option<i64>,

    /// How failed pods are handled (Kubernetes `PodFailurePolicy`). Default: they count towards `backoff_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_failure_policy: Option<PodFailurePolicy>,

    /// Number of retries of failed pods. Default: 6, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub backoff_limit: Option<i32>,

    /// Number of retries for each index. Requires `completion_mode = "Indexed"`. Default: none, so that `backoff_limit`
    /// applies to the Job as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub backoff_limit_per_index: Option<i32>,

    /// Number of indexes that can fail before the Job fails. Requires `backoff_limit_per_index`. Default: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_failed_indexes: Option<i32>,

    /// Seconds after which a finished Job is deleted. Default: none, so that the history limits apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i32>,

    /// How completions are counted: `NonIndexed` (any pods) or `Indexed` (one pod for each index from 0 to
    /// `completions` - 1). Default: `NonIndexed`, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_mode: Option<CompletionMode>,

    /// Whether Jobs are created suspended, without pods. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub suspend: Option<bool>,

    /// When a replacement pod is created: `TerminatingOrFailed` (when the pod is terminating) or `Failed` (when it has
    /// terminated). With `pod_failure_policy`, only `Failed` is supported. Default: `TerminatingOrFailed`, or `Failed`
    /// with `pod_failure_policy`, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_replacement_policy: Option<PodReplacementPolicy>,
}

string_enum! {
    /// Kubernetes' `completionMode`.
    pub enum CompletionMode {
        NonIndexed = "NonIndexed",
        Indexed = "Indexed",
    }
}

string_enum! {
    /// Kubernetes' `podReplacementPolicy`.
    pub enum PodReplacementPolicy {
        TerminatingOrFailed = "TerminatingOrFailed",
        Failed = "Failed",
    }
}

/// The containers of the CronJob's pods, one for each command. They need `kubectl`, but not Feast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronJobContainers {
    /// Container image with `kubectl`. Default: `quay.io/openshift/origin-cli:4.17`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S+$"), extend("default" = "quay.io/openshift/origin-cli:4.17"))]
    pub image: Option<String>,

    /// Environment variables of these containers (Kubernetes `EnvVar`). The commands run in a pod of the feature store
    /// and do not see them: set those of the commands in `services.online_store.server.env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvVar>>,

    /// ConfigMaps and Secrets whose keys become environment variables of these containers (Kubernetes `EnvFromSource`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_from: Option<Vec<EnvFromSource>>,

    /// When to pull the image: `Always`, `IfNotPresent` or `Never`. Default: `IfNotPresent`, or `Always` for the tag
    /// `latest`, set by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// Resource requests and limits of each container (Kubernetes `ResourceRequirements`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Labels of the nodes on which the CronJob's pods can run. They replace the node affinity of `services.affinity`.
    /// Default: any node that this node affinity permits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,

    /// Commands to run, in this order, until one fails. Each runs with `bash -c` in a pod of the feature store, in the
    /// container of the online server, whose image and environment it has. If the online store is disabled, it runs in
    /// that of the registry server, the offline server or the web UI, whichever is the first that exists. Variables
    /// (`${NAME}`) in the parameters of the stores must be in the environment of this server. Kubernetes does not expand
    /// variable references in commands: `$(…)` and `$$` are passed to the shell. Default: `feast apply`, then
    /// `feast materialize-incremental $(date -u +'%Y-%m-%dT%H:%M:%S')`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<String>>,
}
