//! Settings of `feature_store.yaml` that belong to no service.

use serde_json::{Map, Value as Json};

use crate::feast::config::{
    Client, ClientOfflineStore, ClientOnlineStore, EmbeddingModel, FeatureStore,
};
use crate::feast::feature_store_yaml::parse;

/// Settings that are written to the `feature_store.yaml` of servers or clients, and affect nothing else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub project_description: Option<String>,
    pub embedding_model: Option<EmbeddingModel>,
    pub coerce_tz_aware: Option<bool>,
    /// Settings of the servers without an attribute, by section.
    pub extra_yaml: Map<String, Json>,
    pub client: ClientSettings,
}

/// The settings of clients.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientSettings {
    pub online_store: ClientOnlineStore,
    pub offline_store: ClientOfflineStore,
    /// Settings without an attribute, by section.
    pub extra_yaml: Map<String, Json>,
}

impl Settings {
    pub(super) fn new(store: &FeatureStore) -> Self {
        let Client {
            online_store,
            offline_store,
            extra_yaml,
        } = store.client.clone().unwrap_or_default();
        Self {
            project_description: store.project_description.clone(),
            embedding_model: store.embedding_model.clone(),
            coerce_tz_aware: store.coerce_tz_aware,
            extra_yaml: sections(store.extra_yaml.as_deref()),
            client: ClientSettings {
                online_store: online_store.unwrap_or_default(),
                offline_store: offline_store.unwrap_or_default(),
                extra_yaml: sections(extra_yaml.as_deref()),
            },
        }
    }
}

/// Returns the sections in a text; none for a text that is not a mapping, which the rules reject.
fn sections(text: Option<&str>) -> Map<String, Json> {
    text.and_then(parse).unwrap_or_default()
}
