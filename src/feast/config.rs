//! The configuration of a feature store, as it is written in Terraform and kept in the state.
//!
//! The JSON form of these types equals the `spec` of the Feast operator's FeatureStore resource (in camelCase, with the
//! types of `k8s-openapi` for Kubernetes subtrees). Attributes in Terraform have the same names in snake_case. The doc
//! comments are the reference documentation of the provider, the schemars attributes are the checks of single values,
//! and `x-terraform` holds what JSON Schema cannot express. Rules about several values are in [`rules`](super::rules).
//! Defaults are applied in [`spec`](super::spec), so that a null stays null in Terraform.

mod authz;
mod client;
mod compute;
mod computed;
mod cron_job;
mod data_source;
mod drift;
mod embedding_model;
mod keda;
mod name_syntax;
mod network_policy;
mod offline_store;
mod online_store;
mod openshift;
mod persistence;
mod project;
mod registry;
mod scaling;
mod server;
mod service;
mod service_monitor;
mod serving;
mod string_enum;
mod tls;
mod tracking;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DeploymentStrategy;
use k8s_openapi::api::core::v1::{
    Affinity, PodResourceClaim, PodSecurityContext, ResourceRequirements, SecurityContext,
    Toleration, TopologySpreadConstraint,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use authz::{Authz, CaCertConfigMap, KubernetesAuthz, OidcAuthz};
pub use client::{Client, ClientOfflineStore, ClientOnlineStore};
pub use compute::{BatchEngine, DataQualityMonitoring, Materialization, SparkApplication};
pub use computed::{ComputedAttributes, Endpoints, ReplicasOwner, ScalingStatus};
pub use cron_job::{
    CompletionMode, ConcurrencyPolicy, CronJob, CronJobContainers, JobSpec, PodReplacementPolicy,
};
pub use data_source::{Condition, DataSourceConfig, DataSourceState};
pub use drift::{Drift, DriftKind, DriftPolicy};
pub use embedding_model::EmbeddingModel;
pub use keda::{
    Keda, KedaAuthentication, KedaAuthenticationKind, KedaFallback, KedaFallbackBehavior,
    KedaMetricType, KedaScalingModifiers, KedaTrigger,
};
use name_syntax::DNS_SUBDOMAIN_PATTERN;
pub use name_syntax::{DNS_LABEL_PATTERN, NAME_LENGTH, NAMESPACE_LENGTH};
pub use network_policy::{NetworkPolicy, NetworkPolicyIngress, PolicyEndpoint};
pub use offline_store::{OfflineFile, OfflineFileType, OfflineStore, OfflineStoreType};
pub use online_store::{OnlineFile, OnlineStore, OnlineStoreType};
pub use openshift::{InsecureEdgeTerminationPolicy, Openshift, Route, RouteTermination};
pub use persistence::{
    AccessMode, DatabaseStore, LocalObjectReference, Persistence, PvcConfig, PvcCreate, StoreType,
};
pub use project::{
    FeastApply, FeastApplyJob, FeastProjectDir, Git, GitSsh, GitSshKeyNames, Init, Packaged,
    Template,
};
pub use registry::{
    CacheMode, FeastRef, LocalRegistry, Registry, RegistryFile, RegistryStoreType, RemoteRegistry,
    RemoteTls,
};
pub use scaling::{Autoscaling, PodDisruptionBudgets, Scaling, UnhealthyPodEvictionPolicy};
pub use server::{ImagePullPolicy, LogLevel, RegistryServer, Server, ServerSettings};
pub use service::{
    IpFamily, IpFamilyPolicy, ServiceSettings, ServiceType, SessionAffinity, TrafficDistribution,
    TrafficPolicy,
};
pub use service_monitor::{RelabelAction, Relabeling, ScrapeScheme, ScrapeTls, ServiceMonitor};
pub use serving::{
    AuditLogging, AuditSink, FeatureLogging, Mcp, McpTransport, OfflinePushBatching, Serving,
    ServingMetrics, WorkerConfigs,
};
pub use tls::{SecretKeyNames, Tls};
pub use tracking::{
    LineageServer, LineageStoreType, Mlflow, MlflowDatasetSync, Openlineage, OpenlineageConsumer,
    Transport,
};
pub use volumes::{
    EphemeralVolumeSource, PersistentVolumeClaimTemplate, PersistentVolumeClaimTemplateMetadata,
    Volume,
};

/// A [Feast](https://docs.feast.dev) feature store on Kubernetes: a Deployment that runs the online, offline and
/// registry servers, with its Services, PersistentVolumeClaims, configuration and autoscaler. The provider creates and
/// owns every object. Neither the Feast operator nor its custom resource is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeatureStore {
    /// Name of the feature store, unique in its namespace. Object names are `feast-<name>` or begin with it, and every
    /// pod has the name as the label `feast.dev/name`. It has lower-case letters, digits and `-`, and begins and ends
    /// with a letter or digit. Object names are limited, so the name can have at most 50 characters with an online
    /// server, 49 with an offline or lineage server, 48 with a gRPC registry server or `scaling.keda`, 46 with
    /// `cron_job.schedule`, and 43 with a REST registry server. Choose at most 43 to be able to add any of them,
    /// because changing the name replaces the feature store.
    #[schemars(
        length(min = 1, max = NAME_LENGTH),
        regex(pattern = DNS_LABEL_PATTERN)
    )]
    #[schemars(extend("x-terraform" = {"requires_replace": true}))]
    pub name: String,

    /// Kubernetes namespace. It must exist. Default: the `namespace` of the provider block, or else `default`. Changing
    /// it replaces the feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = NAMESPACE_LENGTH),
        regex(pattern = DNS_LABEL_PATTERN)
    )]
    #[schemars(extend("x-terraform" = {"requires_replace": true, "computed": true}))]
    pub namespace: Option<String>,

    /// Labels for every object of the feature store, in addition to those of the provider. Pods do not get them, so
    /// changing a label never replaces a pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,

    /// Annotations for every object of the feature store. Pods do not get them, so changing an annotation never
    /// replaces a pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,

    /// Feast project: the namespace of all feature definitions in the registry (`project` of `feature_store.yaml`). It
    /// begins with a letter or digit, followed by letters, digits, `_` and `-`. Changing it replaces the pods. The
    /// definitions of the old project stay in the registry.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    pub feast_project: String,

    /// Description of the project, which the web UI of Feast shows (`project_description` of
    /// `feature_store.yaml`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_description: Option<String>,

    /// Source of the feature definitions: exactly one of `init`, `git` and `packaged`. `feast apply` deletes every
    /// definition of the project that the source does not have, with its tables in the online store. Default: a new
    /// repository with the example definitions of Feast (`feast init`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feast_project_dir: Option<FeastProjectDir>,

    /// Whether the project is protected. Servers of a protected project have the environment variable
    /// `FEAST_PROTECTED_PROJECT=true`, as with the annotation `feast.dev/protected-project` of the Feast operator.
    /// Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub protected_project: Option<bool>,

    /// CronJob that runs commands in a pod of the feature store. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron_job: Option<CronJob>,

    /// The services of the feature store. Default: an online server with SQLite and a registry file, both in the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,

    /// Authentication and authorization of requests to the servers. Default: no authentication, which is for
    /// development. In production, use `kubernetes` or `oidc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authz: Option<Authz>,

    /// The engine that computes features. Default: the local engine of Feast, which runs in the process that needs the
    /// features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_engine: Option<BatchEngine>,

    /// How features are written to the online store. Default: the settings of Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialization: Option<Materialization>,

    /// OpenLineage events. Default: none are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openlineage: Option<Openlineage>,

    /// Integration with MLflow. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow: Option<Mlflow>,

    /// Data quality monitoring. Default: the settings of Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_quality_monitoring: Option<DataQualityMonitoring>,

    /// The model that converts the text of a search to a vector, for the search API of the online server that is
    /// compatible with OpenAI's vector stores. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_model: Option<EmbeddingModel>,

    /// Whether the timestamps of the entities in a historical retrieval are converted to UTC if they have no time zone,
    /// in servers and clients. Default: `true`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coerce_tz_aware: Option<bool>,

    /// Other settings of the servers' `feature_store.yaml`, for those without an attribute: a YAML or JSON mapping of
    /// sections and their settings, with nested values, such as `yamlencode({ registry = { sqlalchemy_config_kwargs = {
    /// pool_size = 10 } } })`. Settings are merged into the section of the same name. Feast replaces `${NAME}` with an
    /// environment variable. Settings that have an attribute, and secrets, are rejected; a setting that the Secret of a
    /// store has too is an error of the apply. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub extra_yaml: Option<String>,

    /// Settings of `feature_store.yaml` for clients, in the ConfigMap `feast-<name>-client`. Default: the settings of
    /// Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,

    /// Whether an apply waits until the rollout is complete: every pod is updated and available, and no old pod is
    /// left. With `false`, the apply ends when Kubernetes has accepted the objects. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub wait_for_rollout: Option<bool>,

    /// Time limits of the operations, including waiting for the rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,

    /// Whether PersistentVolumeClaims that this resource created are deleted with it, or when a change of persistence
    /// leaves them unused. With `false`, they and their data are kept, and a feature store of the same name uses them
    /// again. The plan warns about what happens to each, except with `-replace`, `replace_triggered_by` and a tainted
    /// feature store, where Terraform shows no warnings. PersistentVolumeClaims in `pvc.ref` are never deleted.
    /// Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub delete_data: Option<bool>,

    /// Changes that the attribute `drift` lists: `owned` (changes of fields that this provider owns) or `strict` (also
    /// fields that others added to its objects, such as annotations, sidecars and variables, with a warning at each
    /// refresh). Fields of others are only reported: an apply neither removes nor changes them, and they do not appear
    /// as changes in the plan. Default: `owned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "owned"))]
    pub drift_policy: Option<DriftPolicy>,
}

