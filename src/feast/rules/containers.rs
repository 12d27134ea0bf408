//! The servers: at least one runs, with valid environment variables.

use super::Violation;
use super::accessors::{
    CRON_JOB_CONTAINERS, LOCAL, OFFLINE, ONLINE, PROJECT_DIR, UI, all_containers, containers,
    cron_job_containers, git,
};
use crate::feast::config::FeatureStore;
use crate::kubernetes::validation::{below, environment as kubernetes};
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
        "Without the online server, another server is required. Set `services.offline_store.server = {}` or \
         `services.registry.local.server = {}`, or remove `disabled`.",
    )]
}

pub(super) fn environment(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for container in all_containers(store) {
        let Some(settings) = container.settings else {
            continue;
        };
        let found = kubernetes::validate(settings.env, settings.env_from);
        let found = below(&container.path, found).into_iter();
        violations.extend(found.map(|it| it.reading(&container.reads)));
    }
    let git = git(store).map(|it| (&it.env, &it.env_from));
    let cron_job = cron_job_containers(store).map(|it| (&it.env, &it.env_from));
    for (path, lists) in [
        (Path::of(PROJECT_DIR).attribute("git"), git),
        (Path::of(CRON_JOB_CONTAINERS), cron_job),
    ] {
        if let Some((env, env_from)) = lists {
            let env = env.as_deref().unwrap_or_default();
            let env_from = env_from.as_deref().unwrap_or_default();
            violations.extend(below(&path, kubernetes::validate(env, env_from)));
        }
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
