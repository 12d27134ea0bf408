//! The user's volumes, and where the servers mount them.

use k8s_openapi::api::core::v1::VolumeMount;

use super::accessors::{ServerConfig, VOLUMES, all_servers, block, pvcs, services};
use super::pvcs::{in_the_pod, inside, overlaps};
use super::{Violation, tls};
use crate::feast::config::{FeatureStore, Volume};
use crate::feast::names::{
    self, CA_CERT_FILE, CONFIGURATION_DIRECTORY, DATA_DIRECTORY, FeastService,
};
use crate::feast::spec::{join, kubernetes_volume};
use crate::kubernetes::validation::{
    below, each, file_mode, unique, volume as source, volume_mount as kubernetes,
};
use crate::schema::Path;

fn volumes(store: &FeatureStore) -> &[Volume] {
    (services(store).and_then(|it| it.volumes.as_deref())).unwrap_or_default()
}

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let volumes = volumes(store);
    let list = Path::of(VOLUMES);
    let names = volumes.iter().map(|volume| Some(volume.name.as_str()));
    let mut violations = unique(&list, "name", "volume", names);
    for (index, volume) in volumes.iter().enumerate() {
        let path = list.index(index);
        if names::own_volumes(&store.name).contains(&volume.name) {
            let path = path.attribute("name");
            violations.push(Violation::new(
                path.clone(),
                [path, Path::of("name")],
                format!(
                    "The volume name {:?} is reserved for the provider",
                    volume.name
                ),
                "Use another name.",
            ));
        }
        let found = source::source(&kubernetes_volume(volume.clone()));
        violations.extend(below(&path, found));
    }
    violations
}

/// Warns about file modes whose digits were probably meant as octal.
pub(super) fn decimal_modes(store: &FeatureStore) -> Vec<Violation> {
    each(&Path::of(VOLUMES), volumes(store), |volume| {
        file_mode::decimal_digits(&kubernetes_volume(volume.clone()))
    })
}

pub(super) fn file_modes(store: &FeatureStore) -> Vec<Violation> {
    each(&Path::of(VOLUMES), volumes(store), |volume| {
        file_mode::out_of_range(&kubernetes_volume(volume.clone()))
    })
}

pub(super) fn mounts(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for container in all_servers(store) {
        let mounts = container.settings.map_or(&[][..], |it| it.volume_mounts);
        for index in 0..mounts.len() {
            let found = mount(store, &container, mounts, index).into_iter();
            violations.extend(found.map(|it| it.reading(&container.reads)));
        }
    }
    violations
}

fn is_image(store: &FeatureStore, volume: &str) -> bool {
    let mut volumes = volumes(store).iter();
    volumes.any(|it| it.name == volume && it.image.is_some())
}

fn mount(
    store: &FeatureStore,
    container: &ServerConfig<'_>,
    mounts: &[VolumeMount],
    index: usize,
) -> Vec<Violation> {
    let mount = &mounts[index];
    let list = container.path.attribute("volume_mounts");
    let path = list.index(index);
    let mut violations = below(&path, kubernetes::validate(mount));
    if volumes(store).iter().all(|it| it.name != mount.name) {
        let path = path.attribute("name");
        violations.push(Violation::new(
            path.clone(),
            [path, Path::of(VOLUMES)],
            format!("There is no volume {:?}", mount.name),
            "Set the `name` of one of `services.volumes`, or add a volume of this name there.",
        ));
    }
    let directory = join(&mount.mount_path, "");
    if is_image(store, &mount.name)
        && mount
            .bind_mount_options
            .as_ref()
            .is_some_and(|it| !it.is_empty())
    {
        let path = path.attribute("bind_mount_options");
        violations.push(Violation::new(
            path.clone(),
            [path, Path::of(VOLUMES)],
            "`bind_mount_options` conflicts with an image volume",
            "Remove `bind_mount_options`.",
        ));
    }
    let path = path.attribute("mount_path");
    if !mount.mount_path.starts_with('/') || directory.contains(':') {
        violations.push(Violation::at(
            path,
            format!("{:?} is not a valid mount path", mount.mount_path),
            "Set an absolute path without `:`.",
        ));
        return violations;
    }
    let first = mounts[..index]
        .iter()
        .position(|it| join(&it.mount_path, "") == directory);
    if let Some(first) = first {
        violations.push(Violation::new(
            path.clone(),
            [path.clone(), list.index(first).attribute("mount_path")],
            format!("Two volumes are mounted at {directory:?}"),
            "In a container, each mount path can be used only once. Use another directory.",
        ));
    }
    for (hidden, reads) in hidden(store, &directory) {
        violations.push(Violation::new(
            path.clone(),
            reads.into_iter().chain([path.clone()]),
            format!("A volume at {directory:?} would hide {hidden}"),
            "Use another directory, such as `/mnt/<name>`.",
        ));
    }
    violations
}