/// The services of a feature store, and how the Deployment that runs them is scaled and updated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Services {
    /// Number of pods. Default: the Deployment starts with one pod, and the provider does not change the number
    /// afterwards, so that an autoscaler outside Terraform or `kubectl scale` can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,

    /// Number of pods that a node drain can evict at once (Kubernetes `PodDisruptionBudget`). It is created only when
    /// the feature store is scaled. Default: none, so that a drain can evict all pods at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budgets: Option<PodDisruptionBudgets>,

    /// How pods are replaced when their template changes (Kubernetes `DeploymentStrategy`). Default: `RollingUpdate`
    /// when the feature store is scaled (`replicas` above 1, `autoscaling` or `keda`), or else `Recreate`, because two
    /// pods must not write the same files. With `Recreate`, the feature store does not answer while its pods are
    /// replaced, and the plan warns of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_strategy: Option<DeploymentStrategy>,

    /// Seconds for which a pod that Kubernetes terminates still serves requests, before its servers receive SIGTERM
    /// (the `preStop` hook `sleep`, which requires Kubernetes 1.30 or later). During this time, Services stop sending
    /// requests to the pod; without it, rollouts, scale-downs and node drains lose requests. With `0`, there is no
    /// such time. Default: `5` if the persistence allows several pods (less if the grace period is shorter), or else
    /// `0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub pre_stop_sleep_seconds: Option<i32>,

    /// Seconds after which Kubernetes kills the servers of a pod that it terminates, including
    /// `pre_stop_sleep_seconds` (`terminationGracePeriodSeconds` of the pods). The online server needs up to 30 seconds
    /// to finish its requests. Default: 35 more than `pre_stop_sleep_seconds`, or 30 if that is `0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub termination_grace_period_seconds: Option<i32>,

    /// Seconds for which a new pod must be ready without a crash before it counts as available, so that a rollout
    /// replaces the next pod (`minReadySeconds` of the Deployment). Default: `0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 599))]
    pub min_ready_seconds: Option<i32>,

    /// The online store, which serves features with low latency. Its server runs unless `disabled` is true. Default:
    /// SQLite in the pod, with a server with default settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_store: Option<OnlineStore>,

    /// The offline store, which holds historical data for training and materialization. Default: none is configured, so
    /// that Feast uses Dask with local files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_store: Option<OfflineStore>,

    /// The registry, which holds the feature definitions: exactly one of `local` and `remote`. Default: a local
    /// registry in a file in the pod, without a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,

    /// Server for the web UI of Feast (`feast ui`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui: Option<Server>,

    /// What runs `feast apply`, which writes the feature definitions to the registry and creates the tables of the
    /// online store: `job` (a Kubernetes Job after each change of the configuration, which must succeed before the pods
    /// are updated), `init_container` (each pod when it starts) or `none`. A `job` does not follow a git branch: it
    /// runs again when the configuration changes, not when the branch does. Default: `job` if online store and registry
    /// are outside the pods (a database, an object store or a remote registry) and no store has a PersistentVolumeClaim
    /// (`pvc`), or else `init_container`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feast_apply: Option<FeastApply>,

    /// Name of the Feast operator for two values of `feast_apply`: `true` means `init_container`, and `false` means
    /// `none`. Conflicts with `feast_apply`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_feast_apply_on_init: Option<bool>,

    /// The pods of the `feast apply` Job. Without the Job, it has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feast_apply_job: Option<FeastApplyJob>,

    /// Whether the servers also accept connections over IPv6, for clusters in which pods have IPv6 addresses only, or
    /// of both families. The nodes must support IPv6. The offline server, the gRPC server of the registry, and with
    /// Feast 0.67 or later all servers except the online server, accept them with `false` too. The web UI and
    /// the lineage server require Feast 0.67: earlier versions would accept only IPv6. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub ipv6: Option<bool>,

    /// Container image of the init containers and of `feast apply`. Default: the image of `feast_project_dir.packaged`,
    /// or else `quay.io/feastdev/feature-server:0.67.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S+$"))]
    pub init_image: Option<String>,

    /// Resource requests and limits of each init container and of the containers of the `feast apply` Job (Kubernetes
    /// `ResourceRequirements`). Default: the largest CPU, memory and ephemeral storage of the servers that share their
    /// pods, which does not increase the total of a pod. A limit is set only if each of these servers has it. Set `{}`
    /// for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_resources: Option<ResourceRequirements>,

    /// Whether the pods start without init containers. No feature repository is created, and Feast uses the one in the
    /// image (`feast_project_dir.packaged`) with the configuration of this feature store. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disable_init_containers: Option<bool>,

    /// Volumes that servers can mount with `volume_mounts`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<Volume>>,

    /// Labels of the nodes on which the pods can run, except those of the CronJob, which have their own
    /// (`cron_job.container_configs.node_selector`). Default: any node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,

    /// Tolerations for node taints (Kubernetes `Toleration`), of every pod: those of the servers, of the lineage
    /// server, of the `feast apply` Job and of the CronJob. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerations: Option<Vec<Toleration>>,

    /// Affinity of the pods to nodes and to other pods (Kubernetes `Affinity`). Pods other than those of the servers
    /// have only its `node_affinity`: those of the lineage server, of the `feast apply` Job, and of the CronJob if it
    /// has no `container_configs.node_selector`. Default: if the persistence allows several pods, they prefer nodes
    /// without another pod of the feature store. Set `{}` for no affinity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// Name of the PriorityClass of every pod: those of the servers, of the lineage server, of the `feast apply` Job
    /// and of the CronJob. The PriorityClass must exist in the cluster. Changing it replaces the pods and runs the Job
    /// again. Default: the default class of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = DNS_SUBDOMAIN_PATTERN)
    )]
    pub priority_class_name: Option<String>,

    /// Name of the RuntimeClass of every pod, such as one that runs containers in a sandbox (gVisor, Kata Containers):
    /// those of the servers, of the lineage server, of the `feast apply` Job and of the CronJob. The RuntimeClass must
    /// exist in the cluster. Changing it replaces the pods and runs the Job again. Default: the default runtime of the
    /// nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = DNS_SUBDOMAIN_PATTERN)
    )]
    pub runtime_class_name: Option<String>,

    /// How the pods are spread over zones, nodes or other domains (Kubernetes `TopologySpreadConstraint`). Default: if
    /// the persistence allows several pods, evenly over zones if possible. Set `[]` for no constraints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,

    /// Security context of the servers' pods, including those of the lineage server and of the `feast apply` Job
    /// (Kubernetes `PodSecurityContext`). Fields that are not set have the defaults that the Pod Security level
    /// `restricted` requires: `run_as_non_root = true` (unless `run_as_user = 0`) and `seccomp_profile = { type =
    /// "RuntimeDefault" }`. Without this attribute, the pods of a feature store with a PersistentVolumeClaim also have
    /// `fs_group = 1001` and `fs_group_change_policy = "OnRootMismatch"`, so that the user of Feast's image can write
    /// to it. With `openshift`, they have no group by default, because OpenShift assigns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurityContext>,

    /// Security context of every container, including init containers and those of the `feast apply` Job, the lineage
    /// server and the CronJob (Kubernetes `SecurityContext`). Fields that are not set have the defaults that the Pod
    /// Security level `restricted` requires: `allow_privilege_escalation = false` (unless the container is privileged
    /// or has the capability `CAP_SYS_ADMIN`) and `capabilities = { drop = ["ALL"] }`. With `read_only_root_filesystem
    /// = true`, the containers of a pod share an empty, writable `/tmp`, and the environment variable `HOME` is `/tmp`
    /// unless it is set in `env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_security_context: Option<SecurityContext>,

    /// Labels of every pod: those of the servers, of the lineage server, of the `feast apply` Job and of the CronJob.
    /// They are not in selectors. Changing them replaces the pods and runs the Job again. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_labels: Option<BTreeMap<String, String>>,

    /// Annotations of the servers' pods, including those of the lineage server, for example for sidecar injectors.
    /// `feast_apply_job` and `cron_job.job_spec` have those of the other pods. Changing them replaces the pods.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_annotations: Option<BTreeMap<String, String>>,

    /// Whether containers have environment variables with the addresses of all Services in the namespace, such as
    /// `REDIS_PORT` for a Service named `redis` (Kubernetes `enableServiceLinks`). Feast replaces `${REDIS_PORT}` in
    /// connection parameters with them. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub enable_service_links: Option<bool>,

    /// Restrictions of network traffic to and from the pods (Kubernetes `NetworkPolicy`). Default: none by this
    /// provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicy>,

    /// ServiceMonitor of the Prometheus Operator for the metrics of the online server, which must be enabled. Set `{}`
    /// for the defaults. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_monitor: Option<ServiceMonitor>,

    /// Integration with OpenShift. Set it, at least `{}`, for a feature store on OpenShift. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openshift: Option<Openshift>,

    /// Resource claims of the pods, such as devices (Kubernetes `PodResourceClaim`). Servers refer to them by name in
    /// `resources.claims`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_claims: Option<Vec<PodResourceClaim>>,

    /// Whether the pods, except those of the lineage server, have the token of their ServiceAccount `feast-<name>`
    /// (Kubernetes `automountServiceAccountToken`), for a batch engine or store that calls the Kubernetes API. You must
    /// grant the permissions with your own Roles. Default: `true` if Feast calls the Kubernetes API (with `authz`,
    /// `batch_engine.spark_application` or `mlflow.tracking_auth`), or else `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,

    /// Secrets in the namespace of the feature store with which every pod pulls images. Default: those of the
    /// ServiceAccount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_secrets: Option<Vec<LocalObjectReference>>,
}

