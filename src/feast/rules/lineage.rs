//! The lineage server: that it has a database for its events, and that nobody takes it for a guarded place.

use super::Violation;
use super::accessors::{LOCAL, UI, lineage, local, services};
use crate::feast::config::{FeatureStore, RegistryStoreType};
use crate::schema::Path;

const CONSUMER: &str = "openlineage.consumer";
const SERVER: &str = "openlineage.consumer.lineage_server";

/// Feast's lineage server ends at once without either.
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
            "A lineage server receives events, and the consumer is not enabled",
            "Write `enabled = true` in `consumer`, or remove `lineage_server`.",
        ));
    }
    let registry = local(store).and_then(|it| it.persistence.as_ref()?.store.as_ref());
    let sql = registry.is_some_and(|store| store.r#type == RegistryStoreType::Sql);
    if consumer.connection_string_secret_ref.is_none() && !sql {
        found.push(Violation::new(
            Path::of(SERVER),
            [
                Path::of(CONSUMER).attribute("connection_string_secret_ref"),
                Path::of(LOCAL).attribute("persistence.store.type"),
            ],
            "A lineage server needs a SQL database",
            "Write `connection_string_secret_ref`, or keep the registry in a database of type `sql`, which then holds \
             the events too.",
        ));
    }
    found
}

/// Of Feast's servers the registry's REST server, the web interface and the lineage server take events.
pub(super) fn nobody_listens(store: &FeatureStore) -> Vec<Violation> {
    let consumer = (store.openlineage.as_ref()).and_then(|it| it.consumer.as_ref());
    let enabled = consumer.is_some_and(|it| it.enabled);
    let registry = local(store).and_then(|it| it.server.as_ref()?.rest_api);
    let ui = services(store).is_some_and(|it| it.ui.is_some());
    if !enabled || lineage(store).is_some() || registry == Some(true) || ui {
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
        "Write `rest_api = true` in `services.registry.local.server`, or `lineage_server = {}` in `consumer`.",
    )]
}

/// As the Feast operator starts it, so that senders, Feast among them, need an API key and no token.
pub(super) fn open_to_readers(store: &FeatureStore) -> Vec<Violation> {
    let guarded = store.authz.as_ref().and_then(|authz| {
        let modes = [
            ("kubernetes", authz.kubernetes.is_some()),
            ("oidc", authz.oidc.is_some()),
        ];
        modes.into_iter().find(|(_, written)| *written)
    });
    let (Some(_), Some((mode, _))) = (lineage(store), guarded) else {
        return Vec::new();
    };
    vec![Violation::new(
        Path::of(SERVER),
        [Path::of("authz").attribute(mode)],
        "The lineage server asks its readers for nothing",
        format!(
            "`authz.{mode}` guards the other servers. Whoever reaches the Service of this one may read all lineage \
             events; only who sends some needs the key of `api_key_secret_ref`. Let a NetworkPolicy decide who reaches \
             it, or remove `lineage_server`: the registry's REST server then receives events."
        ),
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{advised_whole, refused_whole};

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
    fn it_has_a_database_and_something_to_receive() {
        let database = [(
            "openlineage.consumer.lineage_server",
            "A lineage server needs a SQL database",
        )];
        let consumer = json!({"enabled": true, "lineageServer": {}});
        let rule = "lineage-server";
        refused_whole(rule, store(consumer.clone(), json!({})), &database);
        refused_whole(
            rule,
            store(consumer.clone(), registry("snowflake.registry")),
            &database,
        );
        refused_whole(rule, store(consumer.clone(), registry("sql")), &[]);
        let mut own = consumer;
        own["connectionStringSecretRef"] = json!({"name": "s"});
        refused_whole(rule, store(own.clone(), json!({})), &[]);
        own["enabled"] = json!(false);
        refused_whole(
            rule,
            store(own, json!({})),
            &[(
                "openlineage.consumer.lineage_server",
                "A lineage server receives events, and the consumer is not enabled",
            )],
        );
        refused_whole(rule, store(json!({"enabled": false}), json!({})), &[]);
    }

    #[test]
    fn somebody_listens() {
        let database = json!({"name": "s"});
        let consumer = json!({"enabled": true, "connectionStringSecretRef": database});
        let check = |consumer: &Json, services: Json, expected: &[(&str, &str)]| {
            let store = store(consumer.clone(), json!({"services": services}));
            advised_whole("lineage-receiver", store, expected);
        };
        let nobody = [("openlineage.consumer", "No server receives lineage events")];
        check(&consumer, json!({}), &nobody);
        check(
            &consumer,
            json!({"registry": {"local": {"server": {}}}}),
            &nobody,
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
    fn readers_are_not_asked() {
        let database = json!({"name": "s"});
        let consumer =
            json!({"enabled": true, "lineageServer": {}, "connectionStringSecretRef": database});
        let rule = "lineage-readers";
        let authz = |authz: Json| store(consumer.clone(), json!({"authz": authz}));
        let open = [(
            "openlineage.consumer.lineage_server",
            "The lineage server asks its readers for nothing",
        )];
        advised_whole(rule, authz(json!({"kubernetes": {}})), &open);
        advised_whole(
            rule,
            authz(json!({"oidc": {"issuerUrl": "https://x"}})),
            &open,
        );
        advised_whole(rule, authz(json!({"noAuth": true})), &[]);
        let without = store(
            json!({"enabled": true}),
            json!({"authz": {"kubernetes": {}}}),
        );
        advised_whole(rule, without, &[]);
    }
}
