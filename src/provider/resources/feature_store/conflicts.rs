//! Conflicts with other field managers: predicted by the plan, and reported at the attributes that set the fields.

use crate::cluster::ownership::{self, FieldPath};
use crate::cluster::{Error, Reason};
use crate::feast::config::DriftKind;
use crate::feast::objects::Key;
use crate::provider::diagnostics;
use crate::schema::{Block, Diagnostics, Path, Value};

use super::drift::attributes;
use super::manifests::Manifests;
use super::prior_state::PriorState;

/// Returns a warning if an apply of the plan would stop at a conflict, as far as the last refresh can tell.
///
/// `planned` is the planned state, and `manifests` are its objects.
pub fn predict(prior: &PriorState<'_>, planned: &Value, manifests: &Manifests) -> Diagnostics {
    let mut attributes = Vec::new();
    let mut conflicts = Vec::new();
    for drift in &prior.drift {
        let is_applied = drift.operation.as_deref() == Some("Apply");
        let is_ours = matches!(drift.change, DriftKind::Changed | DriftKind::Removed);
        let Some(key) = Key::parse(&drift.object).filter(|_| is_applied && is_ours) else {
            continue;
        };
        let Some(manifest) = manifests.get(&key) else {
            continue;
        };
        let Some(field) = FieldPath::resolve(manifest, &drift.field) else {
            // The plan no longer sets the field.
            continue;
        };
        let observed = prior.observed.get(&key);
        let observed = observed.and_then(|observed| ownership::at(observed, &drift.field));
        if field.get(manifest) == observed {
            continue;
        }
        attributes.extend(configured_paths(prior.block, planned, &key, &field));
        conflicts.push(drift.clone());
    }
    if conflicts.is_empty() {
        return Vec::new();
    }
    vec![diagnostics::at_attributes(
        diagnostics::predicted_conflict(&conflicts),
        attributes,
    )]
}

/// Returns the attributes that set the fields in a conflict that the API server reported.
pub fn attribute_paths(
    block: &Block,
    state: &Value,
    manifests: &Manifests,
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
        .flat_map(|field| configured_paths(block, state, key, &field))
        .collect()
}

/// Returns the attributes of the configuration that set the field.
fn configured_paths(block: &Block, state: &Value, key: &Key, field: &FieldPath) -> Vec<Path> {
    let places = attributes::of(block, state, key, field).into_iter();
    let paths = places.map(|place| place.path);
    paths
        .filter(|path| {
            let is_set = state.get(path).is_some_and(|value| !value.is_null());
            *path != Path::of("strategy") && is_set
        })
        .collect()
}
