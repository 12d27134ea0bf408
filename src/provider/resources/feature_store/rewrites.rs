//! Values that the cluster stored in place of the applied ones: those of mutating admission policies and webhooks.
//!
//! The API server accepts an apply and returns the object as it is stored. A value that differs from the applied one is
//! recorded with it. As long as both stay the same, the field counts as applied, so that it is neither drift nor
//! applied again. Values that admission adds, such as an injected container, are fields of others and not recorded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::drift::is_content;
use super::manifests::{Manifests, by_key};
use crate::cluster::apply::{Outcome, to_apply_body};
use crate::kubernetes::diff::{FieldChange, changes};
use crate::kubernetes::field_path::{FieldPath, FieldStep};
use crate::kubernetes::{Key, Kind};

/// The recorded values, by object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rewrites(#[serde(with = "by_key")] BTreeMap<Key, Vec<Rewrite>>);

/// A field that was stored with another value than it was applied with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rewrite {
    /// In the notation of the API server.
    field: String,
    applied: Json,
    /// `None` if the field was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored: Option<Json>,
}

impl Rewrite {
    fn of(change: &FieldChange) -> Option<Self> {
        Some(Self {
            field: change.field.to_string(),
            applied: change.wanted.clone()?,
            stored: change.live.clone(),
        })
    }
}

impl Rewrites {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the record after an apply. An object that was not written keeps its record.
    pub fn after(&self, outcome: &Outcome) -> Self {
        let mut rewrites = self.0.clone();
        for key in &outcome.changed {
            let changes = outcome.differences.get(key).into_iter().flatten();
            let changes = changes.filter(|change| is_recorded(key, change));
            let recorded: Vec<Rewrite> = changes.filter_map(Rewrite::of).collect();
            match recorded.is_empty() {
                true => rewrites.remove(key),
                false => rewrites.insert(key.clone(), recorded),
            };
        }
        rewrites.retain(|key, _| outcome.objects.contains_key(key));
        Self(rewrites)
    }

    /// Forgets the objects that no longer exist.
    pub fn retain(&mut self, exists: impl Fn(&Key) -> bool) {
        self.0.retain(|key, _| exists(key));
    }

    /// Returns whether the record has this difference between an object and its manifest.
    pub fn contains(&self, key: &Key, change: &FieldChange) -> bool {
        let rewrite = Rewrite::of(change);
        let recorded = self.0.get(key);
        rewrite.is_some_and(|rewrite| recorded.is_some_and(|all| all.contains(&rewrite)))
    }

    /// Puts the values of the manifests into the live objects wherever the difference is recorded.
    pub fn restore_applied(&self, manifests: &Manifests, live: &mut BTreeMap<Key, Json>) {
        for key in self.0.keys() {
            if let (Some(manifest), Some(live)) = (manifests.get(key), live.get_mut(key)) {
                self.restore_applied_in(key, &to_apply_body(key, manifest), live);
            }
        }
    }

    fn restore_applied_in(&self, key: &Key, manifest: &Json, live: &mut Json) {
        let (recorded, others): (Vec<FieldChange>, Vec<FieldChange>) = changes(manifest, live, "")
            .into_iter()
            .partition(|change| self.contains(key, change));
        // A position in the manifest can be another one in the live list.
        let changed: Vec<FieldPath> = others.iter().map(|change| list_of(&change.field)).collect();
        for change in recorded {
            let field = list_of(&change.field);
            if !changed.contains(&field) {
                field.replace(live, field.get(manifest));
            }
        }
    }
}

/// Returns whether a difference is recorded. The content of a Secret is never part of the private state.
pub fn is_recorded(key: &Key, change: &FieldChange) -> bool {
    let is_secret = key.kind == Kind::Secret && is_content(&change.field);
    change.wanted.is_some() && !is_secret
}

