//! The Kubernetes objects of one feature store.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::kubernetes::Key;

/// All objects of one feature store, each as its manifest: the fields that this provider owns, and no others.
#[derive(Clone, PartialEq)]
pub struct Objects<Phase> {
    pub namespace: String,
    pub manifests: BTreeMap<Key, Json>,
    /// The other results of the phase.
    pub(super) phase: Phase,
}
