//! States of every shape, as this version first stored them (`tests/states/shapes`): each later version must read all
//! of them.
//!
//! To add a shape, add it to [`SHAPES`] and run `cargo test --lib record_missing_shapes -- --ignored`. A file that
//! exists is never written again.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::test_provider::{TestProvider, errors};
use super::*;
use crate::provider::resources::feature_store::private_state::{PrivateState, decompressed};
use crate::schema::provider::UpgradeResourceStateRequest;
use crate::schema::{Number, coerce};

const SERVICE: &str = "/api/v1/namespaces/ns/services/feast-x-online";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/ns/deployments/feast-x";
const SECRET: &str = "/api/v1/namespaces/ns/secrets/s";

/// The attributes that a version of the provider with other manifests changes.
const RENDERED: [&str; 3] = ["configuration_hash", "objects", "scaling_status"];

/// A shape of a state.
struct Shape {
    name: &'static str,
    /// Whether the plan of the unchanged configuration has no change but what another version renders, without a
    /// refresh.
    is_settled: bool,
    /// Returns the configuration, the state, and the private data.
    make: fn(&TestProvider) -> (Value, Value, Vec<u8>),
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "created",
        is_settled: true,
        make: |provider| {
            let config = store(provider, &json!({}));
            let (state, private) = provider.create(&config);
            (config, state, private)
        },
    },
    Shape {
        name: "imported",
        is_settled: true,
        make: |provider| {
            let config = store(provider, &json!({}));
            provider.create(&config);
            let imported = provider.import("ns/x").resources.remove(0);
            let refreshed = provider.read(&imported.state, &imported.private);
            (config, refreshed.state, refreshed.private)
        },
    },
    Shape {
        name: "with-drift",
        is_settled: false,
        make: |provider| {
            after(provider, |provider| {
                provider
                    .server
                    .edit(DEPLOYMENT, |live| live["spec"]["replicas"] = json!(3));
            })
        },
    },
    Shape {
        name: "with-a-deleted-object",
        is_settled: false,
        make: |provider| after(provider, |provider| provider.server.remove(SERVICE)),
    },
    Shape {
        name: "with-a-changed-secret",
        is_settled: false,
        make: |provider| {
            after(provider, |provider| {
                let postgres = BASE64.encode("host: elsewhere\n");
                let sql = BASE64.encode("path: postgresql+psycopg://a:b@elsewhere/c\n");
                let secret = json!({
                    "metadata": {"name": "s", "namespace": "ns"},
                    "data": {"postgres": postgres, "sql": sql},
                });
                provider.server.put(SECRET, secret);
            })
        },
    },
    Shape {
        name: "with-an-unfinished-rollout",
        is_settled: false,
        make: |provider| {
            let more = json!({"waitForRollout": true, "timeouts": {"create": "1s"}});
            let config = store(provider, &more);
            let planned = provider.plan(&Value::Null, &[], &config);
            let applied = provider.apply(&Value::Null, &planned, &config);
            assert_ne!(errors(&applied.diagnostics), [""; 0]);
            (config, applied.state, applied.private)
        },
    },
    Shape {
        name: "with-a-kept-pvc",
        is_settled: true,
        make: |provider| {
            let online = |persistence: Json| {
                let online = json!({"persistence": persistence});
                let services = json!({"feastApply": "none", "onlineStore": online});
                store(provider, &json!({"services": services}))
            };
            let pvc = json!({"create": {}, "mountPath": "/data"});
            let on_pvc = online(json!({"file": {"path": "online.db", "pvc": pvc}}));
            let (state, private) = provider.create(&on_pvc);
            let secret = json!({"name": "s"});
            let config = online(json!({"store": {"type": "postgres", "secretRef": secret}}));
            let planned = provider.plan(&state, &private, &config);
            let applied = provider.apply(&state, &planned, &config);
            assert_eq!(errors(&applied.diagnostics), [""; 0]);
            (config, applied.state, applied.private)
        },
    },
    Shape {
        name: "with-a-refused-update",
        is_settled: false,
        make: |provider| {
            let config = store(provider, &json!({}));
            let (state, private) = provider.create(&config);
            let changed = store(provider, &json!({"labels": {"team": "b"}}));
            let planned = provider.plan(&state, &private, &changed);
            provider.server.reject_writes(SERVICE, 409);
            let applied = provider.apply(&state, &planned, &changed);
            assert_ne!(errors(&applied.diagnostics), [""; 0]);
            (changed, applied.state, applied.private)
        },
    },
];

