//! The metadata of objects and pods.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::feast::names::{
    JOB_LABEL, MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL, NAMESPACE_LABEL, SERVICE_TYPE_LABEL,
    ServerKind, lineage_label,
};
use crate::feast::spec::Store;

/// Returns the metadata of an object: the user's labels and annotations, overridden by those of the provider.
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

/// Adds the labels and annotations of one object to its metadata. They override those of the feature store, but not the
/// labels of the provider, which rules reserve.
pub(super) fn with_own(
    mut metadata: ObjectMeta,
    labels: Option<&BTreeMap<String, String>>,
    annotations: Option<&BTreeMap<String, String>>,
) -> ObjectMeta {
    let clone = |map: Option<&BTreeMap<String, String>>| map.cloned().unwrap_or_default();
    (metadata.labels.get_or_insert_default()).extend(clone(labels));
    let annotations = clone(annotations);
    if !annotations.is_empty() {
        (metadata.annotations.get_or_insert_default()).extend(annotations);
    }
    metadata
}

/// Returns the metadata of a cluster-scoped object, which has the namespace of the feature store as a label.
pub(super) fn cluster_object(store: &Store, name: String, service_type: &str) -> ObjectMeta {
    let mut metadata = object(store, name, Some(service_type));
    metadata.namespace = None;
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(NAMESPACE_LABEL.to_owned(), store.namespace.clone());
    metadata
}

/// Returns the labels of the pods. They do not include the user's, because changing those would replace the pods.
pub(super) fn pod_labels(store: &Store) -> BTreeMap<String, String> {
    let mut labels = selector(store);
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    labels
}

/// Returns the selector of the pods, which is immutable.
pub(super) fn selector(store: &Store) -> BTreeMap<String, String> {
    BTreeMap::from([(NAME_LABEL.to_owned(), store.name.clone())])
}

/// Returns the selector of objects with these labels.
pub(super) fn label_selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        ..LabelSelector::default()
    }
}

/// Returns the labels of the pods of Jobs.
pub(super) fn job_pod_labels(store: &Store) -> BTreeMap<String, String> {
    let mut labels = job_selector(store);
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    labels
}

/// Returns the labels that select the pods of Jobs.
pub(super) fn job_selector(store: &Store) -> BTreeMap<String, String> {
    BTreeMap::from([(JOB_LABEL.to_owned(), store.name.clone())])
}

/// Returns the labels and the selector of the lineage server's pods. The name differs from that of the other pods,
/// because their selector has only the name.
pub(super) fn lineage_selector(store: &Store) -> BTreeMap<String, String> {
    let labels = [
        (NAME_LABEL, lineage_label(&store.name)),
        (MANAGED_BY_LABEL, MANAGED_BY.to_owned()),
        (SERVICE_TYPE_LABEL, ServerKind::Lineage.as_str().to_owned()),
    ];
    BTreeMap::from(labels.map(|(label, value)| (label.to_owned(), value)))
}
