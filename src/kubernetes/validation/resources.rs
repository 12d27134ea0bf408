//! Requests and limits of a container (`ResourceRequirements`), and the resource claims of a pod (`PodResourceClaim`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodResourceClaim, ResourceClaim, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as RawQuantity;

use super::metadata::{dns_label, is_qualified_name, object_name};
use super::{Violation, exactly_one, unique};
use crate::kubernetes::quantity::Quantity;
use crate::schema::Path;

/// The prefix of resources that are huge pages; the page size follows.
const HUGE_PAGES: &str = "hugepages-";

/// Validates requests, limits and claims (`ValidateContainerResourceRequirements`). The claims of the pod are not
/// considered.
pub fn container(resources: &ResourceRequirements) -> Vec<Violation> {
    let ResourceRequirements {
        claims,
        limits,
        requests,
    } = resources;
    let (requests, limits) = (requests.as_ref(), limits.as_ref());
    let mut violations: Vec<Violation> = (quantities(requests, limits).into_iter())
        .filter_map(|(path, name, _)| container_resource(path, name))
        .collect();
    violations.extend(huge_pages(requests, limits));
    violations.extend(self::claims(claims.as_deref().unwrap_or_default()));
    violations.extend(requests_within_limits(requests, limits, &[]));
    violations.extend(unshared(requests, limits));
    violations
}

/// Extended resources, such as devices, are named with the domain of their vendor: `nvidia.com/gpu`.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

type Quantities = BTreeMap<String, RawQuantity>;

/// Returns each quantity with its path and the name of the resource.
fn quantities<'a>(
    requests: Option<&'a Quantities>,
    limits: Option<&'a Quantities>,
) -> Vec<(Path, &'a str, &'a str)> {
    [("requests", requests), ("limits", limits)]
        .into_iter()
        .flat_map(|(attribute, map)| {
            let path = Path::of(attribute);
            (map.into_iter().flatten()).map(move |(name, RawQuantity(text))| {
                (path.key(name), name.as_str(), text.as_str())
            })
        })
        .collect()
}

/// Validates the name of a resource of a container (`ValidateContainerResourceName`).
pub fn container_resource(path: Path, name: &str) -> Option<Violation> {
    let is_known = match name.strip_prefix(HUGE_PAGES) {
        Some(size) => Quantity::parse(size).is_some_and(|it| it > Quantity::ZERO && it.is_whole()),
        None if name.contains('/') => {
            // It is also the name of a quota, with a prefix.
            let is_valid = is_qualified_name(&format!("requests.{name}"));
            is_valid && !(is_extended(name) && name.starts_with("requests."))
        }
        None => ["cpu", "memory", "ephemeral-storage"].contains(&name),
    };
    (!is_known).then(|| {
        Violation::at(
            path,
            format!("{name:?} is not a resource of a container"),
            "Use `cpu`, `memory`, `ephemeral-storage`, `hugepages-<size>`, or the full name of an extended resource, \
             such as `nvidia.com/gpu`.",
        )
    })
}

/// Validates huge pages: they are whole pages, and need CPU or memory.
fn huge_pages(requests: Option<&Quantities>, limits: Option<&Quantities>) -> Vec<Violation> {
    let all = quantities(requests, limits);
    let has_other = (all.iter()).any(|(_, name, _)| ["cpu", "memory"].contains(name));
    let pages = all.into_iter().filter(|(_, name, _)| is_huge_page(name));
    pages
        .filter_map(|(path, name, text)| {
            let size = name.strip_prefix(HUGE_PAGES).and_then(Quantity::parse);
            let size = size.filter(|size| *size > Quantity::ZERO)?;
            if !Quantity::parse(text)?.is_multiple_of(size) {
                return Some(Violation::at(
                    path,
                    format!("{text} of {name} is not a number of whole pages"),
                    "Set a multiple of the page size.",
                ));
            }
            (!has_other).then(|| {
                let reads = ["requests", "limits"].map(Path::of);
                Violation::new(
                    path.clone(),
                    reads.into_iter().chain([path]),
                    format!("{name} requires `cpu` or `memory`"),
                    "Set a request or limit of one of them too.",
                )
            })
        })
        .collect()
}

