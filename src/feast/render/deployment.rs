//! The Deployment of all servers except the lineage server.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, NodeAffinity, PodAffinityTerm, PodAntiAffinity, PodSpec,
    TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use serde_json::Value as Json;

use super::{
    containers, initialization, metadata, non_empty_list, non_empty_map, object, pods, volumes,
};
use crate::feast::names;
use crate::feast::spec::{Pods, Replicas, RollingUpdate, Store, Strategy};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> (Key, Json) {
    object(
        Kind::Deployment,
        &Deployment {
            metadata: metadata::object(store, names::main(&store.name), None),
            spec: DeploymentSpec {
                replicas: match store.replicas {
                    Replicas::Static(replicas) => Some(replicas),
                    Replicas::Stopped { .. } => Some(0),
                    // Not set, so that the owner of the number keeps it.
                    Replicas::Autoscaled(_) | Replicas::Keda(_) | Replicas::External => None,
                },
                selector: metadata::label_selector(metadata::selector(store)),
                strategy: Some(strategy(&store.strategy)),
                min_ready_seconds: store.min_ready_seconds,
                template: pods::template(
                    store,
                    metadata::pod_labels(store),
                    &BTreeMap::new(),
                    &store.pods.annotations,
                    pod(store),
                ),
                ..DeploymentSpec::default()
            },
            ..Deployment::default()
        },
    )
}

fn strategy(strategy: &Strategy) -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some(strategy.as_str().to_owned()),
        rolling_update: match strategy {
            Strategy::RollingUpdate(Some(RollingUpdate {
                max_surge,
                max_unavailable,
            })) => Some(RollingUpdateDeployment {
                max_surge: max_surge.clone(),
                max_unavailable: max_unavailable.clone(),
            }),
            Strategy::RollingUpdate(None) | Strategy::Recreate => None,
        },
    }
}

/// Returns the servers' pods, without what all pods have.
pub(super) fn pod(store: &Store) -> PodSpec {
    let several = store.allows_several_pods();
    // The ignored fields are used through `store`, or in other modules.
    let Pods {
        volumes: _,
        node_selector,
        tolerations: _,
        affinity,
        priority_class_name: _,
        runtime_class_name: _,
        topology_spread,
        security_context: _,
        container_security_context: _,
        init_resources: _,
        labels: _,
        annotations: _,
        feast_apply_job_labels: _,
        feast_apply_job_annotations: _,
        service_links: _,
        resource_claims,
        automount_token: _,
        image_pull_secrets: _,
        // The security context depends on it.
        assigned_ids: _,
    } = &store.pods;
    PodSpec {
        affinity: match affinity {
            Some(configured) => Some(configured.clone()).filter(|it| *it != Affinity::default()),
            None => several.then(|| Affinity {
                pod_anti_affinity: Some(one_host_each(metadata::selector(store))),
                ..Affinity::default()
            }),
        },
        topology_spread_constraints: match topology_spread {
            Some(configured) => non_empty_list(configured),
            None => several.then(|| vec![over_zones(metadata::selector(store))]),
        },
        image_pull_secrets: image_pull_secrets(store),
        node_selector: non_empty_map(node_selector),
        resource_claims: non_empty_list(resource_claims),
        security_context: Some(store.security_context()),
        automount_service_account_token: Some(store.has_token()),
        containers: containers::servers(store),
        init_containers: initialization::containers(store),
        service_account_name: Some(names::main(&store.name)),
        termination_grace_period_seconds: store.termination.grace_period_seconds.map(i64::from),
        volumes: Some(volumes::volumes(store, names::FEATURE_STORE_YAML)),
        ..PodSpec::default()
    }
}

/// Returns the image pull secrets of every pod.
pub(super) fn image_pull_secrets(store: &Store) -> Option<Vec<LocalObjectReference>> {
    let secrets = &store.pods.image_pull_secrets;
    (!secrets.is_empty()).then(|| {
        let reference = |name: &String| LocalObjectReference { name: name.clone() };
        secrets.iter().map(reference).collect()
    })
}

/// Returns the node affinity. The rest of `affinity` is about the servers' pods only.
pub(super) fn node_affinity(store: &Store) -> Option<NodeAffinity> {
    store.pods.affinity.as_ref()?.node_affinity.clone()
}

/// Returns the affinity of the pods of Jobs.
pub(super) fn job_affinity(store: &Store) -> Option<Affinity> {
    node_affinity(store).map(|node_affinity| Affinity {
        node_affinity: Some(node_affinity),
        ..Affinity::default()
    })
}

/// Returns a preference for one pod on each node.
pub(super) fn one_host_each(labels: BTreeMap<String, String>) -> PodAntiAffinity {
    PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
            weight: 100,
            pod_affinity_term: PodAffinityTerm {
                label_selector: Some(metadata::label_selector(labels)),
                topology_key: names::HOST_TOPOLOGY.to_owned(),
                ..PodAffinityTerm::default()
            },
        }]),
        ..PodAntiAffinity::default()
    }
}

/// Returns a preference for the same number of pods in each zone.
pub(super) fn over_zones(labels: BTreeMap<String, String>) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        label_selector: Some(metadata::label_selector(labels)),
        max_skew: 1,
        topology_key: names::ZONE_TOPOLOGY.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        ..TopologySpreadConstraint::default()
    }
}