fn store(provider: &TestProvider, more: &Json) -> Value {
    let secret = json!({"name": "s"});
    let mut store = json!({
        "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "services": {
            "feastApply": "none",
            "scaling": {"replicas": 2},
            "onlineStore": {"persistence": {"store": {"type": "postgres", "secretRef": secret}}},
            "registry": {"local": {"persistence": {"store": {"type": "sql", "secretRef": secret}}}},
        },
    });
    for (name, value) in more.as_object().unwrap() {
        store[name] = value.clone();
    }
    provider.config(&store)
}

/// Returns the state of a feature store that was refreshed after a change by others.
fn after(provider: &TestProvider, change: impl FnOnce(&TestProvider)) -> (Value, Value, Vec<u8>) {
    let config = store(provider, &json!({}));
    let (state, private) = provider.create(&config);
    change(provider);
    let refreshed = provider.read(&state, &private);
    (config, refreshed.state, refreshed.private)
}

fn file(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/states/shapes");
    PathBuf::from(folder).join(format!("{name}.json"))
}

/// Returns a value as Terraform stores it in a state file.
fn stored(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Number(Number::Integer(value)) => json!(value),
        Value::String(value) => json!(value),
        Value::List(items) => items.iter().map(stored).collect(),
        Value::Map(items) | Value::Object(items) => items
            .iter()
            .map(|(name, item)| (name.clone(), stored(item)))
            .collect(),
        other => panic!("{other:?} is not stored"),
    }
}

#[test]
#[ignore = "writes the file of each new shape"]
fn record_missing_shapes() {
    for shape in SHAPES.iter().filter(|shape| !file(shape.name).exists()) {
        let (config, state, private) = (shape.make)(&TestProvider::new());
        let private: Json = serde_json::from_slice(&decompressed(&private)).unwrap();
        let json =
            json!({"configuration": stored(&config), "state": stored(&state), "private": private});
        std::fs::create_dir_all(file("").parent().unwrap()).unwrap();
        std::fs::write(file(shape.name), format!("{json:#}\n")).unwrap();
    }
}

#[test]
fn every_stored_shape_is_read_and_planned() {
    for Shape {
        name, is_settled, ..
    } in SHAPES
    {
        let provider = TestProvider::new();
        let text = std::fs::read_to_string(file(name)).unwrap();
        let json: Json = serde_json::from_str(&text).unwrap();
        let attributes = &provider.block().attributes;
        let value = |part: &str| coerce(attributes, &saved_states::untyped(&json[part])).unwrap();
        let upgraded = resource(&provider.feast).upgrade_state(UpgradeResourceStateRequest {
            version: 0,
            state: Ok(value("state")),
        });
        assert_eq!(
            (&upgraded.state, upgraded.diagnostics),
            (&value("state"), vec![]),
            "{name}"
        );

        // Nothing of the private data is lost.
        let private = json["private"].to_string().into_bytes();
        let decoded = PrivateState::decode(provider.block(), &upgraded.state, &private);
        let encoded = decoded.encode();
        let encoded: Json = serde_json::from_slice(&decompressed(&encoded)).unwrap();
        assert_eq!(encoded, json["private"], "{name}");

        let planned = provider.plan(&upgraded.state, &private, &value("configuration"));
        assert_eq!(errors(&planned.diagnostics), [""; 0], "{name}");
        let changes = saved_states::differences(&upgraded.state, &planned.state);
        let is_rendered = |name: &String| RENDERED.contains(&name.as_str());
        match is_settled {
            true => assert!(changes.iter().all(is_rendered), "{name}: {changes:?}"),
            false => assert_ne!(changes, [""; 0], "{name}"),
        }
        assert_eq!(planned.requires_replace, [], "{name}");
        // A refresh finds that the feature store is gone.
        let refreshed = provider.read(&upgraded.state, &private);
        assert_eq!(errors(&refreshed.diagnostics), [""; 0], "{name}");
    }
}
