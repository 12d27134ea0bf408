//! The Secret with `feature_store.yaml`, still without the connection parameters.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value as Json;

use super::feature_store_yaml::Document;
use super::{manifest, metadata};
use crate::feast::names;
use crate::feast::spec::Store;

pub(super) fn render(store: &Store, document: &Document) -> Json {
    manifest(&Secret {
        metadata: metadata::object(store, names::main(&store.name), None),
        string_data: Some(BTreeMap::from([(
            names::FEATURE_STORE_YAML.to_owned(),
            document.prepared(),
        )])),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}
