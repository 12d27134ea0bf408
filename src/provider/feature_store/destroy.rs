//! Destroy: everything of the feature store goes; claims stay unless their data may go with them.

use std::collections::BTreeSet;

use crate::cluster::delete::Deletion;
use crate::cluster::{self, CancellationToken, Claims};
use crate::feast::objects::Key;
use crate::feast::spec::{Defaults, Store};
use crate::provider::settings::Settings;
use crate::provider::wording;
use crate::schema::provider::{Applied, Apply};
use crate::schema::{Block, Diagnostic, Value, decode};

use super::computed;
use super::read::store_name;

/// Deletes what the prior state describes.
pub async fn destroy(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: Apply,
) -> Applied {
    let prior = request.prior_state;
    let identity = computed::identity(&prior);
    match delete(block, settings, stop, &prior).await {
        Ok(deletion) => {
            let mut diagnostics: Vec<Diagnostic> = (deletion.errors.iter())
                .map(|error| wording::cluster_error("Cannot destroy the feature store", error))
                .collect();
            diagnostics.extend(deletion.kept.iter().map(wording::claim_kept));
            let state = if deletion.errors.is_empty() {
                Value::Null
            } else {
                remaining(&prior, &deletion)
            };
            Applied {
                state,
                identity,
                diagnostics,
                ..Applied::default()
            }
        }
        Err(diagnostic) => Applied {
            state: prior,
            identity,
            diagnostics: vec![diagnostic],
            ..Applied::default()
        },
    }
}

async fn delete(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    prior: &Value,
) -> Result<Deletion, Diagnostic> {
    let Some(name) = store_name(prior) else {
        return Ok(Deletion::default());
    };
    // A state may break a rule that was made after it; that is no reason to keep it.
    let config = serde_json::from_value(decode(block, prior).json).map_err(|error| {
        Diagnostic::error(
            "The state cannot be read",
            format!("The state of the feature store {}/{} does not fit this version of the provider: {error}.", name.namespace, name.name),
        )
    })?;
    let store = Store::new(&config, &Defaults { namespace: None });
    let known: BTreeSet<Key> = computed::manifests(prior).into_keys().collect();
    let cluster = settings.cluster().await?;
    let deleted = cluster
        .delete(
            &name,
            &known,
            &Claims {
                delete: store.delete_data,
                used: store.referenced_claims(),
            },
            store.timeouts.delete,
            stop,
        )
        .await;
    deleted.map_err(|error: cluster::Error| {
        wording::cluster_error("Cannot destroy the feature store", &error)
    })
}

/// The prior state with only those objects that still exist.
fn remaining(prior: &Value, deletion: &Deletion) -> Value {
    let mut state = prior.clone();
    if let Value::Map(objects) = prior.attribute("objects") {
        let exists =
            |key: &String| Key::parse(key).is_some_and(|key| deletion.remaining.contains_key(&key));
        let left = objects.iter().filter(|(key, _)| exists(key));
        state.set(
            "objects",
            Value::Map(
                left.map(|(key, text)| (key.clone(), text.clone()))
                    .collect(),
            ),
        );
    }
    state
}
