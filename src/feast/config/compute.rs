//! The batch engine, materialization and data quality monitoring.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DNS_SUBDOMAIN_PATTERN, LocalObjectReference};

/// The engine that materializes features and builds training sets (`batch_engine` of `feature_store.yaml`), configured
/// in a ConfigMap. The engine `k8s`, and any other that calls the Kubernetes API, needs
/// `services.automount_service_account_token = true`, and a Role of yours that is bound to the ServiceAccount
/// `feast-<name>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchEngine {
    /// ConfigMap with the configuration of the engine. It is read during apply and merged into `feature_store.yaml`.
    /// When it changes, the next apply replaces the pods. Must not hold secrets.
    pub config_map_ref: LocalObjectReference,

    /// Key of the ConfigMap. Its value is a YAML mapping, as in `feature_store.yaml`: the `type` of the engine and its
    /// parameters. Default: `config`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")
    )]
    #[schemars(extend("default" = "config"))]
    pub config_map_key: Option<String>,

    /// Permissions of the engine `spark_application`; only for this engine. Creates the Roles and RoleBindings
    /// `feast-<name>-batch-engine` (for servers to start SparkApplications) and `feast-<name>-batch-driver` (for the
    /// Spark driver to start executors). Only this attribute grants them, never the ConfigMap. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spark_application: Option<SparkApplication>,
}

/// The ServiceAccount of the Spark driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SparkApplication {
    /// Existing ServiceAccount for the driver pods, in the namespace of the feature store. The provider binds the Role
    /// of the driver to it and does not change it otherwise. Default: `feast-<name>-batch-driver`, which the provider
    /// creates.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = DNS_SUBDOMAIN_PATTERN)
    )]
    pub service_account: Option<String>,
}

/// How features are written to the online store (`materialization` of `feature_store.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Materialization {
    /// Number of rows that are written to the online store at a time, which limits the memory that a large feature view
    /// needs. For the engines `local`, `spark` and `ray`. Default: all at once, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub online_write_batch_size: Option<i32>,

    /// Other settings by their name in Feast, such as `pull_latest_features`. `true` and `false` are written as
    /// booleans, and all other values, including numbers, as strings. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<BTreeMap<String, String>>,
}

/// Data quality monitoring (`data_quality_monitoring` of `feature_store.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataQualityMonitoring {
    /// Whether `feast apply` computes the baseline distributions with which later data is compared. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub auto_baseline: Option<bool>,
}
