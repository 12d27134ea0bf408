//! Conflicts with other field managers, predicted by the plan.

use crate::feast::config::DriftKind;
use crate::kubernetes::Key;
use crate::kubernetes::field_path::FieldPath;
use crate::provider::diagnostics;
use crate::schema::{Diagnostics, Value};

use super::attribute_paths::AttributePaths;
use super::manifests::Manifests;
use super::prior_state::PriorState;

/// Returns a warning if an apply of the plan would stop at a conflict, as far as the last refresh can tell.
///
/// `planned` is the planned state, and `manifests` are its objects.
pub fn predict(prior: &PriorState<'_>, planned: &Value, manifests: &Manifests) -> Diagnostics {
    let attributes = AttributePaths {
        block: prior.block,
        planned,
    };
    let mut paths = Vec::new();
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
        paths.extend(attributes.of_field(&key, &field));
        conflicts.push(drift.clone());
    }
    if conflicts.is_empty() {
        return Vec::new();
    }
    vec![diagnostics::at_attributes(
        diagnostics::predicted_conflict(&conflicts),
        paths,
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feast::config::Drift;
    use crate::kubernetes::Kind;
    use crate::provider::resources::feature_store::testing::{Stored, block, plan, stored, value};
    use crate::schema::{Block, Diagnostic, Path};

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
