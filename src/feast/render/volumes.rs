//! The volumes of the servers' pods, and their mounts.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource,
    SecretVolumeSource, Volume, VolumeMount,
};

use super::{git_ca, ssh, tls};
use crate::feast::names::{self, FeastService, ServerKind};
use crate::feast::spec::{PvcSource, Store};

/// Returns whether the pods have a data directory. They need none if all three stores have PVCs.
fn has_data_directory(store: &Store) -> bool {
    let services: Vec<FeastService> = store.pvcs().into_iter().map(|(s, _)| s).collect();
    services
        != [
            FeastService::Registry,
            FeastService::Offline,
            FeastService::Online,
        ]
}

/// Returns the volume with the `feature_store.yaml` under `key` in the Secret of the feature store.
pub(super) fn configuration(store: &Store, key: &str) -> Volume {
    Volume {
        name: names::CONFIGURATION_VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::main(&store.name)),
            // The pods must not see the other keys of the Secret.
            items: Some(vec![KeyToPath {
                key: key.to_owned(),
                path: names::FEATURE_STORE_YAML.to_owned(),
                ..KeyToPath::default()
            }]),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn configuration_mount() -> VolumeMount {
    VolumeMount {
        name: names::CONFIGURATION_VOLUME.to_owned(),
        mount_path: names::CONFIGURATION_DIRECTORY.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// Returns the volumes of the servers' pods, with the `feature_store.yaml` under `key` in the Secret.
pub(super) fn volumes(store: &Store, key: &str) -> Vec<Volume> {
    let mut volumes = vec![configuration(store, key)];
    volumes.extend(tls::volumes(store));
    volumes.extend(store.authorization.ca_cert().map(|ca_cert| Volume {
        name: names::CA_CERT_VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: ca_cert.config_map.clone(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }));
    volumes.extend(ssh::volume(store));
    volumes.extend(git_ca::volume(store));
    for (service, pvc) in store.pvcs() {
        let own = names::pvc(&store.name, service);
        volumes.push(Volume {
            name: own.clone(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: match &pvc.source {
                    PvcSource::Existing(name) => name.clone(),
                    PvcSource::Created { .. } => own,
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

/// Returns the mounts of a server's container, or of an init container (`None`), in the order of the volumes.
pub(super) fn mounts(store: &Store, container: Option<ServerKind>) -> Vec<VolumeMount> {
    let mut mounts = vec![configuration_mount()];
    mounts.extend(tls::mounts(store, container));
    mounts.extend(store.authorization.ca_cert().map(|ca_cert| VolumeMount {
        name: names::CA_CERT_VOLUME.to_owned(),
        mount_path: names::CA_CERT_FILE.to_owned(),
        sub_path: Some(ca_cert.key.clone()),
        read_only: Some(true),
        ..VolumeMount::default()
    }));
    for (service, pvc) in store.pvcs() {
        mounts.push(VolumeMount {
            name: names::pvc(&store.name, service),
            mount_path: pvc.mount_path.clone(),
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
