//! Import: the first state of a feature store, from the configuration in its Secret. For a feature store that the Feast
//! operator created, [`import_from_operator`] reads it. Terraform refreshes the state right after.

use serde_json::Value as Json;

use crate::cluster::{self, CancellationToken, Cluster, StoreName};
use crate::feast::names;
use crate::feast::ownership::Ownership;
use crate::feast::secrets::store_secret;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{
    Deferred, ImportResourceStateRequest, ImportResourceStateResponse, ImportedResource,
};
use crate::schema::{Block, Diagnostic, Diagnostics, MismatchError, Value, encode_typed};

use super::desired_store::DesiredStore;
use super::import_operator::import_from_operator;
use super::parse::{Parsed, live_was_scaled, parse_over};
use super::private_state::{PrivateState, RolloutProgress};
use super::{computed, identity};

/// The first state of a feature store.
pub struct ImportedState {
    pub state: Value,
    pub private: PrivateState,
    pub diagnostics: Diagnostics,
}

/// Imports by `namespace/name`, by `name` alone (in the namespace of the provider block), or by identity.
pub async fn import(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ImportResourceStateRequest,
) -> ImportResourceStateResponse {
    let target = match ImportTarget::of(block, &request) {
        Ok(target) => target,
        Err(diagnostic) => {
            return ImportResourceStateResponse {
                diagnostics: vec![diagnostic],
                ..ImportResourceStateResponse::default()
            };
        }
    };
    let is_unknown = !settings.cluster_is_known()
        || (target.namespace.is_none() && settings.namespace().is_none());
    if is_unknown && request.client.deferral_allowed {
        return ImportResourceStateResponse {
            deferred: Some(Deferred::ProviderConfigUnknown),
            ..ImportResourceStateResponse::default()
        };
    }
    match import_target(block, settings, stop, target).await {
        Ok(ImportedState {
            state,
            private,
            diagnostics,
        }) => ImportResourceStateResponse {
            diagnostics,
            resources: vec![ImportedResource {
                identity: identity::of(&state),
                state,
                private: private.encode(),
            }],
            ..ImportResourceStateResponse::default()
        },
        Err(diagnostic) => ImportResourceStateResponse {
            diagnostics: vec![diagnostic],
            ..ImportResourceStateResponse::default()
        },
    }
}

async fn import_target(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    target: ImportTarget,
) -> Result<ImportedState, Diagnostic> {
    let store = target.store(settings.namespace())?;
    let cluster = settings.cluster().await?;
    first_state(block, &cluster, stop, &store).await
}

/// Reads the first state of a feature store of this provider or of the Feast operator. Writes nothing.
///
/// # Errors
///
/// There is no such feature store, or it cannot be read.
pub async fn first_state(
    block: &Block,
    cluster: &Cluster,
    stop: &CancellationToken,
    store: &StoreName,
) -> Result<ImportedState, Diagnostic> {
    let failed = |error: cluster::Error| {
        diagnostics::cluster_error("Cannot import the feature store", &error)
    };
    let key = store_secret::key(&store.name);
    let secret = cluster.get(&store.namespace, &key, stop).await;
    let secret = secret.map_err(failed)?;
    match secret.as_ref().and_then(store_secret::configuration) {
        Some(configuration) => {
            let ownership = Ownership::of(secret.as_ref());
            let was_scaled = was_scaled(cluster, stop, store, &configuration).await;
            let was_scaled = was_scaled.map_err(failed)?;
            from_secret(block, store, &configuration, was_scaled, &ownership)
        }
        None => import_from_operator(block, cluster, store, stop).await,
    }
}

/// The feature store that an import names.
struct ImportTarget {
    /// `None`: the namespace of the provider block.
    namespace: Option<String>,
    name: String,
}

impl ImportTarget {
    /// Reads the id, or the identity if there is no id.
    ///
    /// # Errors
    ///
    /// The name or the namespace is not valid.
    fn of(block: &Block, request: &ImportResourceStateRequest) -> Result<Self, Diagnostic> {
        let part = |name: &str| {
            let identity = request.identity.as_ref()?;
            identity.attribute(name).as_str().map(str::to_owned)
        };
        let id = &request.id;
        let (namespace, name) = match id.split_once('/') {
            _ if id.is_empty() => (part("namespace"), part("name").unwrap_or_default()),
            Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
            None => (None, id.clone()),
        };
        let given = [("namespace", namespace.as_ref()), ("name", Some(&name))];
        let given = given
            .into_iter()
            .filter_map(|(part, text)| Some((part, text?)));
        let invalid = given.flat_map(|(part, text)| block.check(part, &Value::string(text)));
        let reasons: Vec<String> = invalid.map(|invalid| invalid.detail).collect();
        match reasons.is_empty() {
            true => Ok(Self { namespace, name }),
            false => Err(diagnostics::invalid_import(id, &reasons)),
        }
    }

    fn store(self, default_namespace: Option<&str>) -> Result<StoreName, Diagnostic> {
        let Self { namespace, name } = self;
        match namespace.or_else(|| default_namespace.map(str::to_owned)) {
            Some(namespace) => Ok(StoreName { namespace, name }),
            None => Err(diagnostics::unknown_namespace(&name)),
        }
    }
}

/// Returns whether several pods ran before the feature store was scaled to zero. It matters only for a configuration
/// with `replicas = 0`, which `ignore_changes` has kept; no request is sent for any other.
async fn was_scaled(
    cluster: &Cluster,
    stop: &CancellationToken,
    store: &StoreName,
    configuration: &Json,
) -> Result<bool, cluster::Error> {
    let replicas = configuration.pointer("/services/scaling/replicas");
    if replicas.and_then(Json::as_i64) != Some(0) {
        return Ok(false);
    }
    let key = Key::new(Kind::Deployment, names::main(&store.name));
    let deployment = cluster.get(&store.namespace, &key, stop).await?;
    Ok(deployment.as_ref().is_some_and(live_was_scaled))
}

