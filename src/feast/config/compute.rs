//! What computes features: the batch engine, materialization, the monitoring of data.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reference;

/// The engine that materializes features and builds training sets (`batch_engine` of
/// `feature_store.yaml`), configured in a ConfigMap. The engine `k8s`, and any other that asks the Kubernetes API,
/// needs `services.automount_service_account_token = true`, and a Role of your own that is bound to the account
/// `feast-<name>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchEngine {
    /// The ConfigMap that holds the engine's configuration. It is read during apply and merged into
    /// `feature_store.yaml`; a change of it rolls the pods at the next apply. Must not hold secrets.
    pub config_map_ref: Reference,

    /// Key of the ConfigMap. Its value is a YAML mapping as it would stand in `feature_store.yaml`: the
    /// engine's `type` and its parameters. Default: `config`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    #[schemars(extend("default" = "config"))]
    pub config_map_key: Option<String>,

    /// For the engine `spark_application`, and only for it: the rights that it needs, as Roles and
    /// RoleBindings `feast-<name>-batch-engine` (the servers start SparkApplications) and
    /// `feast-<name>-batch-driver` (the Spark driver starts executors). They are granted because the
    /// configuration says so, never because a ConfigMap does. Default: none are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spark_application: Option<SparkApplication>,
}

/// The account of the Spark driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SparkApplication {
    /// An existing ServiceAccount of the feature store's namespace for the driver pods, which the provider
    /// gives the driver's Role and otherwise leaves alone. Default: `feast-<name>-batch-driver`, which the
    /// provider makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub service_account: Option<String>,
}

/// How features are written to the online store (`materialization` of `feature_store.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Materialization {
    /// Rows that are written to the online store at a time, which bounds the memory that a large feature
    /// view takes. For the engines `local`, `spark` and `ray`. Default: Feast's own, all at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub online_write_batch_size: Option<i32>,

    /// Further settings by Feast's names, such as `pull_latest_features`. The words `true` and `false`
    /// become booleans, everything else, numbers too, stays a string. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<BTreeMap<String, String>>,
}

/// Monitoring of data quality (`data_quality_monitoring` of `feature_store.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataQualityMonitoring {
    /// Whether `feast apply` computes the distributions that later data is compared with. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub auto_baseline: Option<bool>,
}
