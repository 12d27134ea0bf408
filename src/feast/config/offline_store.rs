//! The offline store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::open_store_types;
use super::string_enum::string_enum;
use super::{Persistence, PvcConfig, Server};

/// The offline store: the source of historical data, and the server through which clients read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfflineStore {
    /// Source of historical data. Feast's image does not contain the packages of the types `clickhouse`,
    /// `couchbase.offline`, `mssql`, `oracle`, `ray`, `spark` and `trino`: they require an image of your own. Default:
    /// files, read with Dask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence<OfflineFile, OfflineStoreType>>,

    /// Offline server (`feast serve_offline`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

/// Files, read by an engine in the pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfflineFile {
    /// Engine that reads the files: `file`, `dask` or `duckdb`. Default: `dask`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "dask"))]
    pub r#type: Option<OfflineFileType>,

    /// PersistentVolumeClaim for the files. It also holds the feature repository. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PvcConfig>,

    /// Location for the results of `duckdb` that are exported, such as `s3://bucket/path`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub staging_location: Option<String>,

    /// URL of the object store of `staging_location`, if it is not the one of Amazon S3. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub staging_location_endpoint_override: Option<String>,
}

string_enum! {
    /// An engine that reads files.
    pub enum OfflineFileType {
        File = "file",
        Dask = "dask",
        Duckdb = "duckdb",
    }
}

open_store_types! {
    /// A database or engine that can be an offline store.
    pub enum OfflineStoreType("OfflineStore") {
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
        Chronon = "chronon",
    }
}
