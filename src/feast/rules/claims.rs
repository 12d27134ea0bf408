//! Persistent volume claims.

use super::accessors::{Claim, block, claims};
use super::resources::request_within_limit;
use super::{Violation, tls};
use crate::feast::config::{AccessMode, FeatureStore, PersistentVolumeClaimTemplate};
use crate::feast::names::{CONFIGURATION_DIRECTORY, DATA_DIRECTORY, Service};
use crate::feast::spec::join;
use crate::kubernetes::quantity::Quantity;
use crate::schema::Path;

pub(super) fn one_source(store: &FeatureStore) -> Vec<Violation> {
    claims(store)
        .into_iter()
        .filter_map(|Claim { path, pvc, reads, .. }| match (&pvc.r#ref, &pvc.create) {
            (Some(_), Some(_)) => Some(Violation::new(
                path,
                reads,
                "A claim is either an existing one or one to create",
                "Write one of `ref` and `create`.",
            )),
            (None, None) => Some(Violation::new(
                path.clone(),
                [path.attribute("ref"), path.attribute("create")].into_iter().chain(reads),
                "A claim needs `ref` or `create`",
                "Write `ref = { name = \"…\" }` for an existing claim, or `create = {}` for a new one.",
            )),
            (Some(_), None) | (None, Some(_)) => None,
        })
        .collect()
}

pub(super) fn template(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for claim in claims(store) {
        if let Some(template) = &claim.pvc.create {
            let found = of_one(claim.service, &claim.path.attribute("create"), template);
            violations.extend(found.into_iter().map(|it| it.reading(&claim.reads)));
        }
    }
    violations
}

