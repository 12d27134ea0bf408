//! What the provider remembers beside the state (Terraform's private data), so that a plan made later,
//! without a cluster, knows what a refresh or a failed apply has seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::feast::config::FeatureStore;
use crate::kubernetes::Key;
use crate::schema::provider::Private;
use crate::schema::{Block, Value, decode, encode};

use super::manifests::{self, Manifests};

/// Kept as JSON; unknown or missing fields are the defaults, so that versions can differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrivateState {
    /// The last rollout did not finish: the next plan is not empty, and its apply waits again.
    pub rollout_incomplete: bool,
    /// A Secret that the configuration names has other content than the pods run with.
    pub secrets_changed: bool,
    /// The Job that runs `feast apply` has failed since: the next apply runs it again.
    pub apply_failed: bool,
    /// Fingerprints of the user's Secrets and ConfigMaps that the pods run with, by the key's name. The key of the
    /// hash never leaves the cluster, so that they tell nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// Which create has made the feature store for this state; the Secret tells which one was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation: Option<String>,
    /// The manifests of which the attribute `objects` does not show everything, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unshown: BTreeMap<String, Json>,
    /// Manifests of the plan that keep live values, by key, because the user ignores changes of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub planned: BTreeMap<String, Json>,
    /// What was applied, while the state shows drift in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<LastApplied>,
}

/// A state as it was before drift was shown in it. Only so can a second refresh tell the same drift again, or see
/// that it is gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LastApplied {
    /// In its serde form.
    configuration: Json,
    objects: BTreeMap<String, String>,
    /// The one computed attribute that shows drift.
    strategy: String,
}

impl LastApplied {
    /// `manifests` are those that were applied.
    pub fn of(block: &Block, state: &Value, manifests: &Manifests) -> Self {
        let objects = manifests.iter();
        Self {
            configuration: decode(block, state).json,
            objects: objects
                .map(|(key, manifest)| (key.to_string(), manifest.to_string()))
                .collect(),
            strategy: (state.attribute("strategy").as_str())
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Puts it back into a state; `false` where it was remembered by another version of the provider and cannot be
    /// read.
    pub fn restore(&self, block: &Block, state: &mut Value) -> bool {
        if serde_json::from_value::<FeatureStore>(self.configuration.clone()).is_err() {
            return false;
        }
        if let Value::Object(values) = encode(&block.attributes, &self.configuration) {
            for (name, value) in values {
                let attribute = &block.attributes[&name];
                if attribute.required || attribute.optional {
                    state.set(&name, value);
                }
            }
        }
        state.set("strategy", Value::string(&self.strategy));
        state.set("objects", manifests::attribute(&self.manifests()));
        true
    }

    /// The manifests that were applied.
    pub fn manifests(&self) -> Manifests {
        let objects = self.objects.iter();
        objects
            .filter_map(|(key, text)| Some((Key::parse(key)?, serde_json::from_str(text).ok()?)))
            .collect()
    }
}

impl PrivateState {
    /// The manifests of the last apply. `state` becomes what it was then, where drift has been shown in it.
    pub fn last_applied(&self, block: &Block, state: &mut Value) -> Manifests {
        match &self.applied {
            Some(applied) if applied.restore(block, state) => applied.manifests(),
            _ => manifests::of(block, state, self),
        }
    }

    /// What was remembered; nothing where there is none or it cannot be read.
    pub fn decode(private: &Private) -> Self {
        serde_json::from_slice(private).unwrap_or_default()
    }

    pub fn encode(self) -> Private {
        serde_json::to_vec(&self).unwrap_or_default()
    }
}
