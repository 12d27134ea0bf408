//! Volumes of the user's own, and where the servers see them.

use k8s_openapi::api::core::v1::VolumeMount;

use super::accessors::{Container, all_containers, block, claims, services};
use super::claims::{in_the_pod, inside, overlaps};
use super::{Violation, tls};
use crate::feast::config::{FeatureStore, Volume};
use crate::feast::names::{self, CA_CERT_FILE, CONFIGURATION_DIRECTORY, DATA_DIRECTORY, Service};
use crate::feast::spec::join;
use crate::schema::Path;

const VOLUMES: &str = "services.volumes";

fn volumes(store: &FeatureStore) -> &[Volume] {
    (services(store).and_then(|it| it.volumes.as_deref())).unwrap_or_default()
}

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let volumes = volumes(store);
    let mut found = Vec::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = Path::of(VOLUMES).index(index);
        let at = path.attribute("name");
        let before = volumes[..index]
            .iter()
            .position(|it| it.name == volume.name);
        if let Some(before) = before {
            let other = Path::of(VOLUMES).index(before).attribute("name");
            found.push(Violation::new(
                at.clone(),
                [at.clone(), other],
                format!("Two volumes are called {:?}", volume.name),
                "`volume_mounts` find a volume by its name. Give one of them another name.",
            ));
        }
        if names::own_volumes(&store.name).contains(&volume.name) {
            found.push(Violation::new(
                at.clone(),
                [at, Path::of("name")],
                format!("A volume of the provider's is called {:?}", volume.name),
                "Give your volume another name.",
            ));
        }
        found.extend(source(&path, volume));
    }
    found
}

fn source(path: &Path, volume: &Volume) -> Vec<Violation> {
    let Volume {
        name: _,
        config_map,
        secret,
        empty_dir,
        persistent_volume_claim,
        projected,
        downward_api,
        csi,
        ephemeral,
        nfs,
        host_path,
        image,
    } = volume;
    let sources = [
        ("config_map", config_map.is_some()),
        ("secret", secret.is_some()),
        ("empty_dir", empty_dir.is_some()),
        ("persistent_volume_claim", persistent_volume_claim.is_some()),
        ("projected", projected.is_some()),
        ("downward_api", downward_api.is_some()),
        ("csi", csi.is_some()),
        ("ephemeral", ephemeral.is_some()),
        ("nfs", nfs.is_some()),
        ("host_path", host_path.is_some()),
        ("image", image.is_some()),
    ];
    let written: Vec<_> = sources.iter().filter(|(_, there)| *there).collect();
    let mut found = Vec::new();
    if written.len() != 1 {
        // That there are several stays so, whatever is still unknown.
        let absent = sources.iter().filter(|_| written.is_empty());
        found.push(Violation::new(
            path.clone(),
            absent.map(|(name, _)| path.attribute(name)),
            "A volume has exactly one source",
            "Write one of `config_map`, `secret`, `empty_dir`, `persistent_volume_claim`, `projected`, \
             `downward_api`, `csi`, `ephemeral`, `nfs`, `host_path` and `image`.",
        ));
    }
    let named = [
        (
            "secret.secret_name",
            secret.as_ref().map(|it| it.secret_name.as_deref()),
        ),
        (
            "config_map.name",
            config_map.as_ref().map(|it| Some(it.name.as_str())),
        ),
    ];
    for (place, source) in named {
        if let Some(source) = source
            && source.is_none_or(str::is_empty)
        {
            let at = path.attribute(place);
            found.push(Violation::new(
                at.clone(),
                [at],
                "The volume does not say what it holds",
                "Write the name of the object whose keys become files.",
            ));
        }
    }
    found
}

pub(super) fn mounts(store: &FeatureStore) -> Vec<Violation> {
    let mut found = Vec::new();
    for container in all_containers(store) {
        let mounts = container.settings.map_or(&[][..], |it| it.volume_mounts);
        for index in 0..mounts.len() {
            let of_one = mount(store, &container, mounts, index).into_iter();
            found.extend(of_one.map(|it| it.reading(&container.reads)));
        }
    }
    found
}

