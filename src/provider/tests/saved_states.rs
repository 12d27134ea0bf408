//! States of earlier versions of the provider, recorded with the objects of their clusters (`tests/states`).

use serde_json::Value as Json;

use super::*;
use crate::cluster::fake_api::{self, Received, Reply};
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL};
use crate::feast::objects::Kind;
use crate::schema::coerce;
use crate::schema::provider::{Private, ReadResourceRequest, ReadResourceResponse};

/// A state of version 0.1.0 before drift of leftovers was found, its configuration, and what the cluster had.
struct Sample {
    configuration: Value,
    state: Value,
    private: Private,
    live: Vec<Json>,
}

impl Sample {
    fn read(feast: &Feast, text: &str) -> Self {
        let json: Json = serde_json::from_str(text).unwrap();
        let attributes = &block(feast).attributes;
        let value = |name: &str| coerce(attributes, &loose(&json[name])).unwrap();
        Self {
            configuration: value("configuration"),
            state: value("state"),
            private: json["private"].to_string().into_bytes(),
            live: json["live"].as_array().unwrap().clone(),
        }
    }
}

/// JSON as Terraform values without a schema.
fn loose(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(it) => Value::Bool(*it),
        Json::Number(it) => Value::integer(it.as_i64().unwrap()),
        Json::String(it) => Value::string(it),
        Json::Array(items) => Value::List(items.iter().map(loose).collect()),
        Json::Object(items) => Value::Object(
            (items.iter())
                .map(|(name, item)| (name.clone(), loose(item)))
                .collect(),
        ),
    }
}

/// An API server with these objects, read only.
fn answer(live: &[Json], asked: &Received) -> Reply {
    let (_, path) = asked.line.split_once(' ').unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    let (_, rest) = parts.split_at(parts.iter().position(|part| *part == "namespaces").unwrap());
    let kind = Kind::ALL
        .iter()
        .find(|kind| kind.plural() == rest[2])
        .unwrap();
    let mut of_kind = live.iter().filter(|object| object["kind"] == kind.as_str());
    match rest.get(3) {
        Some(name) => match of_kind.find(|object| object["metadata"]["name"] == *name) {
            Some(object) => Reply::Answer(200, object.clone()),
            None => Reply::Answer(
                404,
                json!({"kind": "Status", "reason": "NotFound", "message": "not found"}),
            ),
        },
        None => {
            let ours =
                |object: &&Json| object["metadata"]["labels"][MANAGED_BY_LABEL] == MANAGED_BY;
            let items: Vec<&Json> = of_kind.filter(ours).collect();
            Reply::Answer(200, json!({"items": items}))
        }
    }
}

fn configured(live: Vec<Json>) -> (Feast, tokio::runtime::Runtime) {
    let feast = Feast::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let host = fake_api::server(move |asked| answer(&live, asked)).await;
        let attributes = &feast.schema().block.attributes;
        let namespace = "unused";
        let config = encode(attributes, &json!({"host": host, "namespace": namespace}));
        let configured = ConfigureProviderRequest {
            config,
            ..ConfigureProviderRequest::default()
        };
        assert_eq!(feast.configure(configured).await, []);
    });
    (feast, runtime)
}

/// The state and private state after the steps of `terraform plan`, and the plan.
fn planned(text: &str) -> (Value, ReadResourceResponse, PlanResourceChangeResponse) {
    let sample = Sample::read(&Feast::new(), text);
    let (feast, runtime) = configured(sample.live);
    let upgraded = resource(&feast).upgrade_state(UpgradeResourceStateRequest {
        version: 0,
        json: Json::Null,
        state: Ok(sample.state),
    });
    assert_eq!(upgraded.diagnostics, []);
    let mut config = sample.configuration;
    config.set("namespace", upgraded.state.attribute("namespace").clone());
    let refreshed = runtime.block_on(resource(&feast).read(ReadResourceRequest {
        state: upgraded.state.clone(),
        private: sample.private,
        ..ReadResourceRequest::default()
    }));
    assert_eq!(refreshed.diagnostics, []);
    let planned = runtime.block_on(resource(&feast).plan(PlanResourceChangeRequest {
        prior_state: refreshed.state.clone(),
        proposed_new_state: config.clone(),
        config,
        prior_private: refreshed.private.clone(),
        ..PlanResourceChangeRequest::default()
    }));
    assert_eq!(planned.diagnostics, []);
    (upgraded.state, refreshed, planned)
}

/// The attributes in which two values differ.
fn differences(left: &Value, right: &Value) -> Vec<String> {
    let Value::Object(items) = left else {
        unreachable!("states are objects");
    };
    let names = items.keys();
    names
        .filter(|name| left.attribute(name) != right.attribute(name))
        .cloned()
        .collect()
}

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../tests/states/", $name, ".json"))
    };
}

#[test]
fn are_read_and_planned_without_a_change() {
    for (name, text) in [
        ("static", sample!("static")),
        ("hpa", sample!("hpa")),
        ("external", sample!("external")),
    ] {
        let (upgraded, refreshed, planned) = planned(text);
        assert_eq!(differences(&upgraded, &refreshed.state), [""; 0], "{name}");
        assert_eq!(
            differences(&refreshed.state, &planned.state),
            [""; 0],
            "{name}"
        );
        assert_eq!(planned.requires_replace, []);
        assert!(
            !format!("{:?}", planned.state.attribute("objects")).contains("hunter2"),
            "{name}"
        );
    }
}

#[test]
fn drift_in_them_is_planned_to_be_repaired() {
    let (upgraded, refreshed, planned) = planned(sample!("drifted"));
    assert_eq!(differences(&upgraded, &refreshed.state), [""; 0]);
    assert_eq!(
        differences(&refreshed.state, &planned.state),
        ["drift", "objects", "scaling_status", "services"]
    );
    let replicas = |state: &Value| state.attribute("services.scaling.replicas").clone();
    assert_eq!(
        [replicas(&refreshed.state), replicas(&planned.state)],
        [3, 2].map(Value::integer)
    );
}

#[test]
fn a_failed_rollout_in_them_is_planned_to_be_resumed() {
    let (_, refreshed, planned) = planned(sample!("failed"));
    assert_eq!(
        differences(&refreshed.state, &planned.state),
        ["scaling_status"]
    );
}
