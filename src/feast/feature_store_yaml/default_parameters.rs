//! Connection parameters that the provider writes if the user's Secret does not set them.
//!
//! Feast keeps the connection of some stores open and never replaces it after the database has restarted, and by
//! default rejects requests for a feature view while it is materialized. The defaults of this module prevent both. See
//! `docs/decisions/030-postgresql-restarts.md` and `docs/decisions/041-feast-0.67.md`.

use serde_json::{Map, Value as Json};

use super::mapping::Mapping;
use crate::feast::names::{self, FeastService};

/// A parameter and its value.
type Parameter = (&'static str, Json);

/// The value of `max_conn`: the number of broken connections after which a worker no longer recovers.
const MAX_CONNECTIONS: u32 = 1000;

/// Returns the defaults of a store, in the order of the document.
fn defaults(service: FeastService, store_type: &str) -> Vec<Parameter> {
    match (service, store_type) {
        (FeastService::Online, "postgres") => vec![
            ("conn_type", Json::from("pool")),
            ("max_conn", Json::from(MAX_CONNECTIONS)),
        ],
        (FeastService::Registry, "sql" | "snowflake.registry") => {
            vec![(names::SERVE_WHILE_MATERIALIZING, Json::from(true))]
        }
        _ => Vec::new(),
    }
}

/// Returns the defaults that apply to a store with these parameters of the user, in the Secret and in attributes.
pub(super) fn missing(
    service: FeastService,
    store_type: &str,
    parameters: &Map<String, Json>,
    other_entries: &Mapping,
) -> Vec<Parameter> {
    let has_pool = match parameters.get("conn_type") {
        Some(conn_type) => conn_type == "pool",
        None => true,
    };
    defaults(service, store_type)
        .into_iter()
        .filter(|(key, _)| !parameters.contains_key(*key) && !other_entries.has(key))
        // A single connection has no maximum.
        .filter(|(key, _)| *key != "max_conn" || has_pool)
        .collect()
}

/// Returns a comment in YAML for each default of a store, for a document without the parameters of the user.
pub(super) fn comments(service: FeastService, store_type: &str, other_entries: &Mapping) -> String {
    let comment = |(key, value): (&str, Json)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("    # {key}: {value}, unless the Secret sets it\n")
    };
    let defaults = defaults(service, store_type).into_iter();
    let defaults = defaults.filter(|(key, _)| !other_entries.has(key));
    defaults.map(comment).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::mapping::Node;
    use super::*;

    fn online(parameters: Json) -> Vec<Parameter> {
        let parameters = parameters.as_object().unwrap();
        missing(
            FeastService::Online,
            "postgres",
            parameters,
            &Mapping::default(),
        )
    }

    #[test]
    fn sets_a_pool_unless_the_secret_sets_the_connection_type() {
        let pool = ("conn_type", json!("pool"));
        let limit = ("max_conn", json!(1000));
        assert_eq!(online(json!({"host": "h"})), [pool.clone(), limit.clone()]);
        assert_eq!(online(json!({"max_conn": 20})), [pool]);
        assert_eq!(online(json!({"conn_type": "pool"})), [limit]);
        assert_eq!(online(json!({"conn_type": "pool", "max_conn": 20})), []);
        assert_eq!(online(json!({"conn_type": "singleton"})), []);
        // The value is known only in the pod.
        assert_eq!(online(json!({"conn_type": "${CONN_TYPE}"})), []);
    }

    #[test]
    fn other_stores_have_no_defaults() {
        for (service, store_type) in [
            (FeastService::Online, "redis"),
            (FeastService::Online, "mysql"),
            // Opens a connection for each query.
            (FeastService::Offline, "postgres"),
        ] {
            let entries = Mapping::default();
            assert_eq!(missing(service, store_type, &Map::new(), &entries), []);
            assert_eq!(comments(service, store_type, &entries), "");
        }
    }

    #[test]
    fn a_registry_serves_features_while_materializing_unless_configured() {
        let key = names::SERVE_WHILE_MATERIALIZING;
        let secret = json!({key: false});
        let attribute = Mapping(vec![(key.into(), Node::Leaf(json!(false)))]);
        let missing = |parameters: &Json, entries: &Mapping| {
            let parameters = parameters.as_object().unwrap();
            missing(FeastService::Registry, "sql", parameters, entries)
        };
        let none = Mapping::default();
        assert_eq!(missing(&json!({}), &none), [(key, json!(true))]);
        assert_eq!(missing(&secret, &none), []);
        assert_eq!(missing(&json!({}), &attribute), []);
        assert_eq!(comments(FeastService::Registry, "sql", &attribute), "");
    }

    #[test]
    fn comments_show_each_default() {
        assert_eq!(
            comments(FeastService::Online, "postgres", &Mapping::default()),
            "    # conn_type: pool, unless the Secret sets it\n    # max_conn: 1000, unless the Secret sets it\n"
        );
    }
}
