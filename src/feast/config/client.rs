//! The settings of clients.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of `feature_store.yaml` for clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Client {
    /// Connections to the online server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_store: Option<ClientOnlineStore>,

    /// Connections to the offline server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_store: Option<ClientOfflineStore>,

    /// Other settings of the clients' `feature_store.yaml`, in the form of `extra_yaml`. They are not secret: every
    /// client can read them. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub extra_yaml: Option<String>,
}

/// Connections of clients to the online server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientOnlineStore {
    /// Maximum number of open connections. Default: 50, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub connection_pool_size: Option<i32>,

    /// Seconds after which idle connections are closed. With 0, they stay open. Default: 300, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub connection_idle_timeout: Option<i32>,

    /// Number of times a failed request is sent again. Default: 3, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub connection_retries: Option<i32>,
}

/// Connections of clients to the offline server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientOfflineStore {
    /// Number of times a failed request is sent again. Default: 3, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub connection_retries: Option<i32>,
}
