//! A feature store as the user writes it, and as the state keeps it.
//!
//! The JSON form of these types equals the `spec` of the Feast operator's FeatureStore resource
//! (camelCase; Kubernetes subtrees are `k8s-openapi`'s own types); Terraform's names are the snake_case of
//! it. The doc comments are the provider's reference documentation, the schemars attributes are the checks
//! of single values, and what JSON Schema has no word for stands under `x-terraform`. Rules that join
//! several values live in [`rules`](super::rules); what a missing value means is decided in
//! [`spec`](super::spec), so that a null stays null in Terraform.

mod authz;
mod compute;
mod computed;
mod cron_job;
mod data_source;
mod drift;
mod keda;
mod offline_store;
mod online_store;
mod persistence;
mod project;
mod registry;
mod scaling;
mod server;
mod serving;
mod tls;
mod tracking;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DeploymentStrategy;
use k8s_openapi::api::core::v1::{
    Affinity, PodResourceClaim, PodSecurityContext, Toleration, TopologySpreadConstraint,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use authz::{Authz, CaCertConfigMap, KubernetesAuthz, OidcAuthz};
pub use compute::{BatchEngine, DataQualityMonitoring, Materialization, SparkApplication};
pub use computed::{ComputedAttributes, Endpoints, ScalingStatus};
pub use cron_job::{
    CompletionMode, ConcurrencyPolicy, CronJob, CronJobContainers, JobSpec, PodReplacementPolicy,
};
pub use data_source::{Condition, DataSourceConfig, DataSourceState};
pub use drift::{Drift, DriftKind, DriftPolicy};
pub use keda::{
    Keda, KedaAuthentication, KedaAuthenticationKind, KedaFallback, KedaMetricType, KedaTrigger,
};
pub use offline_store::{OfflineFile, OfflineFileType, OfflineStore, OfflineStoreType};
pub use online_store::{OnlineFile, OnlineStore, OnlineStoreType};
pub use persistence::{
    AccessMode, DatabaseStore, Persistence, PersistentVolumeClaim, PersistentVolumeClaimTemplate,
    Reference,
};
pub use project::{
    FeastApply, FeastProjectDir, Git, GitSsh, GitSshKeyNames, Init, Packaged, Template,
};
pub use registry::{
    CacheMode, FeastRef, LocalRegistry, Registry, RegistryFile, RegistryStoreType, RemoteRegistry,
    RemoteTls,
};
pub use scaling::{Autoscaling, PodDisruptionBudgets, Scaling};
pub use server::{ImagePullPolicy, LogLevel, RegistryServer, Server, ServerSettings};
pub use serving::{Mcp, McpTransport, OfflinePushBatching, Serving, ServingMetrics, WorkerConfigs};
pub use tls::{SecretKeyNames, Tls};
pub use tracking::{
    LineageServer, LineageStoreType, Mlflow, Openlineage, OpenlineageConsumer, Transport,
};
pub use volumes::{EphemeralClaim, EphemeralVolume, Volume};

/// A [Feast](https://docs.feast.dev) feature store on Kubernetes: one Deployment that runs the online,
/// offline and registry servers, with its Services, claims, configuration and autoscaler. The provider
/// makes and owns every object itself; no Feast operator and no custom resource is involved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeatureStore {
    /// Name of the feature store, unique in its namespace. Every object is called `feast-<name>` or starts
    /// so, and every pod carries it as the label `feast.dev/name`. Lower-case letters, digits and `-`, with a
    /// letter or digit at both ends; short enough that each derived name stays within 63 characters (50
    /// for an online server, 43 for a REST registry server). Changing it makes a new feature store.
    #[schemars(
        length(min = 1, max = 57),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    #[schemars(extend("x-terraform" = {"requires_replace": true}))]
    pub name: String,

    /// Kubernetes namespace, which must exist. Default: the `namespace` of the provider block, else
    /// `default`. Changing it makes a new feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    #[schemars(extend("x-terraform" = {"requires_replace": true, "computed": true}))]
    pub namespace: Option<String>,

    /// Labels to put on every object of the feature store, next to the provider's own. Pods do not carry
    /// them, so that a change of a label never restarts a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,

    /// Annotations to put on every object of the feature store. Pods do not carry them, so that a change
    /// of an annotation never restarts a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,

    /// Feast project: the namespace of all feature definitions inside the registry (`project` of
    /// `feature_store.yaml`). Starts with a letter or digit; letters, digits, `_` and `-` follow. A change
    /// rolls the pods into the new project; what the registry holds of the old one stays there.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    pub feast_project: String,

    /// Where the feature definitions come from: exactly one of `init`, `git` and `packaged`. Default: a new
    /// repository with Feast's example definitions (`feast init`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feast_project_dir: Option<FeastProjectDir>,

    /// Whether the project is marked as protected: its servers have the environment variable
    /// `FEAST_PROTECTED_PROJECT=true`, as with the operator's annotation `feast.dev/protected-project`.
    /// Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub protected_project: Option<bool>,

    /// What is done on a schedule, in a pod of the feature store. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron_job: Option<CronJob>,

    /// The services of the feature store. Default: an online server on SQLite and a file registry, both
    /// inside the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,

    /// Who may ask the servers for what. Default: no authentication, which needs no rights outside the
    /// feature store's namespace and is for development: in production choose `kubernetes` or `oidc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authz: Option<Authz>,

    /// The engine that computes features. Default: Feast's own, inside the process that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_engine: Option<BatchEngine>,

    /// How features are written to the online store. Default: Feast's own settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialization: Option<Materialization>,

    /// Lineage events. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openlineage: Option<Openlineage>,

    /// Reports to MLflow. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow: Option<Mlflow>,

    /// Monitoring of data quality. Default: Feast's own settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_quality_monitoring: Option<DataQualityMonitoring>,

    /// Whether an apply waits until the rollout is complete: every pod updated and available, no old one
    /// left. Default: `true`. With `false` the apply ends as soon as Kubernetes has accepted the objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub wait_for_rollout: Option<bool>,

    /// How long each operation may take, waiting for the rollout included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,

    /// Whether the persistent volume claims that this resource created are deleted together with it, or
    /// when a change of persistence leaves them unused. Default: `false`: claims, and the data in them,
    /// survive both, and are taken up again by a feature store of the same name. The plan says in a
    /// warning what becomes of each claim. Claims named under `pvc.ref` are never touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub delete_data: Option<bool>,

    /// Whose changes the attribute `drift` lists: `owned` (the fields that this provider owns) or `strict` (also what
    /// others have added to its objects, such as annotations, sidecars and variables, with a warning at each
    /// refresh). Foreign fields are only reported: an apply neither removes nor changes them, and they make no
    /// plan. Default: `owned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "owned"))]
    pub drift_policy: Option<DriftPolicy>,
}

