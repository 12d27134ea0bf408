//! The computed attributes: those that follow from the configuration alone, and their form in a value.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::cluster::StoreName;
use crate::cluster::rollout::{self, Progress};
use crate::feast::config::{ComputedAttributes, Drift, FeatureStore, ScalingStatus};
use crate::feast::names;
use crate::feast::objects::Objects;
use crate::feast::render::render;
use crate::feast::rendered::Rendered;
use crate::feast::spec::{self, Defaults, Store, computed_inputs};
use crate::schema::{Block, Number, Value, encode};

use super::manifests;
use super::parse::{Parsed, was_scaled};

/// A feature store and its objects, rendered from the configuration alone.
pub struct Desired {
    pub store: Store,
    pub objects: Objects<Rendered>,
}

impl Desired {
    /// Renders a configuration. `was_scaled` is true if several pods can run before it is applied.
    pub fn new(config: &FeatureStore, namespace: &str, was_scaled: bool) -> Self {
        #[cfg(test)]
        super::prior_state::counters::RENDERED.with(|count| count.set(count.get() + 1));
        let defaults = Defaults {
            namespace: Some(namespace.to_owned()),
            was_scaled,
        };
        let store = Store::new(config, &defaults);
        let objects = render(&store);
        Self { store, objects }
    }

    /// Renders a configuration. Returns `None` while any value in it is unknown.
    pub fn of(parsed: &Parsed, default_namespace: &str) -> Option<Self> {
        let is_known = parsed.unknown.is_empty();
        is_known.then(|| Self::new(&parsed.config, default_namespace, parsed.was_scaled))
    }

    /// Renders the configuration that a state holds. Returns `None` for a state without a namespace.
    pub fn of_state(config: &FeatureStore, state: &Value) -> Option<Self> {
        let namespace = state.attribute("namespace").as_str()?;
        Some(Self::new(config, namespace, was_scaled(state)))
    }

    /// Returns the namespace and name of the feature store.
    pub fn store_name(&self) -> StoreName {
        StoreName {
            namespace: self.store.namespace.clone(),
            name: self.store.name.clone(),
        }
    }

    /// Returns the computed attributes, without those that depend on the cluster.
    pub fn computed(&self) -> ComputedAttributes {
        computed(&self.store, manifests::texts(&self.objects.manifests))
    }
}

fn computed(store: &Store, objects: BTreeMap<String, String>) -> ComputedAttributes {
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
    write(block, &mut known, &computed(&store, BTreeMap::new()));
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
    let is_moved = is_fixed && desired != live.desired_replicas.map(i64::from);
    if desired.is_some() && !was_pending && !is_moved {
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

/// Returns the identity of the resource (`{namespace, name}`), or `None` while it is unknown.
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
