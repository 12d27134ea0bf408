//! The CronJob, and its permissions to run commands in a pod of the feature store.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value as Json;

use super::{deployment, metadata, non_empty_map, object, pods, rbac, references, service_account};
use crate::feast::config;
use crate::feast::names::{self, CRON_JOB_SERVICE_TYPE};
use crate::feast::spec::{CronJob as Spec, Store};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    let Some(spec) = &store.cron_job else {
        return Vec::new();
    };
    let account = names::cron_job(&store.name);
    let main = names::main(&store.name);
    let mut metadata = metadata::object(store, main, Some(CRON_JOB_SERVICE_TYPE));
    if !spec.annotations.is_empty() {
        metadata
            .annotations
            .get_or_insert_default()
            .extend(spec.annotations.clone());
    }
    let role_and_binding = rbac::role_and_binding(
        store,
        &account,
        CRON_JOB_SERVICE_TYPE,
        rules(store),
        &account,
    );
    let mut objects = vec![service_account::account(
        store,
        account,
        Some(CRON_JOB_SERVICE_TYPE),
    )];
    objects.extend(role_and_binding);
    objects.push(object(Kind::CronJob, &cron_job(store, spec, metadata)));
    objects
}

/// `kubectl exec deploy/…` reads the Deployment, lists its pods and runs a command in one of them. Kubernetes cannot
/// restrict the latter two to the pods of the feature store.
fn rules(store: &Store) -> Vec<PolicyRule> {
    vec![
        PolicyRule {
            resource_names: Some(vec![names::main(&store.name)]),
            ..rbac::rule("apps", &["deployments"], &["get"])
        },
        rbac::rule("", &["pods"], &["list"]),
        rbac::rule("", &["pods/exec"], &["create"]),
    ]
}

fn cron_job(store: &Store, spec: &Spec, metadata: ObjectMeta) -> CronJob {
    CronJob {
        metadata,
        spec: CronJobSpec {
            schedule: spec.schedule.clone(),
            time_zone: spec.time_zone.clone(),
            concurrency_policy: spec.concurrency_policy.map(str::to_owned),
            suspend: spec.suspend,
            starting_deadline_seconds: spec.starting_deadline_seconds,
            successful_jobs_history_limit: spec.successful_jobs_history_limit,
            failed_jobs_history_limit: spec.failed_jobs_history_limit,
            job_template: JobTemplateSpec {
                spec: Some(job(store, spec)),
                ..JobTemplateSpec::default()
            },
        },
        ..CronJob::default()
    }
}

fn job(store: &Store, spec: &Spec) -> JobSpec {
    let config::JobSpec {
        pod_template_annotations: _,
        pod_template_labels: _,
        parallelism,
        completions,
        active_deadline_seconds,
        pod_failure_policy,
        backoff_limit,
        backoff_limit_per_index,
        max_failed_indexes,
        ttl_seconds_after_finished,
        completion_mode,
        suspend,
        pod_replacement_policy,
    } = spec.job.clone();
    JobSpec {
        parallelism,
        completions,
        active_deadline_seconds,
        pod_failure_policy,
        backoff_limit,
        backoff_limit_per_index,
        max_failed_indexes,
        ttl_seconds_after_finished,
        completion_mode: completion_mode.map(|mode| mode.as_str().to_owned()),
        suspend,
        pod_replacement_policy: pod_replacement_policy.map(|policy| policy.as_str().to_owned()),
        template: template(store, spec),
        ..JobSpec::default()
    }
}

/// Returns the template of the pods that run the commands in a pod of the feature store.
pub(super) fn template(store: &Store, spec: &Spec) -> PodTemplateSpec {
    let labels = spec.job.pod_template_labels.clone();
    let annotations = spec.job.pod_template_annotations.clone();
    pods::template(
        store,
        metadata::job_pod_labels(store),
        &labels.unwrap_or_default(),
        &annotations.unwrap_or_default(),
        pod(store, spec),
    )
}

