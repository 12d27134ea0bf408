//! States and private data of earlier versions of the provider, which kept the manifests in the attribute `objects`
//! and in the private data only what that attribute does not show.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::super::desired_store::DesiredStore;
use super::super::manifests::Manifests;
use super::super::prior_state::decode_config;
use super::{AppliedAttributes, PrivateState, RolloutProgress};
use crate::feast::secrets::manifest_redaction::{redact_manifest, without_redacted};
use crate::kubernetes::Key;
use crate::schema::{Block, Value};

/// Private data without the field `last_applied`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LegacyPrivateState {
    rollout_incomplete: bool,
    apply_failed: bool,
    secrets_changed: bool,
    sources: BTreeMap<String, String>,
    creation: Option<String>,
    /// The manifests of which `objects` does not show everything, as the last refresh saw them.
    unshown: BTreeMap<String, Json>,
    planned: BTreeMap<String, Json>,
    applied: Option<Applied>,
}

/// The last apply, while the state shows drift in its place.
#[derive(Deserialize)]
struct Applied {
    configuration: Json,
    /// JSON texts by key.
    objects: BTreeMap<String, String>,
    strategy: String,
}

/// Converts the private data that an earlier version wrote beside this state. Without private data, the objects of the
/// state count as applied.
pub fn convert(block: &Block, state: &Value, private: Json) -> PrivateState {
    let LegacyPrivateState {
        rollout_incomplete,
        apply_failed,
        secrets_changed,
        sources,
        creation,
        unshown,
        planned,
        applied,
    } = serde_json::from_value(private).unwrap_or_default();
    let observed = observed(block, state, &unshown);
    let last_applied = match &applied {
        Some(applied) => parsed(applied.objects.iter()),
        None => observed.clone(),
    };
    let planned = planned.into_iter();
    let mut converted = PrivateState {
        rollout: match (apply_failed, rollout_incomplete) {
            (true, _) => RolloutProgress::Failed,
            (false, true) => RolloutProgress::Pending,
            (false, false) => RolloutProgress::Complete,
        },
        secrets_changed,
        sources,
        owner_id: creation,
        last_applied,
        planned: planned
            .filter_map(|(name, manifest)| Some((Key::parse(&name)?, manifest)))
            .collect(),
        applied_attributes: applied.map(|applied| AppliedAttributes {
            configuration: applied.configuration,
            strategy: applied.strategy,
        }),
        ..PrivateState::default()
    };
    converted.set_observed(&observed);
    converted
}

fn parsed<'a>(texts: impl Iterator<Item = (&'a String, &'a String)>) -> Manifests {
    texts
        .filter_map(|(name, text)| Some((Key::parse(name)?, serde_json::from_str(text).ok()?)))
        .collect()
}

/// Returns the manifests that the attribute `objects` of the state shows.
///
/// Values that it does not show come from `unshown`. Where they are missing there, they follow from the configuration
/// in the state; values that do not are left out.
fn observed(block: &Block, state: &Value, unshown: &BTreeMap<String, Json>) -> Manifests {
    let Value::Map(objects) = state.attribute("objects") else {
        return Manifests::new();
    };
    let mut rendered = None;
    let manifests = objects.iter().filter_map(|(name, text)| {
        let manifest: Json = serde_json::from_str(text.as_str()?).ok()?;
        let key = Key::parse(name)?;
        let is_same = |other: &&Json| redact_manifest(other) == manifest;
        if let Some(unshown) = unshown.get(name).filter(is_same) {
            return Some((key, unshown.clone()));
        }
        if without_redacted(&manifest) == manifest {
            return Some((key, manifest));
        }
        let rendered = rendered.get_or_insert_with(|| render(block, state));
        let revealed = match rendered.get(&key) {
            Some(rendered) => reveal(&manifest, rendered),
            None => without_redacted(&manifest),
        };
        Some((key, revealed))
    });
    manifests.collect()
}

