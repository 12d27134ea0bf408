//! Tests of how the user's Secrets and ConfigMaps are merged into `feature_store.yaml`.

mod keys;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::feast::feature_store_yaml::{FeatureStoreYaml, parse};
use crate::feast::names;
use crate::feast::render::render;
use crate::feast::secrets::source::Contents;
use crate::feast::spec::{Defaults, Store};
use crate::kubernetes::Kind;

/// An object of the user: kind, name and content.
type Held<'a> = (Kind, &'a str, &'a [(&'a str, &'a str)]);

fn store(more: Json) -> Store {
    let mut config = json!({"name": "demo", "feastProject": "demo"});
    if let (Json::Object(config), Json::Object(more)) = (&mut config, more) {
        config.extend(more);
    }
    let config = serde_json::from_value(config).unwrap();
    Store::new(&config, &Defaults::default())
}

/// Returns the sections after `registry`, or the errors.
fn resolve(more: Json, held: &[Held<'_>]) -> Result<Json, Vec<String>> {
    let mut sections = resolve_all(&store(more), held)?;
    for key in [
        "project",
        "provider",
        "online_store",
        "registry",
        "entity_key_serialization_version",
    ] {
        sections.remove(key);
    }
    Ok(Json::Object(sections))
}

/// Returns every section, or the errors. A text with duplicate keys cannot be parsed.
fn resolve_all(store: &Store, held: &[Held<'_>]) -> Result<Map<String, Json>, Vec<String>> {
    let objects = render(store);
    let mut contents = Contents::new();
    for source in objects.sources() {
        let Some((_, _, values)) = held
            .iter()
            .find(|(kind, name, _)| (*kind, *name) == (source.kind, &source.name))
        else {
            continue;
        };
        let values: BTreeMap<_, _> = values
            .iter()
            .filter(|(key, _)| source.keys.contains(key))
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect();
        contents.insert(source, values);
    }
    let text = super::servers(store)
        .resolve(&contents)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(parse(&text).unwrap())
}

const SERVE: &str = names::SERVE_WHILE_MATERIALIZING;
const DISCOVERY: &str = "https://idp/.well-known/openid-configuration";

#[test]
fn oidc_properties_are_keys_or_a_mapping() {
    let keys = (
        Kind::Secret,
        "idp",
        &[
            ("auth_discovery_url", DISCOVERY),
            ("client_id", "007\n"),
            ("client_secret", "${SECRET}"),
            ("audience", "\"12345\""),
            ("other", "ignored"),
        ][..],
    );
    let oidc = json!({"authz": {"oidc": {"secretRef": {"name": "idp"}}}});
    assert_eq!(
        resolve(oidc.clone(), &[keys]),
        Ok(json!({"auth": {
            "type": "oidc",
            "auth_discovery_url": DISCOVERY,
            "client_id": "007",
            "client_secret": "${SECRET}",
            "audience": "12345",
        }}))
    );
    let mapping = (
        Kind::Secret,
        "idp",
        &[(
            "k",
            "client_id: 7\nissuer: true\nclient_secret:\naudience: ~\n",
        )][..],
    );
    let one =
        json!({"secretRef": {"name": "idp"}, "secretKeyName": "k", "issuerUrl": "https://idp//"});
    assert_eq!(
        resolve(json!({"authz": {"oidc": one}}), &[mapping]),
        Ok(json!({"auth": {
            "type": "oidc",
            "auth_discovery_url": DISCOVERY,
            "client_id": "7",
            "issuer": "true",
        }}))
    );
    let without = (Kind::Secret, "idp", &[("client_id", "x")][..]);
    assert_eq!(
        resolve(oidc, &[without]),
        Err(vec![
            "Secret \"idp\" has no `auth_discovery_url`. Add it, or set `authz.oidc.issuer_url`"
                .to_owned()
        ])
    );
}

#[test]
fn credentials_of_an_oidc_client_are_complete() {
    let missing = |keys: &[(&str, &str)]| {
        let oidc = json!({"secretRef": {"name": "idp"}, "issuerUrl": "https://idp"});
        let resolved = resolve(
            json!({"authz": {"oidc": oidc}}),
            &[(Kind::Secret, "idp", keys)],
        );
        let error = resolved.err().unwrap_or_default().join("\n");
        let rest = error.split_once(", but no ").map(|(_, rest)| rest);
        let missing = rest.and_then(|rest| rest.split_once(". "));
        missing.map(|(missing, _)| missing.to_owned())
    };
    let (id, secret) = (("client_id", "x"), ("client_secret", "${SECRET}"));
    let (user, password) = (("username", "u"), ("password", "p"));
    for (keys, expected) in [
        (&[id][..], None),
        (&[id, secret], None),
        (&[id, secret, user, password], None),
        (&[secret], Some("`client_id`")),
        (&[id, ("client_secret", "")], Some("`client_secret`")),
        (&[id, user, password], Some("`client_secret`")),
        (&[id, secret, user], Some("`password`")),
        (
            &[user],
            Some("`client_id` and `client_secret` and `password`"),
        ),
    ] {
        assert_eq!(missing(keys).as_deref(), expected, "{keys:?}");
    }
}

#[test]
fn extra_yaml_completes_the_oidc_properties_of_the_secret() {
    let resolve = |keys: &[(&str, &str)]| {
        resolve(
            json!({
                "authz": {"oidc": {"secretRef": {"name": "idp"}, "issuerUrl": "https://idp"}},
                "extraYaml": "auth: {audience: prod, username: u}",
            }),
            &[(Kind::Secret, "idp", keys)],
        )
    };
    let client = [
        ("client_id", "x"),
        ("client_secret", "s"),
        ("password", "p"),
    ];
    assert_eq!(
        resolve(&client),
        Ok(json!({"auth": {
            "type": "oidc",
            "auth_discovery_url": DISCOVERY,
            "audience": "prod",
            "username": "u",
            "client_id": "x",
            "client_secret": "s",
            "password": "p",
        }}))
    );
    assert_eq!(
        resolve(&[("audience", "dev")]),
        Err(vec![
            "Secret \"idp\" sets `audience`, which an attribute of the feature store or `extra_yaml` sets too. Remove \
             one of the two"
                .to_owned()
        ])
    );
}

#[test]
fn the_batch_engine_comes_from_the_config_map() {
    let engine = |spark: Json, text: &str| {
        let engine = json!({"configMapRef": {"name": "e"}, "sparkApplication": spark});
        resolve(
            json!({"batchEngine": engine}),
            &[(Kind::ConfigMap, "e", &[("config", text)])],
        )
    };
    let section = |lines: Json| Ok(json!({"auth": {"type": "no_auth"}, "batch_engine": lines}));
    let problem = |words: &str| Err(vec![format!("key \"config\" of ConfigMap \"e\" {words}")]);
    assert_eq!(
        engine(
            json!(null),
            "type: ray.engine\nray_address: ray://head:10001\n"
        ),
        section(json!({"type": "ray.engine", "ray_address": "ray://head:10001"}))
    );
    assert_eq!(
        engine(json!(null), "type: local"),
        section(json!({"type": "local"}))
    );
    let spark = "type: spark_application\nimage: spark:3\nspark_conf:\n  a: b\n";
    let lines = |account: &str| json!({"type": "spark_application", "image": "spark:3", "spark_conf": {"a": "b"}, "service_account": account});
    assert_eq!(
        engine(json!({}), spark),
        section(lines("feast-demo-batch-driver"))
    );
    let own = json!({"serviceAccount": "own"});
    assert_eq!(
        engine(own.clone(), &format!("{spark}service_account: own\n")),
        section(lines("own"))
    );
    assert_eq!(
        engine(own, &format!("{spark}service_account: admin\n")),
        problem(
            "sets another `service_account` than `batch_engine.spark_application`. Set the account in that attribute, \
             and remove it here"
        )
    );
    assert_eq!(
        engine(json!(null), spark),
        problem(
            "uses the engine `spark_application`, which needs permissions in Kubernetes. Grant them with \
             `batch_engine.spark_application = {}`"
        )
    );
    assert_eq!(
        engine(json!(null), "image: x"),
        problem("has no `type`. Add the type of the engine, such as `type: local`")
    );
}

#[test]
fn the_kubernetes_engine_requires_a_token() {
    let engine = |more: Json| {
        let mut store = json!({"batchEngine": {"configMapRef": {"name": "e"}}});
        if let (Json::Object(store), Json::Object(more)) = (&mut store, more) {
            store.extend(more);
        }
        let text = &[("config", "type: k8s\nimage: feast\n")][..];
        resolve(store, &[(Kind::ConfigMap, "e", text)])
    };
    let refusal = Err(vec![
        "key \"config\" of ConfigMap \"e\" uses the engine `k8s`, which calls the Kubernetes API, but the pods have no \
         token. Set `services.automount_service_account_token = true`, and bind a Role for Jobs to the ServiceAccount \
         `feast-<name>`"
            .to_owned(),
    ]);
    assert_eq!(engine(json!({})), refusal);
    let token = |token: bool| json!({"services": {"automountServiceAccountToken": token}});
    assert_eq!(engine(token(false)), refusal);
    let section = json!({"type": "k8s", "image": "feast"});
    for has_token in [token(true), json!({"authz": {"kubernetes": {}}})] {
        assert_eq!(
            engine(has_token).map(|it| it["batch_engine"].clone()),
            Ok(section.clone())
        );
    }
}

#[test]
fn single_values_are_in_their_section() {
    let lineage = json!({"openlineage": {
        "enabled": true,
        "apiKeySecretRef": {"name": "l"},
        "consumer": {"enabled": true, "connectionStringSecretRef": {"name": "c"}, "apiKeySecretRef": {"name": "l"}},
    }});
    let connection = (
        Kind::Secret,
        "c",
        &[("connection_string", "a: b # c\n")][..],
    );
    assert_eq!(
        resolve(
            lineage.clone(),
            &[(Kind::Secret, "l", &[("api_key", "0123")]), connection]
        ),
        Ok(json!({"auth": {"type": "no_auth"}, "openlineage": {
            "enabled": true,
            "api_key": "0123",
            "consumer": {
                "enabled": true,
                "store_type": "sql",
                "connection_string": "a: b # c",
                "api_key": "0123",
                "retention_days": 30,
                "retention_check_interval_hours": 6,
            },
        }}))
    );
    assert_eq!(
        resolve(lineage, &[(Kind::Secret, "l", &[("api_key", "\n")])]),
        Err(vec![
            "key \"api_key\" of Secret \"l\" is empty".to_owned(),
            "key \"connection_string\" of Secret \"c\" does not exist".to_owned(),
            "key \"api_key\" of Secret \"l\" is empty".to_owned(),
        ])
    );
}

/// Returns the transport of events in the servers' document, and the registry in the lineage server's document.
fn with_lineage_server(settings: Json, consumer: Json, registry: Json) -> (Json, Json) {
    let mut openlineage =
        json!({"enabled": true, "consumer": {"enabled": true, "lineageServer": {}}});
    let mut add = |place: &str, more: Json| {
        if let (Some(Json::Object(place)), Json::Object(more)) =
            (openlineage.pointer_mut(place), more)
        {
            place.extend(more);
        }
    };
    add("", settings);
    add("/consumer", consumer);
    let store = json!({
        "name": "demo", "feastProject": "demo", "openlineage": openlineage, "services": {"registry": registry},
    });
    let store = Store::new(
        &serde_json::from_value(store).unwrap(),
        &Defaults::default(),
    );
    let read = |document: FeatureStoreYaml| Json::Object(parse(&document.preview()).unwrap());
    let mut sent = read(super::servers(&store))["openlineage"].take();
    let lines = sent.as_object_mut().unwrap();
    lines.remove("enabled");
    lines.remove("consumer");
    let registry = read(super::lineage(&store))["registry"].take();
    (sent, registry)
}

#[test]
fn events_go_to_the_lineage_server() {
    let sql =
        json!({"local": {"persistence": {"store": {"type": "sql", "secretRef": {"name": "s"}}}}});
    let here = json!({
        "transport_type": "http",
        "transport_url": "http://feast-demo-lineage.default.svc.cluster.local:80",
        "transport_endpoint": "api/v1/lineage",
    });
    let the_same = json!({"registry_type": "sql"});
    let sent =
        |settings: Json, consumer: Json| with_lineage_server(settings, consumer, sql.clone());
    assert_eq!(sent(json!({}), json!({})), (here.clone(), the_same.clone()));
    let http = json!({"transportType": "http"});
    assert_eq!(sent(http, json!({})), (here.clone(), the_same.clone()));
    let mut with_key = here.clone();
    with_key["api_key"] = json!("(key \"api_key\" of Secret \"k\")");
    let key = json!({"apiKeySecretRef": {"name": "k"}});
    assert_eq!(
        sent(json!({}), key.clone()),
        (with_key.clone(), the_same.clone())
    );
    let other = json!({"apiKeySecretRef": {"name": "other"}});
    assert_eq!(sent(key, other.clone()), (with_key, the_same.clone()));
    let tls = json!({"lineageServer": {"server": {"tls": {"secretRef": {"name": "c"}}}}});
    let mut encrypted = here;
    encrypted["transport_url"] = json!("https://feast-demo-lineage.default.svc.cluster.local:443");
    assert_eq!(sent(json!({}), tls), (encrypted, the_same.clone()));
    // Configured values take precedence.
    let elsewhere = json!({"transportType": "http", "transportUrl": "http://marquez"});
    let written = json!({"transport_type": "http", "transport_url": "http://marquez"});
    assert_eq!(sent(elsewhere, other.clone()), (written, the_same.clone()));
    let kafka = json!({"transport_type": "kafka"});
    assert_eq!(
        sent(json!({"transportType": "kafka"}), other),
        (kafka, the_same)
    );
}

#[test]
fn the_registry_of_the_lineage_server() {
    let registry =
        |consumer: Json, registry: Json| with_lineage_server(json!({}), consumer, registry).1;
    let own = json!({"connectionStringSecretRef": {"name": "c"}});
    let served = json!({"local": {
        "persistence": {"store": {"type": "sql", "secretRef": {"name": "s"}}}, "server": {},
    }});
    let address = "feast-demo-registry.default.svc.cluster.local:80";
    assert_eq!(
        registry(own.clone(), served.clone()),
        json!({"registry_type": "remote", "path": address, SERVE: true})
    );
    assert_eq!(registry(json!({}), served), json!({"registry_type": "sql"}));
    assert_eq!(
        registry(own.clone(), json!({"remote": {"hostname": "r:80"}})),
        json!({"registry_type": "remote", "path": "r:80", SERVE: true})
    );
    assert_eq!(
        registry(own, json!({"local": {}})),
        json!({"registry_type": "file", "path": "/feast-data/registry.db", SERVE: true})
    );
}
