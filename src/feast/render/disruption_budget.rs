//! The PodDisruptionBudget.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::{DisruptionBudget, DisruptionLimit, Store};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Option<(Key, Json)> {
    let DisruptionBudget {
        limit,
        unhealthy_pod_eviction_policy,
    } = store.disruption_budget.as_ref()?;
    let (min_available, max_unavailable) = match limit {
        DisruptionLimit::MinAvailable(amount) => (Some(amount.clone()), None),
        DisruptionLimit::MaxUnavailable(amount) => (None, Some(amount.clone())),
    };
    Some(object(
        Kind::PodDisruptionBudget,
        &PodDisruptionBudget {
            metadata: metadata::object(store, names::main(&store.name), None),
            spec: Some(PodDisruptionBudgetSpec {
                min_available,
                max_unavailable,
                selector: Some(metadata::label_selector(metadata::selector(store))),
                unhealthy_pod_eviction_policy: Some((*unhealthy_pod_eviction_policy).to_owned()),
            }),
            ..PodDisruptionBudget::default()
        },
    ))
}
