//! The Secret with a `feature_store.yaml` for each workload, without the connection parameters.

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value as Json;

use super::{manifest, metadata};
use crate::feast::names;
use crate::feast::rendered::Workload;
use crate::feast::spec::Store;

pub(super) fn render<'a>(store: &Store, workloads: impl Iterator<Item = &'a Workload>) -> Json {
    let files = workloads.map(|workload| (workload.file.to_owned(), workload.document.preview()));
    manifest(&Secret {
        metadata: metadata::object(store, names::main(&store.name), None),
        string_data: Some(files.collect()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}