fn mount(
    store: &FeatureStore,
    container: &Container<'_>,
    mounts: &[VolumeMount],
    index: usize,
) -> Vec<Violation> {
    let mount = &mounts[index];
    let list = container.path.attribute("volume_mounts");
    let path = list.index(index);
    let at = path.attribute("mount_path");
    let mut found = words(&path, mount);
    if volumes(store).iter().all(|it| it.name != mount.name) {
        let name = path.attribute("name");
        found.push(Violation::new(
            name.clone(),
            [name, Path::of(VOLUMES)],
            format!("There is no volume {:?}", mount.name),
            "Write the `name` of one of `services.volumes`, or add a volume of this name there.",
        ));
    }
    let place = join(&mount.mount_path, "");
    if !mount.mount_path.starts_with('/') || place.contains(':') {
        found.push(Violation::new(
            at.clone(),
            [at],
            format!("{:?} is not a place in the container", mount.mount_path),
            "Write an absolute path without `:`.",
        ));
        return found;
    }
    let before = mounts[..index]
        .iter()
        .position(|it| join(&it.mount_path, "") == place);
    if let Some(before) = before {
        found.push(Violation::new(
            at.clone(),
            [at.clone(), list.index(before).attribute("mount_path")],
            format!("Two volumes are mounted at {place:?}"),
            "Kubernetes wants each mount path once in a container. Write another directory.",
        ));
    }
    for (what, reads) in hidden(store, &place) {
        found.push(Violation::new(
            at.clone(),
            reads.into_iter().chain([at.clone()]),
            format!("A volume at {place:?} hides {what}"),
            "Write another directory, such as `/mnt/<name>`.",
        ));
    }
    found
}

/// What of the servers' own a volume at `place` would hide, with what that is concluded from.
fn hidden(store: &FeatureStore, place: &str) -> Vec<(String, Vec<Path>)> {
    let mut found = Vec::new();
    let mut hide = |what: &str, reads: Vec<Path>| found.push((what.to_owned(), reads));
    if place == "/" {
        hide("the whole image", Vec::new());
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
        hide("the certificate of the OpenID Connect provider", Vec::new());
    }
    let claims = claims(store);
    for claim in &claims {
        if join(&claim.pvc.mount_path, "") == place {
            let mut reads = vec![claim.path.attribute("mount_path")];
            reads.extend(claim.reads.iter().cloned());
            hide(
                &format!("the claim of the {}", claim.service.words()),
                reads,
            );
        }
    }
    if place == DATA_DIRECTORY
        && let Some(reads) = in_the_pod(store)
    {
        hide("what is not on a claim", reads);
    }
    let base = claims.iter().find(|it| it.service == Service::Offline);
    let base = base.map_or(DATA_DIRECTORY, |claim| &claim.pvc.mount_path);
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
            // At or above the repository, but not its whole home, which is judged above.
            let within = inside(place, &join(base, "")) && place != join(base, "");
            let repository = store
                .feast_project_dir
                .as_ref()
                .and_then(|it| it.git.as_ref()?.feature_repo_path.as_deref())
                .unwrap_or(names::FEATURE_REPOSITORY);
            if within && inside(&join(&project, repository), place) {
                let home = block(Service::Offline).attribute("persistence.file.pvc.mount_path");
                let reads = vec![directory, init, Path::of("feast_project"), home];
                hide("the feature repository", reads);
            }
        }
    }
    found
}

