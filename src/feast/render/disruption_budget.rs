//! The PodDisruptionBudget.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::{DisruptionBudget, Evictable, Store};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Option<(Key, Json)> {
    let DisruptionBudget {
        evictable,
        unhealthy_pods,
    } = store.disruption_budget.as_ref()?;
    let (min_available, max_unavailable) = match evictable {
        Evictable::MinAvailable(amount) => (Some(amount.clone()), None),
        Evictable::MaxUnavailable(amount) => (None, Some(amount.clone())),
    };
    Some(object(
        Kind::PodDisruptionBudget,
        &PodDisruptionBudget {
            metadata: metadata::object(store, names::main(&store.name), None),
            spec: Some(PodDisruptionBudgetSpec {
                min_available,
                max_unavailable,
                selector: Some(LabelSelector {
                    match_labels: Some(metadata::selector(store)),
                    ..LabelSelector::default()
                }),
                unhealthy_pod_eviction_policy: Some((*unhealthy_pods).to_owned()),
            }),
            ..PodDisruptionBudget::default()
        },
    ))
}
