//! Environment variables of a container (`EnvVar`, `EnvFromSource`).

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, EnvVarSource};

use super::field_ref::{self, Target};
use super::metadata::{config_map_key, object_name};
use super::{Violation, below, exactly_one, file_path, quoted, required, unique};
use crate::schema::Path;

/// Validates the lists `env` and `env_from` of a container (`ValidateEnv`, `ValidateEnvFrom`).
pub fn validate(env: &[EnvVar], env_from: &[EnvFromSource]) -> Vec<Violation> {
    let list = Path::of("env");
    let names = env.iter().map(|variable| Some(variable.name.as_str()));
    let mut violations = unique(&list, "name", "environment variable", names);
    for (index, variable) in env.iter().enumerate() {
        let path = list.index(index);
        violations.extend(name(path.attribute("name"), &variable.name));
        violations.extend(value(&path, variable));
        if let Some(source) = &variable.value_from {
            violations.extend(below(&path.attribute("value_from"), references(source)));
        }
    }
    let list = Path::of("env_from");
    for (index, source) in env_from.iter().enumerate() {
        let path = list.index(index);
        let EnvFromSource {
            config_map_ref,
            prefix,
            secret_ref,
        } = source;
        if let Some(prefix) = prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            violations.extend(name(path.attribute("prefix"), prefix));
        }
        let sources = [
            ("config_map_ref", config_map_ref.is_some()),
            ("secret_ref", secret_ref.is_some()),
        ];
        let hint = "Use one list element for each ConfigMap and Secret.";
        violations.extend(exactly_one(&path, &sources, hint));
        let names = [
            ("config_map_ref", config_map_ref.as_ref().map(|it| &it.name)),
            ("secret_ref", secret_ref.as_ref().map(|it| &it.name)),
        ];
        for (attribute, name) in names {
            let path = path.attribute(attribute).attribute("name");
            violations.extend(name.and_then(|name| object_name(path, name)));
        }
    }
    violations
}

/// Kubernetes 1.32 and later accepts every printable ASCII character but `=`.
fn name(path: Path, name: &str) -> Option<Violation> {
    let is_valid = !name.is_empty() && name.chars().all(|c| (' '..='~').contains(&c) && c != '=');
    (!is_valid).then(|| {
        Violation::at(
            path,
            format!("{name:?} is not a valid environment variable name"),
            "Use letters, digits and `_`, such as `POSTGRES_USER`.",
        )
    })
}

fn value(path: &Path, variable: &EnvVar) -> Option<Violation> {
    let EnvVar {
        name: _,
        value,
        value_from,
    } = variable;
    let EnvVarSource {
        config_map_key_ref,
        field_ref,
        file_key_ref,
        resource_field_ref,
        secret_key_ref,
    } = value_from.as_ref()?;
    if value.is_some() {
        return Some(Violation::new(
            path.clone(),
            [],
            "`value` and `value_from` are mutually exclusive",
            "Remove one of them.",
        ));
    }
    let sources = [
        ("secret_key_ref", secret_key_ref.is_some()),
        ("config_map_key_ref", config_map_key_ref.is_some()),
        ("field_ref", field_ref.is_some()),
        ("resource_field_ref", resource_field_ref.is_some()),
        ("file_key_ref", file_key_ref.is_some()),
    ];
    let hint = "An environment variable has one source.";
    exactly_one(&path.attribute("value_from"), &sources, hint)
}

/// Validates the references of a source. The volume of a file is validated with the pod.
fn references(source: &EnvVarSource) -> Vec<Violation> {
    let EnvVarSource {
        config_map_key_ref,
        field_ref,
        file_key_ref,
        resource_field_ref,
        secret_key_ref,
    } = source;
    let mut violations = Vec::new();
    let config_map = config_map_key_ref.as_ref().map(|it| (&it.name, &it.key));
    let secret = secret_key_ref.as_ref().map(|it| (&it.name, &it.key));
    for (attribute, reference) in [
        ("config_map_key_ref", config_map),
        ("secret_key_ref", secret),
    ] {
        if let Some((name, key)) = reference {
            let path = Path::of(attribute);
            violations.extend(object_name(path.attribute("name"), name));
            violations.extend(config_map_key(path.attribute("key"), key));
        }
    }
    if let Some(selector) = field_ref {
        let path = Path::of("field_ref");
        violations.extend(field_ref::field(&path, selector, Target::Variable));
    }
    if let Some(selector) = resource_field_ref {
        let path = Path::of("resource_field_ref");
        violations.extend(field_ref::resource(&path, selector, Target::Variable));
    }
    if let Some(file) = file_key_ref {
        let path = Path::of("file_key_ref");
        violations.extend(name(path.attribute("key"), &file.key));
        let file_path = path.attribute("path");
        let found = required(file_path.clone(), &file.path)
            .or_else(|| file_path::without_backsteps(file_path, &file.path));
        violations.extend(found);
    }
    violations
}

