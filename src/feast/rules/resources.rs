//! Requests and limits.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

use super::Violation;
use super::accessors::{CRON_JOB_CONTAINERS, all_containers, cron_job_containers, services};
use crate::feast::config::FeatureStore;
use crate::kubernetes::quantity::Quantity;
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
    let path = path.attribute("resources");
    let (requests, limits) = (resources.requests.as_ref(), resources.limits.as_ref());
    let mut violations = names(&path, requests, limits);
    violations.extend(request_within_limit(&path, requests, limits, &[]));
    violations.extend(not_shared(&path, requests, limits));
    violations
}

/// Devices, by the names of their vendors: `nvidia.com/gpu`.
fn is_device(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

type Quantities = BTreeMap<String, Written>;

/// Each quantity with its path and the resource's name.
fn written<'a>(
    path: &Path,
    requests: Option<&'a Quantities>,
    limits: Option<&'a Quantities>,
) -> Vec<(Path, &'a str, &'a str)> {
    [("requests", requests), ("limits", limits)]
        .into_iter()
        .flat_map(|(attribute, map)| {
            let list = path.attribute(attribute);
            (map.into_iter().flatten())
                .map(move |(name, Written(text))| (list.key(name), name.as_str(), text.as_str()))
        })
        .collect()
}

fn names(
    path: &Path,
    requests: Option<&Quantities>,
    limits: Option<&Quantities>,
) -> Vec<Violation> {
    let known = |name: &str| {
        ["cpu", "memory", "ephemeral-storage"].contains(&name)
            || is_huge_page(name)
            || name.contains('/')
    };
    (written(path, requests, limits).into_iter())
        .filter(|(_, name, _)| !known(name))
        .map(|(at, name, _)| {
            Violation::new(
                at.clone(),
                [at],
                format!("{name:?} is no resource of a container"),
                "Write `cpu`, `memory`, `ephemeral-storage`, `hugepages-<size>`, or a device's whole name such as \
                 `nvidia.com/gpu`.",
            )
        })
        .collect()
}

/// A device is given as a whole; it and huge pages are given to nobody else.
fn not_shared(
    path: &Path,
    requests: Option<&Quantities>,
    limits: Option<&Quantities>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, name, text) in written(path, requests, limits) {
        if is_device(name) && Quantity::parse(text).is_some_and(|it| !it.is_whole()) {
            violations.push(Violation::new(
                at.clone(),
                [at],
                format!("{name} is given as a whole, and {text} is a part"),
                "Write a whole number.",
            ));
        }
    }
    for (at, name, text) in written(path, requests, None) {
        let limit = limits.and_then(|it| it.get(name));
        let above = |limit: &Written| {
            Quantity::parse(text).is_some_and(|request| Quantity::parse(&limit.0) > Some(request))
        };
        if (is_device(name) || is_huge_page(name)) && limit.is_none_or(above) {
            violations.push(Violation::new(
                at.clone(),
                [at, path.attribute("limits").key(name)],
                format!("The limit of {name} is not its request"),
                format!("Kubernetes wants both to be the same. Write the limit {text} too."),
            ));
        }
    }
    violations
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
    requests: Option<&Quantities>,
    limits: Option<&Quantities>,
    defaults: &[(&str, &str)],
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let read = |map: Option<&Quantities>, name: &str| {
        map.and_then(|map| map.get(name))
            .map(|written| written.0.clone())
    };
    for (at, name, text) in written(path, requests, limits) {
        if Quantity::parse(text).is_none_or(|value| value < Quantity::ZERO) {
            violations.push(Violation::new(
                at.clone(),
                [at],
                format!("{text:?} is not a quantity of {name}"),
                "Write a number that is not negative, with a unit if need be: `250m` or `2` for CPUs, `512Mi` or \
                 `2Gi` for bytes.",
            ));
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
    use serde_json::{Value as Json, json};

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
    fn names_that_kubernetes_knows() {
        let resources = "services.online_store.server.resources";
        let check = |written: Json, expected: &[(&str, &str)]| {
            let expected: Vec<_> = (expected.iter())
                .map(|(place, summary)| (format!("{resources}.{place}"), *summary))
                .collect();
            let expected: Vec<_> = expected.iter().map(|(p, s)| (p.as_str(), *s)).collect();
            refused(
                "resources",
                json!({"onlineStore": {"server": {"resources": written}}}),
                &expected,
            );
        };
        check(
            json!({
                "requests": {"cpu": "1", "nvidia.com/gpu": "1", "example.kubernetes.io/x": "1"},
                "limits": {"hugepages-2Mi": "4Mi", "ephemeral-storage": "1Gi", "nvidia.com/gpu": 1, "a.b/c": "2"},
            }),
            &[],
        );
        check(
            json!({"requests": {"cpus": "1"}, "limits": {"storage": "1Gi"}}),
            &[
                (
                    "requests[\"cpus\"]",
                    "\"cpus\" is no resource of a container",
                ),
                (
                    "limits[\"storage\"]",
                    "\"storage\" is no resource of a container",
                ),
            ],
        );
        let part = "nvidia.com/gpu is given as a whole, and 500m is a part";
        check(
            json!({"limits": {"nvidia.com/gpu": "500m"}}),
            &[("limits[\"nvidia.com/gpu\"]", part)],
        );
        check(
            json!({"requests": {"a.b/c": "few"}, "limits": {"a.b/c": "1"}}),
            &[("requests[\"a.b/c\"]", "\"few\" is not a quantity of a.b/c")],
        );
        let differs = |name: &str| format!("The limit of {name} is not its request");
        check(
            json!({
                "requests": {"nvidia.com/gpu": "1", "hugepages-2Mi": "2Mi"},
                "limits": {"hugepages-2Mi": "4Mi"},
            }),
            &[
                ("requests[\"hugepages-2Mi\"]", &differs("hugepages-2Mi")),
                ("requests[\"nvidia.com/gpu\"]", &differs("nvidia.com/gpu")),
            ],
        );
        check(
            json!({"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "1"}}),
            &[(
                "requests[\"nvidia.com/gpu\"]",
                "The nvidia.com/gpu request (2) is above the limit (1)",
            )],
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