/// The services of a feature store and how the Deployment that runs them scales and rolls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Services {
    /// How many pods run. Default: one pod to start with, and from then on the live number is left alone,
    /// so that an autoscaler outside Terraform (KEDA, `kubectl scale`) may move it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,

    /// How many pods a drain of nodes may take away at once (Kubernetes `PodDisruptionBudget`). It is only made
    /// when the feature store is scaled. Default: none, and a drain may take all pods at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budgets: Option<PodDisruptionBudgets>,

    /// How pods are replaced when their template changes (Kubernetes `DeploymentStrategy`). Default:
    /// `RollingUpdate` when the feature store is scaled (`replicas` above 1, `autoscaling` or `keda`), else
    /// `Recreate`, because two pods must not write the same files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_strategy: Option<DeploymentStrategy>,

    /// The online store, which answers feature requests with low latency. Its server is always made unless
    /// `disabled` is true. Default: SQLite inside the pod, served with default settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_store: Option<OnlineStore>,

    /// The offline store, which holds history for training and materialization. Default: none is
    /// configured, so that Feast uses Dask on local files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_store: Option<OfflineStore>,

    /// The registry, the catalogue of feature definitions: exactly one of `local` and `remote`. Default: a
    /// local registry in a file inside the pod, without a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,

    /// Makes a server for Feast's web interface (`feast ui`), with these settings. Default: none is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui: Option<Server>,

    /// Who runs `feast apply`, which writes the feature definitions to the registry and makes the online
    /// store's tables: `job` (one Kubernetes Job, whenever the configuration has changed, which must succeed
    /// before the pods roll), `init_container` (each pod, whenever it starts) or `none`. Default: `job` where
    /// online store and registry are both outside the pods (a database, an object store, a remote registry)
    /// and there is no claim, else `init_container`. A `job` does not follow a git branch: it runs again when
    /// the configuration changes, and not when the branch does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feast_apply: Option<FeastApply>,

    /// The operator's name for two of the values of `feast_apply`: `true` is `init_container`, `false` is
    /// `none`. Write one of the two attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_feast_apply_on_init: Option<bool>,

    /// Container image of the init containers and of `feast apply`. Default: the image of
    /// `feast_project_dir.packaged`, else `quay.io/feastdev/feature-server:0.66.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub init_image: Option<String>,

    /// Whether the pods start without init containers: no feature repository is made, and Feast works in the
    /// image's own (`feast_project_dir.packaged`), with the configuration of this feature store. Default:
    /// `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disable_init_containers: Option<bool>,

    /// Volumes for the servers to mount by their `volume_mounts`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<Volume>>,

    /// Labels of the nodes that the pods may run on. Default: every node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,

    /// Taints of nodes that the pods put up with (Kubernetes `Toleration`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerations: Option<Vec<Toleration>>,

    /// Which nodes and neighbours the pods seek or avoid (Kubernetes `Affinity`). Default: when the feature
    /// store is scaled, its pods prefer nodes on which there is none of them yet; `{}` switches that off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// How the pods are spread over zones, nodes or the like (Kubernetes `TopologySpreadConstraint`). Default:
    /// when the feature store is scaled, evenly over zones as far as that is possible; `[]` switches that off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,

    /// What the pods run as (Kubernetes `PodSecurityContext`). Default: what image and namespace say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurityContext>,

    /// Annotations of the servers' pods, which sidecar injectors and the like read. A change of them rolls
    /// the pods. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_annotations: Option<BTreeMap<String, String>>,

    /// Devices that the pods claim (Kubernetes `PodResourceClaim`); servers use them by name in
    /// `resources.claims`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_claims: Option<Vec<PodResourceClaim>>,

    /// Whether the pods, but not those of the lineage server, have the token of their account `feast-<name>`
    /// (Kubernetes `automountServiceAccountToken`), for a batch engine or store that asks the Kubernetes API. What
    /// they may do there, Roles of your own must say. Default: only where Feast itself asks Kubernetes: for `authz`,
    /// `batch_engine.spark_application` and `mlflow.tracking_auth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,

    /// Secrets of the feature store's namespace with which images are pulled, by every pod of the feature
    /// store. Default: those of the pods' account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_secrets: Option<Vec<Reference>>,
}

/// How long an operation may take, from `1s` to `24h`: numbers with the units `ms`, `s`, `m` and `h`, such as `90s` or
/// `1h30m`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// For creating the objects and the first rollout. Default: `20m`, which leaves room for pulling the
    /// Feast image (about 2 GB) onto a fresh node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"), extend("default" = "20m"))]
    pub create: Option<String>,

    /// For changing the objects and rolling the pods. Default: `20m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"), extend("default" = "20m"))]
    pub update: Option<String>,

    /// For deleting the objects and seeing the pods gone. Default: `10m`.
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
