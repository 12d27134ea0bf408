//! The PersistentVolumeClaims of the stores.

use super::accessors::{Pvc, block, pvcs};
use super::{Violation, tls};
use crate::feast::config::{FeatureStore, PvcCreate};
use crate::feast::names::{CONFIGURATION_DIRECTORY, DATA_DIRECTORY, FeastService};
use crate::feast::spec::join;
use crate::kubernetes::validation::{below, exactly_one, persistent_volume_claim};
use crate::schema::Path;

pub(super) fn one_source(store: &FeatureStore) -> Vec<Violation> {
    (pvcs(store).into_iter())
        .filter_map(|pvc| {
            let sources = [
                ("ref", pvc.config.r#ref.is_some()),
                ("create", pvc.config.create.is_some()),
            ];
            let hint = "Set `ref = { name = \"…\" }` to use an existing PersistentVolumeClaim, or `create = {}` to \
                        create one.";
            let violation = exactly_one(&pvc.path, &sources, hint)?;
            Some(violation.reading(&pvc.reads))
        })
        .collect()
}

pub(super) fn template(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for pvc in pvcs(store) {
        if let Some(template) = &pvc.config.create {
            let path = pvc.path.attribute("create");
            let found = validate_template(pvc.service, &path, template);
            violations.extend(found.into_iter().map(|it| it.reading(&pvc.reads)));
        }
    }
    violations
}

fn validate_template(service: FeastService, path: &Path, template: &PvcCreate) -> Vec<Violation> {
    let modes = template.access_modes.as_deref().unwrap_or_default();
    let modes: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
    let mut violations =
        persistent_volume_claim::access_modes(&path.attribute("access_modes"), &modes);
    let class = template.storage_class_name.as_deref();
    let class_path = path.attribute("storage_class_name");
    violations.extend(class.and_then(|class| persistent_volume_claim::class(class_path, class)));
    let resources = template.resources.clone().unwrap_or_default();
    let defaults = [("storage", service.default_storage())];
    let found = persistent_volume_claim::storage(&resources, &defaults);
    violations.extend(below(&path.attribute("resources"), found));
    violations
}

pub(super) fn mounts(store: &FeatureStore) -> Vec<Violation> {
    let pvcs = pvcs(store);
    let mut violations = Vec::new();
    for (index, pvc) in pvcs.iter().enumerate() {
        let mount = Mount {
            pvc,
            directory: join(&pvc.config.mount_path, ""),
        };
        violations.extend(same_directory(&mount, &pvcs[..index]));
        violations.extend(over_configuration(&mount));
        violations.extend(over_certificates(store, &mount));
        violations.extend(over_data_directory(store, &mount));
        violations.extend(in_repository(store, &mount, &pvcs));
    }
    violations
}

/// A PVC, and the directory at which it is mounted.
struct Mount<'a> {
    pvc: &'a Pvc<'a>,
    directory: String,
}

impl Mount<'_> {
    fn reject(&self, mut reads: Vec<Path>, summary: String, detail: String) -> Violation {
        let at = self.pvc.path.attribute("mount_path");
        reads.push(at.clone());
        Violation::new(at, reads, summary, detail).reading(&self.pvc.reads)
    }

    /// Returns the remedy.
    fn remedy(&self) -> String {
        let service = self.pvc.service.as_str();
        format!("Set another directory, such as `/data/{service}`.")
    }
}

fn same_directory(mount: &Mount<'_>, earlier: &[Pvc<'_>]) -> Option<Violation> {
    let directory = &mount.directory;
    let other = earlier
        .iter()
        .find(|other| join(&other.config.mount_path, "") == *directory)?;
    let mut reads = vec![other.path.attribute("mount_path")];
    reads.extend(other.reads.iter().cloned());
    Some(mount.reject(
        reads,
        format!("Two PVCs are mounted at {directory:?}"),
        format!(
            "The PVC of the {} has the same mount path, and each path can be used only once. Set another directory.",
            other.service.display_name()
        ),
    ))
}

