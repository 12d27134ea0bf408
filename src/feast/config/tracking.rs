//! Where Feast reports what it does: OpenLineage and MLflow.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::store_types;
use super::{Reference, Server};

/// [OpenLineage](https://openlineage.io) events of `feast apply` and of materialization (`openlineage` of
/// `feature_store.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Openlineage {
    /// Whether events are sent.
    pub enabled: bool,

    /// How events are sent: `http`, `console`, `file` (into `openlineage_events.json` in the feature
    /// repository) or `kafka`, to which Feast passes no brokers, so that nothing is sent. Default: to the
    /// feature store's own lineage server where there is one; else that of the OpenLineage client, which its
    /// own environment variables (`OPENLINEAGE_URL`, `OPENLINEAGE__TRANSPORT__TYPE` and the like) and files
    /// decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport_type: Option<Transport>,

    /// URL for the transport `http`, such as `http://marquez.lineage.svc:5000`. Default: that of the feature
    /// store's own lineage server where there is one, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub transport_url: Option<String>,

    /// Path that is appended to `transport_url`. Default: Feast's own, `api/v1/lineage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub transport_endpoint: Option<String>,

    /// A Secret whose key `api_key` holds the key for the lineage server. It is read during apply and goes
    /// into the feature store's own Secret and nowhere else. Default: for events to the feature store's own
    /// lineage server `consumer.api_key_secret_ref`, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<Reference>,

    /// Further settings by Feast's names, such as `namespace`, `producer` or `emit_on_apply`. The words
    /// `true` and `false` become booleans, everything else, numbers too, stays a string. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<BTreeMap<String, String>>,

    /// Events that others send, to be shown in Feast's UI. Default: none are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<OpenlineageConsumer>,
}

/// Receives events at `POST /api/v1/lineage` of the registry's REST server, or of a lineage server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenlineageConsumer {
    /// Whether events are received.
    pub enabled: bool,

    /// Where events are kept: `sql`. Default: `sql`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "sql"))]
    pub store_type: Option<LineageStoreType>,

    /// A Secret whose key `connection_string` names a database for the events. It is read during apply and
    /// goes into the feature store's own Secret and nowhere else. Default: the SQL registry's database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_string_secret_ref: Option<Reference>,

    /// A Secret whose key `api_key` holds the key that senders must show in the header `X-API-Key`. It is
    /// read during apply and goes into the feature store's own Secret and nowhere else. Default: none is
    /// asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<Reference>,

    /// From OpenLineage namespaces to Feast projects: whoever may see the project sees lineage of the
    /// namespace. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_mapping: Option<BTreeMap<String, String>>,

    /// How long events are kept, in days; 0 means for ever. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 30))]
    pub retention_days: Option<i32>,

    /// How often old events are looked for, in hours. Default: 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 6))]
    pub retention_check_interval_hours: Option<i32>,

    /// A lineage server with pods of its own (Deployment and Service `feast-<name>-lineage`), so that events do not
    /// burden the other servers. It needs a SQL database: `connection_string_secret_ref`, or a registry in one.
    /// It asks senders for the API key and readers for nothing, whatever `authz` says, as with the Feast operator.
    /// Default: none, the REST server receives events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage_server: Option<LineageServer>,
}

/// The pods of the lineage server. They have the node selector, tolerations, node affinity, security context,
/// annotations, image pull secrets and account of the other pods; an autoscaler does not touch them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LineageServer {
    /// Number of pods. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 1))]
    pub replicas: Option<i32>,

    /// Settings of its container. Where the registry's database holds the events, the variables that its connection
    /// parameters name (`${NAME}`) must be in this server's `env` or `env_from` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

store_types! {
    /// How lineage events travel.
    pub enum Transport {
        Http = "http",
        Console = "console",
        File = "file",
        Kafka = "kafka",
    }
}

store_types! {
    /// A store of lineage events.
    pub enum LineageStoreType {
        Sql = "sql",
    }
}

/// [MLflow](https://mlflow.org) runs get the features that they used (`mlflow` of `feature_store.yaml`),
/// for servers and clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mlflow {
    /// Whether Feast reports to MLflow. With `false` nothing of this block is written.
    pub enabled: bool,

    /// URL of the tracking server, such as `http://mlflow.mlflow.svc:5000`; the servers have it as
    /// `MLFLOW_TRACKING_URI` too. Default: the `MLFLOW_TRACKING_URI` of the servers' own `env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub tracking_uri: Option<String>,

    /// URL of MLflow's user interface for browsers, for links in Feast's. Default: `tracking_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub ui_url: Option<String>,

    /// Whether every retrieval inside a run is logged. Default: Feast's own, `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_log: Option<bool>,

    /// Whether the entity data frame of a historical retrieval is kept as an artifact. Default: Feast's
    /// own, `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_log_entity_df: Option<bool>,

    /// Rows above which an entity data frame is not kept. Default: Feast's own, 100000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub entity_df_max_rows: Option<i32>,

    /// Whether `feast apply` and materialization are logged, in an experiment of their own. Default:
    /// Feast's own, `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_operations: Option<bool>,

    /// What is appended to the project's name for that experiment. Default: Feast's own, `-feast-ops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops_experiment_suffix: Option<String>,

    /// How the servers authenticate at the tracking server (`MLFLOW_TRACKING_AUTH`): the name of an MLflow
    /// plugin, or an empty string for none. Default: `kubernetes-namespaced`, the plugin of OpenShift AI;
    /// MLflow without that plugin warns and sends no credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "kubernetes-namespaced"))]
    pub tracking_auth: Option<String>,

    /// Further settings by Feast's names, such as `ca_bundle`. The words `true` and `false` become booleans,
    /// `request_timeout` (seconds) and `max_retries` numbers; everything else stays a string. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<BTreeMap<String, String>>,
}
