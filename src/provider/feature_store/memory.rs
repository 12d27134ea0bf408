//! What the provider remembers beside the state (Terraform's private data), so that a plan made later,
//! without a cluster, knows what a refresh or a failed apply has seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::feast::config::FeatureStore;
use crate::schema::provider::Private;
use crate::schema::{Block, Value, decode, encode};

/// Kept as JSON; unknown or missing fields are the defaults, so that versions can differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
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
    /// What was applied, while the state shows drift in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedBefore>,
}

/// A state as it was before drift was shown in it. Only so can a second refresh tell the same drift again, or see
/// that it is gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AppliedBefore {
    /// In its serde form.
    configuration: Json,
    objects: BTreeMap<String, String>,
    /// The one computed attribute that shows drift.
    strategy: String,
}

impl AppliedBefore {
    pub fn of(block: &Block, state: &Value) -> Self {
        let mut objects = BTreeMap::new();
        if let Value::Map(texts) = state.attribute("objects") {
            objects.extend(
                texts
                    .iter()
                    .filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned()))),
            );
        }
        Self {
            configuration: decode(block, state).json,
            objects,
            strategy: (state.attribute("strategy").as_str())
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Puts it back into a state.
    pub fn restore(&self, block: &Block, state: &mut Value) {
        if serde_json::from_value::<FeatureStore>(self.configuration.clone()).is_err() {
            // Remembered by another version of the provider.
            return;
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
        let objects = (self.objects.iter()).map(|(key, text)| (key.clone(), Value::string(text)));
        state.set("objects", Value::Map(objects.collect()));
    }
}

impl Memory {
    /// What was remembered; nothing where there is none or it cannot be read.
    pub fn recall(private: &Private) -> Self {
        serde_json::from_slice(private).unwrap_or_default()
    }

    pub fn keep(self) -> Private {
        serde_json::to_vec(&self).unwrap_or_default()
    }
}
