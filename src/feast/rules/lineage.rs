//! The lineage server: its database, and who can reach it.

use super::Violation;
use super::accessors::{LOCAL, UI, lineage, local, services};
use crate::feast::config::{FeatureStore, OpenlineageConsumer, RegistryStoreType};
use crate::schema::Path;

const CONSUMER: &str = "openlineage.consumer";
const SERVER: &str = "openlineage.consumer.lineage_server";

/// Feast's lineage server exits at once without an enabled consumer or without a SQL database.
pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let mut found = Vec::new();
    let consumer = (store.openlineage.as_ref()).and_then(|it| it.consumer.as_ref());
    let (Some(_), Some(consumer)) = (lineage(store), consumer) else {
        return found;
    };
    let enabled = Path::of(CONSUMER).attribute("enabled");
    if !consumer.enabled {
        found.push(Violation::new(
            Path::of(SERVER),
            [enabled],
            "`lineage_server` requires an enabled `consumer`",
            "Set `enabled = true` in `consumer`, or remove `lineage_server`.",
        ));
    }
    if !has_database(store, consumer) {
        found.push(Violation::new(
            Path::of(SERVER),
            [
                Path::of(CONSUMER).attribute("connection_string_secret_ref"),
                Path::of(LOCAL).attribute("persistence.store.type"),
            ],
            "`lineage_server` requires a SQL database",
            "Set `connection_string_secret_ref`, or use a registry of the type `sql`, whose database then holds the \
             events too.",
        ));
    }
    found
}

