//! Destroy: everything of the feature store goes; claims stay unless their data may go with them.

use std::collections::BTreeSet;

use crate::cluster::delete::Deletion;
use crate::cluster::{self, CancellationToken, PvcPolicy};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::feast::spec::{Defaults, Store};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{ApplyResourceChangeRequest, ApplyResourceChangeResponse};
use crate::schema::{Block, Diagnostic, Diagnostics, Value, decode};

use super::computed;
use super::creation::is_of_another;
use super::manifests;
use super::private_state::PrivateState;
use super::read::store_name;

/// Deletes what the prior state describes.
pub async fn destroy(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ApplyResourceChangeRequest,
) -> ApplyResourceChangeResponse {
    let prior = request.prior_state;
    let identity = computed::identity(&prior);
    let private_state = PrivateState::decode(&request.planned_private);
    let (state, diagnostics) = match delete(block, settings, stop, &prior, &private_state).await {
        Ok(deleted) => deleted,
        Err(diagnostic) => (prior, vec![diagnostic]),
    };
    ApplyResourceChangeResponse {
        state,
        identity,
        // What is not gone is remembered as before.
        private: request.planned_private,
        diagnostics,
    }
}

/// What is left in the state, and what is to be said of it.
async fn delete(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    prior: &Value,
    private_state: &PrivateState,
) -> Result<(Value, Diagnostics), Diagnostic> {
    let Some(name) = store_name(prior) else {
        return Ok((Value::Null, Vec::new()));
    };
    // A state may break a rule that was made after it; that is no reason to keep it.
    let config = serde_json::from_value(decode(block, prior).json).map_err(|error| {
        Diagnostic::error(
            "The state cannot be read",
            format!("The state of the feature store {}/{} does not fit this version of the provider: {error}.", name.namespace, name.name),
        )
    })?;
    let store = Store::new(&config, &Defaults::default());
    let known: BTreeSet<Key> = manifests::keys(prior).into_iter().collect();
    let cluster = settings.cluster().await?;
    let failed = |error: &cluster::Error| {
        diagnostics::cluster_error("Cannot destroy the feature store", error)
    };
    if let Some(creation) = &private_state.creation {
        let key = Key::new(Kind::Secret, names::main(&name.name));
        let secret = cluster.get(&name.namespace, &key, stop).await;
        let secret = secret.map_err(|error| failed(&error))?;
        if secret.is_some_and(|secret| is_of_another(&secret, creation)) {
            return Ok((Value::Null, vec![diagnostics::left_to_another(&name)]));
        }
    }
    let claims = PvcPolicy {
        delete: store.delete_data,
        used: store.referenced_claims(),
    };
    let deletion = cluster.delete(&name, &known, &claims, store.timeouts.delete, stop);
    let deletion = deletion.await.map_err(|error| failed(&error))?;
    let mut diagnostics: Diagnostics = deletion.errors.iter().map(failed).collect();
    diagnostics.extend(deletion.kept.iter().map(diagnostics::claim_kept));
    let state = match deletion.errors.is_empty() {
        true => Value::Null,
        false => remaining(prior, &deletion),
    };
    Ok((state, diagnostics))
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
