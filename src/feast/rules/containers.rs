//! The servers: that there is one, and what is in their environment.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, EnvVarSource};

use super::Violation;
use super::accessors::{
    CRON_JOB_CONTAINERS, LOCAL, OFFLINE, ONLINE, PROJECT_DIR, UI, all_containers, containers,
    cron_job_containers, git,
};
use crate::feast::config::FeatureStore;
use crate::schema::Path;

pub(super) fn one_server(store: &FeatureStore) -> Vec<Violation> {
    if !containers(store).is_empty() {
        return Vec::new();
    }
    let disabled = Path::of(ONLINE).attribute("disabled");
    vec![Violation::new(
        disabled.clone(),
        [
            disabled,
            Path::of(OFFLINE).attribute("server"),
            Path::of(LOCAL).attribute("server"),
            Path::of(UI),
        ],
        "The feature store has no server",
        "Without the online server there must be another one: write `services.offline_store.server = {}` or \
         `services.registry.local.server = {}`, or remove `disabled`.",
    )]
}

pub(super) fn environment(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for container in all_containers(store) {
        let Some(settings) = container.settings else {
            continue;
        };
        let found = of_one(&container.path, settings.env, settings.env_from);
        violations.extend(found.into_iter().map(|it| it.reading(&container.reads)));
    }
    if let Some(git) = git(store) {
        violations.extend(of_one(
            &Path::of(PROJECT_DIR).attribute("git"),
            git.env.as_deref().unwrap_or_default(),
            git.env_from.as_deref().unwrap_or_default(),
        ));
    }
    if let Some(containers) = cron_job_containers(store) {
        violations.extend(of_one(
            &Path::of(CRON_JOB_CONTAINERS),
            containers.env.as_deref().unwrap_or_default(),
            containers.env_from.as_deref().unwrap_or_default(),
        ));
    }
    violations
}

/// The environment of the container whose settings stand at `path`.
fn of_one(path: &Path, env: &[EnvVar], env_from: &[EnvFromSource]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let list = path.attribute("env");
    for (index, variable) in env.iter().enumerate() {
        let path = list.index(index);
        violations.extend(name(&path, variable));
        let before = env[..index]
            .iter()
            .position(|other| other.name == variable.name);
        if let Some(before) = before {
            let at = path.attribute("name");
            violations.push(Violation::new(
                at.clone(),
                [at, list.index(before).attribute("name")],
                format!("Environment variable {:?} is set twice", variable.name),
                "Of two variables with one name only the last would count. Remove one of them.",
            ));
        }
        violations.extend(value(&path, variable));
    }
    let list = path.attribute("env_from");
    for (index, source) in env_from.iter().enumerate() {
        violations.extend(prefix(&list.index(index), source));
        violations.extend(from(&list.index(index), source));
    }
    violations
}

/// Kubernetes takes every printable ASCII character but `=`.
fn valid(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| (' '..='~').contains(&c) && c != '=')
}

fn name(path: &Path, variable: &EnvVar) -> Option<Violation> {
    let at = path.attribute("name");
    (!valid(&variable.name)).then(|| {
        Violation::new(
            at.clone(),
            [at],
            format!(
                "{:?} is not a name for an environment variable",
                variable.name
            ),
            "Write letters, digits and `_`, such as `POSTGRES_USER`.",
        )
    })
}

fn value(path: &Path, variable: &EnvVar) -> Option<Violation> {
    let EnvVar {
        name: _,
        value,
        value_from,
    } = variable;
    let source = value_from.as_ref()?;
    if value.is_some() {
        return Some(Violation::new(
            path.clone(),
            [],
            "An environment variable has a value or a source",
            "Write one of `value` and `value_from`.",
        ));
    }
    let EnvVarSource {
        config_map_key_ref,
        field_ref,
        file_key_ref,
        resource_field_ref,
        secret_key_ref,
    } = source;
    let at = path.attribute("value_from");
    let sources = [
        ("config_map_key_ref", config_map_key_ref.is_some()),
        ("field_ref", field_ref.is_some()),
        ("file_key_ref", file_key_ref.is_some()),
        ("resource_field_ref", resource_field_ref.is_some()),
        ("secret_key_ref", secret_key_ref.is_some()),
    ];
    let written = sources.iter().filter(|(_, written)| *written).count();
    // An absent source may only be unknown; of two that are there, one is too many anyhow.
    let absent = sources
        .iter()
        .filter(|_| written == 0)
        .map(|(source, _)| at.attribute(source));
    (written != 1).then(|| {
        Violation::new(
            at.clone(),
            absent,
            "An environment variable has exactly one source",
            "Write one of `secret_key_ref`, `config_map_key_ref`, `field_ref`, `resource_field_ref` and \
             `file_key_ref`.",
        )
    })
}

fn prefix(path: &Path, source: &EnvFromSource) -> Option<Violation> {
    let prefix = source.prefix.as_deref()?;
    let at = path.attribute("prefix");
    (!prefix.is_empty() && !valid(prefix)).then(|| {
        Violation::new(
            at.clone(),
            [at],
            format!("{prefix:?} cannot begin the name of an environment variable"),
            "Write letters, digits and `_`, such as `POSTGRES_`.",
        )
    })
}

fn from(path: &Path, source: &EnvFromSource) -> Option<Violation> {
    let EnvFromSource {
        config_map_ref,
        prefix: _,
        secret_ref,
    } = source;
    let sources = ["config_map_ref", "secret_ref"].map(|source| path.attribute(source));
    match (config_map_ref, secret_ref) {
        (Some(_), None) | (None, Some(_)) => None,
        (Some(_), Some(_)) => Some(Violation::new(
            path.clone(),
            [],
            "A source of environment variables is a ConfigMap or a Secret",
            "Write one of `config_map_ref` and `secret_ref`; a second source is a second element.",
        )),
        (None, None) => Some(Violation::new(
            path.clone(),
            sources,
            "A source of environment variables is a ConfigMap or a Secret",
            "Write one of `config_map_ref` and `secret_ref`.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::refused;

    #[test]
    fn some_server_remains() {
        refused(
            "one-server",
            json!({"onlineStore": {"disabled": false}}),
            &[],
        );
        refused(
            "one-server",
            json!({"onlineStore": {"disabled": true}, "offlineStore": {"server": {}}}),
            &[],
        );
        refused(
            "one-server",
            json!({"onlineStore": {"disabled": true}}),
            &[(
                "services.online_store.disabled",
                "The feature store has no server",
            )],
        );
    }

    #[test]
    fn the_environment() {
        let key: Json = json!({"name": "s", "key": "k"});
        let at = |place: &str| format!("services.online_store.server.{place}");
        let expected = [
            (at("env[1].name"), "Environment variable \"A\" is set twice"),
            (
                at("env[2].name"),
                "\"B=\" is not a name for an environment variable",
            ),
            (
                at("env[3]"),
                "An environment variable has a value or a source",
            ),
            (
                at("env[4].value_from"),
                "An environment variable has exactly one source",
            ),
            (
                at("env[5].value_from"),
                "An environment variable has exactly one source",
            ),
            (
                at("env_from[1]"),
                "A source of environment variables is a ConfigMap or a Secret",
            ),
            (
                at("env_from[2].prefix"),
                "\"A=\" cannot begin the name of an environment variable",
            ),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, s)| (path.as_str(), *s))
            .collect();
        refused(
            "environment",
            json!({"onlineStore": {"server": {
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
            }}}),
            &expected,
        );
    }
}
