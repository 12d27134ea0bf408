//! Import: the configuration that the feature store's Secret keeps, as the first state; or, where the Feast
//! operator has made the store, what [`adopt`] reads. Terraform refreshes it right after.

use serde_json::Value as Json;

use crate::cluster::{CancellationToken, StoreName};
use crate::feast::objects::{Key, Kind};
use crate::feast::{names, secrets::store_secret};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{
    Deferred, ImportResourceStateRequest, ImportResourceStateResponse, ImportedResource,
};
use crate::schema::{Block, Diagnostic, Value, encode};

use super::adopt::adopt;
use super::computed::{self, Desired};
use super::parse::parse_over;
use super::private_state::PrivateState;

/// Imports by `namespace/name`, by `name` alone (in the provider's namespace), or by identity.
pub async fn import(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ImportResourceStateRequest,
) -> ImportResourceStateResponse {
    let wanted = match Wanted::of(block, &request) {
        Ok(wanted) => wanted,
        Err(diagnostic) => {
            return ImportResourceStateResponse {
                diagnostics: vec![diagnostic],
                ..ImportResourceStateResponse::default()
            };
        }
    };
    if !settings.cluster_is_known() && request.client.deferral_allowed {
        return ImportResourceStateResponse {
            deferred: Some(Deferred::ProviderConfigUnknown),
            ..ImportResourceStateResponse::default()
        };
    }
    let imported = async {
        let store = wanted.store(settings.namespace())?;
        let cluster = settings.cluster().await?;
        let key = Key::new(Kind::Secret, names::main(&store.name));
        let secret = cluster
            .get(&store.namespace, &key, stop)
            .await
            .map_err(|error| {
                diagnostics::cluster_error("Cannot import the feature store", &error)
            })?;
        match secret.as_ref().and_then(store_secret::configuration) {
            Some(configuration) => {
                let private_state = PrivateState {
                    creation: (secret.as_ref().and_then(store_secret::ownership))
                        .map(|creation| creation.id),
                    ..PrivateState::default()
                };
                let state = state(block, &store, &configuration)?;
                Ok((state, private_state, Vec::new()))
            }
            None => {
                let (state, diagnostics) = adopt(block, &cluster, &store, stop).await?;
                Ok((state, PrivateState::default(), diagnostics))
            }
        }
    };
    match imported.await {
        Ok((state, private_state, diagnostics)) => ImportResourceStateResponse {
            diagnostics,
            resources: vec![ImportedResource {
                identity: computed::identity(&state),
                state,
                private: private_state.encode(),
            }],
            ..ImportResourceStateResponse::default()
        },
        Err(diagnostic) => ImportResourceStateResponse {
            diagnostics: vec![diagnostic],
            ..ImportResourceStateResponse::default()
        },
    }
}

/// The feature store that an import names.
struct Wanted {
    /// `None`: the one of the provider block.
    namespace: Option<String>,
    name: String,
}

impl Wanted {
    /// Reads the id, or the identity where there is no id. What cannot be a name or a namespace is rejected here, so
    /// that the cluster is not asked for it.
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

fn state(block: &Block, store: &StoreName, configuration: &Json) -> Result<Value, Diagnostic> {
    let StoreName { namespace, name } = store;
    let mut value = encode(&block.attributes, configuration);
    value.set("name", Value::string(name));
    value.set("namespace", Value::string(namespace));
    let parsed = parse_over(block, &value, &value).map_err(|diagnostics| {
        let reasons: Vec<String> = diagnostics
            .iter()
            .map(|diagnostic| diagnostic.detail.clone())
            .collect();
        Diagnostic::error(
            "The kept configuration cannot be read",
            format!(
                "The configuration that Secret {:?} in namespace {namespace:?} keeps is not one that this \
                 version of the provider accepts: {}",
                names::main(name),
                reasons.join(" ")
            ),
        )
    })?;
    if let Some(desired) = Desired::of(&parsed, namespace) {
        computed::write(block, &mut value, &desired.observed());
        // The refresh tells it, unless there are no pods.
        value.set("configuration_hash", Value::Null);
    }
    Ok(value)
}
