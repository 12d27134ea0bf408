//! The account that the pods run as: one of their own, so that cloud identities can be bound to it.

use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::Value as Json;

use super::{manifest, metadata};
use crate::feast::names;
use crate::feast::spec::Store;

pub(super) fn render(store: &Store) -> Json {
    manifest(&ServiceAccount {
        metadata: metadata::object(store, names::main(&store.name), None),
        ..ServiceAccount::default()
    })
}
