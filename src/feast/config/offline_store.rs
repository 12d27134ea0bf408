//! The offline store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::store_types;
use super::{Persistence, PersistentVolumeClaim, Server};

/// The offline store: where history is read from, and the server through which clients read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfflineStore {
    /// Where history is read from. Default: Dask on files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence<OfflineFile, OfflineStoreType>>,

    /// Makes an offline server (`feast serve_offline`), with these settings. Default: none is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

/// Files, read by an engine inside the pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfflineFile {
    /// Engine that reads the files: `file`, `dask` or `duckdb`. Default: `dask`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "dask"))]
    pub r#type: Option<OfflineFileType>,

    /// A claim that holds the files. It also becomes the home of the feature repository. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PersistentVolumeClaim>,
}

store_types! {
    /// An engine that reads files.
    pub enum OfflineFileType {
        File = "file",
        Dask = "dask",
        Duckdb = "duckdb",
    }
}

store_types! {
    /// A database or engine that can be an offline store.
    pub enum OfflineStoreType {
        SnowflakeOffline = "snowflake.offline",
        Bigquery = "bigquery",
        Redshift = "redshift",
        Spark = "spark",
        Postgres = "postgres",
        Trino = "trino",
        Athena = "athena",
        Mssql = "mssql",
        CouchbaseOffline = "couchbase.offline",
        Clickhouse = "clickhouse",
        Ray = "ray",
        Oracle = "oracle",
        Hybrid = "hybrid",
    }
}
