//! The online store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::store_types;
use super::{Persistence, PersistentVolumeClaim, Server, Serving};

/// The online store: where the latest feature values are kept, and the server that answers requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnlineStore {
    /// Whether to leave the online server and its file out. Default: `false`. At least one server must
    /// remain. A database stays in `feature_store.yaml`, as the store that Feast materializes into.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disabled: Option<bool>,

    /// Where feature values are kept. Default: SQLite in `/feast-data/online_store.db`, inside the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence<OnlineFile, OnlineStoreType>>,

    /// Settings of the online server (`feast serve`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,

    /// What the online server does besides answering feature requests. Default: Feast's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
}

/// A SQLite file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnlineFile {
    /// The file: an absolute path, or with `pvc` a path relative to its `mount_path`. Default:
    /// `/feast-data/online_store.db`, with `pvc` `online_store.db`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub path: Option<String>,

    /// A claim that keeps the file when the pod goes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PersistentVolumeClaim>,
}

store_types! {
    /// A database that can be an online store.
    pub enum OnlineStoreType {
        SnowflakeOnline = "snowflake.online",
        Redis = "redis",
        Datastore = "datastore",
        Dynamodb = "dynamodb",
        Bigtable = "bigtable",
        Postgres = "postgres",
        Cassandra = "cassandra",
        Mysql = "mysql",
        Hazelcast = "hazelcast",
        Singlestore = "singlestore",
        Hbase = "hbase",
        Elasticsearch = "elasticsearch",
        Qdrant = "qdrant",
        CouchbaseOnline = "couchbase.online",
        Milvus = "milvus",
        Hybrid = "hybrid",
        Mongodb = "mongodb",
        Aerospike = "aerospike",
        Scylladb = "scylladb",
    }
}
