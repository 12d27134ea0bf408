//! Import of a feature store that the Feast operator has made: its custom resource as the configuration, and
//! its objects, seen through what we would have of them, as the first state. Nothing is written.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::cluster::operator::{self, Operated};
use crate::cluster::{CancellationToken, Cluster, Reason, StoreName};
use crate::feast::custom_resource;
use crate::feast::names;
use crate::kubernetes::diff::foreign::with_foreign_elements;
use crate::kubernetes::diff::project;
use crate::kubernetes::kind::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::functions::from_manifest;
use crate::schema::{Block, Diagnostic, Diagnostics, Value};

use super::computed::{self, Desired};
use super::manifests;
use super::parse::parse;

/// The first state, with what is to be known about it.
///
/// # Errors
///
/// No such feature store, or one that cannot be read.
pub async fn adopt(
    block: &Block,
    cluster: &Cluster,
    store: &StoreName,
    stop: &CancellationToken,
) -> Result<(Value, Diagnostics), Diagnostic> {
    let summary = "Cannot import the feature store";
    let resource = match cluster.custom_resource(store, stop).await {
        Ok(Some(resource)) => resource,
        Ok(None) => return Err(diagnostics::no_feature_store(store, cluster.server())),
        Err(error) if matches!(error.reason, Reason::Forbidden { .. }) => {
            return Err(diagnostics::no_feature_store_seen(store, &error));
        }
        Err(error) => return Err(diagnostics::cluster_error(summary, &error)),
    };
    if !resource["metadata"]["deletionTimestamp"].is_null() {
        return Err(diagnostics::custom_resource_leaving(store));
    }
    let resource = custom_resource::convert(&resource, &[])
        .map_err(|error| unreadable(store, &error.to_string()))?;
    let mut value = from_manifest::value(block, &resource)
        .map_err(|mismatches| unreadable(store, &mismatches))?;
    value.set("namespace", Value::string(&store.namespace));
    let operated = (cluster.operated(store, stop).await)
        .map_err(|error| diagnostics::cluster_error(summary, &error))?;
    let deployment = Key::new(Kind::Deployment, names::main(&store.name));
    if !operated.objects.contains_key(&deployment) {
        return Err(diagnostics::nothing_to_take_over(store));
    }
    let mut diagnostics = vec![diagnostics::adopted(
        store,
        &resource.notes,
        &operated.unseen,
    )];
    let wanted = match parse(block, &value) {
        Ok(parsed) => {
            let desired = Desired::of(&parsed, &store.namespace);
            if let Some(desired) = &desired {
                computed::write(block, &mut value, &desired.observed());
            }
            desired.map(|desired| desired.objects.manifests)
        }
        Err(broken) => {
            diagnostics.push(diagnostics::adopted_but_refused(store, &broken));
            None
        }
    };
    value.set("configuration_hash", Value::Null);
    value.set("objects", objects(&operated, &wanted.unwrap_or_default()));
    Ok((value, diagnostics))
}

/// The operator's objects: through the manifest where there is one, with the elements that will go; else only
/// that the object is there, which says that it will go.
fn objects(operated: &Operated, wanted: &BTreeMap<Key, Json>) -> Value {
    let seen = operated.objects.iter().map(|(key, live)| {
        let mask = match wanted.get(key) {
            Some(manifest) => with_foreign_elements(manifest, live, &operator::fields(live)),
            None => bare(live),
        };
        (key.clone(), project(&mask, live))
    });
    manifests::attribute(&seen.collect())
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

fn unreadable(store: &StoreName, why: &str) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "The custom resource cannot be read",
        format!(
            "There is a FeatureStore {name:?} of the Feast operator in namespace {namespace:?}, and not all of it \
             can be a configuration of this provider. {why}"
        ),
    )
}
