//! The computed attributes: those that follow from the configuration alone, and their form in a value.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::cluster::rollout::{self, Progress};
use crate::feast::config::{ComputedAttributes, Drift, ScalingStatus};
use crate::feast::names;
use crate::feast::spec::{self, Defaults, Store, computed_inputs};
use crate::schema::{Block, Number, Value, encode};

use super::parse::Parsed;

/// Returns the computed attributes, without those that depend on the cluster.
pub fn attributes(store: &Store, objects: BTreeMap<String, String>) -> ComputedAttributes {
    ComputedAttributes {
        id: format!("{}/{}", store.namespace, store.name),
        deployment_name: names::main(&store.name),
        strategy: store.strategy.as_str().to_owned(),
        replicas_owner: store.replicas.owner(),
        configuration_hash: String::new(),
        scaling_status: None,
        endpoints: spec::endpoints(store),
        drift: Vec::new(),
        objects,
    }
}

/// Writes computed attributes into a value of the resource.
pub fn write(block: &Block, value: &mut Value, computed: &ComputedAttributes) {
    // The attributes are strings and numbers only, so they always serialize.
    let json = serde_json::to_value(computed).unwrap_or_default();
    if let Value::Object(encoded) = encode(&block.attributes, &json) {
        for (name, inner) in encoded {
            let attribute = &block.attributes[&name];
            if attribute.computed && !attribute.optional {
                value.set(&name, inner);
            }
        }
    }
}

/// Sets the attribute `drift`.
pub fn set_drift(block: &Block, state: &mut Value, drift: &[Drift]) {
    let encoded = encode(&block.attributes, &json!({ "drift": drift }));
    state.set("drift", encoded.attribute("drift").clone());
}

/// Marks the computed attributes as known after apply, except for those that depend on no unknown value.
pub fn write_unknown(block: &Block, value: &mut Value, parsed: &Parsed) {
    for (name, attribute) in &block.attributes {
        if attribute.computed && value.attribute(name).is_null() {
            value.set(name, Value::Unknown);
        }
    }
    let Some(namespace) = value.attribute("namespace").as_str() else {
        return;
    };
    let defaults = Defaults {
        namespace: Some(namespace.to_owned()),
        was_scaled: parsed.was_scaled,
    };
    let mut known = Value::Object(BTreeMap::new());
    let store = Store::new(&parsed.config, &defaults);
    write(block, &mut known, &attributes(&store, BTreeMap::new()));
    for (name, inputs) in [
        ("id", computed_inputs::of_identity()),
        ("deployment_name", computed_inputs::of_identity()),
        ("replicas_owner", computed_inputs::of_replicas_owner()),
        ("strategy", computed_inputs::of_strategy()),
        ("endpoints", computed_inputs::of_endpoints()),
    ] {
        let mut unknown = parsed.unknown.iter();
        if !unknown.any(|path| inputs.iter().any(|input| path.contains(input))) {
            value.set(name, known.attribute(name).clone());
        }
    }
}

/// Returns the numbers of pods of a live Deployment, and whether its rollout is complete.
pub fn rollout_state(deployment: &Json) -> (ScalingStatus, bool) {
    match Deserialize::deserialize(deployment) {
        Ok(deployment) => {
            let (current, desired) = rollout::scaling_status(&deployment);
            let status = ScalingStatus {
                current_replicas: Some(current),
                desired_replicas: Some(desired),
            };
            (
                status,
                rollout::progress(&deployment, None) == Progress::Done,
            )
        }
        // The API server returns Deployments.
        Err(_) => (ScalingStatus::default(), false),
    }
}

/// Returns the attribute `scaling_status` after a refresh.
///
/// Terraform reports every change that a refresh makes as drift. So numbers that change by design stay as the last
/// apply left them: a replica count that an autoscaler or another client sets, and pods that start and stop. The live
/// numbers replace them if the last rollout did not finish (`was_pending`), or if another client changed the replica
/// count of the configuration (`is_fixed`).
pub fn refreshed_status(
    stored: &Value,
    live: ScalingStatus,
    is_fixed: bool,
    was_pending: bool,
) -> Value {
    let number = |name: &str| match stored.attribute(name) {
        Value::Number(Number::Integer(number)) => Some(*number),
        _ => None,
    };
    let desired = number("desired_replicas");
    let replicas_changed = is_fixed && desired != live.desired_replicas.map(i64::from);
    if desired.is_some() && !was_pending && !replicas_changed {
        return stored.clone();
    }
    scaling_status(live)
}

/// Returns the attribute `scaling_status`.
pub fn scaling_status(status: ScalingStatus) -> Value {
    let number = |replicas: Option<i32>| {
        replicas.map_or(Value::Null, |replicas| Value::integer(i64::from(replicas)))
    };
    let ScalingStatus {
        current_replicas,
        desired_replicas,
    } = status;
    Value::Object(BTreeMap::from([
        ("current_replicas".to_owned(), number(current_replicas)),
        ("desired_replicas".to_owned(), number(desired_replicas)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refreshes_replica_counts_that_only_the_configuration_sets() {
        let status = |current: i32, desired: i32| ScalingStatus {
            current_replicas: Some(current),
            desired_replicas: Some(desired),
        };
        let stored = scaling_status(status(2, 2));
        for (stored, live, is_fixed, was_pending, expected) in [
            (&stored, status(5, 5), false, false, status(2, 2)),
            (&stored, status(1, 2), true, false, status(2, 2)),
            (&stored, status(5, 5), true, false, status(5, 5)),
            (&stored, status(1, 2), false, true, status(1, 2)),
            (&Value::Null, status(1, 2), false, false, status(1, 2)),
        ] {
            let refreshed = refreshed_status(stored, live, is_fixed, was_pending);
            assert_eq!(refreshed, scaling_status(expected), "{live:?}");
        }
    }
}