/// The template at `path`.
fn of_one(
    service: Service,
    path: &Path,
    template: &PersistentVolumeClaimTemplate,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let modes = template.access_modes.as_deref().unwrap_or_default();
    if modes.len() > 1 && modes.contains(&AccessMode::ReadWriteOncePod) {
        let at = path.attribute("access_modes");
        violations.push(Violation::new(
            at.clone(),
            [at],
            "ReadWriteOncePod cannot go together with other access modes",
            "Write it alone, or leave it out.",
        ));
    }
    let resources = template.resources.clone().unwrap_or_default();
    violations.extend(request_within_limit(
        &path.attribute("resources"),
        resources.requests.as_ref(),
        resources.limits.as_ref(),
        &[("storage", service.default_storage())],
    ));
    let storage = resources.requests.as_ref().and_then(|it| it.get("storage"));
    if storage.is_some_and(|it| Quantity::parse(&it.0) == Some(Quantity::ZERO)) {
        let at = path.attribute("resources.requests").key("storage");
        violations.push(Violation::new(
            at.clone(),
            [at],
            "A claim needs storage",
            format!(
                "Write how much, such as `{}`, or leave it out for that.",
                service.default_storage()
            ),
        ));
    }
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
        let mut refuse = |mut reads: Vec<Path>, summary: String, detail: String| {
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
            refuse(
                reads,
                format!("Two claims are mounted at {mount:?}"),
                format!(
                    "The {} is mounted there too, and Kubernetes wants each mount path once. Write another \
                     directory.",
                    other.service.words()
                ),
            );
        }
        if overlaps(&mount, CONFIGURATION_DIRECTORY) {
            refuse(
                Vec::new(),
                format!("{mount:?} hides Feast's configuration"),
                format!(
                    "The provider mounts `feature_store.yaml` in `{CONFIGURATION_DIRECTORY}`. Write another \
                     directory, such as `/data/{}`.",
                    service.as_str()
                ),
            );
        }
        for (directory, reads) in tls::directories(store) {
            if overlaps(&mount, &directory) {
                refuse(
                    reads,
                    format!("{mount:?} hides a certificate"),
                    format!(
                        "The provider mounts it in `{directory}`. Write another directory, such as `/data/{}`.",
                        service.as_str()
                    ),
                );
            }
        }
        if mount == DATA_DIRECTORY
            && let Some(reads) = in_the_pod(store)
        {
            refuse(
                reads,
                format!("{mount:?} is taken"),
                format!(
                    "What is not on a claim is kept in `{DATA_DIRECTORY}`, a volume of the pod's own. Write \
                     another directory, such as `/data/{}`.",
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
            refuse(
                vec![
                    Path::of("feast_project"),
                    block(Service::Offline).attribute("persistence.file.pvc.mount_path"),
                ],
                format!("{mount:?} is inside the feature repository"),
                format!(
                    "`feast init` makes `{project}` and must find it absent. Write another directory, such as \
                     `/data/{}`.",
                    service.as_str()
                ),
            );
        }
    }
    violations
}

/// What it is concluded from that something is kept in the pods' own directory, where anything is: with all three
/// stores on claims nothing is, and each absent claim may be unknown yet.
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

    use crate::feast::rules::testing::{refused, stands};

    fn online(pvc: &Json) -> Json {
        json!({"onlineStore": {"persistence": {"file": {"path": "o.db", "pvc": pvc}}}})
    }

    const PVC: &str = "services.online_store.persistence.file.pvc";

    #[test]
    fn exactly_one_source() {
        refused(
            "one-claim",
            online(&json!({"create": {}, "mountPath": "/d"})),
            &[],
        );
        refused(
            "one-claim",
            online(&json!({"mountPath": "/d"})),
            &[(PVC, "A claim needs `ref` or `create`")],
        );
        refused(
            "one-claim",
            online(&json!({"ref": {"name": "c"}, "create": {}, "mountPath": "/d"})),
            &[(PVC, "A claim is either an existing one or one to create")],
        );
    }

    #[test]
    fn templates_that_kubernetes_accepts() {
        let create = |create: Json| online(&json!({"create": create, "mountPath": "/d"}));
        refused(
            "claim-template",
            create(json!({"accessModes": ["ReadWriteMany"]})),
            &[],
        );
        refused(
            "claim-template",
            create(json!({
                "accessModes": ["ReadWriteOncePod", "ReadOnlyMany"],
                "resources": {"limits": {"storage": "1Gi"}},
            })),
            &[
                (
                    "services.online_store.persistence.file.pvc.create.access_modes",
                    "ReadWriteOncePod cannot go together with other access modes",
                ),
                (
                    "services.online_store.persistence.file.pvc.create.resources",
                    "The storage request (5Gi) is above the limit (1Gi)",
                ),
            ],
        );
    }

    #[test]
    fn no_claim_without_storage() {
        let storage = |written: &str, expected: &[(&str, &str)]| {
            let create = json!({"resources": {"requests": {"storage": written}}});
            refused(
                "claim-template",
                online(&json!({"create": create, "mountPath": "/d"})),
                expected,
            );
        };
        let at =
            "services.online_store.persistence.file.pvc.create.resources.requests[\"storage\"]";
        storage("1", &[]);
        storage("0Gi", &[(at, "A claim needs storage")]);
        storage("-1Gi", &[(at, "\"-1Gi\" is not a quantity of storage")]);
    }

    #[test]
    fn mounts_do_not_collide() {
        let at = |path: &str| online(&json!({"create": {}, "mountPath": path}));
        let here = "services.online_store.persistence.file.pvc.mount_path";
        refused("mount-paths", at("/feast-data/online"), &[]);
        refused(
            "mount-paths",
            at("/feast-data/"),
            &[(here, "\"/feast-data\" is taken")],
        );
        refused(
            "mount-paths",
            at("/"),
            &[(here, "\"/\" hides Feast's configuration")],
        );
        refused(
            "mount-paths",
            at("/feast-data/demo/feature_repo"),
            &[(
                here,
                "\"/feast-data/demo/feature_repo\" is inside the feature repository",
            )],
        );
        // With three claims nothing is kept in the pod's own directory, unless one of them is not mounted.
        let on_claims = |disabled: bool| {
            let file = |path: &str| json!({"file": {"pvc": {"create": {}, "mountPath": path}}});
            json!({
                "onlineStore": {"disabled": disabled, "persistence": file("/online")},
                "offlineStore": {"persistence": file("/offline"), "server": {}},
                "registry": {"local": {"persistence": file("/feast-data")}},
            })
        };
        refused("mount-paths", on_claims(false), &[]);
        refused(
            "mount-paths",
            on_claims(true),
            &[(
                "services.registry.local.persistence.file.pvc.mount_path",
                "\"/feast-data\" is taken",
            )],
        );
        let mut same_place = on_claims(true);
        same_place["onlineStore"]["persistence"]["file"]["pvc"]["mountPath"] = json!("/offline");
        same_place["registry"]["local"]["persistence"]["file"]["pvc"]["mountPath"] = json!("/r");
        stands(same_place);
        let pvc = json!({"create": {}, "mountPath": "/data"});
        let mut both = online(&pvc);
        both["offlineStore"] = json!({"persistence": {"file": {"pvc": pvc}}});
        refused(
            "mount-paths",
            both,
            &[(
                "services.offline_store.persistence.file.pvc.mount_path",
                "Two claims are mounted at \"/data\"",
            )],
        );
    }
}
