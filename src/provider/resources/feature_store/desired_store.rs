//! The feature store that a configuration describes, with its objects.

use crate::cluster::StoreName;
use crate::feast::config::{ComputedAttributes, FeatureStore};
use crate::feast::objects::Objects;
use crate::feast::render::render;
use crate::feast::rendered::Rendered;
use crate::feast::spec::{Defaults, Store};
use crate::schema::Value;

use super::parse::{Parsed, was_scaled};
use super::{computed, manifests};

/// A feature store and its objects, rendered from the configuration alone.
pub struct DesiredStore {
    pub store: Store,
    pub objects: Objects<Rendered>,
}

impl DesiredStore {
    /// Renders a configuration. `was_scaled` is true if the prior strategy is `RollingUpdate`. It matters only for
    /// `replicas = 0`, which `ignore_changes` can keep: the strategy and the PodDisruptionBudget then stay as they
    /// were.
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
        computed::attributes(&self.store, manifests::texts(&self.objects.manifests))
    }
}