/// Returns what a volume at `place` would hide of what the servers need, each with the attributes that it depends on.
fn hidden(store: &FeatureStore, place: &str) -> Vec<(String, Vec<Path>)> {
    let mut found = Vec::new();
    let mut hide = |what: &str, reads: Vec<Path>| found.push((what.to_owned(), reads));
    if place == "/" {
        hide("the file system of the image", Vec::new());
        return found;
    }
    if overlaps(place, CONFIGURATION_DIRECTORY) {
        hide("Feast's configuration", Vec::new());
    }
    for (directory, reads) in tls::directories(store) {
        if overlaps(place, &directory) {
            hide("a certificate", reads);
        }
    }
    let oidc = store.authz.as_ref().and_then(|authz| authz.oidc.as_ref());
    if place == CA_CERT_FILE && oidc.is_some_and(|oidc| oidc.ca_cert_config_map.is_some()) {
        hide(
            "the CA certificate of the OpenID Connect provider",
            Vec::new(),
        );
    }
    let pvcs = pvcs(store);
    for pvc in &pvcs {
        if join(&pvc.config.mount_path, "") == place {
            let mut reads = vec![pvc.path.attribute("mount_path")];
            reads.extend(pvc.reads.iter().cloned());
            hide(
                &format!("the PVC of the {}", pvc.service.display_name()),
                reads,
            );
        }
    }
    if place == DATA_DIRECTORY
        && let Some(reads) = in_the_pod(store)
    {
        hide("the data directory", reads);
    }
    let base = pvcs.iter().find(|it| it.service == FeastService::Offline);
    let base = base.map_or(DATA_DIRECTORY, |pvc| &pvc.config.mount_path);
    let without_init = services(store).and_then(|it| it.disable_init_containers) == Some(true);
    let packaged = store
        .feast_project_dir
        .as_ref()
        .and_then(|it| it.packaged.as_ref());
    let directory = Path::of("feast_project_dir");
    let init = Path::of("services.disable_init_containers");
    match packaged {
        Some(packaged) if without_init => {
            if inside(&packaged.feature_repo_path, place) {
                hide("the feature repository", vec![directory, init]);
            }
        }
        _ => {
            let project = join(base, &store.feast_project);
            // At or above the repository. The directory that holds it is checked above.
            let within = inside(place, &join(base, "")) && place != join(base, "");
            let repository = store
                .feast_project_dir
                .as_ref()
                .and_then(|it| it.git.as_ref()?.feature_repo_path.as_deref())
                .unwrap_or(names::FEATURE_REPOSITORY);
            if within && inside(&join(&project, repository), place) {
                let pvc = block(FeastService::Offline).attribute("persistence.file.pvc.mount_path");
                let reads = vec![directory, init, Path::of("feast_project"), pvc];
                hide("the feature repository", reads);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{accepts, rejects, warns};

    #[test]
    fn volumes_have_a_unique_name_and_one_source() {
        accepts(json!({"volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "secret": {"secretName": "s"}},
            {"name": "c", "ephemeral": {"volumeClaimTemplate": {"spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            }}}},
        ]}));
        let path = |place: &str| format!("services.volumes{place}");
        let one_source = "Exactly one of `config_map`, `secret`, `empty_dir`, `persistent_volume_claim`, `projected`, \
                          `downward_api`, `csi`, `ephemeral`, `nfs`, `host_path`, `image`, `iscsi`, `fc` must be set";
        rejects(
            "volumes",
            json!({"volumes": [
                {"name": "a", "emptyDir": {}},
                {"name": "a", "configMap": {"name": ""}},
                {"name": "feast-data", "secret": {}},
                {"name": "feast-demo-online"},
                {"name": "d", "emptyDir": {}, "nfs": {"server": "s", "path": "/"}},
            ]}),
            &[
                (&path("[1].name"), "Duplicate volume \"a\""),
                (&path("[1].config_map.name"), "The value is required"),
                (
                    &path("[2].name"),
                    "The volume name \"feast-data\" is reserved for the provider",
                ),
                (&path("[2].secret.secret_name"), "The value is required"),
                (
                    &path("[3].name"),
                    "The volume name \"feast-demo-online\" is reserved for the provider",
                ),
                (&path("[3]"), one_source),
                (&path("[4]"), one_source),
            ],
        );
    }

    fn mounted(mounts: &Json) -> Json {
        json!({
            "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}],
            "onlineStore": {"server": {"volumeMounts": mounts}},
            "registry": {"local": {"persistence": {"file": {
                "pvc": {"ref": {"name": "r"}, "mountPath": "/registry/"},
            }}}},
        })
    }

    fn mounts(mounts: Json, expected: &[(&str, &str)]) {
        let list = "services.online_store.server.volume_mounts";
        let expected: Vec<_> = expected
            .iter()
            .map(|(place, summary)| (format!("{list}{place}"), *summary))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(p, s)| (p.as_str(), *s)).collect();
        rejects("volume-mounts", mounted(&mounts), &expected);
    }

    #[test]
    fn mounts_name_a_volume_and_a_path() {
        mounts(
            json!([
                {"name": "a", "mountPath": "/a"},
                {"name": "b", "mountPath": "/feast-data/demo/feature_repo/models", "readOnly": true,
                 "recursiveReadOnly": "IfPossible", "subPath": "models"},
            ]),
            &[],
        );
        mounts(
            json!([
                {"name": "c", "mountPath": "/c"},
                {"name": "a", "mountPath": "a"},
                {"name": "a", "mountPath": "/c/"},
            ]),
            &[
                ("[0].name", "There is no volume \"c\""),
                ("[1].mount_path", "\"a\" is not a valid mount path"),
                ("[2].mount_path", "Two volumes are mounted at \"/c\""),
            ],
        );
    }

    #[test]
    fn rejects_mounts_that_hide_what_servers_need() {
        let hides = |place: &str, what: &str| {
            let summary = format!("A volume at {place:?} would hide {what}");
            mounts(
                json!([{"name": "a", "mountPath": place}]),
                &[("[0].mount_path", &summary)],
            );
        };
        hides("/", "the file system of the image");
        hides("/etc", "Feast's configuration");
        hides("/etc/feast", "Feast's configuration");
        hides("/registry", "the PVC of the registry");
        hides("/feast-data", "the data directory");
        hides("/feast-data/demo", "the feature repository");
        hides("/feast-data/demo/feature_repo", "the feature repository");
    }

    #[test]
    fn issued_certificates_are_not_hidden() {
        let mounted = |tls: Json| {
            json!({
                "openshift": {"servingCertificates": true},
                "volumes": [{"name": "a", "emptyDir": {}}],
                "onlineStore": {"server": {
                    "tls": tls,
                    "volumeMounts": [{"name": "a", "mountPath": "/tls/online"}],
                }},
            })
        };
        let path = "services.online_store.server.volume_mounts[0].mount_path";
        let hidden = "A volume at \"/tls/online\" would hide a certificate";
        rejects("volume-mounts", mounted(Json::Null), &[(path, hidden)]);
        rejects("volume-mounts", mounted(json!({"disable": true})), &[]);
    }

    #[test]
    fn the_pvc_of_a_disabled_store_is_not_mounted() {
        let pvc = |path: &str| json!({"file": {"pvc": {"ref": {"name": "c"}, "mountPath": path}}});
        let at = |place: &str, disabled: bool, expected: Option<&str>| {
            let message = expected.map(|what| format!("A volume at {place:?} would hide {what}"));
            let path = "services.offline_store.server.volume_mounts[0].mount_path";
            let expected: Vec<_> = message.iter().map(|text| (path, text.as_str())).collect();
            rejects(
                "volume-mounts",
                json!({
                    "volumes": [{"name": "a", "emptyDir": {}}],
                    "onlineStore": {"disabled": disabled, "persistence": pvc("/online")},
                    "offlineStore": {
                        "persistence": pvc("/offline"),
                        "server": {"volumeMounts": [{"name": "a", "mountPath": place}]},
                    },
                    "registry": {"local": {"persistence": pvc("/registry")}},
                }),
                &expected,
            );
        };
        at("/feast-data", false, None);
        at("/feast-data", true, Some("the data directory"));
        at("/online", false, Some("the PVC of the online store"));
        at("/online", true, None);
    }

    #[test]
    fn rejects_mounts_that_hide_a_packaged_repository() {
        let document = json!({
            "name": "demo",
            "feastProject": "demo",
            "feastProjectDir": {"packaged": {"image": "i", "featureRepoPath": "/opt/repo"}},
            "services": {
                "disableInitContainers": true,
                "volumes": [{"name": "a", "emptyDir": {}}],
                "onlineStore": {"server": {"volumeMounts": [{"name": "a", "mountPath": "/opt"}]}},
            },
        });
        crate::feast::rules::testing::rejects_store(
            "volume-mounts",
            document,
            &[(
                "services.online_store.server.volume_mounts[0].mount_path",
                "A volume at \"/opt\" would hide the feature repository",
            )],
        );
    }

    #[test]
    fn file_modes() {
        let volumes = |mode: i32| json!({"volumes": [{"name": "a", "emptyDir": {"mode": mode}}]});
        let path = "services.volumes[0].empty_dir.mode";
        rejects(
            "file-modes",
            volumes(1777),
            &[(path, "1777 is not a valid file mode")],
        );
        warns(
            "decimal-modes",
            volumes(755),
            &[(path, "The mode 755 is 01363 in octal")],
        );
    }
}
