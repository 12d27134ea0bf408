//! States of earlier versions of the provider, recorded with the objects of their clusters (`tests/states`).
//!
//! In the samples `hidden*`, the private data holds the manifests of which `objects` does not show everything.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::*;
use crate::cluster::fake_api::{self, Received, Reply};
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL};
use crate::kubernetes::{Kind, diff};
use crate::provider::diagnostics;
use crate::schema::coerce;
use crate::schema::provider::{Private, ReadResourceRequest, ReadResourceResponse};

/// A state of an earlier version, its configuration, and the live objects.
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
        let value = |name: &str| coerce(attributes, &untyped(&json[name])).unwrap();
        Self {
            configuration: value("configuration"),
            state: value("state"),
            private: json["private"].to_string().into_bytes(),
            live: json["live"].as_array().unwrap().clone(),
        }
    }
}

/// Returns JSON as Terraform values without a schema.
pub fn untyped(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(it) => Value::Bool(*it),
        Json::Number(it) => Value::integer(it.as_i64().unwrap()),
        Json::String(it) => Value::string(it),
        Json::Array(items) => Value::List(items.iter().map(untyped).collect()),
        Json::Object(items) => Value::Object(
            (items.iter())
                .map(|(name, item)| (name.clone(), untyped(item)))
                .collect(),
        ),
    }
}

