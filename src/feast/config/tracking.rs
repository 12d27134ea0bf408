//! OpenLineage and MLflow.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::string_enum::string_enum;
use super::{LocalObjectReference, Server};

/// [OpenLineage](https://openlineage.io) events of `feast apply` and of materialization (`openlineage` of
/// `feature_store.yaml`). Sending requires the package `openlineage-python`, which Feast's image does not contain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Openlineage {
    /// Whether to send events.
    pub enabled: bool,

    /// Transport of events: `http`, `console`, `file` (`openlineage_events.json` in the feature repository) or `kafka`
    /// (to which Feast passes no brokers, so that nothing is sent). Default: `http` to the lineage server of the
    /// feature store if there is one, or else the transport that environment variables (such as `OPENLINEAGE_URL` and
    /// `OPENLINEAGE__TRANSPORT__TYPE`) and files of the OpenLineage client define.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport_type: Option<Transport>,

    /// URL for the transport `http`, such as `http://marquez.lineage.svc:5000`. Default: the lineage server of the
    /// feature store if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub transport_url: Option<String>,

    /// Path that is appended to `transport_url`. Default: `api/v1/lineage`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub transport_endpoint: Option<String>,

    /// Secret whose key `api_key` holds the API key for sending events. It is read during apply and written only to the
    /// Secret of the feature store. Default: `consumer.api_key_secret_ref` for events to the lineage server of the
    /// feature store, or else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<LocalObjectReference>,

    /// Other settings by their name in Feast, such as `namespace`, `producer` or `emit_on_apply`. `true` and `false`
    /// are written as booleans, and all other values, including numbers, as strings. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<BTreeMap<String, String>>,

    /// Receives events of other senders, which the web UI of Feast shows. Default: none are received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<OpenlineageConsumer>,
}

/// Receives events at `POST /api/v1/lineage` of the registry's REST server, or of a lineage server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenlineageConsumer {
    /// Whether to receive events.
    pub enabled: bool,

    /// Type of the store for events: `sql`. Default: `sql`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "sql"))]
    pub store_type: Option<LineageStoreType>,

    /// Secret whose key `connection_string` holds the connection string of a SQL database for events. It is read during
    /// apply and written only to the Secret of the feature store. Default: the database of a registry of the type `sql`.
    /// Without either, no events are received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_string_secret_ref: Option<LocalObjectReference>,

    /// Secret whose key `api_key` holds the API key that senders must send in the header `X-API-Key`. It is read during
    /// apply and written only to the Secret of the feature store. Default: none, so that no key is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<LocalObjectReference>,

    /// Map from OpenLineage namespaces to Feast projects. Users who can see the project can see the lineage of the
    /// namespace. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_mapping: Option<BTreeMap<String, String>>,

    /// Days for which events are kept. 0 means forever. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 30))]
    pub retention_days: Option<i32>,

    /// Interval in hours at which old events are deleted. Default: 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 6))]
    pub retention_check_interval_hours: Option<i32>,

    /// Lineage server with its own pods (Deployment and Service `feast-<name>-lineage`), so that events do not load the
    /// other servers. Requires a SQL database: `connection_string_secret_ref`, or a SQL registry. Senders need the API
    /// key, but readers are not authenticated, whatever `authz` is, as with the Feast operator. Default: none, so that
    /// the REST server of the registry receives events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage_server: Option<LineageServer>,
}

/// The pods of the lineage server. They have the node selector, tolerations, node affinity, priority class, security
/// contexts, labels, annotations, image pull secrets and ServiceAccount of the other pods. Autoscalers do not apply to
/// them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LineageServer {
    /// Number of pods. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 1))]
    pub replicas: Option<i32>,

    /// Settings of the container. If the database of the registry holds the events, the variables in its connection
    /// parameters (`${NAME}`) must be in `env` or `env_from` of this server too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

string_enum! {
    /// A transport of lineage events.
    pub enum Transport {
        Http = "http",
        Console = "console",
        File = "file",
        Kafka = "kafka",
    }
}

string_enum! {
    /// A type of store for lineage events.
    pub enum LineageStoreType {
        Sql = "sql",
    }
}

/// Logs to [MLflow](https://mlflow.org) which features a run uses, and operations of Feast (`mlflow` of
/// `feature_store.yaml`, for servers and clients). Requires the package `mlflow`, which Feast's image does not contain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mlflow {
    /// Whether Feast logs to MLflow. With `false`, the other settings of this block have no effect.
    pub enabled: bool,

    /// URL of the tracking server, such as `http://mlflow.mlflow.svc:5000`. Servers also have it as the environment
    /// variable `MLFLOW_TRACKING_URI`. Default: `MLFLOW_TRACKING_URI` in the `env` of the servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub tracking_uri: Option<String>,

    /// URL of the user interface of MLflow, for links in the web UI of Feast. Default: `tracking_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub ui_url: Option<String>,

    /// Whether to log each retrieval in the active run, if there is one. Runs are active in clients: servers do not log
    /// the retrievals that they serve. Default: `true`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_log: Option<bool>,

    /// Whether to store the entity data frame of a historical retrieval as an artifact of the run. Requires `auto_log`.
    /// Default: `false`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_log_entity_df: Option<bool>,

    /// Maximum number of rows of an entity data frame that is stored. Larger ones are not stored. Default: 100000, set
    /// by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub entity_df_max_rows: Option<i32>,

    /// Whether to log `feast apply` and materialization, in a separate experiment. Default: `false`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_operations: Option<bool>,

    /// Suffix that is appended to the project name for the name of that experiment. Default: `-feast-ops`, set by
    /// Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops_experiment_suffix: Option<String>,

    /// How servers authenticate to the tracking server (`MLFLOW_TRACKING_AUTH`): the name of a plugin of MLflow.
    /// `kubernetes` sends the token of the pods' ServiceAccount, and `kubernetes-namespaced` also the namespace as the
    /// workspace, which only tracking servers with workspaces accept, such as that of OpenShift AI. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_auth: Option<String>,

    /// Settings of the command `feast mlflow sync-dataset`. Default: the settings of Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_sync: Option<MlflowDatasetSync>,

    /// Formats of artifacts that can be sources of data. Feast 0.67 reads this setting, and does not use it. Default:
    /// `["parquet", "csv"]`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub supported_artifact_formats: Option<Vec<String>>,

    /// Other settings by their name in Feast. `true` and `false` are written as booleans, `request_timeout` and
    /// `max_retries` as numbers, and all other values as strings. Feast 0.67 has no other setting with an effect: set
    /// `MLFLOW_TRACKING_SERVER_CERT_PATH`, `MLFLOW_HTTP_REQUEST_TIMEOUT` and `MLFLOW_HTTP_REQUEST_MAX_RETRIES` in the
    /// `env` of the servers instead of `ca_bundle`, `request_timeout` and `max_retries`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<BTreeMap<String, String>>,
}

/// Settings of the command `feast mlflow sync-dataset`, which writes a dataset of MLflow to the online store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MlflowDatasetSync {
    /// Map from paths in MLflow, such as `expectations.expected_response`, to columns in Feast. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_field_mapping: Option<BTreeMap<String, String>>,

    /// Tag of the dataset with the time of the last run. Default: `feast_last_sync_time`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub watermark_key: Option<String>,

    /// Number of rows that are written to the online store at a time. Default: 10000, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub default_batch_size: Option<i32>,
}