/// Validates the claims of a container (`validateResourceClaimNames`), except that the pod has them.
fn claims(claims: &[ResourceClaim]) -> Vec<Violation> {
    let list = Path::of("claims");
    let mut violations = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let ResourceClaim { name, request } = claim;
        let path = list.index(index);
        let request = request.as_deref().filter(|request| !request.is_empty());
        violations.extend(request.and_then(|it| dns_label(path.attribute("request"), it)));
        let first = claims[..index].iter().position(|other| {
            let other_request = other.request.as_deref().filter(|it| !it.is_empty());
            other.name == *name
                && (request.is_none() || other_request.is_none() || request == other_request)
        });
        if let Some(first) = first {
            let reads = [path.clone(), list.index(first)];
            violations.push(Violation::new(
                path,
                reads,
                format!("Duplicate resource claim {name:?}"),
                "Each resource claim can be listed only once, or several times with different requests. Remove one of \
                 them.",
            ));
        }
    }
    violations
}

/// Extended resources come in whole units, and neither they nor huge pages can be overcommitted: request and limit are
/// the same.
fn unshared(requests: Option<&Quantities>, limits: Option<&Quantities>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, name, text) in quantities(requests, limits) {
        if is_extended(name) && Quantity::parse(text).is_some_and(|it| !it.is_whole()) {
            violations.push(Violation::at(
                path,
                format!("{text} of {name} is not a whole number"),
                "Extended resources cannot be divided. Set a whole number.",
            ));
        }
    }
    for (path, name, text) in quantities(requests, None) {
        let limit = limits.and_then(|limits| limits.get(name));
        let is_above = |limit: &RawQuantity| {
            Quantity::parse(text).is_some_and(|request| Quantity::parse(&limit.0) > Some(request))
        };
        if (is_extended(name) || is_huge_page(name)) && limit.is_none_or(is_above) {
            violations.push(Violation::new(
                path.clone(),
                [path, Path::of("limits").key(name)],
                format!("The limit of {name} must equal its request"),
                format!(
                    "Kubernetes does not overcommit this resource. Set the limit to {text} too."
                ),
            ));
        }
    }
    violations
}

/// Validates that quantities are not negative, and that no request is above its limit. `defaults` are requests that
/// apply if none is set.
pub fn requests_within_limits(
    requests: Option<&Quantities>,
    limits: Option<&Quantities>,
    defaults: &[(&str, &str)],
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, name, text) in quantities(requests, limits) {
        if Quantity::parse(text).is_none_or(|it| it < Quantity::ZERO) {
            violations.push(Violation::at(
                path,
                format!("{text:?} is not a valid quantity of {name}"),
                "Set a number that is not negative, with an optional unit: `250m` or `2` for CPU, `512Mi` or `2Gi` \
                 for bytes.",
            ));
        }
    }
    for (name, RawQuantity(limit)) in limits.into_iter().flatten() {
        let default = defaults.iter().find(|(resource, _)| resource == name);
        let set = requests.and_then(|requests| requests.get(name));
        let set = set.map(|request| request.0.as_str());
        let Some(request) = set.or(default.map(|(_, text)| *text)) else {
            continue;
        };
        let is_above = match (Quantity::parse(request), Quantity::parse(limit)) {
            (Some(request), Some(limit)) => request > limit,
            _ => false,
        };
        if is_above {
            let path = Path::of("requests").key(name);
            violations.push(Violation::new(
                set.map_or(Path::root(), |_| path.clone()),
                [path, Path::of("limits").key(name)],
                format!("The {name} request ({request}) exceeds the limit ({limit})"),
                format!("Set a request of at most {limit}, or a limit of at least {request}."),
            ));
        }
    }
    violations
}

