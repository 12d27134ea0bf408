use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};

use super::*;
use crate::provider::FEATURE_STORE;
use crate::provider::tests::test_provider::{TestProvider, text, texts};
use crate::schema::Provider as _;

/// Takes events up to a limit.
struct Events {
    limit: usize,
    taken: Mutex<Vec<ListResourceEvent>>,
}

#[async_trait]
impl EventSink<ListResourceEvent> for Events {
    async fn send(&self, event: ListResourceEvent) -> Result<(), StreamClosed> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.push(event);
        match taken.len() < self.limit {
            true => Ok(()),
            false => Err(StreamClosed),
        }
    }
}

fn list_resource(provider: &TestProvider) -> &dyn ListResource {
    &*provider.feast.registry().list_resources[FEATURE_STORE]
}

fn config(provider: &TestProvider, json: &Json) -> Value {
    encode(&list_resource(provider).schema().block.attributes, json)
}

fn list(provider: &TestProvider, json: &Json, include: bool, limit: i64) -> Vec<ListResourceEvent> {
    let request = ListResourceRequest {
        config: config(provider, json),
        include_resource_object: include,
        limit,
    };
    let events = Events {
        limit: usize::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .unwrap_or(usize::MAX),
        taken: Mutex::default(),
    };
    let ended = provider.block_on(list_resource(provider).list(request, &events));
    let taken = events.taken.into_inner().unwrap();
    let is_full = taken.len() == events.limit;
    assert_eq!(ended, if is_full { Err(StreamClosed) } else { Ok(()) });
    taken
}

/// Returns the display name of each event, or its diagnostics.
fn lines(events: &[ListResourceEvent]) -> Vec<String> {
    let lines = events.iter().map(|event| match &event.identity {
        Some(_) => event.display_name.clone(),
        None => texts(&event.diagnostics).join("\n"),
    });
    lines.collect()
}

fn create(provider: &TestProvider, name: &str, team: &str) -> Value {
    let (state, private) = provider.create(&provider.config(&json!({
        "name": name, "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "labels": {"team": team},
    })));
    let private = provider.private(&state, &private).encode();
    provider.read(&state, &private).state
}

fn custom_resource(provider: &TestProvider, name: &str) {
    let path = format!("/apis/feast.dev/v1/namespaces/ns/featurestores/{name}");
    let resource = json!({
        "apiVersion": "feast.dev/v1", "kind": "FeatureStore",
        "metadata": {"name": name, "namespace": "ns"}, "spec": {"feastProject": "p"},
    });
    provider.server.put(&path, resource);
}

#[test]
fn lists_stores_of_both_managers() {
    let provider = TestProvider::new();
    let state = create(&provider, "own", "a");
    create(&provider, "taken-over", "b");
    custom_resource(&provider, "taken-over");
    custom_resource(&provider, "theirs");
    let here = |json: Json| {
        let mut json = json;
        json["namespace"] = json!("ns");
        lines(&list(&provider, &json, false, 0))
    };
    assert_eq!(
        here(json!({})),
        ["ns/own", "ns/taken-over", "ns/theirs (Feast operator)"]
    );
    assert_eq!(
        here(json!({"managedBy": "feast"})),
        ["ns/own", "ns/taken-over"]
    );
    assert_eq!(
        here(json!({"managedBy": "feast-operator"})),
        ["ns/theirs (Feast operator)"]
    );
    assert_eq!(here(json!({"labelSelector": "team=a"})), ["ns/own"]);
    // The namespace of the provider block, `default`, has none.
    assert_eq!(list(&provider, &json!({}), false, 0), []);

    let listed = list(&provider, &json!({"namespace": "ns"}), false, 1);
    let expected = ListResourceEvent {
        identity: identity::of(&state),
        display_name: "ns/own".to_owned(),
        ..ListResourceEvent::default()
    };
    assert_eq!(listed, [expected]);
}

#[test]
fn includes_the_state_of_an_import_and_a_refresh() {
    let provider = TestProvider::new();
    let states = ["a", "b", "c"].map(|name| create(&provider, name, "t"));
    provider.server.requests();
    let listed = list(
        &provider,
        &json!({"namespace": "ns", "managedBy": "feast"}),
        true,
        0,
    );
    let objects = listed.into_iter().map(|event| event.resource_object);
    let objects: Vec<Value> = objects.map(Option::unwrap).collect();
    assert_eq!(objects.len(), states.len());
    for (object, state) in objects.iter().zip(&states) {
        for attribute in ["name", "labels", "objects", "configuration_hash", "drift"] {
            assert_eq!(
                object.attribute(attribute),
                state.attribute(attribute),
                "{attribute}"
            );
        }
    }
    let secrets = "GET /api/v1/namespaces/ns/secrets";
    let deployments = "GET /apis/apps/v1/namespaces/ns/deployments";
    let requests = provider.server.requests();
    let count = |path: &str| requests.iter().filter(|line| *line == path).count();
    // One list to find the feature stores, and at most one that their refreshes share: the read cache can have it.
    assert!((1..=2).contains(&count(secrets)), "{requests:?}");
    assert!(count(deployments) <= 1, "{requests:?}");
}

#[test]
fn warns_of_stores_that_cannot_be_imported() {
    let provider = TestProvider::new();
    custom_resource(&provider, "theirs");
    let listed = list(&provider, &json!({"namespace": "ns"}), true, 0);
    let lines = lines(&listed);
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(
        line.starts_with(
            "A feature store is not in the list: The feature store ns/theirs (Feast operator) was found, but its state \
             cannot be read. There is nothing to import: "
        ),
        "{line}"
    );
    assert_eq!(listed[0].diagnostics[0].severity, Severity::Warning);
}

#[test]
fn validates_the_config_block() {
    let provider = TestProvider::new();
    let validate = |json: Json, limit: Value| -> Vec<String> {
        let request = ValidateListResourceConfigRequest {
            config: config(&provider, &json),
            limit,
            ..ValidateListResourceConfigRequest::default()
        };
        let found = list_resource(&provider).validate_config(request);
        found.iter().map(text).collect()
    };
    let none = || Value::Null;
    for json in [
        json!({}),
        json!({"namespace": "ns", "allNamespaces": false}),
        json!({"allNamespaces": true, "labelSelector": "team in (a, b),!x", "managedBy": "feast"}),
    ] {
        assert_eq!(validate(json.clone(), none()), [""; 0], "{json}");
        assert_eq!(validate(json, Value::integer(1)), [""; 0]);
    }
    for (json, limit, expected) in [
        (
            json!({"namespace": "ns", "allNamespaces": true}),
            none(),
            "all_namespaces: `namespace` conflicts with `all_namespaces`: ",
        ),
        (
            json!({"labelSelector": "a=b=c"}),
            none(),
            "label_selector: Invalid label selector: `label_selector` is not valid: \"b=c\" is not",
        ),
        (json!({"labelSelector": ""}), none(), "label_selector: "),
        (json!({"managedBy": "helm"}), none(), "managed_by: "),
        (
            json!({"namespace": "Team_A"}),
            none(),
            "namespace: Invalid value: `namespace` must match ",
        ),
        (
            json!({"namespace": "n".repeat(64)}),
            none(),
            "namespace: Invalid value: `namespace` must have at most 63 characters",
        ),
        (json!({}), Value::integer(0), "Invalid limit: "),
    ] {
        let found = validate(json, limit);
        let [found] = found.as_slice() else {
            panic!("{expected}: {found:?}");
        };
        assert!(found.starts_with(expected), "{found}");
    }
}
