//! Terraform's private data of the resource: the record of what the last apply wrote, and what the last refresh found
//! that no attribute can hold. Terraform stores it beside the state and never shows it, so a later plan knows both
//! without a cluster.
//!
//! The attribute `objects` shows the same manifests to users. It is never read back, except for a state that an earlier
//! version of the provider wrote ([`legacy`]).

mod legacy;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::feast::config::FeatureStore;
use crate::kubernetes::Key;
use crate::schema::provider::Private;
use crate::schema::{Block, Value, decode, encode};

use super::manifests::{Manifests, by_key};
use super::rewrites::Rewrites;

/// Stored as compressed JSON. Missing fields have their defaults and unknown fields are ignored, so that versions can
/// differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrivateState {
    pub rollout: RolloutProgress,
    /// The content of a Secret that the configuration names differs from what the pods run with.
    pub secrets_changed: bool,
    /// Hashes of the user's Secrets and ConfigMaps that the pods run with, by the name of the source. The HMAC
    /// key is in the cluster only, so the hashes reveal nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// The id of the create that this resource instance owns ([`Ownership`](crate::feast::ownership::Ownership)).
    #[serde(rename = "creation", skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<String>,
    /// The manifests of the last apply, as far as they were written.
    #[serde(with = "by_key")]
    pub last_applied: Manifests,
    /// Names of PersistentVolumeClaims that were part of the feature store and that an apply kept for their data.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub kept_pvcs: BTreeSet<String>,
    /// Values of `last_applied` in whose place the cluster stored others.
    #[serde(skip_serializing_if = "Rewrites::is_empty")]
    pub rewrites: Rewrites,
    /// The objects that differ from `last_applied`, as the last refresh saw them. `None` for a deleted object.
    #[serde(with = "by_key", skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<Key, Option<Json>>,
    /// The attributes of the last apply, while the state shows drift in their place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_attributes: Option<AppliedAttributes>,
    /// Manifests of the plan that keep live values, because the user ignores changes of them.
    #[serde(with = "by_key", skip_serializing_if = "BTreeMap::is_empty")]
    pub planned: Manifests,
    /// True in the private data of a plan that replaces the feature store and has been checked. Terraform requests the
    /// plan of the new feature store with it.
    #[serde(skip_serializing_if = "is_false")]
    pub is_checked: bool,
    /// True for the state of a `moved` block before its first refresh: it has only the name of the feature store.
    #[serde(skip_serializing_if = "is_false")]
    pub is_moved: bool,
}

/// The field that the present format always has, and that the formats of earlier versions do not have.
#[derive(Deserialize)]
struct Current {
    #[serde(rename = "last_applied")]
    _last_applied: IgnoredAny,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The progress of the last rollout. Unless it is complete, the next plan is not empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolloutProgress {
    #[default]
    Complete,
    /// The rollout did not finish, or the Secret does not record that the create is complete. The next apply waits for
    /// the rollout again and completes the record.
    Pending,
    /// The Job that runs `feast apply` has failed. The next apply runs it again.
    Failed,
}

/// The attributes of a state before drift was written over them. From these, the next refresh finds the same drift, or
/// finds that it is gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AppliedAttributes {
    /// The configurable attributes in their serde form.
    configuration: Json,
    /// The computed attribute that also shows drift.
    strategy: String,
}

