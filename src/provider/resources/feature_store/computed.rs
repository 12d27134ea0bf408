//! The computed attributes: what follows from the configuration alone, and how they stand in a value.

use std::collections::BTreeMap;

use crate::cluster::StoreName;
use crate::cluster::rollout::{self, Progress};
use crate::feast::config::{ComputedAttributes, Drift, ScalingStatus};
use crate::feast::objects::Objects;
use crate::feast::render::render;
use crate::feast::rendered::Rendered;
use crate::feast::spec::{self, Defaults, Store, computed_inputs};
use crate::feast::{config, names};
use crate::schema::{Block, Number, Value, encode};

use super::manifests;
use super::parse::Parsed;

/// A feature store with its objects, as the configuration alone determines them.
pub struct Desired {
    pub store: Store,
    pub objects: Objects<Rendered>,
}

impl Desired {
    /// `None` while anything in the configuration is unknown.
    pub fn of(parsed: &Parsed, default_namespace: &str) -> Option<Self> {
        if !parsed.unknown.is_empty() {
            return None;
        }
        let defaults = Defaults {
            namespace: Some(default_namespace.to_owned()),
            was_scaled: parsed.was_scaled,
        };
        let store = Store::new(&parsed.config, &defaults);
        let objects = render(&store);
        Some(Self { store, objects })
    }

    /// The name and namespace of the feature store.
    pub fn store_name(&self) -> StoreName {
        StoreName {
            namespace: self.store.namespace.clone(),
            name: self.store.name.clone(),
        }
    }

    /// Everything but what only the cluster can tell.
    pub fn observed(&self) -> ComputedAttributes {
        observed(&self.store, manifests::texts(&self.objects.manifests))
    }
}

fn observed(store: &Store, objects: BTreeMap<String, String>) -> ComputedAttributes {
    ComputedAttributes {
        id: format!("{}/{}", store.namespace, store.name),
        deployment_name: names::main(&store.name),
        strategy: store.strategy.as_str().to_owned(),
        replicas_owner: store.replicas.owner().to_owned(),
        configuration_hash: String::new(),
        scaling_status: None,
        endpoints: spec::endpoints(store),
        drift: Vec::new(),
        objects,
    }
}

/// Writes computed attributes into a value of the resource.
pub fn write(block: &Block, value: &mut Value, observed: &ComputedAttributes) {
    // An ComputedAttributes is made of strings and numbers only, which always serialise.
    let json = serde_json::to_value(observed).unwrap_or_default();
    if let Value::Object(encoded) = encode(&block.attributes, &json) {
        for (name, inner) in encoded {
            let attribute = &block.attributes[&name];
            if attribute.computed && !attribute.optional {
                value.set(&name, inner);
            }
        }
    }
}

/// The attribute `drift`.
pub fn set_drift(block: &Block, state: &mut Value, drift: &[Drift]) {
    let form = serde_json::json!({ "drift": drift });
    let encoded = encode(&block.attributes, &form);
    state.set("drift", encoded.attribute("drift").clone());
}

/// Marks the computed attributes as known only after apply, but for those about which nothing unknown decides.
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
    write(block, &mut known, &observed(&store, BTreeMap::new()));
    for (name, computed_inputs) in [
        ("id", computed_inputs::of_identity()),
        ("deployment_name", computed_inputs::of_identity()),
        ("replicas_owner", computed_inputs::of_replicas_owner()),
        ("strategy", computed_inputs::of_strategy()),
        ("endpoints", computed_inputs::of_endpoints()),
    ] {
        let mut unknown = parsed.unknown.iter();
        if !unknown.any(|path| {
            computed_inputs
                .iter()
                .any(|computed_inputs| path.contains(computed_inputs))
        }) {
            value.set(name, known.attribute(name).clone());
        }
    }
}

/// Numbers of pods of a live Deployment, and whether its rollout is complete.
pub fn rollout_state(deployment: &serde_json::Value) -> (ScalingStatus, bool) {
    match serde_json::from_value(deployment.clone()) {
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
        // The API server answers Deployments; anything else tells nothing.
        Err(_) => (ScalingStatus::default(), false),
    }
}

/// The numbers of pods that a refresh puts into the state.
///
/// Terraform reports every change that a refresh makes as drift, so the numbers of the last apply stay as long as they
/// change by design: a count that an autoscaler or somebody outside of Terraform sets, and pods that start and end. They
/// are brought up to date when the last rollout had not finished (`was_unfinished`), and when a count of the
/// configuration (`is_fixed`) has been changed.
pub fn refreshed_status(
    stored: &Value,
    live: ScalingStatus,
    is_fixed: bool,
    was_unfinished: bool,
) -> Value {
    let number = |name: &str| match stored.attribute(name) {
        Value::Number(Number::Integer(number)) => Some(*number),
        _ => None,
    };
    let desired = number("desired_replicas");
    let is_moved = is_fixed && desired != live.desired_replicas.map(i64::from);
    if desired.is_some() && !was_unfinished && !is_moved {
        return stored.clone();
    }
    scaling_status(live)
}

/// The attribute `scaling_status`.
pub fn scaling_status(status: ScalingStatus) -> Value {
    let number = |replicas: Option<i32>| {
        replicas.map_or(Value::Null, |replicas| Value::integer(i64::from(replicas)))
    };
    let config::ScalingStatus {
        current_replicas,
        desired_replicas,
    } = status;
    Value::Object(BTreeMap::from([
        ("current_replicas".to_owned(), number(current_replicas)),
        ("desired_replicas".to_owned(), number(desired_replicas)),
    ]))
}

/// The resource's identity (`{namespace, name}`); `None` while it is not known.
pub fn identity(state: &Value) -> Option<Value> {
    let part = |name: &str| state.attribute(name).as_str().map(Value::string);
    Some(Value::Object(BTreeMap::from([
        ("namespace".to_owned(), part("namespace")?),
        ("name".to_owned(), part("name")?),
    ])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_move_by_design_are_not_refreshed() {
        let status = |current: i32, desired: i32| ScalingStatus {
            current_replicas: Some(current),
            desired_replicas: Some(desired),
        };
        let stored = scaling_status(status(2, 2));
        for (stored, live, is_fixed, was_unfinished, expected) in [
            (&stored, status(5, 5), false, false, status(2, 2)),
            (&stored, status(1, 2), true, false, status(2, 2)),
            (&stored, status(5, 5), true, false, status(5, 5)),
            (&stored, status(1, 2), false, true, status(1, 2)),
            (&Value::Null, status(1, 2), false, false, status(1, 2)),
        ] {
            let refreshed = refreshed_status(stored, live, is_fixed, was_unfinished);
            assert_eq!(refreshed, scaling_status(expected), "{live:?}");
        }
    }
}