/// Returns the first state of a feature store whose Secret holds this configuration.
///
/// # Errors
///
/// This version of the provider does not accept the configuration.
fn from_secret(
    block: &Block,
    store: &StoreName,
    configuration: &Json,
    was_scaled: bool,
    ownership: &Ownership,
) -> Result<ImportedState, Diagnostic> {
    let unreadable = |reasons: Vec<String>| {
        let advice = "Import the feature store with the version of the provider that created it.";
        diagnostics::unreadable_configuration(store, &reasons, advice)
    };
    let mut state = encode_typed(&block.attributes, configuration)
        .map_err(|errors| unreadable(errors.iter().map(MismatchError::to_string).collect()))?;
    state.set("name", Value::string(&store.name));
    state.set("namespace", Value::string(&store.namespace));
    let parsed = parse_over(block, &state, &state)
        .map_err(|errors| unreadable(errors.into_iter().map(|error| error.detail).collect()))?;
    let parsed = Parsed {
        was_scaled,
        ..parsed
    };
    let mut private = PrivateState {
        // The next update records that the create is complete.
        rollout: match ownership.is_incomplete() {
            true => RolloutProgress::Pending,
            false => RolloutProgress::Complete,
        },
        owner_id: ownership.owner_id().map(str::to_owned),
        ..PrivateState::default()
    };
    if let Some(desired) = DesiredStore::of(&parsed, &store.namespace) {
        computed::write(block, &mut state, &desired.computed());
        // The refresh reads it from the pod template.
        state.set("configuration_hash", Value::Null);
        private.last_applied = desired.objects.manifests;
    }
    Ok(ImportedState {
        state,
        private,
        diagnostics: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::testing;
    use crate::provider::tests::test_provider::{TestProvider, errors, summaries, texts};

    const SECRET: &str = "/api/v1/namespaces/ns/secrets/feast-x";

    #[test]
    fn an_import_restores_the_state() {
        let provider = TestProvider::new();
        let config = provider.config(&json!({
            "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
            "labels": {"team": "a"},
            "services": {"onlineStore": {"server": {"env": [{"name": "A", "value": "b"}]}}},
        }));
        let (state, private) = provider.create(&config);
        let (state, private) = {
            let refreshed = provider.read(&state, &private);
            (
                refreshed.state,
                provider.private(&state, &refreshed.private),
            )
        };
        let imported = provider.import("ns/x");
        assert_eq!(texts(&imported.diagnostics), [""; 0]);
        let resource = &imported.resources[0];
        assert_eq!(resource.identity, identity::of(&state));
        let decoded = provider.private(&resource.state, &resource.private);
        assert_eq!(decoded.owner_id, private.owner_id);
        assert_eq!(decoded.last_applied, private.last_applied);

        let refreshed = provider.read(&resource.state, &resource.private);
        assert_eq!(
            refreshed.state.attribute("objects"),
            state.attribute("objects")
        );
        assert_eq!(
            refreshed.state.attribute("configuration_hash"),
            state.attribute("configuration_hash")
        );
        let planned = provider.plan(&refreshed.state, &refreshed.private, &config);
        assert_eq!(errors(&planned.diagnostics), [""; 0]);
        assert_eq!(planned.state, refreshed.state);
    }

    /// `ignore_changes` keeps the zero, and with it the strategy and the PodDisruptionBudget of two replicas.
    #[test]
    fn a_feature_store_that_is_kept_at_zero_replicas_has_no_drift() {
        let provider = TestProvider::new();
        let config = testing::two_replicas(&provider);
        let (state, private) = provider.create(&config);
        provider.server.requests();
        provider.import("ns/x");
        assert_eq!(provider.server.requests(), [format!("GET {SECRET}")]);

        let applied = testing::keep_at_zero(&provider, config, &state, &private);

        provider.server.requests();
        let imported = provider.import("ns/x");
        assert_eq!(texts(&imported.diagnostics), [""; 0]);
        let deployment = testing::DEPLOYMENT;
        let requests = [format!("GET {SECRET}"), format!("GET {deployment}")];
        assert_eq!(provider.server.requests(), requests);
        let resource = &imported.resources[0];
        assert_eq!(
            resource.state.attribute("strategy").as_str(),
            Some("RollingUpdate")
        );
        let refreshed = provider.read(&resource.state, &resource.private);
        assert_eq!(refreshed.state.attribute("drift"), &Value::List(Vec::new()));
        let before = provider.read(&applied.state, &applied.private);
        assert_eq!(
            refreshed.state.attribute("objects"),
            before.state.attribute("objects")
        );
    }

    #[test]
    fn rejects_a_configuration_that_this_version_does_not_accept() {
        let provider = TestProvider::new();
        let config =
            json!({"name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false});
        provider.create(&provider.config(&config));
        let configuration =
            json!({"name": "x", "feastProject": "p", "services": {"scaling": {"replicas": "two"}}});
        provider.server.edit(SECRET, |live| {
            live["data"]["configuration.json"] = json!(BASE64.encode(configuration.to_string()));
        });
        let imported = provider.import("ns/x");
        assert_eq!(
            summaries(&imported.diagnostics),
            ["The stored configuration cannot be read"]
        );
        assert_eq!(imported.resources, []);
    }

    #[test]
    fn an_import_of_nothing_is_an_error() {
        let provider = TestProvider::new();
        let imported = provider.import("ns/x");
        assert_eq!(
            summaries(&imported.diagnostics),
            ["There is no such feature store"]
        );
        assert_eq!(imported.resources, []);
    }
}