/// Single values that only the API server would refuse.
fn words(path: &Path, mount: &VolumeMount) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut refuse = |name: &str, more: Vec<Path>, summary: String, detail: &str| {
        let at = path.attribute(name);
        found.push(Violation::new(
            at.clone(),
            more.into_iter().chain([at]),
            summary,
            detail,
        ));
    };
    let sub_path = mount.sub_path.as_deref().unwrap_or_default();
    if sub_path.starts_with('/') || sub_path.split('/').any(|part| part == "..") {
        refuse(
            "sub_path",
            Vec::new(),
            format!("{sub_path:?} leaves the volume"),
            "Write a path inside the volume, without `/` at its beginning and without `..`.",
        );
    }
    if !sub_path.is_empty() && mount.sub_path_expr.is_some() {
        refuse(
            "sub_path_expr",
            Vec::new(),
            "sub_path and sub_path_expr exclude each other".to_owned(),
            "Write one of them.",
        );
    }
    if let Some(word) = &mount.mount_propagation
        && !["None", "HostToContainer"].contains(&word.as_str())
    {
        refuse(
            "mount_propagation",
            Vec::new(),
            format!("{word:?} is not possible here"),
            "Write `None` or `HostToContainer`; what a container mounts is only shown to the node when the \
             container is privileged.",
        );
    }
    if let Some(word) = mount.recursive_read_only.as_deref() {
        if !["Disabled", "IfPossible", "Enabled"].contains(&word) {
            refuse(
                "recursive_read_only",
                Vec::new(),
                format!("{word:?} is not possible here"),
                "Write `Disabled`, `IfPossible` or `Enabled`.",
            );
        } else if word != "Disabled" && mount.read_only != Some(true) {
            refuse(
                "recursive_read_only",
                vec![path.attribute("read_only")],
                "recursive_read_only needs read_only".to_owned(),
                "Write `read_only = true` beside it.",
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{refused, stands};

    #[test]
    fn volumes_have_names_and_sources() {
        stands(json!({"volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "secret": {"secretName": "s"}},
            {"name": "c", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
        ]}));
        let path = |place: &str| format!("services.volumes{place}");
        refused(
            "volumes",
            json!({"volumes": [
                {"name": "a", "emptyDir": {}},
                {"name": "a", "configMap": {"name": ""}},
                {"name": "feast-data", "secret": {}},
                {"name": "feast-demo-online"},
                {"name": "d", "emptyDir": {}, "nfs": {"server": "s", "path": "/"}},
            ]}),
            &[
                (&path("[1].name"), "Two volumes are called \"a\""),
                (
                    &path("[1].config_map.name"),
                    "The volume does not say what it holds",
                ),
                (
                    &path("[2].name"),
                    "A volume of the provider's is called \"feast-data\"",
                ),
                (
                    &path("[2].secret.secret_name"),
                    "The volume does not say what it holds",
                ),
                (
                    &path("[3].name"),
                    "A volume of the provider's is called \"feast-demo-online\"",
                ),
                (&path("[3]"), "A volume has exactly one source"),
                (&path("[4]"), "A volume has exactly one source"),
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
        refused("volume-mounts", mounted(&mounts), &expected);
    }

    #[test]
    fn mounts_find_their_volumes() {
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
                ("[1].mount_path", "\"a\" is not a place in the container"),
                ("[2].mount_path", "Two volumes are mounted at \"/c\""),
            ],
        );
    }

    #[test]
    fn nothing_of_the_servers_is_hidden() {
        let hides = |place: &str, what: &str| {
            let summary = format!("A volume at {place:?} hides {what}");
            mounts(
                json!([{"name": "a", "mountPath": place}]),
                &[("[0].mount_path", &summary)],
            );
        };
        hides("/", "the whole image");
        hides("/etc", "Feast's configuration");
        hides("/etc/feast", "Feast's configuration");
        hides("/registry", "the claim of the registry");
        hides("/feast-data", "what is not on a claim");
        hides("/feast-data/demo", "the feature repository");
        hides("/feast-data/demo/feature_repo", "the feature repository");
    }

    #[test]
    fn the_claim_of_a_disabled_store_is_not_there() {
        let claim =
            |path: &str| json!({"file": {"pvc": {"ref": {"name": "c"}, "mountPath": path}}});
        let at = |place: &str, disabled: bool, expected: Option<&str>| {
            let message = expected.map(|what| format!("A volume at {place:?} hides {what}"));
            let path = "services.offline_store.server.volume_mounts[0].mount_path";
            let expected: Vec<_> = message.iter().map(|text| (path, text.as_str())).collect();
            refused(
                "volume-mounts",
                json!({
                    "volumes": [{"name": "a", "emptyDir": {}}],
                    "onlineStore": {"disabled": disabled, "persistence": claim("/online")},
                    "offlineStore": {
                        "persistence": claim("/offline"),
                        "server": {"volumeMounts": [{"name": "a", "mountPath": place}]},
                    },
                    "registry": {"local": {"persistence": claim("/registry")}},
                }),
                &expected,
            );
        };
        at("/feast-data", false, None);
        at("/feast-data", true, Some("what is not on a claim"));
        at("/online", false, Some("the claim of the online store"));
        at("/online", true, None);
    }

    #[test]
    fn a_packaged_repository_is_not_hidden() {
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
        crate::feast::rules::testing::refused_whole(
            "volume-mounts",
            document,
            &[(
                "services.online_store.server.volume_mounts[0].mount_path",
                "A volume at \"/opt\" hides the feature repository",
            )],
        );
    }

    #[test]
    fn single_values() {
        mounts(
            json!([
                {"name": "a", "mountPath": "/a", "subPath": "../b", "subPathExpr": "$(A)"},
                {"name": "a", "mountPath": "/b", "mountPropagation": "Bidirectional"},
                {"name": "a", "mountPath": "/c", "recursiveReadOnly": "Enabled"},
                {"name": "a", "mountPath": "/d", "recursiveReadOnly": "Perhaps"},
            ]),
            &[
                ("[0].sub_path", "\"../b\" leaves the volume"),
                (
                    "[0].sub_path_expr",
                    "sub_path and sub_path_expr exclude each other",
                ),
                (
                    "[1].mount_propagation",
                    "\"Bidirectional\" is not possible here",
                ),
                (
                    "[2].recursive_read_only",
                    "recursive_read_only needs read_only",
                ),
                (
                    "[3].recursive_read_only",
                    "\"Perhaps\" is not possible here",
                ),
            ],
        );
    }
}
