//! The PersistentVolumeClaims of the stores.

use super::accessors::{Claim, block, claims};
use super::{Violation, tls};
use crate::feast::config::{FeatureStore, PersistentVolumeClaimTemplate};
use crate::feast::names::{CONFIGURATION_DIRECTORY, DATA_DIRECTORY, Service};
use crate::feast::spec::join;
use crate::kubernetes::validation::{below, exactly_one, volume_claim};
use crate::schema::Path;

pub(super) fn one_source(store: &FeatureStore) -> Vec<Violation> {
    (claims(store).into_iter())
        .filter_map(|claim| {
            let sources = [
                ("ref", claim.pvc.r#ref.is_some()),
                ("create", claim.pvc.create.is_some()),
            ];
            let hint = "Set `ref = { name = \"…\" }` to use an existing PersistentVolumeClaim, or `create = {}` to \
                        create one.";
            let violation = exactly_one(&claim.path, &sources, hint)?;
            Some(violation.reading(&claim.reads))
        })
        .collect()
}

pub(super) fn template(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for claim in claims(store) {
        if let Some(template) = &claim.pvc.create {
            let path = claim.path.attribute("create");
            let found = validate_template(claim.service, &path, template);
            violations.extend(found.into_iter().map(|it| it.reading(&claim.reads)));
        }
    }
    violations
}

fn validate_template(
    service: Service,
    path: &Path,
    template: &PersistentVolumeClaimTemplate,
) -> Vec<Violation> {
    let modes = template.access_modes.as_deref().unwrap_or_default();
    let modes: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
    let mut violations = volume_claim::access_modes(&path.attribute("access_modes"), &modes);
    let class = template.storage_class_name.as_deref();
    let class_path = path.attribute("storage_class_name");
    violations.extend(class.and_then(|class| volume_claim::class(class_path, class)));
    let resources = template.resources.clone().unwrap_or_default();
    let defaults = [("storage", service.default_storage())];
    let found = volume_claim::storage(&resources, &defaults);
    violations.extend(below(&path.attribute("resources"), found));
    violations
}

pub(super) fn mounts(store: &FeatureStore) -> Vec<Violation> {
    let claims = claims(store);
    let mut violations = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let Claim {
            service,
            path,
            pvc,
            reads: mounted,
        } = claim;
        let at = path.attribute("mount_path");
        let mount = join(&pvc.mount_path, "");
        let mut reject = |mut reads: Vec<Path>, summary: String, detail: String| {
            reads.push(at.clone());
            let violation = Violation::new(at.clone(), reads, summary, detail);
            violations.push(violation.reading(mounted));
        };
        let before = claims[..index]
            .iter()
            .find(|other| join(&other.pvc.mount_path, "") == mount);
        if let Some(other) = before {
            let mut reads = vec![other.path.attribute("mount_path")];
            reads.extend(other.reads.iter().cloned());
            reject(
                reads,
                format!("Two PVCs are mounted at {mount:?}"),
                format!(
                    "The PVC of the {} has the same mount path, and each path can be used only once. Set another \
                     directory.",
                    other.service.words()
                ),
            );
        }
        if overlaps(&mount, CONFIGURATION_DIRECTORY) {
            reject(
                Vec::new(),
                format!("A PVC at {mount:?} would hide Feast's configuration"),
                format!(
                    "The provider mounts `feature_store.yaml` in `{CONFIGURATION_DIRECTORY}`. Set another directory, \
                     such as `/data/{}`.",
                    service.as_str()
                ),
            );
        }
        for (directory, reads) in tls::directories(store) {
            if overlaps(&mount, &directory) {
                reject(
                    reads,
                    format!("A PVC at {mount:?} would hide a certificate"),
                    format!(
                        "The provider mounts a certificate in `{directory}`. Set another directory, such as \
                         `/data/{}`.",
                        service.as_str()
                    ),
                );
            }
        }
        if mount == DATA_DIRECTORY
            && let Some(reads) = in_the_pod(store)
        {
            reject(
                reads,
                format!("The mount path {mount:?} is reserved for the provider"),
                format!(
                    "Stores without a PVC keep their files in `{DATA_DIRECTORY}`, a volume of the pod. Set another \
                     directory, such as `/data/{}`.",
                    service.as_str()
                ),
            );
        }
        let offline = claims
            .iter()
            .find(|claim| claim.service == Service::Offline);
        let base = offline.map_or(DATA_DIRECTORY, |claim| &claim.pvc.mount_path);
        let project = join(base, &store.feast_project);
        if !store.feast_project.is_empty() && inside(&mount, &project) {
            reject(
                vec![
                    Path::of("feast_project"),
                    block(Service::Offline).attribute("persistence.file.pvc.mount_path"),
                ],
                format!("The mount path {mount:?} is inside the feature repository"),
                format!(
                    "`feast init` creates `{project}`, which must not exist yet. Set another directory, such as \
                     `/data/{}`.",
                    service.as_str()
                ),
            );
        }
    }
    violations
}

/// Returns the attributes that decide that a store keeps its files in the data directory of the pod; `None` if all
/// three stores have PVCs. An absent one may only be unknown.
pub(super) fn in_the_pod(store: &FeatureStore) -> Option<Vec<Path>> {
    let services = [Service::Online, Service::Offline, Service::Registry];
    (claims(store).len() < services.len()).then(|| {
        let claims = services.map(|it| block(it).attribute("persistence.file.pvc.mount_path"));
        let disabled = block(Service::Online).attribute("disabled");
        claims.into_iter().chain([disabled]).collect()
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
        let storage = |written: &str, expected: &[(&str, &str)]| {
            let create = json!({"resources": {"requests": {"storage": written}}});
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
        let on_claims = |disabled: bool| {
            let file = |path: &str| json!({"file": {"pvc": {"create": {}, "mountPath": path}}});
            json!({
                "onlineStore": {"disabled": disabled, "persistence": file("/online")},
                "offlineStore": {"persistence": file("/offline"), "server": {}},
                "registry": {"local": {"persistence": file("/feast-data")}},
            })
        };
        rejects("mount-paths", on_claims(false), &[]);
        rejects(
            "mount-paths",
            on_claims(true),
            &[(
                "services.registry.local.persistence.file.pvc.mount_path",
                "The mount path \"/feast-data\" is reserved for the provider",
            )],
        );
        let mut same_place = on_claims(true);
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