/// Validates the list of a pod's resource claims.
pub fn resource_claims(claims: &[PodResourceClaim]) -> Vec<Violation> {
    let names = claims.iter().map(|claim| Some(claim.name.as_str()));
    let mut violations = unique(&Path::root(), "name", "resource claim", names);
    for (index, claim) in claims.iter().enumerate() {
        let PodResourceClaim {
            name,
            resource_claim_name,
            resource_claim_template_name,
        } = claim;
        let sources = [
            ("resource_claim_name", resource_claim_name.is_some()),
            (
                "resource_claim_template_name",
                resource_claim_template_name.is_some(),
            ),
        ];
        let hint = "A resource claim either exists or is created from a template.";
        let path = Path::root().index(index);
        violations.extend(exactly_one(&path, &sources, hint));
        violations.extend(dns_label(path.attribute("name"), name));
        for (attribute, name) in [
            ("resource_claim_name", resource_claim_name),
            ("resource_claim_template_name", resource_claim_template_name),
        ] {
            let path = path.attribute(attribute);
            violations.extend(name.as_deref().and_then(|name| object_name(path, name)));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::kubernetes::validation::testing;

    fn check(resources: Json, expected: &[(&str, &str)]) {
        testing::check(&resources, super::container, expected);
    }

    #[test]
    fn rejects_invalid_quantities_and_requests_above_limits() {
        check(
            json!({
                "requests": {"cpu": "lots", "memory": "2Gi"},
                "limits": {"cpu": "1", "memory": "1024Mi", "ephemeral-storage": "-1"},
            }),
            &[
                (
                    "requests[\"cpu\"]",
                    "\"lots\" is not a valid quantity of cpu",
                ),
                (
                    "limits[\"ephemeral-storage\"]",
                    "\"-1\" is not a valid quantity of ephemeral-storage",
                ),
                (
                    "requests[\"memory\"]",
                    "The memory request (2Gi) exceeds the limit (1024Mi)",
                ),
            ],
        );
        check(
            json!({"requests": {"cpu": "1000m"}, "limits": {"cpu": "1"}}),
            &[],
        );
    }

    #[test]
    fn rejects_unknown_names() {
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
                    "\"cpus\" is not a resource of a container",
                ),
                (
                    "limits[\"storage\"]",
                    "\"storage\" is not a resource of a container",
                ),
            ],
        );
    }

    #[test]
    fn rejects_names_that_are_not_qualified() {
        for name in [
            "Example.com/a",
            "a b/c",
            "requests.a.b/c",
            "hugepages-x",
            "hugepages-0",
        ] {
            check(
                json!({"limits": {name: "1", "cpu": "1"}}),
                &[(
                    &format!("limits[{name:?}]"),
                    &format!("{name:?} is not a resource of a container"),
                )],
            );
        }
    }

    #[test]
    fn rejects_parts_of_huge_pages() {
        check(
            json!({"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}),
            &[(
                "limits[\"hugepages-2Mi\"]",
                "3Mi of hugepages-2Mi is not a number of whole pages",
            )],
        );
        check(
            json!({"limits": {"hugepages-2Mi": "4Mi"}}),
            &[(
                "limits[\"hugepages-2Mi\"]",
                "hugepages-2Mi requires `cpu` or `memory`",
            )],
        );
    }

    #[test]
    fn rejects_claims_that_overlap() {
        check(
            json!({"claims": [{"name": "a", "request": "x"}, {"name": "a", "request": "y"}]}),
            &[],
        );
        check(
            json!({"claims": [{"name": "a", "request": "X"}, {"name": "a"}]}),
            &[
                ("claims[0].request", "\"X\" is not a valid name"),
                ("claims[1]", "Duplicate resource claim \"a\""),
            ],
        );
    }

    #[test]
    fn rejects_extended_resources_that_are_divided_or_overcommitted() {
        check(
            json!({"limits": {"nvidia.com/gpu": "500m"}}),
            &[(
                "limits[\"nvidia.com/gpu\"]",
                "500m of nvidia.com/gpu is not a whole number",
            )],
        );
        check(
            json!({"requests": {"a.b/c": "few"}, "limits": {"a.b/c": "1"}}),
            &[(
                "requests[\"a.b/c\"]",
                "\"few\" is not a valid quantity of a.b/c",
            )],
        );
        check(
            json!({
                "requests": {"nvidia.com/gpu": "1", "hugepages-2Mi": "2Mi", "cpu": "1"},
                "limits": {"hugepages-2Mi": "4Mi"},
            }),
            &[
                (
                    "requests[\"hugepages-2Mi\"]",
                    "The limit of hugepages-2Mi must equal its request",
                ),
                (
                    "requests[\"nvidia.com/gpu\"]",
                    "The limit of nvidia.com/gpu must equal its request",
                ),
            ],
        );
        check(
            json!({"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "1"}}),
            &[(
                "requests[\"nvidia.com/gpu\"]",
                "The nvidia.com/gpu request (2) exceeds the limit (1)",
            )],
        );
    }

    #[test]
    fn resource_claims_have_a_unique_name_and_one_source() {
        let one =
            "Exactly one of `resource_claim_name`, `resource_claim_template_name` must be set";
        let claims = json!([
            {"name": "gpu", "resourceClaimTemplateName": "t"},
            {"name": "gpu", "resourceClaimName": "c"},
            {"name": "a"},
            {"name": "b", "resourceClaimName": "c", "resourceClaimTemplateName": "t"},
            {"name": "a.b", "resourceClaimName": "X_y"},
        ]);
        testing::check(
            &claims,
            |claims: &Vec<_>| super::resource_claims(claims),
            &[
                ("[1].name", "Duplicate resource claim \"gpu\""),
                ("[2]", one),
                ("[3]", one),
                ("[4].name", "\"a.b\" is not a valid name"),
                (
                    "[4].resource_claim_name",
                    "\"X_y\" is not a valid object name",
                ),
            ],
        );
    }
}
