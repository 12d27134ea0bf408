//! Worker processes, metrics, batching of pushed rows and the Model Context Protocol.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::string_enum::string_enum;

/// Worker processes of the online server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerConfigs {
    /// Number of worker processes. `-1` means twice the number of the node's CPUs plus one, whatever the CPU limit of
    /// the container. Default: `1`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub workers: Option<i32>,

    /// Number of concurrent connections of a worker. Default: `1000`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub worker_connections: Option<i32>,

    /// Number of requests after which a worker is replaced, which limits memory leaks. `0` means never. Kubernetes
    /// probes count too, nine of them a minute. While a worker is replaced, requests are lost or wait for seconds, and
    /// metrics stop when Feast replaces a worker for the first time. Default: `0`, or with an online store of type
    /// `mysql`, whose connection is only renewed with the worker, `1000`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_requests: Option<i32>,

    /// Maximum random number that is added to `max_requests`, so that workers are not all replaced at the same time.
    /// Has no effect without `max_requests`. Default: `50`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_requests_jitter: Option<i32>,

    /// Seconds for which an idle connection is kept open. Default: `30`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub keep_alive_timeout: Option<i32>,

    /// Seconds after which a worker reads the registry again. Default: `60`, set by Feast.
    #[serde(rename = "registryTTLSeconds", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub registry_ttl_seconds: Option<i32>,
}

/// Metrics, logs, batching and the Model Context Protocol of the online server (`feature_server` of
/// `feature_store.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Serving {
    /// Prometheus metrics. Default: none. `server.metrics` enables all categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<ServingMetrics>,

    /// Batching of pushed rows before they are written to the offline store. Default: none, so that each push is
    /// written immediately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_push_batching: Option<OfflinePushBatching>,

    /// Model Context Protocol. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp: Option<Mcp>,

    /// Audit log: one line of JSON for each request of the REST API, except `/health`, and for each call of the Model
    /// Context Protocol, with time, client address, path, result and duration. The lines of REST requests do not have the
    /// user, and decisions of authentication and authorization are not logged (as of Feast 0.67). Requires Feast 0.67.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_logging: Option<AuditLogging>,

    /// Log of the served features, for feature services with a `logging_config`. The server of Feast 0.66 and 0.67 does
    /// not use this setting: it logs no features. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_logging: Option<FeatureLogging>,
}

/// Audit log of the online server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditLogging {
    /// Whether to write the log.
    pub enabled: bool,

    /// Where the log is written: `stdout`, `file` or `logger` (the Python logger `feast.audit`, with the level INFO, so
    /// that `server.log_level` must be `info` or `debug`). Default: `stdout`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<AuditSink>,

    /// Path of the log for the sink `file`. Default: `feast_audit.log` in the feature repository, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub file_path: Option<String>,

    /// Whether reads that succeed are logged too. Default: `true`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_successful_reads: Option<bool>,
}

string_enum! {
    /// A destination of the audit log.
    pub enum AuditSink {
        Stdout = "stdout",
        File = "file",
        Logger = "logger",
    }
}

/// Log of the served features, which Feast 0.66 and 0.67 do not write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeatureLogging {
    /// Whether to log served features.
    pub enabled: bool,

    /// Interval in seconds at which logs are written to the offline store. Default: 600, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub flush_interval_secs: Option<i32>,

    /// Interval in seconds at which logs are written from memory to the disk of the pod. Default: 30, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub write_to_disk_interval_secs: Option<i32>,

    /// Number of entries that can wait in memory. Further entries are dropped. Default: 100000, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub queue_capacity: Option<i32>,

    /// Microseconds for which a request waits to add an entry. Default: 10000, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub emit_timeout_micro_secs: Option<i32>,
}

/// Prometheus metrics of the online server, on port 8000 of its Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServingMetrics {
    /// Whether to serve metrics.
    pub enabled: bool,

    /// Categories to enable or disable: `resource`, `request`, `online_features`, `offline_features`, `push`,
    /// `materialization`, `freshness` and `audit_logging`. The last one is not a metric: it logs the user, the names of
    /// the entities and the feature views of each retrieval, if `server.log_level` is `info` or `debug`. Default: all
    /// but `audit_logging`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<BTreeMap<String, bool>>,

    /// Upper bounds of the ranges of the label `feature_count` of request latencies, in ascending order. Requires Feast
    /// 0.67. Default: `[10, 50, 200]`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 1)))]
    pub feature_count_bins: Option<Vec<i32>>,
}

/// Batching of pushed rows before they are written to the offline store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfflinePushBatching {
    /// Whether to batch pushed rows.
    pub enabled: bool,

    /// Number of rows of a push source, in one worker, after which they are written. Default: none, so that rows are
    /// not batched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub batch_size: Option<i32>,

    /// Maximum number of seconds before rows are written. Feast requires a number, but does not apply it (as of 0.67):
    /// fewer rows than `batch_size` wait for more rows or for the end of the worker, and are lost if it is killed.
    /// Default: none, so that rows are not batched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub batch_interval_seconds: Option<i32>,
}

/// The Model Context Protocol, with which models discover and call the server. The image needs `feast[mcp]`. A session
/// exists only in the process that started it, so use one replica and one worker, or route all requests of a client to
/// one pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mcp {
    /// Whether to serve the protocol.
    pub enabled: bool,

    /// Name of the server. Only for the online server. Default: `feast-mcp-server`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,

    /// Version of the server, which appears only in its log. Only for the online server. Default: `1.0.0`, set by
    /// Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,

    /// Transport: `sse` (at the path `/sse`) or `http` (at `/mcp`). Only for the online server; the registry uses
    /// `sse`. Default: `sse`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<McpTransport>,
}

string_enum! {
    /// A transport of the Model Context Protocol.
    pub enum McpTransport {
        Sse = "sse",
        Http = "http",
    }
}