/// Returns a shown manifest with the values that it does not show, as far as `rendered` has them: this version can
/// render other fields than the one that applied the manifest.
fn reveal(manifest: &Json, rendered: &Json) -> Json {
    match (manifest, rendered) {
        (Json::Object(members), Json::Object(rendered)) => {
            let known = without_redacted(manifest);
            // What is not shown depends on the names of the members.
            let shown = redact_manifest(&Json::Object(rendered.clone()));
            let members = members.iter().filter_map(|(name, value)| {
                let value = match rendered.get(name) {
                    Some(rendered) if shown[name] == *value => rendered.clone(),
                    Some(rendered) if known.get(name).is_some() => reveal(value, rendered),
                    _ => known.get(name)?.clone(),
                };
                Some((name.clone(), value))
            });
            Json::Object(members.collect())
        }
        (Json::Array(elements), Json::Array(rendered)) => {
            let elements = elements.iter().map(|element| {
                let name = element.get("name").filter(|name| name.is_string());
                let mut rendered = rendered.iter();
                match rendered.find(|it| name.is_some() && it.get("name") == name) {
                    Some(rendered) => reveal(element, rendered),
                    None => without_redacted(element),
                }
            });
            elements.collect()
        }
        _ => without_redacted(manifest),
    }
}

/// Renders the configuration in the state. Returns nothing where this version cannot read it.
fn render(block: &Block, state: &Value) -> Manifests {
    let config = decode_config(block, state).ok();
    let desired = config.and_then(|config| DesiredStore::of_state(&config, state));
    desired
        .map(|desired| desired.objects.manifests)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::Kind;
    use crate::provider::resources::feature_store::testing::{block, stored, value};

    fn deployment() -> Key {
        Key::new(Kind::Deployment, "feast-x")
    }

    /// A state whose `objects` does not show the value of the variable `A`.
    fn state(block: &Block) -> Value {
        let json = json!({
            "name": "x", "namespace": "ns", "feastProject": "p",
            "services": {"onlineStore": {"server": {"env": [{"name": "A", "value": "b"}]}}},
        });
        stored(block, &value(block, &json)).state
    }

    fn variable(manifests: &Manifests) -> &Json {
        &manifests[&deployment()]["spec"]["template"]["spec"]["containers"][0]["env"][0]
    }

    #[test]
    fn hidden_values_come_from_the_private_data_or_the_configuration() {
        let block = block();
        let mut state = state(&block);
        let rendered = convert(&block, &state, Json::Null);
        assert_eq!(
            variable(&rendered.last_applied),
            &json!({"name": "A", "value": "b"})
        );
        assert!(rendered.changed.is_empty());

        let mut manifest = rendered.last_applied[&deployment()].clone();
        manifest["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("live");
        let private = json!({"unshown": {"Deployment/feast-x": manifest}});
        let unshown = convert(&block, &state, private);
        assert_eq!(
            variable(&unshown.last_applied),
            &json!({"name": "A", "value": "live"})
        );

        // The configuration tells nothing any more.
        state.set("namespace", Value::Null);
        let known = convert(&block, &state, Json::Null);
        assert_eq!(variable(&known.last_applied), &json!({"name": "A"}));
    }

    #[test]
    fn every_field_has_a_place() {
        let block = block();
        let state = state(&block);
        let observed = convert(&block, &state, Json::Null).last_applied;
        let mut applied = observed.clone();
        applied.get_mut(&deployment()).unwrap()["spec"]["replicas"] = json!(7);
        let texts: BTreeMap<String, String> = (applied.iter())
            .map(|(key, manifest)| (key.to_string(), manifest.to_string()))
            .collect();
        for (apply_failed, rollout_incomplete, rollout) in [
            (true, true, RolloutProgress::Failed),
            (true, false, RolloutProgress::Failed),
            (false, true, RolloutProgress::Pending),
            (false, false, RolloutProgress::Complete),
        ] {
            let private = json!({
                "rollout_incomplete": rollout_incomplete, "apply_failed": apply_failed, "secrets_changed": true,
                "sources": {"a": "f"}, "creation": "c0ffee", "planned": {"Deployment/feast-x": {"a": 1}},
                "applied": {"configuration": {"name": "x"}, "objects": texts, "strategy": "Recreate"},
            });
            let mut expected = PrivateState {
                rollout,
                secrets_changed: true,
                sources: [("a".to_owned(), "f".to_owned())].into(),
                owner_id: Some("c0ffee".to_owned()),
                last_applied: applied.clone(),
                planned: [(deployment(), json!({"a": 1}))].into(),
                applied_attributes: Some(AppliedAttributes {
                    configuration: json!({"name": "x"}),
                    strategy: "Recreate".to_owned(),
                }),
                ..PrivateState::default()
            };
            expected.set_observed(&observed);
            assert_eq!(convert(&block, &state, private), expected);
        }
    }
}
