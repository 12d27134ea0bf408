//! Requests, limits and claims of the containers.

use k8s_openapi::api::core::v1::ResourceRequirements;

use super::Violation;
use super::accessors::{CRON_JOB_CONTAINERS, all_servers, cron_job_containers, services};
use crate::feast::config::FeatureStore;
use crate::kubernetes::validation::{below, resources};
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for container in all_servers(store) {
        let Some(requirements) = container.resources() else {
            continue;
        };
        let path = container.path.attribute("resources");
        let mut found = below(&path, resources::container(requirements));
        found.extend(claims(store, &path, requirements));
        violations.extend(found.into_iter().map(|it| it.reading(&container.reads)));
    }
    let init = services(store).and_then(|it| it.init_resources.as_ref());
    if let Some(requirements) = init {
        let path = Path::of("services.init_resources");
        violations.extend(below(&path, resources::container(requirements)));
        violations.extend(no_claims(
            &path,
            requirements,
            "Init containers cannot have resource claims",
            "They prepare the feature repository and run `feast apply`, which need no devices. Remove `claims`.",
        ));
    }
    let cron_job = cron_job_containers(store).and_then(|it| it.resources.as_ref());
    if let Some(requirements) = cron_job {
        let path = Path::of(CRON_JOB_CONTAINERS).attribute("resources");
        violations.extend(below(&path, resources::container(requirements)));
        violations.extend(no_claims(
            &path,
            requirements,
            "The CronJob's pods cannot have resource claims",
            "They only start commands in a pod of the feature store, which can have claims. Remove `claims`.",
        ));
    }
    violations
}

/// The claims of a container refer to `services.resource_claims` by name.
fn claims(store: &FeatureStore, path: &Path, resources: &ResourceRequirements) -> Vec<Violation> {
    let pod_claims = services(store).and_then(|it| it.resource_claims.as_deref());
    let pod_claims = pod_claims.unwrap_or_default();
    let list = path.attribute("claims");
    (resources.claims.iter().flatten().enumerate())
        .filter(|(_, claim)| pod_claims.iter().all(|it| it.name != claim.name))
        .map(|(index, claim)| {
            let path = list.index(index).attribute("name");
            Violation::new(
                path.clone(),
                [path, Path::of("services.resource_claims")],
                format!("The pods have no resource claim {:?}", claim.name),
                "Set the `name` of one of `services.resource_claims`, or add a claim of this name there.",
            )
        })
        .collect()
}

/// Returns a violation with this summary and detail if there are claims.
fn no_claims(
    path: &Path,
    resources: &ResourceRequirements,
    summary: &str,
    detail: &str,
) -> Option<Violation> {
    let has_claims = resources.claims.as_ref().is_some_and(|it| !it.is_empty());
    has_claims.then(|| Violation::at(path.attribute("claims"), summary, detail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{accepts, rejects};

    #[test]
    fn requests_and_limits_of_a_server() {
        rejects(
            "resources",
            json!({"onlineStore": {"server": {"resources": {
                "requests": {"cpu": "lots"}, "limits": {"cpu": "1"},
            }}}}),
            &[(
                "services.online_store.server.resources.requests[\"cpu\"]",
                "\"lots\" is not a valid quantity of cpu",
            )],
        );
    }

    #[test]
    fn resources_of_init_containers() {
        rejects(
            "resources",
            json!({
                "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}],
                "initResources": {"requests": {"cpu": "lots"}, "claims": [{"name": "gpu"}]},
            }),
            &[
                (
                    "services.init_resources.requests[\"cpu\"]",
                    "\"lots\" is not a valid quantity of cpu",
                ),
                (
                    "services.init_resources.claims",
                    "Init containers cannot have resource claims",
                ),
            ],
        );
    }

    #[test]
    fn claims_of_a_server_must_be_claims_of_the_pods() {
        let server = json!({"resources": {"claims": [{"name": "gpu"}]}});
        rejects(
            "resources",
            json!({"onlineStore": {"server": server}}),
            &[(
                "services.online_store.server.resources.claims[0].name",
                "The pods have no resource claim \"gpu\"",
            )],
        );
        accepts(json!({
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}],
            "onlineStore": {"server": server},
        }));
    }
}
