//! No key of a section is set both by the provider and by the user's content.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{DISCOVERY, resolve_all, store};
use crate::feast::rules;
use crate::kubernetes::Kind;

fn oidc(more: Json) -> Json {
    let mut oidc = json!({
        "secretRef": {"name": "s"},
        "secretKeyName": "k",
        "verifySSL": true,
        "tokenEnvVar": "T",
        "jwksCacheLifespanSeconds": 60,
        "jwksRequestTimeoutSeconds": 5,
        "caCertConfigMap": {"name": "c"},
    });
    if let (Json::Object(oidc), Json::Object(more)) = (&mut oidc, more) {
        oidc.extend(more);
    }
    json!({"authz": {"oidc": oidc}})
}

/// A section, a configuration with which it has content of the user, and entries that the content must have.
fn cases() -> Vec<(&'static str, Json, String)> {
    let database = |kind: &str| {
        let secret = json!({"name": "s"});
        json!({"store": {"type": kind, "secretRef": secret, "secretKeyName": "k"}})
    };
    let registry = |server: Json| {
        let local = json!({"persistence": database("sql"), "server": server});
        json!({"services": {"registry": {"local": local}}})
    };
    let of = |service: &str| json!({"services": {service: {"persistence": database("postgres")}}});
    let spark = json!({"configMapRef": {"name": "s"}, "configMapKey": "k", "sparkApplication": {}});
    [
        ("online_store", of("onlineStore"), String::new()),
        ("offline_store", of("offlineStore"), String::new()),
        ("registry", registry(json!({})), String::new()),
        (
            "registry",
            registry(json!({"restAPI": true, "mcp": {"enabled": true}})),
            String::new(),
        ),
        (
            "auth",
            oidc(json!({})),
            format!("auth_discovery_url: {DISCOVERY}\n"),
        ),
        (
            "auth",
            oidc(json!({"issuerUrl": "https://idp"})),
            String::new(),
        ),
        (
            "batch_engine",
            json!({"batchEngine": spark}),
            "type: spark_application\n".to_owned(),
        ),
    ]
    .into()
}

/// Keys that the provider sets only if the user's content does not.
const DEFAULTS: [&str; 3] = [
    "online_store.conn_type",
    "online_store.max_conn",
    "registry.serve_features_while_materializing",
];

/// For every other key that the provider sets in a section with the user's content, the value of the provider applies,
/// or there is an error.
#[test]
fn values_of_the_provider_apply_or_are_reported() {
    let mut reported = Vec::new();
    for (section, more, needed) in cases() {
        let store = store(more);
        let resolve = |text: &str| {
            let keys = [("k", text)];
            let held = [Kind::Secret, Kind::ConfigMap].map(|kind| (kind, "s", &keys[..]));
            resolve_all(&store, &held)
        };
        let without = resolve(&format!("more: 1\n{needed}")).unwrap();
        for (key, value) in without[section].as_object().unwrap() {
            if key == "more" || needed.starts_with(&format!("{key}: ")) {
                continue;
            }
            let path = format!("{section}.{key}");
            let value = match DEFAULTS.contains(&path.as_str()) {
                true => &json!("theirs"),
                false => value,
            };
            match resolve(&format!("more: 1\n{needed}{key}: theirs\n")) {
                Ok(sections) => assert_eq!(&sections[section][key], value, "{path}"),
                Err(errors) => {
                    assert!(errors[0].contains(&format!("`{key}`")), "{errors:?}");
                    reported.push(path);
                }
            }
        }
    }
    let expected = [
        "online_store.type",
        "offline_store.type",
        "registry.registry_type",
        "registry.mcp",
        "registry.registry_type",
        "batch_engine.service_account",
    ];
    assert_eq!(reported, expected);
}

/// For every key that an attribute sets, a rule rejects it in `extra_config`.
#[test]
fn extra_config_rejects_settings_with_attributes() {
    let blocks = json!({
        "materialization": {"onlineWriteBatchSize": 1},
        "openlineage": {
            "enabled": true,
            "transportType": "http",
            "transportUrl": "http://x",
            "transportEndpoint": "e",
            "apiKeySecretRef": {"name": "s"},
            "consumer": {"enabled": true},
        },
        "mlflow": {
            "enabled": true,
            "trackingUri": "x",
            "uiUrl": "x",
            "autoLog": true,
            "autoLogEntityDf": true,
            "entityDfMaxRows": 1,
            "logOperations": true,
            "opsExperimentSuffix": "x",
            "datasetSync": {"watermarkKey": "x"},
            "supportedArtifactFormats": ["csv"],
        },
        "services": {"registry": {"local": {
            "persistence": {"store": {"type": "sql", "secretRef": {"name": "s"}}},
            "server": {"restAPI": true},
        }}},
    });
    let keys = [("api_key", "k"), ("sql", "path: p")];
    let sections = resolve_all(&store(blocks.clone()), &[(Kind::Secret, "s", &keys)]).unwrap();
    for block in ["materialization", "openlineage", "mlflow"] {
        let keys = sections[block].as_object().unwrap().keys();
        let keys: BTreeSet<_> = keys.cloned().collect();
        let mut config = blocks.clone();
        // Each attribute has become a key, so this test covers all of them.
        let written = blocks[block].as_object().unwrap().len();
        assert_eq!(keys.len(), written, "{block}");
        config["name"] = json!("demo");
        config["feastProject"] = json!("demo");
        config[block]["extraConfig"] = keys.iter().map(|key| (key.clone(), json!("x"))).collect();
        let found = rules::check(&serde_json::from_value(config).unwrap());
        let found: BTreeSet<_> = found.iter().map(|it| it.path.to_string()).collect();
        let expected = keys
            .iter()
            .map(|key| format!("{block}.extra_config[{key:?}]"));
        assert_eq!(found, expected.collect());
    }
}