/// Returns whether there is a SQL database for events.
fn has_database(store: &FeatureStore, consumer: &OpenlineageConsumer) -> bool {
    let registry = local(store).and_then(|it| it.persistence.as_ref()?.store.as_ref());
    let is_sql = registry.is_some_and(|store| store.r#type == RegistryStoreType::Sql);
    consumer.connection_string_secret_ref.is_some() || is_sql
}

/// Returns the attribute of a server, other than the lineage server, that can receive events.
fn receiver(store: &FeatureStore) -> Option<Path> {
    let registry = local(store).and_then(|it| it.server.as_ref()?.rest_api);
    if registry == Some(true) {
        return Some(Path::of(LOCAL).attribute("server.rest_api"));
    }
    let has_ui = services(store).is_some_and(|it| it.ui.is_some());
    has_ui.then(|| Path::of(UI))
}

/// Returns the consumer if it is enabled and there is no lineage server for it.
fn consumer_of_servers(store: &FeatureStore) -> Option<&OpenlineageConsumer> {
    let consumer = store.openlineage.as_ref()?.consumer.as_ref()?;
    (consumer.enabled && consumer.lineage_server.is_none()).then_some(consumer)
}

/// Warns about an enabled consumer without a server that receives events: the REST server of the registry, the web UI
/// or the lineage server.
pub(super) fn without_receiver(store: &FeatureStore) -> Vec<Violation> {
    if consumer_of_servers(store).is_none() || receiver(store).is_some() {
        return Vec::new();
    }
    vec![Violation::new(
        Path::of(CONSUMER),
        [
            Path::of(CONSUMER).attribute("enabled"),
            Path::of(SERVER),
            Path::of(LOCAL).attribute("server.rest_api"),
            Path::of(UI),
        ],
        "No server receives lineage events",
        "Set `rest_api = true` in `services.registry.local.server`, or `lineage_server = {}` in `consumer`.",
    )]
}

/// Warns about an enabled consumer without a database for events. Servers other than the lineage server start without
/// it, and have no endpoint for events (`feast/api/registry/rest/__init__.py`).
pub(super) fn without_database(store: &FeatureStore) -> Vec<Violation> {
    let (Some(consumer), Some(receiver)) = (consumer_of_servers(store), receiver(store)) else {
        return Vec::new();
    };
    if has_database(store, consumer) {
        return Vec::new();
    }
    let path = Path::of(CONSUMER);
    vec![Violation::new(
        path.clone(),
        [
            path.attribute("enabled"),
            path.attribute("connection_string_secret_ref"),
            Path::of(SERVER),
            Path::of(LOCAL).attribute("persistence.store.type"),
            receiver,
        ],
        "Lineage events have no database",
        "Feast stores events in a SQL database. Without one, its servers start without the endpoint for events, which \
         only their logs say. Set `connection_string_secret_ref`, or use a registry of the type `sql`, whose database \
         then holds the events too.",
    )]
}

/// Warns that `authz` does not apply to the lineage server. It is started as the Feast operator starts it: senders,
/// including Feast, need an API key and no token.
pub(super) fn unauthenticated_readers(store: &FeatureStore) -> Vec<Violation> {
    let guarded = store.authz.as_ref().and_then(|authz| {
        let modes = [
            ("kubernetes", authz.kubernetes.is_some()),
            ("oidc", authz.oidc.is_some()),
        ];
        modes.into_iter().find(|(_, is_set)| *is_set)
    });
    let (Some(_), Some((mode, _))) = (lineage(store), guarded) else {
        return Vec::new();
    };
    vec![Violation::new(
        Path::of(SERVER),
        [Path::of("authz").attribute(mode)],
        "The lineage server does not authenticate readers",
        format!(
            "`authz.{mode}` protects the other servers only. Everyone who can reach the Service of the lineage server \
             can read all lineage events; only senders need the key of `api_key_secret_ref`. Restrict access with a \
             NetworkPolicy, or remove `lineage_server` to receive events in the REST server of the registry."
        ),
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{rejects_store, warns_store};

    fn store(consumer: Json, more: Json) -> Json {
        let mut store = json!({
            "name": "demo", "feastProject": "p",
            "openlineage": {"enabled": true, "consumer": consumer},
        });
        if let (Json::Object(store), Json::Object(more)) = (&mut store, more) {
            store.extend(more);
        }
        store
    }

    fn registry(kind: &str) -> Json {
        json!({"services": {"registry": {"local": {"persistence": {
            "store": {"type": kind, "secretRef": {"name": "s"}},
        }}}}})
    }

    #[test]
    fn a_lineage_server_requires_a_database_and_a_consumer() {
        let database = [(
            "openlineage.consumer.lineage_server",
            "`lineage_server` requires a SQL database",
        )];
        let consumer = json!({"enabled": true, "lineageServer": {}});
        let rule = "lineage-server";
        rejects_store(rule, store(consumer.clone(), json!({})), &database);
        rejects_store(
            rule,
            store(consumer.clone(), registry("snowflake.registry")),
            &database,
        );
        rejects_store(rule, store(consumer.clone(), registry("sql")), &[]);
        let mut own = consumer;
        own["connectionStringSecretRef"] = json!({"name": "s"});
        rejects_store(rule, store(own.clone(), json!({})), &[]);
        own["enabled"] = json!(false);
        rejects_store(
            rule,
            store(own, json!({})),
            &[(
                "openlineage.consumer.lineage_server",
                "`lineage_server` requires an enabled `consumer`",
            )],
        );
        rejects_store(rule, store(json!({"enabled": false}), json!({})), &[]);
    }

    #[test]
    fn warns_about_a_consumer_without_a_receiver() {
        let database = json!({"name": "s"});
        let consumer = json!({"enabled": true, "connectionStringSecretRef": database});
        let check = |consumer: &Json, services: Json, expected: &[(&str, &str)]| {
            let store = store(consumer.clone(), json!({"services": services}));
            warns_store("lineage-receiver", store, expected);
        };
        let no_receiver = [("openlineage.consumer", "No server receives lineage events")];
        check(&consumer, json!({}), &no_receiver);
        check(
            &consumer,
            json!({"registry": {"local": {"server": {}}}}),
            &no_receiver,
        );
        check(
            &consumer,
            json!({"registry": {"local": {"server": {"restAPI": true}}}}),
            &[],
        );
        check(&consumer, json!({"ui": {}}), &[]);
        let mut apart = consumer.clone();
        apart["lineageServer"] = json!({});
        check(&apart, json!({}), &[]);
        check(&json!({"enabled": false}), json!({}), &[]);
    }

    #[test]
    fn warns_about_a_consumer_without_a_database() {
        let check = |consumer: Json, services: Json, expected: &[(&str, &str)]| {
            let store = store(consumer, json!({"services": services}));
            warns_store("lineage-database", store, expected);
        };
        let consumer = json!({"enabled": true});
        let expected = [("openlineage.consumer", "Lineage events have no database")];
        let rest = json!({"registry": {"local": {"server": {"restAPI": true}}}});
        check(consumer.clone(), rest.clone(), &expected);
        check(consumer.clone(), json!({"ui": {}}), &expected);
        let mut in_sql = registry("sql")["services"].clone();
        in_sql["ui"] = json!({});
        check(consumer.clone(), in_sql, &[]);
        let mut in_snowflake = registry("snowflake.registry")["services"].clone();
        in_snowflake["ui"] = json!({});
        check(consumer.clone(), in_snowflake, &expected);
        let own = json!({"enabled": true, "connectionStringSecretRef": {"name": "s"}});
        check(own, rest.clone(), &[]);
        // Another warning.
        check(consumer, json!({}), &[]);
        check(json!({"enabled": false}), rest, &[]);
    }

    #[test]
    fn warns_that_authz_does_not_apply_to_the_lineage_server() {
        let database = json!({"name": "s"});
        let consumer =
            json!({"enabled": true, "lineageServer": {}, "connectionStringSecretRef": database});
        let rule = "lineage-readers";
        let authz = |authz: Json| store(consumer.clone(), json!({"authz": authz}));
        let open = [(
            "openlineage.consumer.lineage_server",
            "The lineage server does not authenticate readers",
        )];
        warns_store(rule, authz(json!({"kubernetes": {}})), &open);
        warns_store(
            rule,
            authz(json!({"oidc": {"issuerUrl": "https://x"}})),
            &open,
        );
        warns_store(rule, authz(json!({"noAuth": true})), &[]);
        let without = store(
            json!({"enabled": true}),
            json!({"authz": {"kubernetes": {}}}),
        );
        warns_store(rule, without, &[]);
    }
}
