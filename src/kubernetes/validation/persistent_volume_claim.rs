//! The specification of a PersistentVolumeClaim (`PersistentVolumeClaimSpec`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaimSpec, TypedLocalObjectReference, TypedObjectReference,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as RawQuantity;

use super::metadata::{dns_label, object_name};
use super::resources::requests_within_limits;
use super::selector::label_selector;
use super::{Violation, below, supported};
use crate::kubernetes::quantity::Quantity;
use crate::schema::Path;

const ACCESS_MODES: [&str; 4] = [
    "ReadWriteOnce",
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOncePod",
];

/// Validates a specification that has no defaults, such as the template of an ephemeral volume
/// (`ValidatePersistentVolumeClaimSpec`).
pub fn validate(spec: &PersistentVolumeClaimSpec) -> Vec<Violation> {
    let PersistentVolumeClaimSpec {
        access_modes,
        data_source,
        data_source_ref,
        resources,
        selector,
        storage_class_name,
        volume_attributes_class_name,
        volume_mode,
        volume_name: _,
    } = spec;
    let path = Path::of;
    let modes: Vec<&str> = access_modes.iter().flatten().map(String::as_str).collect();
    let mut violations = self::access_modes(&path("access_modes"), &modes);
    if modes.is_empty() {
        violations.push(Violation::at(
            path("access_modes"),
            "At least one access mode is required",
            "Set the access mode that the pods need, such as `ReadWriteOnce`.",
        ));
    }
    let resources = resources.clone().unwrap_or_default();
    violations.extend(below(&path("resources"), storage(&resources, &[])));
    let request = resources.requests.as_ref();
    if !request.is_some_and(|requests| requests.contains_key("storage")) {
        let path = path("resources").attribute("requests").key("storage");
        violations.push(Violation::at(
            path,
            "The storage request is required",
            "Set the size of the volume, such as `requests = { storage = \"5Gi\" }`.",
        ));
    }
    violations.extend(label_selector(&path("selector"), selector.as_ref()));
    for (name, class) in [
        ("storage_class_name", storage_class_name),
        ("volume_attributes_class_name", volume_attributes_class_name),
    ] {
        violations.extend(
            class
                .as_deref()
                .and_then(|class| self::class(path(name), class)),
        );
    }
    if let Some(mode) = volume_mode {
        violations.extend(supported(
            path("volume_mode"),
            mode,
            &["Filesystem", "Block"],
        ));
    }
    violations.extend(data_sources(data_source.as_ref(), data_source_ref.as_ref()));
    violations
}

/// Validates access modes.
pub fn access_modes(path: &Path, modes: &[&str]) -> Vec<Violation> {
    let mut violations: Vec<Violation> = (modes.iter().enumerate())
        .filter_map(|(index, mode)| supported(path.index(index), mode, &ACCESS_MODES))
        .collect();
    let is_alone = modes.iter().all(|mode| *mode == "ReadWriteOncePod");
    if modes.contains(&"ReadWriteOncePod") && !is_alone {
        violations.push(Violation::at(
            path.clone(),
            "`ReadWriteOncePod` conflicts with other access modes",
            "Set it alone, or remove it.",
        ));
    }
    violations
}

/// Validates the name of a class; an empty name means none.
pub fn class(path: Path, name: &str) -> Option<Violation> {
    object_name(path, name).filter(|_| !name.is_empty())
}

/// Validates requests and limits of storage. `defaults` are requests that apply if none is set.
pub fn storage(
    resources: &VolumeResourceRequirements,
    defaults: &[(&str, &str)],
) -> Vec<Violation> {
    let VolumeResourceRequirements { limits, requests } = resources;
    let mut violations = requests_within_limits(requests.as_ref(), limits.as_ref(), defaults);
    let is_zero = |RawQuantity(text): &RawQuantity| Quantity::parse(text) == Some(Quantity::ZERO);
    if storage_of(requests).is_some_and(is_zero) {
        violations.push(Violation::at(
            Path::of("requests").key("storage"),
            "The storage request must be greater than 0",
            match defaults.iter().find(|(name, _)| *name == "storage") {
                Some((_, size)) => {
                    format!("Set a size, or remove the request to use the default `{size}`.")
                }
                None => "Set a size.".to_owned(),
            },
        ));
    }
    violations
}

fn storage_of(quantities: &Option<BTreeMap<String, RawQuantity>>) -> Option<&RawQuantity> {
    quantities.as_ref()?.get("storage")
}

/// A reference to the object whose data a new volume gets.
struct Source<'a> {
    api_group: Option<&'a str>,
    kind: &'a str,
    name: &'a str,
}

