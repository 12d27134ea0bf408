//! Conflicts with other appliers: predicted in the plan, and shown at the attribute that set the field.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::cluster::{Error, Reason};
use crate::feast::config::{Drift, DriftKind};
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::kind::Key;
use crate::provider::diagnostics;
use crate::schema::{Block, Diagnostics, Path, Value};

use super::drift::attributes;
use super::manifests::Manifests;

/// What an apply of the planned state will stop at, as far as the last refresh knows.
///
/// `live` are the objects as the last refresh has seen them, and `manifests` those that are planned.
pub fn predict(
    block: &Block,
    prior: &Value,
    planned: &Value,
    live: &Manifests,
    manifests: &Manifests,
) -> Diagnostics {
    let mut places = Vec::new();
    let mut conflicts = Vec::new();
    for drift in listed(prior) {
        let applied = drift.operation.as_deref() == Some("Apply");
        let ours = matches!(drift.change, DriftKind::Changed | DriftKind::Removed);
        let Some(key) = Key::parse(&drift.object).filter(|_| applied && ours) else {
            continue;
        };
        let Some(manifest) = manifests.get(&key) else {
            continue;
        };
        let Some(path) = FieldPath::resolve(manifest, &drift.field) else {
            // It is given up.
            continue;
        };
        let live = live
            .get(&key)
            .and_then(|live| FieldPath::find(live, &drift.field));
        if path.get(manifest) == live {
            continue;
        }
        places.extend(places_of(block, planned, &key, &path));
        conflicts.push(drift);
    }
    if conflicts.is_empty() {
        return Vec::new();
    }
    vec![diagnostics::at_attributes(
        diagnostics::conflict_ahead(&conflicts),
        places,
    )]
}

/// The attributes that set the fields in conflict, where attributes have set them.
pub fn attribute_paths(
    block: &Block,
    state: &Value,
    manifests: &BTreeMap<Key, Json>,
    error: &Error,
) -> Vec<Path> {
    let (Reason::Conflict(conflicts) | Reason::ChangedSincePlan(conflicts)) = &error.reason else {
        return Vec::new();
    };
    let key = Key::parse(&error.target.to_string());
    let Some((key, manifest)) = key.and_then(|key| manifests.get_key_value(&key)) else {
        return Vec::new();
    };
    let fields = conflicts.iter();
    let fields = fields.filter_map(|conflict| FieldPath::resolve(manifest, &conflict.field));
    fields
        .flat_map(|field| places_of(block, state, key, &field))
        .collect()
}

/// Only those that the configuration has.
fn places_of(block: &Block, state: &Value, key: &Key, field: &FieldPath) -> Vec<Path> {
    let places = attributes::of(block, state, key, field).into_iter();
    places
        .map(|place| place.path)
        .filter(|path| {
            let written = |value: &Value| !value.is_null();
            *path != Path::of("strategy") && state.get(path).is_some_and(written)
        })
        .collect()
}

/// The attribute `drift` of a state.
pub fn listed(state: &Value) -> Vec<Drift> {
    let Value::List(elements) = state.attribute("drift") else {
        return Vec::new();
    };
    let text = |element: &Value, name: &str| element.attribute(name).as_str().map(str::to_owned);
    let read = |element: &Value| {
        let change = element.attribute("change").as_str()?;
        Some(Drift {
            object: text(element, "object")?,
            change: serde_json::from_value(Json::from(change)).ok()?,
            field: text(element, "field")?,
            wanted: text(element, "wanted"),
            live: text(element, "live"),
            manager: text(element, "manager"),
            operation: text(element, "operation"),
            time: text(element, "time"),
        })
    };
    elements.iter().filter_map(read).collect()
}
