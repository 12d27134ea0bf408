//! The parts that all pods have in common: metadata, security of the containers, and what they need to run with a
//! read-only root file system.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, PodSpec, PodTemplateSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{containers, non_empty_list, non_empty_map};
use crate::feast::names;
use crate::feast::spec::{Store, join};

/// Labels or annotations.
type Map = BTreeMap<String, String>;

/// Returns the template of pods with these labels of the provider. `labels` are those of the user for this kind of pod,
/// in addition to those of every pod.
pub(super) fn template(
    store: &Store,
    own_labels: Map,
    labels: &Map,
    annotations: &Map,
    pod: PodSpec,
) -> PodTemplateSpec {
    let mut all = store.pods.labels.clone();
    all.extend(labels.clone());
    all.extend(own_labels);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all),
            annotations: non_empty_map(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(complete(store, pod)),
    }
}

/// Adds the settings that all pods have.
fn complete(store: &Store, pod: PodSpec) -> PodSpec {
    let each = |containers: Vec<Container>| {
        let containers = containers.into_iter();
        containers.map(|it| container(store, it)).collect()
    };
    let mut volumes = pod.volumes.unwrap_or_default();
    if store.pods.has_read_only_root() {
        volumes.push(Volume {
            name: names::SCRATCH_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        });
    }
    PodSpec {
        containers: each(pod.containers),
        init_containers: pod.init_containers.map(each),
        volumes: (!volumes.is_empty()).then_some(volumes),
        tolerations: non_empty_list(&store.pods.tolerations),
        priority_class_name: store.pods.priority_class_name.clone(),
        runtime_class_name: store.pods.runtime_class_name.clone(),
        enable_service_links: Some(store.pods.service_links),
        ..pod
    }
}

fn container(store: &Store, container: Container) -> Container {
    let container = match store.pods.has_read_only_root() {
        true => with_scratch(container),
        false => container,
    };
    Container {
        security_context: Some(store.pods.container_security_context.clone()),
        ..container
    }
}

/// Adds a writable directory for temporary files, which is also the home directory: Python, gunicorn, git and the
/// clients of databases and clouds write to these. A mount and a variable of the user take precedence.
fn with_scratch(container: Container) -> Container {
    let mut mounts = container.volume_mounts.unwrap_or_default();
    let is_scratch = |mount: &VolumeMount| join(&mount.mount_path, "") == names::SCRATCH_DIRECTORY;
    if !mounts.iter().any(is_scratch) {
        mounts.push(VolumeMount {
            name: names::SCRATCH_VOLUME.to_owned(),
            mount_path: names::SCRATCH_DIRECTORY.to_owned(),
            ..VolumeMount::default()
        });
    }
    let mut env = container.env.unwrap_or_default();
    containers::add(&mut env, names::HOME_VARIABLE, names::SCRATCH_DIRECTORY);
    Container {
        volume_mounts: Some(mounts),
        env: Some(env),
        ..container
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::feast::spec::Defaults;

    fn store() -> Store {
        let services = json!({
            "containerSecurityContext": {"readOnlyRootFilesystem": true},
            "podLabels": {"team": "a", "tier": "b"},
        });
        let store = json!({"name": "x", "feastProject": "p", "services": services});
        let store = serde_json::from_value(store).expect("a feature store");
        Store::new(&store, &Defaults::default())
    }

    fn pod(container: Json) -> PodSpec {
        serde_json::from_value(json!({"containers": [container]})).expect("a pod")
    }

    #[test]
    fn labels_of_the_provider_take_precedence() {
        let map = |labels: Json| serde_json::from_value::<Map>(labels).expect("labels");
        let template = template(
            &store(),
            map(json!({"feast.dev/name": "x"})),
            &map(json!({"tier": "c", "feast.dev/name": "y"})),
            &Map::new(),
            pod(json!({"name": "c"})),
        );
        assert_eq!(
            json!(template.metadata),
            json!({"labels": {"feast.dev/name": "x", "team": "a", "tier": "c"}})
        );
    }

    #[test]
    fn scratch_space_yields_to_mounts_and_variables_of_the_user() {
        let written = json!({
            "name": "c",
            "env": [{"name": "HOME", "value": "/home"}],
            "volumeMounts": [{"name": "mine", "mountPath": "/tmp/"}],
        });
        let found = json!(complete(&store(), pod(written.clone())));
        let container = &found["containers"][0];
        assert_eq!(
            (&container["env"], &container["volumeMounts"]),
            (&written["env"], &written["volumeMounts"])
        );
        let found = json!(complete(&store(), pod(json!({"name": "c"}))));
        assert_eq!(
            found,
            json!({
                "containers": [{
                    "name": "c",
                    "env": [{"name": "HOME", "value": "/tmp"}],
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": true,
                    },
                    "volumeMounts": [{"name": "feast-tmp", "mountPath": "/tmp"}],
                }],
                "enableServiceLinks": false,
                "volumes": [{"name": "feast-tmp", "emptyDir": {}}],
            })
        );
    }
}
