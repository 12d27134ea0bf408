//! Databases whose parameters describe a file.

use serde_json::{Map, Value as Json};

use super::environment_references::has_environment_reference;
use super::placeholder::{Placeholder, Purpose};
use super::yaml::parse;
use crate::feast::names::FeastService;
use crate::feast::secrets::source::Contents;

impl Placeholder {
    /// Returns whether the parameters in the Secret make Feast store the data in a file in the pod. Environment
    /// references do not count as a file, because their value is not known here.
    pub(in crate::feast) fn is_file(&self, contents: &Contents) -> bool {
        let Some(text) = self.source.text(contents) else {
            return false;
        };
        match &self.purpose {
            Purpose::Store {
                service,
                store_type,
            } => parse(text).is_some_and(|it| is_file(*service, store_type, &it)),
            Purpose::ConsumerConnectionString => is_sqlite(text),
            Purpose::Oidc { .. }
            | Purpose::BatchEngine { .. }
            | Purpose::LineageApiKey
            | Purpose::ConsumerApiKey => false,
        }
    }

    /// Returns whether it describes a file of the online store or of the registry, by the parameters in a resolved
    /// `feature_store.yaml`.
    pub(in crate::feast) fn is_file_in(&self, document: &Map<String, Json>) -> bool {
        let parameters = document.get(self.section()).and_then(Json::as_object);
        match (&self.purpose, parameters) {
            (
                Purpose::Store {
                    service: service @ (FeastService::Online | FeastService::Registry),
                    store_type,
                },
                Some(parameters),
            ) => is_file(*service, store_type, parameters),
            _ => false,
        }
    }
}

/// Follows how Feast interprets the parameters of these types of store.
fn is_file(service: FeastService, store_type: &str, parameters: &Map<String, Json>) -> bool {
    let text = |key: &str| parameters.get(key).and_then(Json::as_str);
    let text = |key: &str| text(key).unwrap_or_default();
    let has_file = |key: &str| {
        let stores = parameters.get(key).and_then(Json::as_array);
        (stores.into_iter().flatten()).any(|store| {
            let parameters = store["conf"].as_object().cloned().unwrap_or_default();
            let store_type = store["type"].as_str().unwrap_or_default();
            is_file(service, store_type, &parameters)
        })
    };
    match (service, store_type) {
        (FeastService::Registry, "sql") => is_sqlite(text("path")) || is_sqlite(text("read_path")),
        (FeastService::Online, "sqlite") => true,
        // A path without a URI selects Milvus Lite, as does a path in place of the URI.
        (FeastService::Online, "milvus") => match text("uri") {
            "" => is_literal(text("path")),
            uri => is_literal(uri) && is_milvus_lite(uri),
        },
        // The client itself stores the data.
        (FeastService::Online, "qdrant") => {
            is_literal(text("path")) || text("location") == ":memory:"
        }
        (FeastService::Online, "hybrid") => has_file("online_stores"),
        (FeastService::Offline, "hybrid") => has_file("offline_stores"),
        // Stores of a hybrid store.
        (FeastService::Offline, "dask" | "duckdb" | "file") => true,
        (FeastService::Offline, class) => {
            class.ends_with(".DaskOfflineStore") || class.ends_with(".DuckDBOfflineStore")
        }
        _ => false,
    }
}

/// Returns whether a parameter is set, without a reference to an environment variable.
fn is_literal(text: &str) -> bool {
    !text.is_empty() && !has_environment_reference(text)
}

/// Returns whether the client of Milvus opens a file for this address.
fn is_milvus_lite(uri: &str) -> bool {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme);
    let is_remote = scheme.is_some_and(|it| ["http", "https", "tcp", "unix"].contains(&it));
    uri.ends_with(".db") && !is_remote
}

/// Returns whether SQLAlchemy uses SQLite for this address, with any driver.
fn is_sqlite(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|it| it == "sqlite" || it.starts_with("sqlite+"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_how_feast_interprets_the_parameters() {
        let file = |service, store_type, text: &str| {
            is_file(service, store_type, &parse(text).unwrap_or_default())
        };
        for (service, store_type, text, expected) in [
            (
                FeastService::Registry,
                "sql",
                "path: sqlite:////data/r.db",
                true,
            ),
            (
                FeastService::Registry,
                "sql",
                "path: sqlite+pysqlite:///${DIR}/r.db",
                true,
            ),
            (
                FeastService::Registry,
                "sql",
                "path: postgresql://h/db\nread_path: sqlite:///r.db",
                true,
            ),
            (
                FeastService::Registry,
                "sql",
                "path: postgresql+psycopg://h/sqlite",
                false,
            ),
            (FeastService::Registry, "sql", "path: ${REGISTRY}", false),
            (
                FeastService::Registry,
                "snowflake.registry",
                "path: sqlite:///r.db",
                false,
            ),
            (FeastService::Online, "milvus", "path: data/milvus.db", true),
            (FeastService::Online, "milvus", "path: m.db\nuri: ''", true),
            (
                FeastService::Online,
                "milvus",
                "path: m.db\nuri: https://m",
                false,
            ),
            (FeastService::Online, "milvus", "path: ${MILVUS}", false),
            (FeastService::Online, "milvus", "path: $MILVUS", false),
            (FeastService::Online, "milvus", "path: data/pa$$.db", true),
            (
                FeastService::Online,
                "milvus",
                "path: ''\nhost: http://m",
                false,
            ),
            (
                FeastService::Online,
                "milvus",
                "uri: /feast-data/m.db",
                true,
            ),
            (FeastService::Online, "milvus", "uri: file:///m.db", true),
            (FeastService::Online, "milvus", "uri: https://m/m.db", false),
            (FeastService::Online, "milvus", "uri: ${MILVUS}", false),
            (
                FeastService::Online,
                "qdrant",
                "path: /feast-data/qdrant",
                true,
            ),
            (FeastService::Online, "qdrant", "location: ':memory:'", true),
            (FeastService::Online, "qdrant", "location: qdrant", false),
            (
                FeastService::Online,
                "qdrant",
                "host: q\npath: ${QDRANT}",
                false,
            ),
            (FeastService::Online, "postgres", "path: /x", false),
            (
                FeastService::Online,
                "hybrid",
                "online_stores: [{type: redis, conf: {}}, {type: sqlite, conf: {path: o.db}}]",
                true,
            ),
            (
                FeastService::Online,
                "hybrid",
                "online_stores: [{type: milvus, conf: {uri: https://m}}]",
                false,
            ),
            (
                FeastService::Offline,
                "postgres",
                "path: sqlite:///o.db",
                false,
            ),
            (
                FeastService::Offline,
                "hybrid",
                "offline_stores: [{type: bigquery, conf: {}}, {type: dask, conf: {}}]",
                true,
            ),
            (
                FeastService::Offline,
                "hybrid",
                "offline_stores: [{type: feast.infra.offline_stores.duckdb.DuckDBOfflineStore, conf: {}}]",
                true,
            ),
            (
                FeastService::Offline,
                "hybrid",
                "offline_stores: [{type: postgres, conf: {}}]",
                false,
            ),
        ] {
            assert_eq!(
                file(service, store_type, text),
                expected,
                "{store_type}: {text}"
            );
        }
    }
}