/// Validates that the files of environment variables are in one of the pod's `volumes` of type `empty_dir`
/// (`validateFileKeyRefVolumes`). The caller adds the attribute of the volumes to what the violations read.
pub fn file_volumes(env: &[EnvVar], volumes: &[&str]) -> Vec<Violation> {
    let list = Path::of("env");
    (env.iter().enumerate())
        .filter_map(|(index, variable)| {
            let file = variable.value_from.as_ref()?.file_key_ref.as_ref()?;
            let path = list.index(index).attribute("value_from.file_key_ref");
            let path = path.attribute("volume_name");
            (!volumes.contains(&file.volume_name.as_str())).then(|| {
                Violation::at(
                    path,
                    format!(
                        "There is no volume {:?} of type `empty_dir`",
                        file.volume_name
                    ),
                    match volumes {
                        [] => "The pods have no such volume. Use another source.".to_owned(),
                        volumes => format!("Set one of {}.", quoted(volumes, ", ")),
                    },
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::kubernetes::validation::testing::check;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Container {
        #[serde(default)]
        env: Vec<EnvVar>,
        #[serde(default)]
        env_from: Vec<EnvFromSource>,
    }

    #[test]
    fn references_to_other_objects() {
        check(
            &json!({
                "env": [
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "X_y", "key": "a b"}}},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "", "key": ".."}}},
                    {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}},
                    {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "cpu"}}},
                    {"name": "E", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "../a", "key": "a=b"}}},
                ],
                "envFrom": [{"secretRef": {"name": "X_y"}}, {"configMapRef": {"name": ""}}],
            }),
            |container: &Container| validate(&container.env, &container.env_from),
            &[
                (
                    "env[0].value_from.secret_key_ref.name",
                    "\"X_y\" is not a valid object name",
                ),
                (
                    "env[0].value_from.secret_key_ref.key",
                    "\"a b\" is not a valid key of a Secret or ConfigMap",
                ),
                (
                    "env[1].value_from.config_map_key_ref.name",
                    "\"\" is not a valid object name",
                ),
                (
                    "env[1].value_from.config_map_key_ref.key",
                    "\"..\" is not a valid key of a Secret or ConfigMap",
                ),
                (
                    "env[2].value_from.field_ref.field_path",
                    "Unsupported field \"metadata.labels\"",
                ),
                (
                    "env[3].value_from.resource_field_ref.resource",
                    "Unsupported value \"cpu\"",
                ),
                (
                    "env[4].value_from.file_key_ref.key",
                    "\"a=b\" is not a valid environment variable name",
                ),
                (
                    "env[4].value_from.file_key_ref.path",
                    "\"../a\" contains `..`",
                ),
                (
                    "env_from[0].secret_ref.name",
                    "\"X_y\" is not a valid object name",
                ),
                (
                    "env_from[1].config_map_ref.name",
                    "\"\" is not a valid object name",
                ),
            ],
        );
    }

    #[test]
    fn names_values_and_sources() {
        let key = json!({"name": "s", "key": "k"});
        let one_source = "Exactly one of `secret_key_ref`, `config_map_key_ref`, `field_ref`, `resource_field_ref`, \
                          `file_key_ref` must be set";
        let container = json!({
            "env": [
                {"name": "A", "value": "1"},
                {"name": "A", "value": "2"},
                {"name": "B=", "value": ""},
                {"name": "C", "value": "1", "valueFrom": {"secretKeyRef": key}},
                {"name": "D", "valueFrom": {}},
                {"name": "E", "valueFrom": {"secretKeyRef": key, "configMapKeyRef": key}},
                {"name": "F", "valueFrom": {"secretKeyRef": key}},
            ],
            "envFrom": [
                {"secretRef": {"name": "s"}},
                {},
                {"prefix": "A=", "secretRef": {"name": "s"}},
            ],
        });
        check(
            &container,
            |container: &Container| validate(&container.env, &container.env_from),
            &[
                ("env[1].name", "Duplicate environment variable \"A\""),
                (
                    "env[2].name",
                    "\"B=\" is not a valid environment variable name",
                ),
                ("env[3]", "`value` and `value_from` are mutually exclusive"),
                ("env[4].value_from", one_source),
                ("env[5].value_from", one_source),
                (
                    "env_from[1]",
                    "Exactly one of `config_map_ref`, `secret_ref` must be set",
                ),
                (
                    "env_from[2].prefix",
                    "\"A=\" is not a valid environment variable name",
                ),
            ],
        );
    }
}