fn over_configuration(mount: &Mount<'_>) -> Option<Violation> {
    let directory = &mount.directory;
    overlaps(directory, CONFIGURATION_DIRECTORY).then(|| {
        mount.reject(
            Vec::new(),
            format!("A PVC at {directory:?} would hide Feast's configuration"),
            format!(
                "The provider mounts `feature_store.yaml` in `{CONFIGURATION_DIRECTORY}`. {}",
                mount.remedy()
            ),
        )
    })
}

fn over_certificates(store: &FeatureStore, mount: &Mount<'_>) -> Vec<Violation> {
    let directory = &mount.directory;
    (tls::directories(store).into_iter())
        .filter(|(certificate, _)| overlaps(directory, certificate))
        .map(|(certificate, reads)| {
            mount.reject(
                reads,
                format!("A PVC at {directory:?} would hide a certificate"),
                format!(
                    "The provider mounts a certificate in `{certificate}`. {}",
                    mount.remedy()
                ),
            )
        })
        .collect()
}

fn over_data_directory(store: &FeatureStore, mount: &Mount<'_>) -> Option<Violation> {
    let directory = &mount.directory;
    if directory != DATA_DIRECTORY {
        return None;
    }
    Some(mount.reject(
        in_the_pod(store)?,
        format!("The mount path {directory:?} is reserved for the provider"),
        format!(
            "Stores without a PVC keep their files in `{DATA_DIRECTORY}`, a volume of the pod. {}",
            mount.remedy()
        ),
    ))
}

fn in_repository(store: &FeatureStore, mount: &Mount<'_>, pvcs: &[Pvc<'_>]) -> Option<Violation> {
    let directory = &mount.directory;
    let offline = pvcs.iter().find(|pvc| pvc.service == FeastService::Offline);
    let base = offline.map_or(DATA_DIRECTORY, |pvc| &pvc.config.mount_path);
    let project = join(base, &store.feast_project);
    if store.feast_project.is_empty() || !inside(directory, &project) {
        return None;
    }
    Some(mount.reject(
        vec![
            Path::of("feast_project"),
            block(FeastService::Offline).attribute("persistence.file.pvc.mount_path"),
        ],
        format!("The mount path {directory:?} is inside the feature repository"),
        format!(
            "`feast init` creates `{project}`, which must not exist yet. {}",
            mount.remedy()
        ),
    ))
}

/// Returns the attributes that decide that a store keeps its files in the data directory of the pod; `None` if all
/// three stores have PVCs. An absent one may only be unknown.
pub(super) fn in_the_pod(store: &FeatureStore) -> Option<Vec<Path>> {
    let services = [
        FeastService::Online,
        FeastService::Offline,
        FeastService::Registry,
    ];
    (pvcs(store).len() < services.len()).then(|| {
        let pvcs = services.map(|it| block(it).attribute("persistence.file.pvc.mount_path"));
        let disabled = block(FeastService::Online).attribute("disabled");
        pvcs.into_iter().chain([disabled]).collect()
    })
}

