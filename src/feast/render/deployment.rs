//! The Deployment: one pod template with every server in it.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Affinity, ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, LocalObjectReference,
    PersistentVolumeClaimVolumeSource, PodAffinityTerm, PodAntiAffinity, PodSpec, PodTemplateSpec,
    SecretVolumeSource, TopologySpreadConstraint, Volume, VolumeMount, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::Value as Json;

use super::{containers, initialization, manifest, metadata, tls};
use crate::feast::names::{self, ServerKind, Service};
use crate::feast::spec::{ClaimSource, Pods, Replicas, RollingUpdate, Store, Strategy};

pub(super) fn render(store: &Store) -> Json {
    manifest(&Deployment {
        metadata: metadata::object(store, names::main(&store.name), None),
        spec: DeploymentSpec {
            replicas: match store.replicas {
                Replicas::Static(replicas) => Some(replicas),
                // Left out, so that whoever moves the number owns it.
                Replicas::Autoscaled(_) | Replicas::External => None,
            },
            selector: selector(store),
            strategy: Some(strategy(&store.strategy)),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(metadata::pod_labels(store)),
                    annotations: some(&store.pods.annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(store)),
            },
            ..DeploymentSpec::default()
        },
        ..Deployment::default()
    })
}

fn selector(store: &Store) -> LabelSelector {
    LabelSelector {
        match_labels: Some(metadata::selector(store)),
        ..LabelSelector::default()
    }
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

/// Of the servers' pods.
pub(super) fn pod(store: &Store) -> PodSpec {
    let scaled = store.replicas.scaled();
    // All but the annotations and volumes, which stand elsewhere.
    let Pods {
        volumes: _,
        node_selector,
        tolerations,
        affinity,
        topology_spread,
        security_context,
        annotations: _,
        resource_claims,
        image_pull_secrets: _,
    } = &store.pods;
    PodSpec {
        affinity: match affinity {
            Some(written) => Some(written.clone()).filter(|it| *it != Affinity::default()),
            None => scaled.then(|| one_host_each(store)),
        },
        topology_spread_constraints: match topology_spread {
            Some(written) => list(written),
            None => scaled.then(|| vec![over_zones(store)]),
        },
        image_pull_secrets: image_pull_secrets(store),
        node_selector: some(node_selector),
        resource_claims: list(resource_claims),
        security_context: security_context.clone(),
        tolerations: list(tolerations),
        automount_service_account_token: Some(store.needs_token()),
        containers: containers::servers(store),
        init_containers: initialization::containers(store),
        service_account_name: Some(names::main(&store.name)),
        volumes: Some(volumes(store)),
        ..PodSpec::default()
    }
}

/// For every pod of the feature store.
pub(super) fn image_pull_secrets(store: &Store) -> Option<Vec<LocalObjectReference>> {
    let secrets = &store.pods.image_pull_secrets;
    (!secrets.is_empty()).then(|| {
        let reference = |name: &String| LocalObjectReference { name: name.clone() };
        secrets.iter().map(reference).collect()
    })
}

fn list<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}

fn some(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}

fn one_host_each(store: &Store) -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: PodAffinityTerm {
                        label_selector: Some(selector(store)),
                        topology_key: names::HOST_TOPOLOGY.to_owned(),
                        ..PodAffinityTerm::default()
                    },
                },
            ]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn over_zones(store: &Store) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        label_selector: Some(selector(store)),
        max_skew: 1,
        topology_key: names::ZONE_TOPOLOGY.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        ..TopologySpreadConstraint::default()
    }
}

/// Whether anything still lives in the pod's own directory: all three stores on claims need none.
fn has_data_directory(store: &Store) -> bool {
    let services: Vec<Service> = store.claims().into_iter().map(|(s, _)| s).collect();
    services != [Service::Registry, Service::Offline, Service::Online]
}

fn volumes(store: &Store) -> Vec<Volume> {
    let mut volumes = vec![Volume {
        name: names::CONFIGURATION_VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::main(&store.name)),
            // The other keys of the Secret are not for the pods.
            items: Some(vec![KeyToPath {
                key: names::FEATURE_STORE_YAML.to_owned(),
                path: names::FEATURE_STORE_YAML.to_owned(),
                ..KeyToPath::default()
            }]),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }];
    volumes.extend(tls::volumes(store));
    volumes.extend(store.authorization.ca_cert().map(|ca_cert| Volume {
        name: names::CA_CERT_VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: ca_cert.config_map.clone(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }));
    for (service, claim) in store.claims() {
        let own = names::claim(&store.name, service);
        volumes.push(Volume {
            name: own.clone(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: match &claim.source {
                    ClaimSource::Existing(name) => name.clone(),
                    ClaimSource::Created { .. } => own,
                },
                ..PersistentVolumeClaimVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    if has_data_directory(store) {
        volumes.push(Volume {
            name: names::DATA_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        });
    }
    volumes.extend(store.pods.volumes.iter().cloned());
    volumes
}

/// The mounts of a server's container, or of an init container (`None`), in the order of the volumes.
pub(super) fn mounts(store: &Store, container: Option<ServerKind>) -> Vec<VolumeMount> {
    let mut mounts = vec![VolumeMount {
        name: names::CONFIGURATION_VOLUME.to_owned(),
        mount_path: names::CONFIGURATION_DIRECTORY.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }];
    mounts.extend(tls::mounts(store, container));
    mounts.extend(store.authorization.ca_cert().map(|ca_cert| VolumeMount {
        name: names::CA_CERT_VOLUME.to_owned(),
        mount_path: names::CA_CERT_FILE.to_owned(),
        sub_path: Some(ca_cert.key.clone()),
        read_only: Some(true),
        ..VolumeMount::default()
    }));
    for (service, claim) in store.claims() {
        mounts.push(VolumeMount {
            name: names::claim(&store.name, service),
            mount_path: claim.mount_path.clone(),
            ..VolumeMount::default()
        });
    }
    if has_data_directory(store) {
        mounts.push(VolumeMount {
            name: names::DATA_VOLUME.to_owned(),
            mount_path: names::DATA_DIRECTORY.to_owned(),
            ..VolumeMount::default()
        });
    }
    mounts
}
