//! The Secret with a `feature_store.yaml` for each workload, without the connection parameters.

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names;
use crate::feast::rendered::WorkloadInputs;
use crate::feast::spec::Store;
use crate::kubernetes::{Key, Kind};

pub(super) fn render<'a>(
    store: &Store,
    workloads: impl Iterator<Item = &'a WorkloadInputs>,
) -> (Key, Json) {
    let files = workloads.map(|workload| (workload.file.to_owned(), workload.document.preview()));
    object(
        Kind::Secret,
        &Secret {
            metadata: metadata::object(store, names::main(&store.name), None),
            string_data: Some(files.collect()),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        },
    )
}
