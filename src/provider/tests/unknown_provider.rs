//! A provider block with unknown values: the provider contacts no other cluster, whatever the environment configures.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::schema::provider::{
    ClientCapabilities, Deferred, EventSink, ImportResourceStateRequest, ListResourceEvent,
    ListResourceRequest, ReadDataSourceRequest, ReadResourceRequest, StreamClosed,
};

/// Provider blocks with an unknown value other than the namespace.
fn blocks(feast: &Feast) -> Vec<(&'static str, Value)> {
    let block = &feast.schema().block;
    let sound = |json: Json| {
        let mut value = encode(&block.attributes, &json);
        value.set("exec", Value::List(Vec::new()));
        value
    };
    let inner = &block.blocks["exec"].attributes;
    let mut command = encode(inner, &json!({"api_version": "v1"}));
    command.set("command", Value::Unknown);
    [
        ("host", Value::Unknown),
        // `dynamic "exec"` over what is not known.
        ("exec", Value::Unknown),
        ("exec", Value::List(vec![Value::Unknown])),
        ("exec", Value::List(vec![command])),
    ]
    .map(|(name, unknown)| {
        let mut value = sound(json!({"config_path": "/nowhere/kubeconfig"}));
        value.set(name, unknown);
        (name, value)
    })
    .into()
}

fn configured(config: &Value) -> Feast {
    let feast = Feast::new();
    assert_eq!(feast.validate_config(config.clone()), []);
    let request = ConfigureProviderRequest {
        config: config.clone(),
        ..ConfigureProviderRequest::default()
    };
    assert_eq!(wait(feast.configure(request)), []);
    feast
}

#[test]
fn unknown_provider_config_defers_or_errors() {
    for (name, config) in blocks(&Feast::new()) {
        for deferral_allowed in [true, false] {
            let feast = configured(&config);
            let client = ClientCapabilities {
                deferral_allowed,
                ..ClientCapabilities::default()
            };
            let deferred = deferral_allowed.then_some(Deferred::ProviderConfigUnknown);
            let store = json!({"name": "a", "namespace": "b", "feastProject": "p"});
            let store = encode(&block(&feast).attributes, &store);
            let state = plan(&feast, &Value::Null, &store).state;
            let messages = |diagnostics: Vec<Diagnostic>| -> Vec<String> {
                let diagnostics = diagnostics.into_iter();
                diagnostics
                    .map(|it| format!("{}: {}", it.summary, it.detail))
                    .collect()
            };
            let unknown = |messages: &[String]| {
                messages.len() == 1
                    && messages[0].starts_with(&format!("The cluster is not known yet: `{name}"))
            };

            let read = wait(resource(&feast).read(ReadResourceRequest {
                state: state.clone(),
                private: b"remembered".to_vec(),
                client,
                ..ReadResourceRequest::default()
            }));
            assert_eq!(
                (
                    read.state,
                    read.private,
                    messages(read.diagnostics),
                    read.deferred
                ),
                (state.clone(), b"remembered".to_vec(), vec![], deferred)
            );

            let imported = wait(resource(&feast).import_state(ImportResourceStateRequest {
                id: "b/a".to_owned(),
                client,
                ..ImportResourceStateRequest::default()
            }));
            assert_eq!((imported.resources, imported.deferred), (vec![], deferred));
            let error = messages(imported.diagnostics);
            assert!(
                deferral_allowed && error.is_empty() || unknown(&error),
                "{error:?}"
            );

            let lookup = &feast.registry().data_sources[FEATURE_STORE].schema().block;
            let found = wait(feast.registry().data_sources[FEATURE_STORE].read(
                ReadDataSourceRequest {
                    config: encode(&lookup.attributes, &json!({"name": "a", "namespace": "b"})),
                    client,
                },
            ));
            // References to attributes of an unknown object are unknown; those of a null one fail.
            let answer = match deferral_allowed {
                true => Value::Unknown,
                false => Value::Null,
            };
            assert_eq!((found.state, found.deferred), (answer, deferred));
            let error = messages(found.diagnostics);
            assert!(
                deferral_allowed && error.is_empty() || unknown(&error),
                "{error:?}"
            );

            let applied = wait(core::apply(
                &feast,
                ApplyResourceChangeRequest {
                    planned_state: state,
                    ..ApplyResourceChangeRequest::default()
                },
            ));
            assert_eq!(applied.state, Value::Null);
            let error = messages(applied.diagnostics);
            assert!(unknown(&error), "{error:?}");
        }
    }
}

#[test]
fn an_unknown_force_conflicts_does_not_hide_the_cluster() {
    let feast = Feast::new();
    let attributes = &feast.schema().block.attributes;
    let mut config = encode(attributes, &json!({"config_path": "/nowhere/kubeconfig"}));
    config.set("force_conflicts", Value::Unknown);
    let feast = configured(&config);
    let imported = wait(resource(&feast).import_state(ImportResourceStateRequest {
        id: "b/a".to_owned(),
        client: ClientCapabilities {
            deferral_allowed: true,
            ..ClientCapabilities::default()
        },
        ..ImportResourceStateRequest::default()
    }));
    assert_eq!((imported.resources, imported.deferred), (vec![], None));
    let [error] = imported.diagnostics.as_slice() else {
        panic!("{:?}", imported.diagnostics);
    };
    assert!(error.detail.contains("/nowhere/kubeconfig"), "{error:?}");
}