pub(super) fn inside(path: &str, directory: &str) -> bool {
    directory == "/"
        || path == directory
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn overlaps(one: &str, other: &str) -> bool {
    inside(one, other) || inside(other, one)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{accepts, rejects};

    fn online(pvc: &Json) -> Json {
        json!({"onlineStore": {"persistence": {"file": {"path": "o.db", "pvc": pvc}}}})
    }

    const PVC: &str = "services.online_store.persistence.file.pvc";

    #[test]
    fn exactly_one_source() {
        rejects(
            "one-pvc",
            online(&json!({"create": {}, "mountPath": "/d"})),
            &[],
        );
        rejects(
            "one-pvc",
            online(&json!({"mountPath": "/d"})),
            &[(PVC, "Exactly one of `ref`, `create` must be set")],
        );
        rejects(
            "one-pvc",
            online(&json!({"ref": {"name": "c"}, "create": {}, "mountPath": "/d"})),
            &[(PVC, "Exactly one of `ref`, `create` must be set")],
        );
    }

    #[test]
    fn access_modes_and_storage_limits() {
        let create = |create: Json| online(&json!({"create": create, "mountPath": "/d"}));
        rejects(
            "pvc-template",
            create(json!({"accessModes": ["ReadWriteMany"]})),
            &[],
        );
        rejects(
            "pvc-template",
            create(json!({
                "accessModes": ["ReadWriteOncePod", "ReadOnlyMany"],
                "resources": {"limits": {"storage": "1Gi"}},
            })),
            &[
                (
                    "services.online_store.persistence.file.pvc.create.access_modes",
                    "`ReadWriteOncePod` conflicts with other access modes",
                ),
                (
                    "services.online_store.persistence.file.pvc.create.resources",
                    "The storage request (5Gi) exceeds the limit (1Gi)",
                ),
            ],
        );
    }

    #[test]
    fn rejects_storage_that_is_not_positive() {
        let storage = |size: &str, expected: &[(&str, &str)]| {
            let create = json!({"resources": {"requests": {"storage": size}}});
            rejects(
                "pvc-template",
                online(&json!({"create": create, "mountPath": "/d"})),
                expected,
            );
        };
        let at =
            "services.online_store.persistence.file.pvc.create.resources.requests[\"storage\"]";
        storage("1", &[]);
        storage("0Gi", &[(at, "The storage request must be greater than 0")]);
        storage(
            "-1Gi",
            &[(at, "\"-1Gi\" is not a valid quantity of storage")],
        );
    }

    #[test]
    fn rejects_mount_paths_that_collide() {
        let at = |path: &str| online(&json!({"create": {}, "mountPath": path}));
        let here = "services.online_store.persistence.file.pvc.mount_path";
        rejects("mount-paths", at("/feast-data/online"), &[]);
        rejects(
            "mount-paths",
            at("/feast-data/"),
            &[(
                here,
                "The mount path \"/feast-data\" is reserved for the provider",
            )],
        );
        rejects(
            "mount-paths",
            at("/"),
            &[(here, "A PVC at \"/\" would hide Feast's configuration")],
        );
        rejects(
            "mount-paths",
            at("/feast-data/demo/feature_repo"),
            &[(
                here,
                "The mount path \"/feast-data/demo/feature_repo\" is inside the feature repository",
            )],
        );
        // With three PVCs, the pod has no data directory, unless one of them is not mounted.
        let on_pvcs = |disabled: bool| {
            let file = |path: &str| json!({"file": {"pvc": {"create": {}, "mountPath": path}}});
            json!({
                "onlineStore": {"disabled": disabled, "persistence": file("/online")},
                "offlineStore": {"persistence": file("/offline"), "server": {}},
                "registry": {"local": {"persistence": file("/feast-data")}},
            })
        };
        rejects("mount-paths", on_pvcs(false), &[]);
        rejects(
            "mount-paths",
            on_pvcs(true),
            &[(
                "services.registry.local.persistence.file.pvc.mount_path",
                "The mount path \"/feast-data\" is reserved for the provider",
            )],
        );
        let mut same_place = on_pvcs(true);
        same_place["onlineStore"]["persistence"]["file"]["pvc"]["mountPath"] = json!("/offline");
        same_place["registry"]["local"]["persistence"]["file"]["pvc"]["mountPath"] = json!("/r");
        accepts(same_place);
        let pvc = json!({"create": {}, "mountPath": "/data"});
        let mut both = online(&pvc);
        both["offlineStore"] = json!({"persistence": {"file": {"pvc": pvc}}});
        rejects(
            "mount-paths",
            both,
            &[(
                "services.offline_store.persistence.file.pvc.mount_path",
                "Two PVCs are mounted at \"/data\"",
            )],
        );
    }
}
