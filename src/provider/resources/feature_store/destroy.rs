//! Destroy: delete all objects of the feature store. PersistentVolumeClaims are kept unless `delete_data` is true.

use std::collections::BTreeSet;

use crate::cluster::{self, CancellationToken};
use crate::feast::ownership::{Ownership, OwnershipEvent};
use crate::feast::secrets::store_secret;
use crate::feast::spec::{Defaults, Store};
use crate::kubernetes::Key;
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{ApplyResourceChangeRequest, ApplyResourceChangeResponse, Private};
use crate::schema::{Block, Diagnostic, Diagnostics, Value};

use super::data_loss;
use super::identity;
use super::manifests;
use super::prior_state::PriorState;

/// Deletes the feature store of the prior state.
pub async fn destroy(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ApplyResourceChangeRequest,
) -> ApplyResourceChangeResponse {
    let prior = PriorState::decode(block, &request.prior_state, &request.planned_private);
    let identity = identity::of(prior.value);
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
    ApplyResourceChangeResponse {
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

/// Deletes the objects, unless another create owns the feature store.
///
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
    prior.check_was_read()?;
    // The rules are not checked: a state can break a rule of a later version, which is no reason to keep it.
    let config =
        (prior.config()).map_err(|reason| diagnostics::undecodable_state(&store, reason))?;
    let spec = Store::new(config, &Defaults::default());
    let mut known: BTreeSet<Key> = prior.observed.keys().cloned().collect();
    let cluster = settings.cluster().await?;
    let failed = |error: &cluster::Error| {
        diagnostics::cluster_error("Cannot destroy the feature store", error)
    };
    let owner_id = prior.private.owner_id.as_deref();
    if owner_id.is_some() {
        let key = store_secret::key(&store.name);
        let secret = cluster.get(&store.namespace, &key, stop).await;
        let secret = secret.map_err(|error| failed(&error))?;
        let ownership = Ownership::of(secret.as_ref());
        if ownership
            .after(OwnershipEvent::DestroyStarts { owner_id })
            .is_err()
        {
            return Ok(Destroyed {
                diagnostics: vec![diagnostics::owned_by_another(&store)],
                ..Destroyed::default()
            });
        }
        let leftovers = cluster.recorded_cluster_scoped(&store, secret.as_ref(), &known, stop);
        let leftovers = leftovers.await.map_err(|error| failed(&error))?;
        known.extend(leftovers.into_keys());
    }
    let pvcs = data_loss::policy(prior, &spec);
    let deletion = cluster.delete(&store, &known, &pvcs, spec.timeouts.delete, stop);
    let deletion = deletion.await.map_err(|error| failed(&error))?;
    let mut diagnostics: Diagnostics = deletion.errors.iter().map(failed).collect();
    diagnostics.extend(data_loss::kept(prior, &store, deletion.kept.iter()));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::Kind;
    use crate::provider::tests::test_provider::{TestProvider, summaries};

    const CONFIG_MAP: &str = "/api/v1/namespaces/ns/configmaps/feast-x-client";

    fn create(provider: &TestProvider) -> (Value, Private) {
        let config =
            json!({"name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false});
        provider.create(&provider.config(&config))
    }

    fn objects(provider: &TestProvider) -> Vec<String> {
        let mut paths = provider.server.paths();
        paths.retain(|path| path.contains("feast-x"));
        paths
    }

    #[test]
    fn deletes_every_object() {
        let provider = TestProvider::new();
        let (state, private) = create(&provider);
        let destroyed = provider.destroy(&state, &private);
        assert_eq!(destroyed.diagnostics, []);
        assert_eq!(
            (destroyed.state, destroyed.private),
            (Value::Null, Private::new())
        );
        assert_eq!(objects(&provider), Vec::<String>::new());
    }

    #[test]
    fn leaves_a_feature_store_of_another_owner_alone() {
        let provider = TestProvider::new();
        let (state, private) = create(&provider);
        let before = objects(&provider);
        let mut other = provider.private(&state, &private);
        other.owner_id = Some("another".to_owned());
        let destroyed = provider.destroy(&state, &other.encode());
        let name = cluster::StoreName {
            namespace: "ns".to_owned(),
            name: "x".to_owned(),
        };
        assert_eq!(
            destroyed.diagnostics,
            [diagnostics::owned_by_another(&name)]
        );
        assert_eq!(destroyed.state, Value::Null);
        assert_eq!(objects(&provider), before);
        // A resource instance without an id owns whatever exists.
        other.owner_id = None;
        let destroyed = provider.destroy(&state, &other.encode());
        assert_eq!(destroyed.diagnostics, []);
        assert_eq!(objects(&provider), Vec::<String>::new());
    }

    #[test]
    fn a_failed_destroy_keeps_the_remaining_objects_in_the_state() {
        let provider = TestProvider::new();
        let (state, private) = create(&provider);
        provider.server.reject(CONFIG_MAP, true);
        let failed = provider.destroy(&state, &private);
        assert_eq!(
            summaries(&failed.diagnostics),
            ["Cannot destroy the feature store"]
        );
        assert_eq!(objects(&provider), [CONFIG_MAP]);
        let before = provider.private(&state, &private);
        let mut expected = before.clone();
        expected.retain(|key| *key == Key::new(Kind::ConfigMap, "feast-x-client"));
        assert_eq!(expected.last_applied.len(), 1);
        assert_eq!(provider.private(&failed.state, &failed.private), expected);
        let shown = manifests::attribute(&expected.last_applied);
        assert_eq!(failed.state.attribute("objects"), &shown);

        provider.server.reject(CONFIG_MAP, false);
        let destroyed = provider.destroy(&failed.state, &failed.private);
        assert_eq!(
            (destroyed.diagnostics, destroyed.state),
            (Vec::new(), Value::Null)
        );
        assert_eq!(objects(&provider), Vec::<String>::new());
    }

    #[test]
    fn a_state_that_cannot_be_read_is_kept() {
        let provider = TestProvider::new();
        let (mut state, private) = create(&provider);
        let before = objects(&provider);
        state.set("feast_project", Value::Null);
        let failed = provider.destroy(&state, &private);
        assert_eq!(summaries(&failed.diagnostics), ["The state cannot be read"]);
        assert_eq!((failed.state, failed.private), (state, private));
        assert_eq!(objects(&provider), before);
    }
}
