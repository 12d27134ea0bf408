//! The attribute `objects`: manifests as users see them, and the manifests themselves.
//!
//! Some values are not shown ([`shown`]). The manifests with them are in the private state, so that drift and
//! conflicts of these values are found as those of any other.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::feast::secrets::shown::{known, shown};
use crate::kubernetes::Key;
use crate::schema::{Block, Value, decode};

use super::computed::Desired;
use super::parse::{Parsed, was_scaled};
use super::private_state::PrivateState;

/// Manifests by their keys.
pub type Manifests = BTreeMap<Key, Json>;

/// The texts of the attribute `objects` for these manifests.
pub fn texts(manifests: &Manifests) -> BTreeMap<String, String> {
    let texts = manifests.iter();
    texts
        .map(|(key, manifest)| (key.to_string(), shown(manifest).to_string()))
        .collect()
}

/// The attribute `objects` for these manifests.
pub fn attribute(manifests: &Manifests) -> Value {
    let texts = texts(manifests).into_iter();
    Value::Map(
        texts
            .map(|(key, text)| (key, Value::string(text)))
            .collect(),
    )
}

/// All of these manifests as the private state keeps them.
pub fn by_name(manifests: &Manifests) -> BTreeMap<String, Json> {
    let manifests = manifests.iter();
    manifests
        .map(|(key, manifest)| (key.to_string(), manifest.clone()))
        .collect()
}

/// The manifests of which the attribute `objects` does not show everything, as the private state keeps them.
pub fn unshown(manifests: &Manifests) -> BTreeMap<String, Json> {
    let hidden = manifests
        .iter()
        .filter(|(_, manifest)| shown(manifest) != **manifest);
    hidden
        .map(|(key, manifest)| (key.to_string(), manifest.clone()))
        .collect()
}

/// The keys of the attribute `objects`. What is not an object of ours is left out.
pub fn keys(state: &Value) -> Vec<Key> {
    let Value::Map(objects) = state.attribute("objects") else {
        return Vec::new();
    };
    objects.keys().filter_map(|key| Key::parse(key)).collect()
}

/// The manifests that the attribute `objects` of a state shows.
///
/// Values that are not shown come from the private state. Where it lacks them (the state is of an earlier version of
/// the provider), they follow from the state's configuration; values that do not are left out.
pub fn of(block: &Block, state: &Value, private_state: &PrivateState) -> Manifests {
    let Value::Map(objects) = state.attribute("objects") else {
        return Manifests::new();
    };
    let mut rendered = None;
    let manifests = objects.iter().filter_map(|(name, text)| {
        let manifest: Json = serde_json::from_str(text.as_str()?).ok()?;
        let key = Key::parse(name)?;
        let is_it = |other: &&Json| shown(other) == manifest;
        let kept = private_state.unshown.get(name).filter(is_it);
        if let Some(kept) = kept {
            return Some((key, kept.clone()));
        }
        if known(&manifest) == manifest {
            return Some((key, manifest));
        }
        let rendered = rendered.get_or_insert_with(|| render(block, state));
        let manifest = match rendered.get(&key).filter(is_it) {
            Some(rendered) => rendered.clone(),
            None => known(&manifest),
        };
        Some((key, manifest))
    });
    manifests.collect()
}

/// The manifests of the state's own configuration; none where that cannot be read.
fn render(block: &Block, state: &Value) -> Manifests {
    let decoded = decode(block, state);
    let namespace = state.attribute("namespace").as_str();
    let (Ok(config), Some(namespace)) = (serde_json::from_value(decoded.json.clone()), namespace)
    else {
        return Manifests::new();
    };
    let parsed = Parsed {
        config,
        json: decoded.json,
        unknown: decoded.unknown,
        was_scaled: was_scaled(state),
        tolerated: Vec::new(),
    };
    let desired = Desired::of(&parsed, namespace);
    desired
        .map(|desired| desired.objects.manifests)
        .unwrap_or_default()
}

/// The state of an earlier version, which shows more, as this version shows it.
pub fn upgrade(state: &mut Value) {
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
            if entry
                .attribute("field")
                .as_str()
                .is_some_and(|field| field.contains(".env["))
            {
                entry.set("wanted", Value::Null);
                entry.set("live", Value::Null);
            }
        }
        state.set("drift", Value::List(entries));
    }
}