/// Returns a pod with one container for each command. All but the last are init containers, which run in order.
fn pod(store: &Store, spec: &Spec) -> PodSpec {
    let mut containers: Vec<Container> = spec
        .commands
        .iter()
        .enumerate()
        .map(|(index, command)| container(store, spec, index, command))
        .collect();
    let last = containers.pop();
    // No node has to meet both: the selector is for nodes of the user's choice.
    let has_own_nodes = !spec.node_selector.is_empty();
    PodSpec {
        init_containers: (!containers.is_empty()).then_some(containers),
        containers: last.into_iter().collect(),
        affinity: deployment::job_affinity(store).filter(|_| !has_own_nodes),
        node_selector: non_empty_map(&spec.node_selector),
        image_pull_secrets: deployment::image_pull_secrets(store),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(store.pods.cron_job_security_context()),
        service_account_name: Some(names::cron_job(&store.name)),
        // kubectl needs the token.
        automount_service_account_token: Some(true),
        ..PodSpec::default()
    }
}

fn container(store: &Store, spec: &Spec, index: usize, command: &str) -> Container {
    let deployment = format!("deploy/{}", names::main(&store.name));
    let words = [
        "kubectl",
        "exec",
        &deployment,
        // Without a name, kubectl chooses the first container, which can be that of the registry server.
        "-c",
        store.command_server().as_str(),
        "-i",
        "--",
        "bash",
        "-c",
        &references::escape_references(command),
    ];
    Container {
        name: names::cron_job_container(index),
        image: Some(spec.image.clone()),
        image_pull_policy: spec.image_pull_policy.map(str::to_owned),
        command: Some(words.map(str::to_owned).to_vec()),
        env: (!spec.env.is_empty()).then(|| spec.env.clone()),
        env_from: (!spec.env_from.is_empty()).then(|| spec.env_from.clone()),
        resources: spec.resources.clone(),
        ..Container::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feast::spec::Defaults;

    /// Returns the specification of the pods.
    fn pod(services: &Json, containers: &Json) -> Json {
        let config = json!({
            "name": "x",
            "feastProject": "p",
            "services": services,
            "cronJob": {"schedule": "@daily", "containerConfigs": containers},
        });
        let config = serde_json::from_value(config).unwrap();
        let (_, cron_job) = render(&Store::new(&config, &Defaults::default()))
            .pop()
            .unwrap();
        cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone()
    }

    #[test]
    fn commands_run_in_the_online_server_or_else_in_the_first_server() {
        let check = |services: Json, container: &str| {
            let commands = json!({"commands": ["feast apply"]});
            assert_eq!(
                pod(&services, &commands)["containers"][0]["command"],
                json!([
                    "kubectl",
                    "exec",
                    "deploy/feast-x",
                    "-c",
                    container,
                    "-i",
                    "--",
                    "bash",
                    "-c",
                    "feast apply"
                ])
            );
        };
        let registry = json!({"local": {"server": {}}});
        let disabled = json!({"disabled": true});
        check(json!({}), "online");
        check(json!({"registry": registry, "ui": {}}), "online");
        check(
            json!({
                "onlineStore": disabled, "registry": registry, "offlineStore": {"server": {}}, "ui": {},
            }),
            "registry",
        );
        check(
            json!({"onlineStore": disabled, "offlineStore": {"server": {}}, "ui": {}}),
            "offline",
        );
        check(json!({"onlineStore": disabled, "ui": {}}), "ui");
    }

    #[test]
    fn pods_run_on_the_nodes_of_the_other_pods_or_on_their_own() {
        let tolerations = json!([{"key": "dedicated", "operator": "Exists"}]);
        let terms = json!([
            {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["a"]}]},
        ]);
        let node_affinity = json!({
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
        });
        let services = json!({
            "tolerations": tolerations,
            "nodeSelector": {"disk": "ssd"},
            "priorityClassName": "batch",
            "affinity": {"nodeAffinity": node_affinity, "podAntiAffinity": {}},
        });
        let placement = |services: &Json, containers: &Json| {
            let pod = pod(services, containers);
            let fields = [
                "tolerations",
                "priorityClassName",
                "affinity",
                "nodeSelector",
            ];
            fields.map(|field| pod[field].clone())
        };
        let class = json!("batch");
        let affinity = json!({"nodeAffinity": node_affinity});
        assert_eq!(
            placement(&services, &json!({})),
            [tolerations.clone(), class.clone(), affinity, Json::Null]
        );
        let own = json!({"pool": "b"});
        assert_eq!(
            placement(&services, &json!({"nodeSelector": own})),
            [tolerations, class, Json::Null, own]
        );
        let none = [Json::Null, Json::Null, Json::Null, Json::Null];
        assert_eq!(placement(&json!({}), &json!({})), none);
    }
}