/// Answers as a read-only API server with these objects.
fn answer(live: &[Json], request: &Received) -> Reply {
    let (_, path) = request.line.split_once(' ').unwrap();
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
        let host = fake_api::server(move |request| answer(&live, request)).await;
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

/// The upgraded state, the refreshed one, and the plan of `terraform plan`.
fn planned(text: &str) -> (Value, ReadResourceResponse, PlanResourceChangeResponse) {
    let sample = Sample::read(&Feast::new(), text);
    let (feast, runtime) = configured(sample.live);
    let upgraded = resource(&feast).upgrade_state(UpgradeResourceStateRequest {
        version: 0,
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
    let planned = runtime.block_on(core::plan(
        &feast,
        PlanResourceChangeRequest {
            prior_state: refreshed.state.clone(),
            proposed_new_state: config.clone(),
            config: config.clone(),
            prior_private: refreshed.private.clone(),
            ..PlanResourceChangeRequest::default()
        },
    ));
    // The upgrade replaces the pods.
    let recreates = config.attribute("services.scaling").is_null();
    let interruption = recreates.then(|| diagnostics::interruption(true));
    assert_eq!(planned.diagnostics, Vec::from_iter(interruption));
    (upgraded.state, refreshed, planned)
}

/// Returns the attributes in which two values differ.
pub fn differences(left: &Value, right: &Value) -> Vec<String> {
    let Value::Object(items) = left else {
        unreachable!("states are objects");
    };
    let names = items.keys();
    names
        .filter(|name| left.attribute(name) != right.attribute(name))
        .cloned()
        .collect()
}

/// Returns the fields of the objects that a plan adds or changes.
fn changed_fields(prior: &Value, planned: &Value) -> Vec<String> {
    let manifests = |state: &Value| {
        let Value::Map(objects) = state.attribute("objects").clone() else {
            panic!("no objects");
        };
        let parse = |(key, text): (String, Value)| {
            (
                key,
                serde_json::from_str::<Json>(text.as_str().unwrap()).unwrap(),
            )
        };
        objects.into_iter().map(parse).collect::<BTreeMap<_, _>>()
    };
    let (prior, planned) = (manifests(prior), manifests(planned));
    assert!(prior.keys().eq(planned.keys()));
    let changes = planned.iter().flat_map(|(key, manifest)| {
        let changes = diff::changes(manifest, &prior[key], "").into_iter();
        changes.map(move |change| format!("{key} {}", change.field))
    });
    changes.collect()
}

/// The fields that this version renders and earlier ones did not.
const RENDERED_SINCE: [&str; 12] = [
    "Deployment/feast-demo .spec.template.spec.containers[name=\"online\"].command",
    "Deployment/feast-demo .spec.template.spec.containers[name=\"online\"].image",
    "Deployment/feast-demo .spec.template.spec.containers[name=\"online\"].lifecycle",
    "Deployment/feast-demo .spec.template.spec.containers[name=\"online\"].securityContext",
    "Deployment/feast-demo .spec.template.spec.containers[name=\"online\"].startupProbe.failureThreshold",
    "Deployment/feast-demo .spec.template.spec.enableServiceLinks",
    "Deployment/feast-demo .spec.template.spec.initContainers[name=\"feast-init\"].image",
    "Deployment/feast-demo .spec.template.spec.initContainers[name=\"feast-init\"].resources",
    "Deployment/feast-demo .spec.template.spec.initContainers[name=\"feast-init\"].securityContext",
    "Deployment/feast-demo .spec.template.spec.securityContext",
    "Deployment/feast-demo .spec.template.spec.terminationGracePeriodSeconds",
    "Secret/feast-demo .stringData.feature_store.yaml",
];

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../tests/states/", $name, ".json"))
    };
}

#[test]
fn saved_states_are_planned_with_what_this_version_renders() {
    let spread = [
        "Deployment/feast-demo .spec.template.spec.affinity",
        "Deployment/feast-demo .spec.template.spec.topologySpreadConstraints",
    ];
    let jobs = [
        "CronJob/feast-demo .spec.jobTemplate.spec.template.metadata",
        "CronJob/feast-demo .spec.jobTemplate.spec.template.spec.containers[name=\"feast-1\"].command",
        "CronJob/feast-demo .spec.jobTemplate.spec.template.spec.enableServiceLinks",
        "CronJob/feast-demo .spec.jobTemplate.spec.template.spec.initContainers[name=\"feast-0\"].command",
        "PodDisruptionBudget/feast-demo .spec.unhealthyPodEvictionPolicy",
    ];
    for (name, text, more) in [
        ("static", sample!("static"), &[][..]),
        ("hpa", sample!("hpa"), &jobs),
        ("external", sample!("external"), &spread),
        ("hidden", sample!("hidden"), &[]),
    ] {
        let (upgraded, refreshed, planned) = planned(text);
        assert_eq!(differences(&upgraded, &refreshed.state), [""; 0], "{name}");
        assert_eq!(
            differences(&refreshed.state, &planned.state),
            ["configuration_hash", "objects", "scaling_status"],
            "{name}"
        );
        let mut rendered_since = [&RENDERED_SINCE, more].concat();
        rendered_since.sort_unstable();
        assert_eq!(
            changed_fields(&refreshed.state, &planned.state),
            rendered_since,
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
fn drift_in_saved_states_is_planned_to_be_repaired() {
    for text in [sample!("drifted"), sample!("hidden-drifted")] {
        let (upgraded, refreshed, planned) = planned(text);
        assert_eq!(differences(&upgraded, &refreshed.state), [""; 0]);
        assert_eq!(
            differences(&refreshed.state, &planned.state),
            [
                "configuration_hash",
                "drift",
                "objects",
                "scaling_status",
                "services"
            ]
        );
        let drifted = ["Deployment/feast-demo .spec.replicas"];
        assert_eq!(
            changed_fields(&refreshed.state, &planned.state),
            [&drifted[..], &RENDERED_SINCE].concat()
        );
        let replicas = |state: &Value| state.attribute("services.scaling.replicas").clone();
        assert_eq!(
            [replicas(&refreshed.state), replicas(&planned.state)],
            [3, 2].map(Value::integer)
        );
    }
}

#[test]
fn a_failed_rollout_in_a_saved_state_is_planned_to_be_resumed() {
    let of_feast_apply = [
        "Deployment/feast-demo .spec.template.spec.initContainers[name=\"feast-apply\"].image",
        "Deployment/feast-demo .spec.template.spec.initContainers[name=\"feast-apply\"].resources",
        "Deployment/feast-demo .spec.template.spec.initContainers[name=\"feast-apply\"].securityContext",
    ];
    for text in [sample!("failed"), sample!("hidden-failed")] {
        let (_, refreshed, planned) = planned(text);
        assert_eq!(
            differences(&refreshed.state, &planned.state),
            ["configuration_hash", "objects", "scaling_status"]
        );
        let mut changed = changed_fields(&refreshed.state, &planned.state);
        let mut rendered_since = [&RENDERED_SINCE[..], &of_feast_apply].concat();
        changed.sort_unstable();
        rendered_since.sort_unstable();
        assert_eq!(changed, rendered_since);
    }
}