#[test]
fn defers_a_create_only_if_the_namespace_is_unknown() {
    let feast = Feast::new();
    let mut blocks = blocks(&feast);
    let attributes = &feast.schema().block.attributes;
    let mut namespace = encode(attributes, &json!({"config_path": "/nowhere/kubeconfig"}));
    namespace.set("namespace", Value::Unknown);
    blocks.push(("namespace", namespace));
    for (name, config) in blocks {
        let feast = configured(&config);
        for (own, deferral_allowed) in [
            (None, true),
            (None, false),
            (Some("own"), true),
            (Some("own"), false),
        ] {
            let store = encode(
                &block(&feast).attributes,
                &json!({"name": "a", "namespace": own, "feastProject": "p"}),
            );
            let planned = wait(core::plan(
                &feast,
                PlanResourceChangeRequest {
                    proposed_new_state: store.clone(),
                    config: store.clone(),
                    client: ClientCapabilities {
                        deferral_allowed,
                        ..ClientCapabilities::default()
                    },
                    ..PlanResourceChangeRequest::default()
                },
            ));
            let is_unknown = name == "namespace" && own.is_none();
            let is_deferred = deferral_allowed && is_unknown;
            let deferred = is_deferred.then_some(Deferred::ProviderConfigUnknown);
            assert_eq!((planned.diagnostics, planned.deferred), (vec![], deferred));
            assert_eq!(
                planned.state.attribute("namespace").is_unknown(),
                is_unknown
            );
        }
    }
}

#[test]
fn import_by_name_requires_a_known_namespace() {
    let attributes = &Feast::new().schema().block.attributes.clone();
    let mut config = encode(attributes, &json!({"config_path": "/nowhere/kubeconfig"}));
    config.set("namespace", Value::Unknown);
    let import = |id: &str, deferral_allowed: bool| {
        let imported = wait(resource(&configured(&config)).import_state(
            ImportResourceStateRequest {
                id: id.to_owned(),
                client: ClientCapabilities {
                    deferral_allowed,
                    ..ClientCapabilities::default()
                },
                ..ImportResourceStateRequest::default()
            },
        ));
        assert_eq!(imported.resources, []);
        (imported.deferred, summaries_of(imported.diagnostics))
    };
    let error = |summary: &str| (None, vec![summary.to_owned()]);
    assert_eq!(import("a", false), error("The namespace is not known yet"));
    let deferred = Some(Deferred::ProviderConfigUnknown);
    assert_eq!(import("a", true), (deferred, vec![]));
    for deferral_allowed in [false, true] {
        for (id, summary) in [
            ("b/a", "Cannot connect to the cluster"),
            ("/a", "The import ID is not valid"),
            ("b/", "The import ID is not valid"),
        ] {
            assert_eq!(import(id, deferral_allowed), error(summary), "{id}");
        }
    }
}

#[test]
fn data_source_and_list_require_a_known_namespace() {
    let attributes = &Feast::new().schema().block.attributes.clone();
    let mut config = encode(attributes, &json!({"config_path": "/nowhere/kubeconfig"}));
    config.set("namespace", Value::Unknown);
    let feast = configured(&config);
    let data_source = &feast.registry().data_sources[FEATURE_STORE];
    let read = |json: Json, deferral_allowed: bool| {
        let response = wait(data_source.read(ReadDataSourceRequest {
            config: encode(&data_source.schema().block.attributes, &json),
            client: ClientCapabilities {
                deferral_allowed,
                ..ClientCapabilities::default()
            },
        }));
        (response.deferred, summaries_of(response.diagnostics))
    };
    let unknown = vec!["The namespace is not known yet".to_owned()];
    let unconnected = vec!["Cannot connect to the cluster".to_owned()];
    let deferred = Some(Deferred::ProviderConfigUnknown);
    assert_eq!(read(json!({"name": "a"}), false), (None, unknown.clone()));
    assert_eq!(read(json!({"name": "a"}), true), (deferred, vec![]));
    let named = json!({"name": "a", "namespace": "b"});
    for deferral_allowed in [false, true] {
        let response = read(named.clone(), deferral_allowed);
        assert_eq!(response, (None, unconnected.clone()));
    }

    let list_resource = &feast.registry().list_resources[FEATURE_STORE];
    for (json, expected) in [
        (json!({}), &unknown),
        (json!({"namespace": "b"}), &unconnected),
        (json!({"allNamespaces": true}), &unconnected),
    ] {
        let events = Events::default();
        let request = ListResourceRequest {
            config: encode(&list_resource.schema().block.attributes, &json),
            ..ListResourceRequest::default()
        };
        wait(list_resource.list(request, &events)).unwrap();
        let events = events.0.into_inner().unwrap();
        let found = events.into_iter().flat_map(|event| event.diagnostics);
        assert_eq!(summaries_of(found), *expected);
    }
}

fn summaries_of(diagnostics: impl IntoIterator<Item = Diagnostic>) -> Vec<String> {
    let diagnostics = diagnostics.into_iter();
    diagnostics.map(|diagnostic| diagnostic.summary).collect()
}

/// Keeps the events of a list.
#[derive(Default)]
struct Events(Mutex<Vec<ListResourceEvent>>);

#[async_trait]
impl EventSink<ListResourceEvent> for Events {
    async fn send(&self, event: ListResourceEvent) -> Result<(), StreamClosed> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }
}
