//! The ConfigMap with the CA certificate of the git server. Only the first init container, which clones, mounts it.

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, KeyToPath, Volume, VolumeMount};

use crate::feast::names;
use crate::feast::secrets::source::{Mounted, Source};
use crate::feast::spec::{CaCert, Store, join};
use crate::schema::Path;

fn ca_cert(store: &Store) -> Option<&CaCert> {
    store.project.cloned()?.ca_cert.as_ref()
}

pub(super) fn volume(store: &Store) -> Option<Volume> {
    let CaCert { config_map, key } = ca_cert(store)?;
    let file = KeyToPath {
        key: key.clone(),
        path: names::GIT_CA_FILE.to_owned(),
        ..KeyToPath::default()
    };
    Some(Volume {
        name: names::GIT_CA_VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.clone(),
            items: Some(vec![file]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    })
}

pub(super) fn mount(store: &Store) -> Option<VolumeMount> {
    ca_cert(store).map(|_| VolumeMount {
        name: names::GIT_CA_VOLUME.to_owned(),
        mount_path: names::GIT_CA_DIRECTORY.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    })
}

/// Returns the file that must exist for the container to start. A pod clones when it starts, so pods do not need to be
/// replaced when it changes.
pub(super) fn files(store: &Store) -> Vec<Mounted> {
    let file = ca_cert(store).map(|CaCert { config_map, key }| Mounted {
        source: Source::config_map(config_map, key),
        path: Path::of("feast_project_dir.git.ca_cert_config_map"),
        rolls_pods: false,
    });
    Vec::from_iter(file)
}

/// Returns the line of the script that makes git trust the certificate. The variable also precedes the setting
/// `http.sslCAInfo`.
pub(super) fn script() -> String {
    let file = join(names::GIT_CA_DIRECTORY, names::GIT_CA_FILE);
    format!("export GIT_SSL_CAINFO={file}\n")
}
