//! The ConfigMap for clients inside the cluster, with a `feature_store.yaml`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value as Json;

use super::feature_store_yaml::client;
use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::Store;
use crate::kubernetes::{Key, Kind};

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
