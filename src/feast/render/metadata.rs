//! The names and labels of every object.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::feast::names::{
    MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL, NAMESPACE_LABEL, SERVICE_TYPE_LABEL, ServerKind,
    lineage_label,
};
use crate::feast::spec::Store;

/// Metadata of an object: the user's labels and annotations, and over them ours.
pub(super) fn object(store: &Store, name: String, service_type: Option<&str>) -> ObjectMeta {
    let mut labels = store.labels.clone();
    labels.extend(pod_labels(store));
    if let Some(service_type) = service_type {
        labels.insert(SERVICE_TYPE_LABEL.to_owned(), service_type.to_owned());
    }
    ObjectMeta {
        name: Some(name),
        namespace: Some(store.namespace.clone()),
        labels: Some(labels),
        annotations: (!store.annotations.is_empty()).then(|| store.annotations.clone()),
        ..ObjectMeta::default()
    }
}

/// The metadata of an object that lives in no namespace, and so must say whose it is by a label.
pub(super) fn cluster_object(store: &Store, name: String, service_type: &str) -> ObjectMeta {
    let mut metadata = object(store, name, Some(service_type));
    metadata.namespace = None;
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(NAMESPACE_LABEL.to_owned(), store.namespace.clone());
    metadata
}

/// The pods' labels. The user's are not among them: a change of them would restart every server.
pub(super) fn pod_labels(store: &Store) -> BTreeMap<String, String> {
    let mut labels = selector(store);
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    labels
}

/// What selects the pods. Kubernetes lets it never change.
pub(super) fn selector(store: &Store) -> BTreeMap<String, String> {
    BTreeMap::from([(NAME_LABEL.to_owned(), store.name.clone())])
}

/// The labels of the lineage server's pods, and what selects them: with another name than the other pods have, which
/// are selected by that alone.
pub(super) fn lineage_selector(store: &Store) -> BTreeMap<String, String> {
    let labels = [
        (NAME_LABEL, lineage_label(&store.name)),
        (MANAGED_BY_LABEL, MANAGED_BY.to_owned()),
        (SERVICE_TYPE_LABEL, ServerKind::Lineage.as_str().to_owned()),
    ];
    BTreeMap::from(labels.map(|(label, value)| (label.to_owned(), value)))
}
