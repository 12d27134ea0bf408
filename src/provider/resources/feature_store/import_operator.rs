//! Import of a feature store that the Feast operator created: its custom resource becomes the configuration, and its
//! objects the first state. Nothing is written.

use serde_json::{Value as Json, json};

use crate::cluster::operator::{self, OperatorObjects};
use crate::cluster::{CancellationToken, Cluster, StoreName};
use crate::feast::{self, names};
use crate::kubernetes::diff::foreign::with_foreign_elements;
use crate::kubernetes::diff::project;
use crate::kubernetes::kind::{Key, Kind};
use crate::provider::{custom_resource, diagnostics};
use crate::schema::{Block, Diagnostic, Value};

use super::computed;
use super::desired_store::DesiredStore;
use super::import::ImportedState;
use super::manifests::{self, Manifests};
use super::parse::parse;
use super::private_state::PrivateState;

/// Reads the first state from the custom resource and the objects of the Feast operator.
///
/// # Errors
///
/// There is no such feature store, or it cannot be read.
pub async fn import_from_operator(
    block: &Block,
    cluster: &Cluster,
    store: &StoreName,
    stop: &CancellationToken,
) -> Result<ImportedState, Diagnostic> {
    let summary = "Cannot import the feature store";
    let resource = match cluster.custom_resource(store, stop).await {
        Ok(Some(resource)) => resource,
        Ok(None) => return Err(diagnostics::no_feature_store(store, cluster.server())),
        Err(error) if error.is_forbidden() => {
            return Err(diagnostics::custom_resource_forbidden(store, &error));
        }
        Err(error) => return Err(diagnostics::cluster_error(summary, &error)),
    };
    if !resource["metadata"]["deletionTimestamp"].is_null() {
        return Err(diagnostics::custom_resource_terminating(store));
    }
    let unreadable = |reason: String| diagnostics::unreadable_custom_resource(store, &reason);
    let resource = feast::custom_resource::convert(&resource, &[])
        .map_err(|error| unreadable(error.to_string()))?;
    let mut state = custom_resource::to_value(block, &resource).map_err(unreadable)?;
    state.set("namespace", Value::string(&store.namespace));
    let operator_objects = (cluster.operator_objects(store, stop).await)
        .map_err(|error| diagnostics::cluster_error(summary, &error))?;
    let deployment = Key::new(Kind::Deployment, names::main(&store.name));
    if !operator_objects.objects.contains_key(&deployment) {
        return Err(diagnostics::nothing_to_import(store));
    }
    let mut diagnostics = vec![diagnostics::imported_from_operator(
        store,
        &resource.notes,
        &operator_objects.unlisted,
    )];
    let desired = match parse(block, &state) {
        Ok(parsed) => DesiredStore::of(&parsed, &store.namespace),
        Err(violations) => {
            diagnostics.push(diagnostics::invalid_custom_resource(store, &violations));
            None
        }
    };
    if let Some(desired) = &desired {
        computed::write(block, &mut state, &desired.computed());
    }
    let manifests = desired.map(|desired| desired.objects.manifests);
    let observed = observed(&operator_objects, &manifests.unwrap_or_default());
    state.set("configuration_hash", Value::Null);
    state.set("objects", manifests::attribute(&observed));
    Ok(ImportedState {
        state,
        private: PrivateState {
            last_applied: observed,
            ..PrivateState::default()
        },
        diagnostics,
    })
}

/// Returns the operator's objects as far as our manifests name fields of them, with the list elements that an apply
/// will remove. Of an object without a manifest, which an apply will delete, returns only the metadata.
fn observed(operator_objects: &OperatorObjects, manifests: &Manifests) -> Manifests {
    let objects = operator_objects.objects.iter().map(|(key, live)| {
        let manifest = match manifests.get(key) {
            Some(manifest) => with_foreign_elements(manifest, live, &operator::fields(live)),
            None => bare(live),
        };
        (key.clone(), project(&manifest, live))
    });
    objects.collect()
}

fn bare(live: &Json) -> Json {
    json!({
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        "metadata": {
            "name": live["metadata"]["name"],
            "namespace": live["metadata"]["namespace"],
            "labels": live["metadata"]["labels"],
        },
    })
}
