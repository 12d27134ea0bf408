//! The online store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::open_store_types;
use super::{Persistence, PvcConfig, Server, Serving};

/// The online store, which holds the latest feature values, and its server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnlineStore {
    /// Whether to run without the online server and its file. At least one server must remain. A database stays in
    /// `feature_store.yaml`, so that Feast can materialize into it. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disabled: Option<bool>,

    /// Persistence of feature values. Feast's image does not contain the packages of the types `aerospike`, `cassandra`,
    /// `couchbase.online`, `elasticsearch`, `hazelcast`, `hbase`, `mongodb`, `qdrant`, `scylladb` and `singlestore`: they
    /// require an image of your own. Default: the SQLite file `/feast-data/online_store.db` in the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence<OnlineFile, OnlineStoreType>>,

    /// Settings of the online server (`feast serve`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,

    /// Metrics, batching of pushed rows and the Model Context Protocol. Default: the settings of Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
}

/// A SQLite file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnlineFile {
    /// Path of the file: an absolute path, in `/feast-data` or another volume that the containers share, or, with
    /// `pvc`, a path relative to its `mount_path`. Default: `/feast-data/online_store.db`, or `online_store.db` with
    /// `pvc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub path: Option<String>,

    /// PersistentVolumeClaim for the file. Default: none, so that the file is lost with the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PvcConfig>,

    /// Whether features of type vector are stored so that similar ones can be searched for. Default: `false`, set by
    /// Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector_enabled: Option<bool>,

    /// Metric by which vectors are compared, such as `cosine` or `l2`. Default: `cosine`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub similarity: Option<String>,

    /// Whether text features can be searched for words. Default: `false`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_search_enabled: Option<bool>,

    /// Whether to store what the search API of the online server needs that is compatible with OpenAI's vector stores.
    /// Requires `embedding_model`. Default: `false`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_openai_compatible_store: Option<bool>,
}

open_store_types! {
    /// A database that can be an online store.
    pub enum OnlineStoreType("OnlineStore") {
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
        Chronon = "chronon",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::super::persistence::StoreType;
    use super::*;

    #[test]
    fn a_type_is_known_or_the_path_of_a_class() {
        let read = |word: &str| from_value::<OnlineStoreType>(json!(word)).ok();
        assert_eq!(
            read("couchbase.online"),
            Some(OnlineStoreType::CouchbaseOnline)
        );
        let class = read("ours.stores.OurOnlineStore").unwrap();
        assert!(class.is_class());
        assert_eq!(
            serde_json::to_value(&class).unwrap(),
            json!("ours.stores.OurOnlineStore")
        );
        for word in ["", "unknown", "OurOnlineStore", "ours.OurOfflineStore"] {
            assert_eq!(read(word), None, "{word}");
        }
    }
}
