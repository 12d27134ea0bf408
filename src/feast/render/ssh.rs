//! The Secret with which the first init container clones over SSH. No other container mounts it.

use k8s_openapi::api::core::v1::{KeyToPath, SecretVolumeSource, Volume, VolumeMount};

use crate::feast::names;
use crate::feast::secrets::source::{Mounted, Source};
use crate::feast::spec::{Ssh, Store};
use crate::schema::Path;

fn ssh(store: &Store) -> Option<&Ssh> {
    store.project.cloned()?.ssh.as_ref()
}

pub(super) fn volume(store: &Store) -> Option<Volume> {
    let ssh = ssh(store)?;
    let items = keys(ssh).into_iter().map(|(key, file)| KeyToPath {
        key: key.to_owned(),
        path: file.to_owned(),
        ..KeyToPath::default()
    });
    Some(Volume {
        name: names::SSH_VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(ssh.secret.clone()),
            items: Some(items.collect()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    })
}

pub(super) fn mount(store: &Store) -> Option<VolumeMount> {
    ssh(store).map(|_| VolumeMount {
        name: names::SSH_VOLUME.to_owned(),
        mount_path: names::SSH_DIRECTORY.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    })
}

/// Returns the files that must exist for the container to start. A pod clones when it starts, so pods do not need to
/// be replaced when they change.
pub(super) fn files(store: &Store) -> Vec<Mounted> {
    let ssh = ssh(store).into_iter();
    ssh.flat_map(|ssh| {
        keys(ssh).into_iter().map(|(key, _)| Mounted {
            source: Source::secret(&ssh.secret, key),
            path: Path::of("feast_project_dir.git.ssh.secret_ref"),
            rolls_pods: false,
        })
    })
    .collect()
}

/// Returns the keys of the Secret that are used, with their file names.
fn keys(ssh: &Ssh) -> Vec<(&str, &'static str)> {
    let Ssh {
        secret: _,
        private_key,
        known_hosts,
    } = ssh;
    let mut keys = vec![(private_key.as_str(), names::SSH_PRIVATE_KEY_FILE)];
    keys.extend((known_hosts.iter()).map(|key| (key.as_str(), names::SSH_KNOWN_HOSTS_FILE)));
    keys
}

/// Returns the lines of the script that make git use the key.
///
/// ssh rejects a key that others can read, and the files of a Secret belong to root and are readable by the group of
/// the pod. So the key is copied to a file of the container's user, in memory, and removed at the end.
pub(super) fn script(ssh: &Ssh) -> String {
    let host_keys = match &ssh.known_hosts {
        Some(_) => "-o StrictHostKeyChecking=yes -o UserKnownHostsFile=$ssh_secret/known_hosts",
        None => "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    };
    format!(
        r#"if ! command -v ssh > /dev/null; then
  echo "The image does not contain ssh, which git needs to read the feature repository. Use another init_image." >&2
  exit 1
fi
if ! python3 -c 'import os, pwd; pwd.getpwuid(os.getuid())' 2> /dev/null; then
  echo "ssh needs an entry for the user id $UID in /etc/passwd of the image, and there is none. Set run_as_user in services.security_context to a user of the image." >&2
  exit 1
fi
ssh_secret={directory}
ssh_private="$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d)"
trap 'rm -rf -- "$ssh_private"' EXIT
(umask 077; tr -d '\r' < "$ssh_secret/{private_key}" > "$ssh_private/key"; echo >> "$ssh_private/key")
export GIT_SSH_COMMAND="ssh -i '$ssh_private/key' -o IdentitiesOnly=yes -o BatchMode=yes -o GlobalKnownHostsFile=/dev/null {host_keys}"
"#,
        directory = names::SSH_DIRECTORY,
        private_key = names::SSH_PRIVATE_KEY_FILE,
    )
}
