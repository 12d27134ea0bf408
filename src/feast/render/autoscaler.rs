//! The HorizontalPodAutoscaler.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec,
};
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::{Autoscaler, Replicas, Store};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Option<(Key, Json)> {
    let Replicas::Autoscaled(Autoscaler {
        min_replicas,
        max_replicas,
        metrics,
        behavior,
    }) = &store.replicas
    else {
        return None;
    };
    let name = names::main(&store.name);
    Some(object(
        Kind::HorizontalPodAutoscaler,
        &HorizontalPodAutoscaler {
            metadata: metadata::object(store, name.clone(), None),
            spec: HorizontalPodAutoscalerSpec {
                min_replicas: Some(*min_replicas),
                max_replicas: *max_replicas,
                metrics: Some(metrics.clone()),
                behavior: behavior.clone(),
                scale_target_ref: CrossVersionObjectReference {
                    api_version: Some("apps/v1".to_owned()),
                    kind: "Deployment".to_owned(),
                    name,
                },
            },
            ..HorizontalPodAutoscaler::default()
        },
    ))
}
