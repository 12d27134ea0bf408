//! What is done on a schedule.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::PodFailurePolicy;
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, ResourceRequirements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ImagePullPolicy;
use super::persistence::store_types;

/// A Kubernetes CronJob that runs commands in a pod of the feature store (`kubectl exec`), by default
/// `feast apply` and then `feast materialize-incremental` up to the present. It is made when it has a
/// `schedule`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronJob {
    /// When it runs: five fields (minute, hour, day of month, month, day of week) such as `0 3 * * *`, or
    /// `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` or `@every 90m`. Default: none, and no CronJob is
    /// made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub schedule: Option<String>,

    /// Time zone of the schedule, such as `Etc/UTC` or `Europe/Berlin`. Default: that of the cluster's
    /// kube-controller-manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: Option<String>,

    /// What happens when the last run has not ended: `Allow` starts another, `Forbid` leaves this one out,
    /// `Replace` ends the last one. Default: Kubernetes' own, `Allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,

    /// Whether no further run is started. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub suspend: Option<bool>,

    /// How late a run may start, in seconds; later it counts as missed. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub starting_deadline_seconds: Option<i64>,

    /// How many Jobs that succeeded are kept. Default: Kubernetes' own, 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub successful_jobs_history_limit: Option<i32>,

    /// How many Jobs that failed are kept. Default: Kubernetes' own, 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed_jobs_history_limit: Option<i32>,

    /// Annotations of the CronJob, next to those of every object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,

    /// How the Jobs that it starts run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_spec: Option<JobSpec>,

    /// The commands, and the containers that run them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_configs: Option<CronJobContainers>,
}

store_types! {
    /// Kubernetes' `concurrencyPolicy`.
    pub enum ConcurrencyPolicy {
        Allow = "Allow",
        Forbid = "Forbid",
        Replace = "Replace",
    }
}

/// How a Job runs (a part of Kubernetes' `JobSpec`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobSpec {
    /// Annotations of the Job's pods, such as `sidecar.istio.io/inject = "false"`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_annotations: Option<BTreeMap<String, String>>,

    /// How many pods run at once. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub parallelism: Option<i32>,

    /// How many pods must succeed. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub completions: Option<i32>,

    /// How long the Job may run, in seconds. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub active_deadline_seconds: Option<i64>,

    /// What a failed pod means for the Job (Kubernetes `PodFailurePolicy`). Default: it counts against
    /// `backoff_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_failure_policy: Option<PodFailurePolicy>,

    /// How often a failed pod is tried again. Default: Kubernetes' own, 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub backoff_limit: Option<i32>,

    /// How often a failed pod is tried again at each index; only with `completion_mode = "Indexed"`. Default:
    /// `backoff_limit` counts for the Job as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub backoff_limit_per_index: Option<i32>,

    /// How many indexes may fail before the Job does; only with `backoff_limit_per_index`. Default: all of
    /// them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_failed_indexes: Option<i32>,

    /// How long a Job that has ended is kept, in seconds. Default: until the history limits are reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i32>,

    /// What counts as completion: `NonIndexed` (any pods) or `Indexed` (one pod for each index, 0 to
    /// `completions` less one). Default: Kubernetes' own, `NonIndexed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_mode: Option<CompletionMode>,

    /// Whether the Job starts without pods, to be resumed by somebody else. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub suspend: Option<bool>,

    /// When a pod is replaced: `TerminatingOrFailed` (at once) or `Failed` (when it has ended). With
    /// `pod_failure_policy` only `Failed` is allowed. Default: Kubernetes' own, `TerminatingOrFailed`, with
    /// `pod_failure_policy` `Failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_replacement_policy: Option<PodReplacementPolicy>,
}

store_types! {
    /// Kubernetes' `completionMode`.
    pub enum CompletionMode {
        NonIndexed = "NonIndexed",
        Indexed = "Indexed",
    }
}

store_types! {
    /// Kubernetes' `podReplacementPolicy`.
    pub enum PodReplacementPolicy {
        TerminatingOrFailed = "TerminatingOrFailed",
        Failed = "Failed",
    }
}

/// The containers of the CronJob's pods, one for each command. They need `kubectl` and nothing of Feast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronJobContainers {
    /// Container image with `kubectl` in it. Default: `quay.io/openshift/origin-cli:4.17`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("default" = "quay.io/openshift/origin-cli:4.17"))]
    pub image: Option<String>,

    /// Environment variables of these containers (Kubernetes `EnvVar`). The commands run elsewhere, in the
    /// feature store's pod, and do not see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvVar>>,

    /// ConfigMaps and Secrets of which every key becomes an environment variable of these containers
    /// (Kubernetes `EnvFromSource`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_from: Option<Vec<EnvFromSource>>,

    /// When the image is pulled: `Always`, `IfNotPresent` or `Never`. Default: Kubernetes' own,
    /// `IfNotPresent`, or `Always` for the tag `latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// What each container requests and may use at most (Kubernetes `ResourceRequirements`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Labels of the nodes that the CronJob's pods may run on. Default: any node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,

    /// What is run, each command by `bash -c` in the first container of one of the feature store's pods, in
    /// this order, until one fails. Each arrives as it is written: `$(…)` and `$$` are the shell's, and Kubernetes
    /// replaces nothing in them. Default: `feast apply`, then
    /// `feast materialize-incremental $(date -u +'%Y-%m-%dT%H:%M:%S')`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<String>>,
}
