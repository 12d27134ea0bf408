//! Runs of the CronJob that Kubernetes rejects, or that find no pod.

use k8s_openapi::api::core::v1::ResourceRequirements;

use super::super::Violation;
use super::super::accessors::{
    CRON_JOB, CRON_JOB_CONTAINERS, KEDA, all_servers, cron_job_containers, keda, server,
};
use crate::feast::config::FeatureStore;
use crate::feast::names::ServerKind;
use crate::schema::Path;

/// Warns about containers without requests and limits, if those of every server have them: probably, a ResourceQuota
/// requires them. The controller of Jobs reports the rejected pods only as events.
pub(in crate::feast::rules) fn without_resources(store: &FeatureStore) -> Vec<Violation> {
    let is_created = (store.cron_job.as_ref()).is_some_and(|it| it.schedule.is_some());
    let containers = cron_job_containers(store);
    if !is_created || containers.is_some_and(|it| it.resources.is_some()) {
        return Vec::new();
    }
    let servers = all_servers(store);
    let mut resources = servers.iter().map(|server| server.resources());
    if !resources.all(|it| it.is_some_and(has_requests_or_limits)) {
        return Vec::new();
    }
    let at = Path::of(CRON_JOB_CONTAINERS).attribute("resources");
    // A server that is absent may only be unknown.
    let mut reads: Vec<Path> = (ServerKind::ALL.into_iter())
        .map(|kind| server(kind).attribute("resources"))
        .collect();
    reads.push(at.clone());
    vec![Violation::new(
        match containers {
            Some(_) => at,
            None => Path::of(CRON_JOB),
        },
        reads,
        "The containers of the CronJob have no `resources`",
        "All servers have requests or limits. If a ResourceQuota of the namespace requires them, Kubernetes rejects \
         the pods of each run, which only the events of the Jobs show. Set `resources` in \
         `cron_job.container_configs`, or `resources = {}` if nothing requires them.",
    )]
}

fn has_requests_or_limits(resources: &ResourceRequirements) -> bool {
    [&resources.requests, &resources.limits]
        .into_iter()
        .flatten()
        .any(|quantities| !quantities.is_empty())
}

/// Warns that there can be no pod in which the CronJob runs its commands. A trigger of the type `cron` can start one in
/// time.
pub(in crate::feast::rules) fn without_pods(store: &FeatureStore) -> Vec<Violation> {
    let (Some(cron_job), Some(keda)) = (&store.cron_job, keda(store)) else {
        return Vec::new();
    };
    let is_scheduled = cron_job.schedule.is_some() && cron_job.suspend != Some(true);
    if !is_scheduled || keda.triggers.iter().any(|it| it.r#type == "cron") {
        return Vec::new();
    }
    let name = match (keda.min_replicas, keda.idle_replicas) {
        (Some(0), _) => "min_replicas",
        (_, Some(0)) => "idle_replicas",
        _ => return Vec::new(),
    };
    let at = |name: &str| Path::of(KEDA).attribute(name);
    vec![Violation::new(
        at(name),
        [
            at("min_replicas"),
            at("idle_replicas"),
            at("triggers"),
            Path::of(CRON_JOB).attribute("suspend"),
        ],
        "Runs of the CronJob fail while the feature store has no pods",
        "The CronJob runs its commands in a pod of the servers, and KEDA stops all of them while no trigger is \
         active. Set `min_replicas` to at least 1 and remove `idle_replicas`, or add a trigger of the type `cron` that \
         starts a pod before each run.",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::warns_store;

    #[test]
    fn warns_about_containers_without_the_resources_that_servers_have() {
        let check = |cron_job: Json, services: Json, expected: &[&str]| {
            let store = json!({
                "name": "demo", "feastProject": "p", "cronJob": cron_job, "services": services,
            });
            let summary = "The containers of the CronJob have no `resources`";
            let expected: Vec<_> = expected.iter().map(|path| (*path, summary)).collect();
            warns_store("cron-job-resources", store, &expected);
        };
        let daily = json!({"schedule": "@daily"});
        let with = |containers: Json| json!({"schedule": "@daily", "containerConfigs": containers});
        let online = |resources: Json| json!({"onlineStore": {"server": {"resources": resources}}});
        let requests = json!({"requests": {"cpu": "1"}});
        let at = "cron_job.container_configs.resources";
        check(daily.clone(), online(requests.clone()), &["cron_job"]);
        check(with(json!({})), online(requests.clone()), &[at]);
        let limits = json!({"limits": {"memory": "1Gi"}});
        check(with(json!({})), online(limits), &[at]);
        for resources in [json!({}), requests.clone()] {
            let containers = with(json!({"resources": resources}));
            check(containers, online(requests.clone()), &[]);
        }
        // Nothing requires resources.
        for resources in [json!({}), json!({"requests": {}})] {
            check(daily.clone(), online(resources), &[]);
        }
        check(daily.clone(), json!({}), &[]);
        let mut with_ui = online(requests.clone());
        with_ui["ui"] = json!({});
        check(daily.clone(), with_ui.clone(), &[]);
        with_ui["ui"] = json!({"resources": requests});
        check(daily, with_ui, &["cron_job"]);
        // Without a schedule, there is no CronJob.
        check(json!({}), online(requests), &[]);
    }

    #[test]
    fn warns_about_runs_without_pods() {
        let check = |cron_job: Json, scaling: Json, expected: Option<&str>| {
            let mut keda =
                json!({"maxReplicas": 3, "triggers": [{"type": "redis", "metadata": {}}]});
            for (name, value) in scaling.as_object().unwrap() {
                keda[name] = value.clone();
            }
            let database = |kind: &str| json!({"persistence": {"store": {"type": kind, "secretRef": {"name": "s"}}}});
            let store = json!({
                "name": "demo",
                "feastProject": "p",
                "cronJob": cron_job,
                "services": {
                    "scaling": {"keda": keda},
                    "onlineStore": database("redis"),
                    "registry": {"local": database("sql")},
                },
            });
            let expected = expected.map(|name| format!("services.scaling.keda.{name}"));
            let summary = "Runs of the CronJob fail while the feature store has no pods";
            let expected: Vec<_> = expected
                .iter()
                .map(|path| (path.as_str(), summary))
                .collect();
            warns_store("cron-job-pods", store, &expected);
        };
        let daily = json!({"schedule": "@daily"});
        check(daily.clone(), json!({}), None);
        check(daily.clone(), json!({"minReplicas": 1}), None);
        check(
            daily.clone(),
            json!({"minReplicas": 0}),
            Some("min_replicas"),
        );
        check(
            daily.clone(),
            json!({"minReplicas": 2, "idleReplicas": 0}),
            Some("idle_replicas"),
        );
        let cron = json!([{"type": "redis", "metadata": {}}, {"type": "cron", "metadata": {}}]);
        check(daily, json!({"minReplicas": 0, "triggers": cron}), None);
        let suspended = json!({"schedule": "@daily", "suspend": true});
        check(suspended, json!({"minReplicas": 0}), None);
        check(json!({}), json!({"minReplicas": 0}), None);
    }
}