/// Time limits of the operations, from `1s` to `24h`: numbers with the units `ms`, `s`, `m` and `h`, such as `90s` or
/// `1h30m`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// Time limit for creating the objects and for the first rollout. Default: `20m`, which includes pulling the Feast
    /// image (about 2 GB).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"), extend("default" = "20m"))]
    pub create: Option<String>,

    /// Time limit for updating the objects and for the rollout. Default: `20m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"), extend("default" = "20m"))]
    pub update: Option<String>,

    /// Time limit for deleting the objects and for the termination of the pods. Default: `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"), extend("default" = "10m"))]
    pub delete: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn undescribed(schema: &Json, place: &str, found: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, property) in properties {
                if !property["description"].is_string() {
                    found.push(format!("{place}.{name}"));
                }
            }
        }
        if let Some(definitions) = schema["$defs"].as_object() {
            for (name, definition) in definitions {
                undescribed(definition, name, found);
            }
        }
    }

    #[test]
    fn every_field_is_described() {
        let mut found = Vec::new();
        for schema in [
            schemars::schema_for!(FeatureStore),
            schemars::schema_for!(ComputedAttributes),
        ] {
            undescribed(schema.as_value(), "root", &mut found);
        }
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn the_json_form_is_that_of_the_custom_resource() {
        let written = json!({
            "name": "demo",
            "feastProject": "demo",
            "services": {
                "scaling": {"autoscaling": {"minReplicas": 2, "maxReplicas": 5}},
                "deploymentStrategy": {"type": "Recreate"},
                "onlineStore": {
                    "persistence": {"store": {"type": "snowflake.online", "secretRef": {"name": "s"}}},
                    "server": {"imagePullPolicy": "Always", "logLevel": "debug"},
                },
                "registry": {"local": {
                    "persistence": {"file": {
                        "path": "s3://bucket/registry.db",
                        "s3_additional_kwargs": {"ServerSideEncryption": "AES256"},
                        "cache_ttl_seconds": 60,
                        "cache_mode": "thread",
                    }},
                    "server": {"restAPI": true},
                }},
            },
        });
        let store: FeatureStore = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&store).unwrap(), written);
    }
}
