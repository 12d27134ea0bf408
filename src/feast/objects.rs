//! The Kubernetes objects of one feature store.

use std::collections::BTreeMap;

use serde_json::Value as Json;

pub use crate::kubernetes::kind::{Key, Kind};

/// All objects of one feature store, each as its manifest (the fields that this provider owns, and no
/// others), by [`Key`].
#[derive(Clone, PartialEq)]
pub struct Objects<Phase> {
    pub namespace: String,
    pub manifests: BTreeMap<Key, Json>,
    pub(super) phase: Phase,
}
