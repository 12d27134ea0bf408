//! Destroy: delete all objects of the feature store. PersistentVolumeClaims stay unless `delete_data` is true.

use std::collections::BTreeSet;

use crate::cluster::{self, CancellationToken, PvcPolicy};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::feast::ownership::{Event, Ownership};
use crate::feast::spec::{Defaults, Store};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{Applied, Apply, Private};
use crate::schema::{Block, Diagnostic, Diagnostics, Value};

use super::computed;
use super::manifests;
use super::prior_state::PriorState;

/// Deletes the feature store of the prior state.
pub async fn destroy(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: Apply,
) -> Applied {
    let prior = PriorState::decode(block, &request.prior_state, &request.planned_private);
    let identity = computed::identity(prior.value);
    let deleted = delete(settings, stop, &prior).await;
    let Destroyed {
        state,
        private,
        diagnostics,
    } = deleted.unwrap_or_else(|diagnostic| Destroyed {
        state: prior.value.clone(),
        private: request.planned_private.clone(),
        diagnostics: vec![diagnostic],
    });
    Applied {
        state,
        identity,
        private,
        diagnostics,
    }
}

#[derive(Default)]
struct Destroyed {
    /// Null if all objects are deleted.
    state: Value,
    private: Private,
    diagnostics: Diagnostics,
}

/// # Errors
///
/// Nothing was deleted.
async fn delete(
    settings: &Settings,
    stop: &CancellationToken,
    prior: &PriorState<'_>,
) -> Result<Destroyed, Diagnostic> {
    let Some(store) = prior.store_name() else {
        return Ok(Destroyed::default());
    };
    // The rules are not checked: a state can break a rule of a later version, which is no reason to keep it.
    let config =
        (prior.config()).map_err(|reason| diagnostics::undecodable_state(&store, reason))?;
    let spec = Store::new(config, &Defaults::default());
    let known: BTreeSet<Key> = prior.observed.keys().cloned().collect();
    let cluster = settings.cluster().await?;
    let failed = |error: &cluster::Error| {
        diagnostics::cluster_error("Cannot destroy the feature store", error)
    };
    let owner_id = prior.private.owner_id.as_deref();
    if owner_id.is_some() {
        let key = Key::new(Kind::Secret, names::main(&store.name));
        let secret = cluster.get(&store.namespace, &key, stop).await;
        let secret = secret.map_err(|error| failed(&error))?;
        let ownership = Ownership::of(secret.as_ref());
        if ownership.after(Event::DestroyStarts { owner_id }).is_err() {
            return Ok(Destroyed {
                diagnostics: vec![diagnostics::owned_by_another(&store)],
                ..Destroyed::default()
            });
        }
    }
    let pvcs = PvcPolicy {
        delete: spec.delete_data,
        used: spec.referenced_claims(),
    };
    let deletion = cluster.delete(&store, &known, &pvcs, spec.timeouts.delete, stop);
    let deletion = deletion.await.map_err(|error| failed(&error))?;
    let mut diagnostics: Diagnostics = deletion.errors.iter().map(failed).collect();
    diagnostics.extend(deletion.kept.iter().map(diagnostics::pvc_kept));
    if deletion.errors.is_empty() {
        return Ok(Destroyed {
            diagnostics,
            ..Destroyed::default()
        });
    }
    let mut private = prior.private.clone();
    private.retain(|key| deletion.remaining.contains_key(key));
    let mut state = prior.value.clone();
    state.set("objects", manifests::attribute(&private.observed()));
    Ok(Destroyed {
        state,
        private: private.encode(),
        diagnostics,
    })
}
