//! How the servers serve: worker processes, metrics, batched pushes, the Model Context Protocol.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::store_types;

/// Worker processes of the online server. What is absent is Feast's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerConfigs {
    /// Number of worker processes; `-1` means twice the node's CPUs and one more, whatever the container's
    /// own CPU limit is. Default: Feast's own, `1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub workers: Option<i32>,

    /// Number of clients that a worker serves at once. Default: Feast's own, `1000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub worker_connections: Option<i32>,

    /// Number of requests after which a worker is replaced, which bounds a leak of memory; `0` means never.
    /// Kubernetes' probes count too, nine of them a minute. With metrics, write `0`: they stop when Feast
    /// replaces a worker for the first time. Default: Feast's own, `1000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_requests: Option<i32>,

    /// Largest random number of requests added to `max_requests`, so that workers are not all replaced at
    /// once. Default: Feast's own, `50`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_requests_jitter: Option<i32>,

    /// How long an idle connection is kept open, in seconds. Default: Feast's own, `30`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub keep_alive_timeout: Option<i32>,

    /// After how many seconds a worker reads the registry again. Default: Feast's own, `60`.
    #[serde(rename = "registryTTLSeconds", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub registry_ttl_seconds: Option<i32>,
}

/// What the online server does besides answering feature requests (`feature_server` of `feature_store.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Serving {
    /// Which metrics the server shows. Default: none; `server.metrics` alone turns all of them on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<ServingMetrics>,

    /// Whether pushed rows are collected before they are written to the offline store. Default: each push is
    /// written at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_push_batching: Option<OfflinePushBatching>,

    /// Whether models can call the server by the Model Context Protocol. Default: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp: Option<Mcp>,
}

/// Prometheus metrics of the online server, on port 8000 of its Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServingMetrics {
    /// Whether metrics are shown.
    pub enabled: bool,

    /// Categories to turn on or off by name: `resource`, `request`, `online_features`, `offline_features`,
    /// `push`, `materialization`, `freshness` and `audit_logging`. Default: Feast's own, all but
    /// `audit_logging`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<BTreeMap<String, bool>>,
}

/// How pushed rows are collected before they are written to the offline store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfflinePushBatching {
    /// Whether rows are collected.
    pub enabled: bool,

    /// Number of rows of one push source, in one worker, after which they are written. Default: none, and
    /// rows are not collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub batch_size: Option<i32>,

    /// Seconds after which they are to be written at the latest. Feast needs a number here but does not keep
    /// to it (seen with 0.67): fewer rows than `batch_size` wait for more, or for the worker's end, and are lost
    /// if it is killed. Default: none, and rows are not collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub batch_interval_seconds: Option<i32>,
}

/// The Model Context Protocol, by which models find and call the server. The image needs `feast[mcp]`. A session
/// is known only to the process that began it, so it wants one replica and one worker, or a way that leads each
/// model to one pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mcp {
    /// Whether the protocol is served.
    pub enabled: bool,

    /// Name that the server gives itself; of the online server only. Default: Feast's own,
    /// `feast-mcp-server`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,

    /// Version that the server names in its log, and to nobody else; of the online server only. Default: Feast's
    /// own, `1.0.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,

    /// How messages travel: `sse` (at the path `/sse`) or `http` (at `/mcp`); of the online server only. The
    /// registry's is `sse`. Default: Feast's own, `sse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<McpTransport>,
}

store_types! {
    /// How messages of the Model Context Protocol travel.
    pub enum McpTransport {
        Sse = "sse",
        Http = "http",
    }
}
