//! States and private data of earlier versions of the provider, which kept the manifests in the attribute `objects`
//! and in the private data only what that attribute does not show.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::super::computed::Desired;
use super::super::manifests::Manifests;
use super::super::prior_state::decode_config;
use super::{AppliedAttributes, PrivateState, Rollout};
use crate::feast::objects::Key;
use crate::feast::secrets::shown::{known, shown};
use crate::schema::{Block, Value};

/// Private data without the field `last_applied`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Earlier {
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
    let Earlier {
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
            (true, _) => Rollout::Failed,
            (false, true) => Rollout::Pending,
            (false, false) => Rollout::Complete,
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
/// Values that it does not show come from `unshown`. Where they are missing there, they follow from the configuration in
/// the state; values that do not are left out.
fn observed(block: &Block, state: &Value, unshown: &BTreeMap<String, Json>) -> Manifests {
    let Value::Map(objects) = state.attribute("objects") else {
        return Manifests::new();
    };
    let mut rendered = None;
    let manifests = objects.iter().filter_map(|(name, text)| {
        let manifest: Json = serde_json::from_str(text.as_str()?).ok()?;
        let key = Key::parse(name)?;
        let is_same = |other: &&Json| shown(other) == manifest;
        if let Some(unshown) = unshown.get(name).filter(is_same) {
            return Some((key, unshown.clone()));
        }
        if known(&manifest) == manifest {
            return Some((key, manifest));
        }
        let rendered = rendered.get_or_insert_with(|| render(block, state));
        let manifest = match rendered.get(&key).filter(is_same) {
            Some(rendered) => rendered.clone(),
            None => known(&manifest),
        };
        Some((key, manifest))
    });
    manifests.collect()
}

/// Renders the configuration in the state. Returns nothing where this version cannot read it.
fn render(block: &Block, state: &Value) -> Manifests {
    let config = decode_config(block, state).ok();
    let desired = config.and_then(|config| Desired::of_state(&config, state));
    desired
        .map(|desired| desired.objects.manifests)
        .unwrap_or_default()
}

/// Removes values from the attributes `objects` and `drift` that earlier versions showed and this one does not.
pub fn show_as_this_version(state: &mut Value) {
    if let Value::Map(objects) = state.attribute("objects") {
        let texts = objects.iter().map(|(key, text)| {
            let manifest = text
                .as_str()
                .and_then(|text| serde_json::from_str::<Json>(text).ok());
            let text = match manifest {
                Some(manifest) => Value::string(shown(&manifest).to_string()),
                None => text.clone(),
            };
            (key.clone(), text)
        });
        let texts = Value::Map(texts.collect());
        state.set("objects", texts);
    }
    if let Value::List(entries) = state.attribute("drift") {
        let mut entries = entries.clone();
        for entry in &mut entries {
            let field = entry.attribute("field").as_str();
            if field.is_some_and(|field| field.contains(".env[")) {
                entry.set("wanted", Value::Null);
                entry.set("live", Value::Null);
            }
        }
        state.set("drift", Value::List(entries));
    }
}