fn data_sources(
    data_source: Option<&TypedLocalObjectReference>,
    data_source_ref: Option<&TypedObjectReference>,
) -> Vec<Violation> {
    let local = data_source.map(|it| Source {
        api_group: it.api_group.as_deref(),
        kind: &it.kind,
        name: &it.name,
    });
    let any = data_source_ref.map(|it| Source {
        api_group: it.api_group.as_deref(),
        kind: &it.kind,
        name: &it.name,
    });
    let mut violations = Vec::new();
    for (name, source) in [("data_source", &local), ("data_source_ref", &any)] {
        if let Some(source) = source {
            violations.extend(self::source(&Path::of(name), source));
        }
    }
    let namespace = data_source_ref.and_then(|it| it.namespace.as_deref());
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    let path = Path::of("data_source_ref");
    violations.extend(namespace.and_then(|it| dns_label(path.attribute("namespace"), it)));
    if let (Some(local), Some(any)) = (&local, &any) {
        let is_same =
            (local.api_group, local.kind, local.name) == (any.api_group, any.kind, any.name);
        if !is_same || namespace.is_some() {
            violations.push(Violation::new(
                Path::of("data_source"),
                [Path::of("data_source"), path],
                "`data_source` conflicts with `data_source_ref`",
                "Remove `data_source`.",
            ));
        }
    }
    violations
}

fn source(path: &Path, source: &Source<'_>) -> Vec<Violation> {
    let Source {
        api_group,
        kind,
        name,
    } = source;
    let mut violations = Vec::new();
    for (attribute, value) in [("kind", kind), ("name", name)] {
        violations.extend(super::required(path.attribute(attribute), value));
    }
    match api_group.unwrap_or_default() {
        "" if *kind != "PersistentVolumeClaim" => {
            let group = path.attribute("api_group");
            violations.push(Violation::new(
                group.clone(),
                [group, path.attribute("kind")],
                format!("The API group of {kind:?} is required"),
                "Only a `PersistentVolumeClaim` has no API group. Set the group, such as `snapshot.storage.k8s.io`.",
            ));
        }
        "" => {}
        group => violations.extend(object_name(path.attribute("api_group"), group)),
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::kubernetes::validation::testing;

    fn check(mut more: Json, expected: &[(&str, &str)]) {
        let mut spec = json!({
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        });
        for (key, value) in more.as_object_mut().unwrap() {
            spec[key] = value.take();
        }
        testing::check(&spec, super::validate, expected);
    }

    #[test]
    fn access_modes_and_storage() {
        check(
            json!({"accessModes": ["ReadWriteMany", "ReadOnlyMany"]}),
            &[],
        );
        check(
            json!({"accessModes": ["RWO", "ReadWriteOncePod"], "resources": {"requests": {"storage": "0"}}}),
            &[
                ("access_modes[0]", "Unsupported value \"RWO\""),
                (
                    "access_modes",
                    "`ReadWriteOncePod` conflicts with other access modes",
                ),
                (
                    "resources.requests[\"storage\"]",
                    "The storage request must be greater than 0",
                ),
            ],
        );
        check(
            json!({"accessModes": [], "resources": {"limits": {"storage": "few"}}}),
            &[
                ("access_modes", "At least one access mode is required"),
                (
                    "resources.limits[\"storage\"]",
                    "\"few\" is not a valid quantity of storage",
                ),
                (
                    "resources.requests[\"storage\"]",
                    "The storage request is required",
                ),
            ],
        );
    }

    #[test]
    fn classes_and_modes() {
        check(json!({"storageClassName": "", "volumeMode": "Block"}), &[]);
        check(
            json!({
                "storageClassName": "Fast!",
                "volumeAttributesClassName": "a b",
                "volumeMode": "block",
                "selector": {"matchLabels": {"a b": "c"}},
            }),
            &[
                (
                    "selector.match_labels[\"a b\"]",
                    "\"a b\" is not a valid label key",
                ),
                ("storage_class_name", "\"Fast!\" is not a valid object name"),
                (
                    "volume_attributes_class_name",
                    "\"a b\" is not a valid object name",
                ),
                ("volume_mode", "Unsupported value \"block\""),
            ],
        );
    }

    #[test]
    fn sources_of_data() {
        let source = json!({"kind": "PersistentVolumeClaim", "name": "a"});
        check(json!({"dataSource": source, "dataSourceRef": source}), &[]);
        check(
            json!({
                "dataSource": {"kind": "VolumeSnapshot", "name": ""},
                "dataSourceRef": {"apiGroup": "A/b", "kind": "VolumeSnapshot", "name": "a", "namespace": "A"},
            }),
            &[
                ("data_source.name", "The value is required"),
                (
                    "data_source.api_group",
                    "The API group of \"VolumeSnapshot\" is required",
                ),
                (
                    "data_source_ref.api_group",
                    "\"A/b\" is not a valid object name",
                ),
                ("data_source_ref.namespace", "\"A\" is not a valid name"),
                (
                    "data_source",
                    "`data_source` conflicts with `data_source_ref`",
                ),
            ],
        );
    }
}