impl AppliedAttributes {
    pub fn of(block: &Block, state: &Value) -> Self {
        Self {
            configuration: decode(block, state).json,
            strategy: (state.attribute("strategy").as_str())
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// The configuration; `None` where another version of the provider wrote it and this version cannot read it.
    pub fn config(&self) -> Option<FeatureStore> {
        serde_json::from_value(self.configuration.clone()).ok()
    }

    /// Writes the attributes back into a state.
    pub fn restore(&self, block: &Block, state: &mut Value) {
        if let Value::Object(values) = encode(&block.attributes, &self.configuration) {
            for (name, value) in values {
                let attribute = &block.attributes[&name];
                if attribute.required || attribute.optional {
                    state.set(&name, value);
                }
            }
        }
        state.set("strategy", Value::string(&self.strategy));
    }
}

impl PrivateState {
    /// Reads private data and, where an earlier version of the provider wrote it or there is none, the `state` beside
    /// it.
    pub fn decode(block: &Block, state: &Value, private: &[u8]) -> Self {
        #[cfg(test)]
        super::prior_state::counters::PRIVATE_DECODED.with(|count| count.set(count.get() + 1));
        let json = decompressed(private);
        let current = serde_json::from_slice::<Current>(&json)
            .and_then(|_| serde_json::from_slice::<Self>(&json));
        let mut decoded = current.unwrap_or_else(|_| {
            let json = serde_json::from_slice(&json).unwrap_or_default();
            legacy::convert(block, state, json)
        });
        let attributes = decoded.applied_attributes.as_ref();
        if attributes.is_some_and(|attributes| attributes.config().is_none()) {
            // Without them the state is the only configuration, so its drift counts as applied.
            decoded.applied_attributes = None;
            decoded.last_applied = decoded.observed();
            decoded.changed.clear();
        }
        decoded
    }

    pub fn encode(&self) -> Private {
        compressed(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The objects as the last refresh saw them: the manifests of the last apply with the changes of others.
    pub fn observed(&self) -> Manifests {
        let mut observed = self.last_applied.clone();
        for (key, manifest) in &self.changed {
            match manifest {
                Some(manifest) => observed.insert(key.clone(), manifest.clone()),
                None => observed.remove(key),
            };
        }
        observed
    }

    /// Records the objects that a refresh saw.
    pub fn set_observed(&mut self, observed: &Manifests) {
        let changed = observed
            .iter()
            .filter(|(key, manifest)| self.last_applied.get(key) != Some(manifest))
            .map(|(key, manifest)| (key.clone(), Some(manifest.clone())));
        let deleted = self.last_applied.keys();
        let deleted = deleted.filter(|key| !observed.contains_key(key));
        self.changed = deleted
            .map(|key| (key.clone(), None))
            .chain(changed)
            .collect();
    }

    /// Forgets the objects that no longer exist.
    pub fn retain(&mut self, exists: impl Fn(&Key) -> bool) {
        self.last_applied.retain(|key, _| exists(key));
        self.changed.retain(|key, _| exists(key));
        self.rewrites.retain(exists);
    }
}

/// Returns the data in the gzip format. Terraform writes the whole state after each resource of an apply, so the time of
/// an apply grows with the size of the state.
fn compressed(data: &[u8]) -> Private {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    encoder.write_all(data).ok();
    encoder.finish().unwrap_or_default()
}

/// Returns whether the private data has the gzip format.
pub fn is_compressed(private: &[u8]) -> bool {
    private.starts_with(&[0x1f, 0x8b])
}

/// Returns the JSON of private data. Earlier versions of the provider did not compress it.
pub fn decompressed(private: &[u8]) -> Cow<'_, [u8]> {
    let mut json = Vec::new();
    match GzDecoder::new(private).read_to_end(&mut json) {
        Ok(_) => Cow::Owned(json),
        Err(_) => Cow::Borrowed(private),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::Kind;
    use crate::provider::resources::feature_store::testing::block;

    fn manifests(replicas: [(&str, i32); 2]) -> Manifests {
        let manifests = replicas.into_iter();
        manifests
            .map(|(name, replicas)| {
                let manifest = json!({"spec": {"replicas": replicas}});
                (Key::new(Kind::Deployment, name), manifest)
            })
            .collect()
    }

    #[test]
    fn stores_each_manifest_once_and_the_changes_of_others_beside_it() {
        let mut private = PrivateState {
            last_applied: manifests([("a", 1), ("b", 2)]),
            ..PrivateState::default()
        };
        private.set_observed(&private.last_applied.clone());
        let mut json = json!({
            "rollout": "complete",
            "secrets_changed": false,
            "last_applied": {
                "Deployment/a": {"spec": {"replicas": 1}}, "Deployment/b": {"spec": {"replicas": 2}},
            },
        });
        assert_eq!(json!(private), json);

        let observed = manifests([("b", 3), ("c", 4)]);
        private.set_observed(&observed);
        json["changed"] = json!({
            "Deployment/a": null,
            "Deployment/b": {"spec": {"replicas": 3}}, "Deployment/c": {"spec": {"replicas": 4}},
        });
        assert_eq!(json!(private), json);
        assert_eq!(private.observed(), observed);

        private.retain(|key| key.name == "b");
        let left = PrivateState {
            last_applied: manifests([("b", 2), ("b", 2)]),
            changed: [(
                Key::new(Kind::Deployment, "b"),
                Some(json!({"spec": {"replicas": 3}})),
            )]
            .into(),
            ..PrivateState::default()
        };
        assert_eq!(private, left);
    }

    #[test]
    fn decodes_what_it_encodes() {
        let mut private = PrivateState {
            rollout: RolloutProgress::Failed,
            secrets_changed: true,
            sources: [("key \"a\" of Secret \"b\"".to_owned(), "f".to_owned())].into(),
            owner_id: Some("c0ffee".to_owned()),
            last_applied: manifests([("a", 1), ("b", 2)]),
            kept_pvcs: ["feast-x-online".to_owned()].into(),
            rewrites: serde_json::from_value(json!({"Deployment/a": [
                {"field": ".spec.replicas", "applied": 1, "stored": 2},
            ]}))
            .unwrap(),
            planned: manifests([("a", 1), ("b", 5)]),
            applied_attributes: Some(AppliedAttributes {
                configuration: json!({"name": "x", "feastProject": "p"}),
                strategy: "Recreate".to_owned(),
            }),
            ..PrivateState::default()
        };
        private.set_observed(&manifests([("b", 2), ("c", 3)]));
        let decode = |private: &[u8]| PrivateState::decode(&block(), &Value::Null, private);
        assert_eq!(decode(&private.encode()), private);
        assert_eq!(decode(b"not JSON"), PrivateState::default());
        // A later version adds fields and kinds.
        let mut later = json!(private);
        later["another"] = json!(1);
        later["last_applied"]["Gateway/feast-x"] = json!({});
        assert_eq!(decode(later.to_string().as_bytes()), private);
    }

    #[test]
    fn unreadable_applied_attributes_make_the_observed_objects_the_applied_ones() {
        let mut private = PrivateState {
            last_applied: manifests([("a", 1), ("b", 2)]),
            applied_attributes: Some(AppliedAttributes {
                configuration: json!({"name": 1}),
                strategy: "Recreate".to_owned(),
            }),
            ..PrivateState::default()
        };
        let observed = manifests([("b", 3), ("c", 4)]);
        private.set_observed(&observed);
        let expected = PrivateState {
            last_applied: observed,
            ..PrivateState::default()
        };
        let decoded = PrivateState::decode(&block(), &Value::Null, &private.encode());
        assert_eq!(decoded, expected);
    }
}
