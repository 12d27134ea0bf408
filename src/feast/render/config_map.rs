//! The ConfigMaps: the `feature_store.yaml` for clients, and the CA certificate of OpenShift.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value as Json;

use super::feature_store_yaml::client;
use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::Store;
use crate::kubernetes::{Key, Kind};

/// Returns the ConfigMap to which the service CA of OpenShift adds its certificate. It replaces all data of a
/// ConfigMap, so it cannot be the one for clients.
pub(super) fn service_ca(store: &Store) -> Option<(Key, Json)> {
    if !store.serving_certificates {
        return None;
    }
    let metadata = metadata::object(store, names::service_ca(&store.name), Some("client"));
    let inject = BTreeMap::from([(names::INJECT_CA_ANNOTATION.to_owned(), "true".to_owned())]);
    Some(object(
        Kind::ConfigMap,
        &ConfigMap {
            metadata: metadata::with_own(metadata, None, Some(&inject)),
            ..ConfigMap::default()
        },
    ))
}

pub(super) fn render(store: &Store) -> (Key, Json) {
    object(
        Kind::ConfigMap,
        &ConfigMap {
            metadata: metadata::object(store, names::client(&store.name), Some("client")),
            data: Some(BTreeMap::from([(
                names::FEATURE_STORE_YAML.to_owned(),
                client(store),
            )])),
            ..ConfigMap::default()
        },
    )
}