/// Returns the list without keys that the field is in, or the field itself.
fn list_of(field: &FieldPath) -> FieldPath {
    let steps = field.steps().iter();
    let is_above = |step: &&FieldStep| !matches!(step, FieldStep::Index(_));
    FieldPath::from(steps.take_while(is_above).cloned().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> Key {
        Key::new(Kind::Deployment, "feast-x")
    }

    fn deployment(image: &str, policy: &str) -> Json {
        json!({
            "metadata": {"labels": {"team": "a"}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "online", "image": image, "imagePullPolicy": policy, "args": ["serve"]},
            ]}}},
        })
    }

    /// The stored form of [`deployment`], with a sidecar and a variable that admission has added.
    fn stored(image: &str, policy: &str) -> Json {
        let mut live = deployment(image, policy);
        let containers = live["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .unwrap();
        containers[0]["env"] = json!([{"name": "PROXY", "value": "p"}]);
        containers.insert(0, json!({"name": "istio-proxy", "image": "i"}));
        live
    }

    /// The record after an apply whose answer is `live`.
    fn record(before: &Rewrites, manifest: &Json, live: &Json) -> Rewrites {
        let outcome = Outcome {
            objects: [(key(), live.clone())].into(),
            changed: [key()].into(),
            differences: [(key(), changes(manifest, live, ""))].into(),
            ..Outcome::default()
        };
        before.after(&outcome)
    }

    /// The fields that differ once the recorded ones are restored.
    fn differences(rewrites: &Rewrites, manifest: &Json, live: &Json) -> Vec<String> {
        let manifests = Manifests::from([(key(), manifest.clone())]);
        let mut live = BTreeMap::from([(key(), live.clone())]);
        rewrites.restore_applied(&manifests, &mut live);
        let left = changes(manifest, &live[&key()], "");
        left.iter().map(|change| change.field.to_string()).collect()
    }

    const IMAGE: &str = ".spec.template.spec.containers[name=\"online\"].image";
    const POLICY: &str = ".spec.template.spec.containers[name=\"online\"].imagePullPolicy";

    #[test]
    fn a_recorded_value_is_no_difference_until_either_value_changes() {
        let manifest = deployment("quay.io/a:1", "IfNotPresent");
        let live = stored("mirror/a:1", "Always");
        let rewrites = record(&Rewrites::default(), &manifest, &live);
        assert_eq!(
            differences(&Rewrites::default(), &manifest, &live),
            [IMAGE, POLICY]
        );
        assert_eq!(differences(&rewrites, &manifest, &live), [""; 0]);
        // Somebody else changes the live value.
        let edited = stored("other/a:1", "Always");
        assert_eq!(differences(&rewrites, &manifest, &edited), [IMAGE]);
        // The configuration changes, and the next apply records the new answer.
        let changed = deployment("quay.io/a:2", "IfNotPresent");
        assert_eq!(differences(&rewrites, &changed, &live), [IMAGE]);
        let live = stored("mirror/a:2", "Always");
        let rewrites = record(&rewrites, &changed, &live);
        assert_eq!(differences(&rewrites, &changed, &live), [""; 0]);
        // The policy is gone.
        assert_eq!(record(&rewrites, &changed, &changed), Rewrites::default());
    }

    #[test]
    fn removed_values_and_values_of_lists_are_recorded() {
        let manifest = json!({
            "metadata": {"labels": {"team": "a", "app.kubernetes.io/x": "1"}},
            "spec": {"metrics": [{"type": "Resource", "resource": {"target": {"averageUtilization": 50}}}], "args": ["a"]},
        });
        let live = json!({
            "metadata": {"labels": {"app.kubernetes.io/x": "2"}},
            "spec": {
                "metrics": [{"type": "Resource", "resource": {"target": {"averageUtilization": 80}}}], "args": ["a", "b"],
            },
        });
        let rewrites = record(&Rewrites::default(), &manifest, &live);
        assert_eq!(differences(&rewrites, &manifest, &live), [""; 0]);
        let mut edited = live;
        edited["metadata"]["labels"]["team"] = json!("b");
        edited["spec"]["args"] = json!(["a"]);
        assert_eq!(
            differences(&rewrites, &manifest, &edited),
            [".metadata.labels.team"]
        );
    }

    #[test]
    fn the_record_is_stored_with_the_fields() {
        let manifest = deployment("quay.io/a:1", "IfNotPresent");
        let rewrites = record(
            &Rewrites::default(),
            &manifest,
            &stored("mirror/a:1", "IfNotPresent"),
        );
        let json = json!({"Deployment/feast-x": [
            {"field": IMAGE, "applied": "quay.io/a:1", "stored": "mirror/a:1"},
        ]});
        assert_eq!(json!(rewrites), json);
        assert_eq!(serde_json::from_value::<Rewrites>(json).unwrap(), rewrites);
        let outcome = Outcome {
            objects: [(key(), Json::Null)].into(),
            ..Outcome::default()
        };
        assert_eq!(rewrites.after(&outcome), rewrites, "not written");
        assert_eq!(
            rewrites.after(&Outcome::default()),
            Rewrites::default(),
            "deleted"
        );
    }

    #[test]
    fn the_content_of_a_secret_is_not_recorded() {
        let secret = Key::new(Kind::Secret, "feast-x");
        let change = |field: &[&str]| FieldChange {
            field: FieldPath::of(field),
            wanted: Some(json!("a")),
            live: Some(json!("b")),
            author: None,
        };
        assert!(!is_recorded(
            &secret,
            &change(&["data", "feature_store.yaml"])
        ));
        assert!(is_recorded(
            &secret,
            &change(&["metadata", "labels", "team"])
        ));
    }
}
