//! Requests and limits.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

use super::Violation;
use super::view::{CRON_JOB_CONTAINERS, all_containers, cron_job_containers, services};
use crate::feast::config::FeatureStore;
use crate::feast::quantity::Quantity;
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for container in all_containers(store) {
        let Some(resources) = container.resources() else {
            continue;
        };
        let mut found = of_one(&container.path, resources);
        found.extend(claims(store, &container.path, resources));
        // A server that is left out after all has no resources to judge.
        violations.extend(found.into_iter().map(|it| it.reading(&container.reads)));
    }
    let cron_job = cron_job_containers(store).and_then(|it| it.resources.as_ref());
    violations.extend(cron_job.into_iter().flat_map(|resources| {
        let path = Path::of(CRON_JOB_CONTAINERS);
        let mut found = of_one(&path, resources);
        found.extend(no_claims(&path, resources));
        found
    }));
    violations
}

/// The resources of the container whose settings stand at `path`.
fn of_one(path: &Path, resources: &ResourceRequirements) -> Vec<Violation> {
    request_within_limit(
        &path.attribute("resources"),
        resources.requests.as_ref(),
        resources.limits.as_ref(),
        &[],
    )
}

/// A server uses the pods' claims, by name.
fn claims(store: &FeatureStore, path: &Path, resources: &ResourceRequirements) -> Vec<Violation> {
    let there = services(store).and_then(|it| it.resource_claims.as_deref());
    let there = there.unwrap_or_default();
    let list = path.attribute("resources.claims");
    (resources.claims.iter().flatten().enumerate())
        .filter(|(_, claim)| there.iter().all(|it| it.name != claim.name))
        .map(|(index, claim)| {
            let at = list.index(index).attribute("name");
            Violation::new(
                at.clone(),
                [at, Path::of("services.resource_claims")],
                format!("The pods have no resource claim {:?}", claim.name),
                "Write the `name` of one of `services.resource_claims`, or add a claim of this name there.",
            )
        })
        .collect()
}

/// The CronJob's pods have none.
fn no_claims(path: &Path, resources: &ResourceRequirements) -> Option<Violation> {
    let claims = resources.claims.as_deref().unwrap_or_default();
    let at = path.attribute("resources.claims");
    (!claims.is_empty()).then(|| {
        Violation::new(
            at.clone(),
            [at],
            "The CronJob's pods have no resource claims",
            "They only start commands in a server's pod, which may have claims. Remove `claims`.",
        )
    })
}

/// Judges a pair of requests and limits; `defaults` are the requests of which the user need not write one.
pub(super) fn request_within_limit(
    path: &Path,
    requests: Option<&BTreeMap<String, Written>>,
    limits: Option<&BTreeMap<String, Written>>,
    defaults: &[(&str, &str)],
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let read = |map: Option<&BTreeMap<String, Written>>, name: &str| {
        map.and_then(|map| map.get(name))
            .map(|written| written.0.clone())
    };
    for (attribute, map) in [("requests", requests), ("limits", limits)] {
        for (name, Written(text)) in map.into_iter().flatten() {
            let at = path.attribute(attribute).key(name);
            if Quantity::parse(text).is_none_or(|value| value < Quantity::ZERO) {
                violations.push(Violation::new(
                    at.clone(),
                    [at],
                    format!("{text:?} is not a quantity of {name}"),
                    "Write a number that is not negative, with a unit if need be: `250m` or `2` for CPUs, \
                     `512Mi` or `2Gi` for bytes.",
                ));
            }
        }
    }
    for (name, Written(most)) in limits.into_iter().flatten() {
        let default = defaults.iter().find(|(known, _)| known == name);
        let written = read(requests, name);
        let Some(least) = written
            .clone()
            .or_else(|| default.map(|(_, text)| (*text).to_owned()))
        else {
            continue;
        };
        let above = match (Quantity::parse(&least), Quantity::parse(most)) {
            (Some(least), Some(most)) => least > most,
            _ => false,
        };
        if above {
            let request = path.attribute("requests").key(name);
            violations.push(Violation::new(
                if written.is_some() {
                    request.clone()
                } else {
                    path.clone()
                },
                [request, path.attribute("limits").key(name)],
                format!("The {name} request ({least}) is above the limit ({most})"),
                format!("Write a request of at most {most}, or a limit of at least {least}."),
            ));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::refused;

    #[test]
    fn quantities_in_order() {
        let resources = "services.online_store.server.resources";
        let cpu = format!("{resources}.requests[\"cpu\"]");
        let memory = format!("{resources}.requests[\"memory\"]");
        let disk = format!("{resources}.limits[\"ephemeral-storage\"]");
        refused(
            "resources",
            json!({"onlineStore": {"server": {"resources": {
                "requests": {"cpu": "lots", "memory": "2Gi"},
                "limits": {"cpu": "1", "memory": "1024Mi", "ephemeral-storage": "-1"},
            }}}}),
            &[
                (&cpu, "\"lots\" is not a quantity of cpu"),
                (&disk, "\"-1\" is not a quantity of ephemeral-storage"),
                (
                    &memory,
                    "The memory request (2Gi) is above the limit (1024Mi)",
                ),
            ],
        );
        refused(
            "resources",
            json!({"onlineStore": {"server": {"resources": {
                "requests": {"cpu": "1000m"}, "limits": {"cpu": "1"},
            }}}}),
            &[],
        );
    }

    #[test]
    fn resource_claims_are_the_pods() {
        refused(
            "resources",
            json!({"onlineStore": {"server": {"resources": {"claims": [{"name": "gpu"}]}}}}),
            &[(
                "services.online_store.server.resources.claims[0].name",
                "The pods have no resource claim \"gpu\"",
            )],
        );
    }
}
