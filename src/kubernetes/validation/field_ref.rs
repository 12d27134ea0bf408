//! References to fields and resources of a pod (`ObjectFieldSelector`, `ResourceFieldSelector`).

use k8s_openapi::api::core::v1::{ObjectFieldSelector, ResourceFieldSelector};

use super::metadata::qualified_name;
use super::{Violation, quoted, supported};
use crate::kubernetes::quantity::Quantity;
use crate::schema::Path;

/// The user of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An environment variable of a container.
    Variable,
    /// A file of a volume.
    File,
}

/// The fields for environment variables, besides single labels and annotations.
const VARIABLE_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// The fields for files, besides single labels and annotations.
const FILE_FIELDS: [&str; 5] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.annotations",
    "metadata.uid",
];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
];
const HUGE_PAGES: [&str; 2] = ["limits.hugepages-", "requests.hugepages-"];

const CPU_DIVISORS: [&str; 2] = ["1m", "1"];
const BYTE_DIVISORS: [&str; 13] = [
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];

/// Validates a reference to a field of the pod (`validateObjectFieldSelector`).
pub fn field(path: &Path, selector: &ObjectFieldSelector, target: Target) -> Vec<Violation> {
    let ObjectFieldSelector {
        api_version,
        field_path,
    } = selector;
    let version = api_version.as_deref().filter(|version| !version.is_empty());
    let version = version.and_then(|it| supported(path.attribute("api_version"), it, &["v1"]));
    let path = path.attribute("field_path");
    let fields: &[&str] = match target {
        Target::Variable => &VARIABLE_FIELDS,
        Target::File => &FILE_FIELDS,
    };
    let of_key = field_path
        .strip_suffix("']")
        .and_then(|text| text.split_once("['"));
    let field = match of_key {
        Some(("metadata.labels", key)) => qualified_name(path, key, "label key"),
        // Annotation keys are not case-sensitive.
        Some(("metadata.annotations", key)) => {
            qualified_name(path, &key.to_lowercase(), "annotation key")
        }
        _ if fields.contains(&field_path.as_str()) => None,
        _ => Some(Violation::at(
            path,
            format!("Unsupported field {field_path:?}"),
            format!(
                "Supported fields: {}, and single labels and annotations, such as `metadata.labels['team']`.",
                quoted(fields, ", ")
            ),
        )),
    };
    version.into_iter().chain(field).collect()
}

/// Validates a reference to a request or limit of a container (`validateContainerResourceFieldSelector`).
pub fn resource(path: &Path, selector: &ResourceFieldSelector, target: Target) -> Vec<Violation> {
    let ResourceFieldSelector {
        container_name,
        divisor,
        resource,
    } = selector;
    let mut violations = Vec::new();
    if target == Target::File {
        let name = container_name.as_deref().unwrap_or_default();
        violations.extend(super::required(path.attribute("container_name"), name));
    }
    let is_huge_page = HUGE_PAGES.iter().any(|prefix| resource.starts_with(prefix));
    let resource_path = path.attribute("resource");
    if !is_huge_page {
        violations.extend(supported(resource_path.clone(), resource, &RESOURCES));
    }
    let divisors: &[&str] = match resource.as_str() {
        "limits.cpu" | "requests.cpu" => &CPU_DIVISORS,
        _ => &BYTE_DIVISORS,
    };
    if let Some(divisor) = divisor
        && Quantity::parse(&divisor.0) != Some(Quantity::ZERO)
    {
        let divisor = supported(path.attribute("divisor"), &divisor.0, divisors);
        violations.extend(divisor.map(|violation| violation.reading(&[resource_path])));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::kubernetes::validation::testing::check;

    #[test]
    fn fields() {
        let fields = |target: Target, version: &str, field: &str, expected: &[(&str, &str)]| {
            check(
                &json!({"apiVersion": version, "fieldPath": field}),
                |selector: &ObjectFieldSelector| self::field(&Path::root(), selector, target),
                expected,
            );
        };
        fields(Target::Variable, "v1", "status.podIP", &[]);
        fields(
            Target::Variable,
            "",
            "metadata.labels['example.com/a']",
            &[],
        );
        fields(
            Target::File,
            "",
            "metadata.annotations['Example.com/A']",
            &[],
        );
        fields(Target::File, "", "metadata.labels", &[]);
        let unsupported = |field: &str| format!("Unsupported field {field:?}");
        for (target, field) in [
            (Target::Variable, "metadata.labels"),
            (Target::File, "status.podIP"),
            (Target::File, ""),
            (Target::File, "metadata.name['a']"),
        ] {
            fields(target, "", field, &[("field_path", &unsupported(field))]);
        }
        fields(
            Target::Variable,
            "v2",
            "metadata.labels['A B']",
            &[
                ("api_version", "Unsupported value \"v2\""),
                ("field_path", "\"A B\" is not a valid label key"),
            ],
        );
    }

    #[test]
    fn resources() {
        let resources = |target: Target, selector: Json, expected: &[(&str, &str)]| {
            check(
                &selector,
                |selector: &ResourceFieldSelector| resource(&Path::root(), selector, target),
                expected,
            );
        };
        resources(
            Target::Variable,
            json!({"resource": "limits.cpu", "divisor": "1m"}),
            &[],
        );
        resources(
            Target::Variable,
            json!({"resource": "limits.hugepages-2Mi", "divisor": "1Mi"}),
            &[],
        );
        resources(
            Target::Variable,
            json!({"resource": "limits.memory", "divisor": "0"}),
            &[],
        );
        resources(
            Target::File,
            json!({"resource": "limits.gpu", "divisor": "1m"}),
            &[
                ("container_name", "The value is required"),
                ("resource", "Unsupported value \"limits.gpu\""),
                ("divisor", "Unsupported value \"1m\""),
            ],
        );
        for (resource, divisor) in [
            ("limits.cpu", "1Ki"),
            ("limits.memory", "abc"),
            ("limits.memory", "1024"),
        ] {
            resources(
                Target::Variable,
                json!({"resource": resource, "divisor": divisor}),
                &[("divisor", &format!("Unsupported value {divisor:?}"))],
            );
        }
    }
}
