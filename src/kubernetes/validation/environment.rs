//! Environment variables of a container (`EnvVar`, `EnvFromSource`).

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, EnvVarSource};

use super::{Violation, exactly_one, unique};
use crate::schema::Path;

/// Validates the lists `env` and `env_from` of a container.
pub fn validate(env: &[EnvVar], env_from: &[EnvFromSource]) -> Vec<Violation> {
    let list = Path::of("env");
    let names = env.iter().map(|variable| Some(variable.name.as_str()));
    let mut violations = unique(&list, "name", "environment variable", names);
    for (index, variable) in env.iter().enumerate() {
        let path = list.index(index);
        violations.extend(name(path.attribute("name"), &variable.name));
        violations.extend(value(&path, variable));
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
    }
    violations
}

/// Kubernetes accepts every printable ASCII character but `=`.
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
