//! The servers: at least one runs, with valid environment variables.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};

use super::Violation;
use super::accessors::{
    CRON_JOB_CONTAINERS, LOCAL, OFFLINE, ONLINE, PROJECT_DIR, UI, VOLUMES, all_servers,
    cron_job_containers, git, pod_servers, services,
};
use crate::feast::config::FeatureStore;
use crate::kubernetes::validation::{below, environment as kubernetes};
use crate::schema::Path;

pub(super) fn one_server(store: &FeatureStore) -> Vec<Violation> {
    if !pod_servers(store).is_empty() {
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
        "Without the online server, another server is required. Set `services.offline_store.server = {}` or \
         `services.registry.local.server = {}`, or remove `disabled`.",
    )]
}

pub(super) fn environment(store: &FeatureStore) -> Vec<Violation> {
    let volumes = services(store).and_then(|it| it.volumes.as_deref());
    let volumes = volumes.unwrap_or_default().iter();
    let names: Vec<&str> = volumes
        .filter(|volume| volume.empty_dir.is_some())
        .map(|volume| volume.name.as_str())
        .collect();
    let of_pods = |path: &Path, env: &[EnvVar], env_from: &[EnvFromSource]| {
        let files = below(path, kubernetes::file_volumes(env, &names));
        let files = files.into_iter().map(|it| it.reading(&[Path::of(VOLUMES)]));
        let found = below(path, kubernetes::validate(env, env_from));
        found.into_iter().chain(files)
    };
    let mut violations = Vec::new();
    for container in all_servers(store) {
        let Some(settings) = container.settings else {
            continue;
        };
        let found = of_pods(&container.path, settings.env, settings.env_from);
        violations.extend(found.map(|it| it.reading(&container.reads)));
    }
    if let Some(git) = git(store) {
        let env = git.env.as_deref().unwrap_or_default();
        let env_from = git.env_from.as_deref().unwrap_or_default();
        let path = Path::of(PROJECT_DIR).attribute("git");
        violations.extend(of_pods(&path, env, env_from));
    }
    if let Some(containers) = cron_job_containers(store) {
        let env = containers.env.as_deref().unwrap_or_default();
        let env_from = containers.env_from.as_deref().unwrap_or_default();
        let mut found = kubernetes::validate(env, env_from);
        found.extend(kubernetes::file_volumes(env, &[]));
        violations.extend(below(&Path::of(CRON_JOB_CONTAINERS), found));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{rejects, rejects_store};

    #[test]
    fn at_least_one_server() {
        rejects(
            "one-server",
            json!({"onlineStore": {"disabled": false}}),
            &[],
        );
        rejects(
            "one-server",
            json!({"onlineStore": {"disabled": true}, "offlineStore": {"server": {}}}),
            &[],
        );
        rejects(
            "one-server",
            json!({"onlineStore": {"disabled": true}}),
            &[(
                "services.online_store.disabled",
                "The feature store has no server",
            )],
        );
    }

    #[test]
    fn files_of_variables_are_in_an_empty_directory_of_the_pod() {
        let variable = |volume: &str| {
            let file = json!({"volumeName": volume, "path": "a", "key": "A"});
            json!([{"name": "A", "valueFrom": {"fileKeyRef": file}}])
        };
        let path =
            |container: &str| format!("{container}.env[0].value_from.file_key_ref.volume_name");
        rejects_store(
            "environment",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "feastProjectDir": {"git": {"url": "u", "env": variable("a")}},
                "cronJob": {"containerConfigs": {"env": variable("a")}},
                "services": {
                    "volumes": [
                        {"name": "a", "emptyDir": {}},
                        {"name": "b", "configMap": {"name": "c"}},
                    ],
                    "onlineStore": {"server": {"env": variable("b")}},
                },
            }),
            &[
                (
                    &path("services.online_store.server"),
                    "There is no volume \"b\" of type `empty_dir`",
                ),
                (
                    &path("cron_job.container_configs"),
                    "There is no volume \"a\" of type `empty_dir`",
                ),
            ],
        );
    }

    #[test]
    fn environment_of_every_container() {
        let twice = json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
        let summary = "Duplicate environment variable \"A\"";
        rejects_store(
            "environment",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "feastProjectDir": {"git": {"url": "u", "env": twice}},
                "cronJob": {"containerConfigs": {"env": twice}},
                "services": {"onlineStore": {"server": {"env": twice}}},
            }),
            &[
                ("services.online_store.server.env[1].name", summary),
                ("feast_project_dir.git.env[1].name", summary),
                ("cron_job.container_configs.env[1].name", summary),
            ],
        );
    }
}
