//! The volumes of a pod as folders, laid out as by the kubelet.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{PodSpec, Volume, VolumeMount};

use super::container::Secrets;
use crate::support::testbed::error::{Doing, Result};

/// The folder of each volume, by its name.
pub(super) type Volumes = BTreeMap<String, PathBuf>;

/// Creates the pod's volumes in `pod`. PVCs are folders in `pvc_folder`, which outlives the pod.
pub(super) fn make(
    spec: &PodSpec,
    secrets: &Secrets,
    pod: &Path,
    pvc_folder: &Path,
) -> Result<Volumes> {
    let mut volumes = Volumes::new();
    for volume in spec.volumes.iter().flatten() {
        let folder = match &volume.persistent_volume_claim {
            Some(pvc) => pvc_folder.join(&pvc.claim_name),
            None => pod.join("volumes").join(&volume.name),
        };
        fs::create_dir_all(&folder).doing(|| format!("creating {}", folder.display()))?;
        if volume.secret.is_some() {
            write_secret(volume, secrets, &folder)?;
        }
        volumes.insert(volume.name.clone(), folder);
    }
    Ok(volumes)
}

/// Each file is a link to `..data/<file>`, and `..data` is a link to a folder with a timestamp in its name, so that
/// the kubelet can replace all files atomically.
fn write_secret(volume: &Volume, secrets: &Secrets, folder: &Path) -> Result<()> {
    let doing = || format!("writing the Secret's files to {}", folder.display());
    let source = volume.secret.as_ref();
    let name = source.and_then(|source| source.secret_name.as_ref());
    let name = name.unwrap_or_else(|| panic!("no Secret in {volume:?}"));
    let secret = secrets
        .get(name)
        .unwrap_or_else(|| panic!("no Secret {name:?}"));
    let wanted: Vec<(String, String)> = match source.and_then(|source| source.items.as_ref()) {
        Some(items) => items
            .iter()
            .map(|item| (item.key.clone(), item.path.clone()))
            .collect(),
        None => secret
            .keys()
            .map(|key| (key.clone(), key.clone()))
            .collect(),
    };
    let data = "..2026_01_01_00_00_00.000000001";
    fs::create_dir(folder.join(data)).doing(doing)?;
    symlink(data, folder.join("..data")).doing(doing)?;
    for (key, path) in wanted {
        let value = secret
            .get(&key)
            .unwrap_or_else(|| panic!("no key {key:?} in Secret {name:?}"));
        fs::write(folder.join(data).join(&path), value).doing(doing)?;
        symlink(format!("..data/{path}"), folder.join(&path)).doing(doing)?;
    }
    Ok(())
}

/// Returns `folder:path:mode`, the format of container.sh.
pub(super) fn mount(mount: &VolumeMount, volumes: &Volumes) -> String {
    let folder = volumes
        .get(&mount.name)
        .unwrap_or_else(|| panic!("no volume {:?}", mount.name));
    assert!(
        mount.sub_path.is_none() && mount.sub_path_expr.is_none(),
        "sub paths are not known: {mount:?}"
    );
    let mode = if mount.read_only == Some(true) {
        "ro"
    } else {
        "rw"
    };
    format!("{}:{}:{mode}", folder.display(), mount.mount_path)
}
