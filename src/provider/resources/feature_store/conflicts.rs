//! Conflicts with other field managers: predicted by the plan, and reported at the attributes that set the fields.

use serde_json::Value as Json;

use crate::cluster::{Error, Reason};
use crate::feast::config::DriftKind;
use crate::kubernetes::Key;
use crate::kubernetes::field_path::FieldPath;
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
        let observed = observed.and_then(|observed| FieldPath::find(observed, &drift.field));
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
    let Some((key, manifest)) = target(manifests, error) else {
        return Vec::new();
    };
    let fields = conflicts.iter();
    let fields = fields.filter_map(|conflict| FieldPath::resolve(manifest, &conflict.field));
    fields
        .flat_map(|field| configured_paths(block, state, key, &field))
        .collect()
}

/// Returns the manifest of the object that the error is about.
pub fn target<'m>(manifests: &'m Manifests, error: &Error) -> Option<(&'m Key, &'m Json)> {
    manifests.get_key_value(&Key::parse(&error.target.to_string())?)
}

/// Returns the attributes of the configuration that set the field.
pub fn configured_paths(block: &Block, state: &Value, key: &Key, field: &FieldPath) -> Vec<Path> {
    let places = attributes::of(block, state, key, field).into_iter();
    let paths = places.map(|place| place.path);
    paths
        .filter(|path| {
            let is_set = state.get(path).is_some_and(|value| !value.is_null());
            *path != Path::of("strategy") && is_set
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feast::config::Drift;
    use crate::kubernetes::Kind;
    use crate::provider::resources::feature_store::testing::{Stored, block, plan, stored, value};
    use crate::schema::Diagnostic;

    fn config(block: &Block, image: &str) -> Value {
        let json = json!({
            "name": "x", "namespace": "ns", "feastProject": "p",
            "services": {
                "onlineStore": {"server": {"image": image}},
                // Without a warning that the update interrupts the feature store.
                "deploymentStrategy": {"type": "RollingUpdate"},
            },
        });
        value(block, &json)
    }

    const FIELD: &str = ".spec.template.spec.containers[name=\"online\"].image";

    fn drift(object: &str, change: DriftKind, operation: &str) -> Drift {
        Drift {
            object: object.to_owned(),
            change,
            field: FIELD.to_owned(),
            wanted: Some("feast:1".to_owned()),
            live: Some("feast:2".to_owned()),
            manager: Some("argocd".to_owned()),
            operation: Some(operation.to_owned()),
            time: None,
        }
    }

    /// The state after another manager has set the image to `feast:2`.
    fn drifted(block: &Block, drift: &Drift) -> Stored {
        let applied = stored(block, &config(block, "feast:1"));
        let deployment = Key::new(Kind::Deployment, "feast-x");
        let mut observed = applied.private.last_applied[&deployment].clone();
        observed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("feast:2");
        applied.drifted(block, drift, Some(observed))
    }

    #[test]
    fn predicts_a_conflict_where_a_plan_changes_what_another_manager_applies() {
        let block = block();
        let deployment = "Deployment/feast-x";
        let applied = drift(deployment, DriftKind::Changed, "Apply");
        let expected = |image: &str| -> Vec<Diagnostic> {
            let path = Path::of("services.online_store.server.image");
            match image {
                "feast:2" => Vec::new(),
                _ => vec![diagnostics::at_attributes(
                    diagnostics::predicted_conflict(std::slice::from_ref(&applied)),
                    vec![path],
                )],
            }
        };
        for image in ["feast:1", "feast:2", "feast:3"] {
            let prior = drifted(&block, &applied);
            let planned = plan(&block, Some(&prior), &config(&block, image));
            assert_eq!(planned.diagnostics, expected(image), "{image}");
        }
        // An apply undoes plain updates, and leaves alone what others have added.
        for drift in [
            drift(deployment, DriftKind::Changed, "Update"),
            drift(deployment, DriftKind::Added, "Apply"),
        ] {
            let prior = drifted(&block, &drift);
            let planned = plan(&block, Some(&prior), &config(&block, "feast:1"));
            assert_eq!(planned.diagnostics, [], "{drift:?}");
        }
    }
}
