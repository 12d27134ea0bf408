//! A Job that runs a command of Feast once, on request.
//!
//! Where the data is outside the servers' pods, its pod is that of the `feast apply` Job with another command.
//! Otherwise only a server's pod has the data, and the pod of the Job is that of the CronJob, which runs the command
//! there.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value as Json;

use super::{
    containers, cron_job, feast_apply_job, initialization, manifest, metadata, pods, references,
};
use crate::feast::command::Command;
use crate::feast::names;
use crate::feast::spec::{CronJob, Store};

/// A pod can be lost with its node. A command that has failed usually fails again.
const BACKOFF_LIMIT: i32 = 1;
/// The time after the timeout in which the provider deletes the Job. If it cannot, Kubernetes ends the Job.
const MARGIN_SECONDS: i64 = 120;

/// The data is in the servers' pods, and no CronJob has permission to run commands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPod;

/// The Job of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandJob<'a> {
    pub store: &'a Store,
    pub command: &'a Command,
    /// True if a database is a file in the servers' pods, which only its Secret tells.
    pub has_file: bool,
    /// A part of the name, different for each run.
    pub id: &'a str,
    pub timeout_seconds: u64,
    /// The UID of the feature store's Secret. Kubernetes deletes the Job with the Secret.
    pub secret_uid: Option<&'a str>,
}

impl CommandJob<'_> {
    pub fn name(&self) -> String {
        names::command_job(&self.store.name, self.command.short_name(), self.id)
    }

    /// Returns whether the command runs in a pod of the servers.
    pub fn runs_in_server(&self) -> bool {
        self.has_file || !self.store.jobs_reach_data()
    }

    /// Renders the Job.
    ///
    /// # Errors
    ///
    /// No Job can reach the data of this feature store.
    pub fn render(&self) -> Result<Json, NoPod> {
        let store = self.store;
        let timeout = i64::try_from(self.timeout_seconds).unwrap_or(i64::MAX);
        Ok(manifest(&Job {
            metadata: self.metadata(),
            spec: Some(JobSpec {
                active_deadline_seconds: Some(timeout.saturating_add(MARGIN_SECONDS)),
                backoff_limit: Some(BACKOFF_LIMIT),
                completions: Some(1),
                parallelism: Some(1),
                ttl_seconds_after_finished: Some(feast_apply_job::TTL_SECONDS),
                template: match (self.runs_in_server(), &store.cron_job) {
                    (false, _) => self.own_pod(),
                    (true, Some(cron_job)) => self.pod_of(cron_job),
                    (true, None) => return Err(NoPod),
                },
                ..JobSpec::default()
            }),
            ..Job::default()
        }))
    }

    fn metadata(&self) -> ObjectMeta {
        let store = self.store;
        let mut labels = store.labels.clone();
        labels.extend(metadata::job_pod_labels(store));
        let command = self.command.short_name().to_owned();
        labels.insert(names::COMMAND_LABEL.to_owned(), command);
        ObjectMeta {
            name: Some(self.name()),
            namespace: Some(store.namespace.clone()),
            labels: Some(labels),
            annotations: (!store.annotations.is_empty()).then(|| store.annotations.clone()),
            owner_references: self.secret_uid.map(|uid| {
                vec![OwnerReference {
                    api_version: "v1".to_owned(),
                    kind: "Secret".to_owned(),
                    name: names::main(&store.name),
                    uid: uid.to_owned(),
                    ..OwnerReference::default()
                }]
            }),
            ..ObjectMeta::default()
        }
    }

    fn own_pod(&self) -> PodTemplateSpec {
        let store = self.store;
        let argv = self.command.argv();
        let argv: Vec<String> = argv.iter().map(|word| references::escape(word)).collect();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let name = format!("feast-{}", self.command.short_name());
        let mut container = initialization::command_container(store, &name, &argv);
        // Otherwise, Python writes the lines of a log that is not a terminal much later.
        let env = container.env.get_or_insert_default();
        containers::add(env, "PYTHONUNBUFFERED", "1");
        pods::template(
            store,
            metadata::job_pod_labels(store),
            &store.pods.feast_apply_job_labels,
            &store.pods.feast_apply_job_annotations,
            feast_apply_job::pod_running(store, container, names::FEATURE_STORE_YAML),
        )
    }

    fn pod_of(&self, cron_job: &CronJob) -> PodTemplateSpec {
        let spec = CronJob {
            commands: vec![self.command.shell()],
            ..cron_job.clone()
        };
        let mut template = cron_job::template(self.store, &spec);
        if let Some(pod) = &mut template.spec {
            let containers = std::mem::take(&mut pod.containers);
            pod.containers = containers
                .into_iter()
                .map(feast_apply_job::with_termination_message)
                .collect();
        }
        template
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feast::command::{Period, parse_time};
    use crate::feast::spec::Defaults;

    fn store(json: &Json) -> Store {
        let mut config = json!({"name": "x", "feastProject": "p", "labels": {"team": "a"}});
        for (name, value) in json.as_object().unwrap() {
            config[name] = value.clone();
        }
        let defaults = Defaults {
            namespace: Some("ns".to_owned()),
            ..Defaults::default()
        };
        Store::new(&serde_json::from_value(config).unwrap(), &defaults)
    }

    fn databases() -> Json {
        let store = json!({"type": "postgres", "secretRef": {"name": "s"}});
        let registry = json!({"type": "sql", "secretRef": {"name": "s"}});
        json!({"services": {
            "onlineStore": {"persistence": {"store": store}},
            "registry": {"local": {"persistence": {"store": registry}}},
        }})
    }

    fn render(store: &Store, command: &Command) -> Result<Json, NoPod> {
        render_with(store, command, false)
    }

    fn render_with(store: &Store, command: &Command, has_file: bool) -> Result<Json, NoPod> {
        let job = CommandJob {
            store,
            command,
            has_file,
            id: "0a1b2c3d",
            timeout_seconds: 60,
            secret_uid: Some("uid"),
        };
        job.render()
    }

    #[test]
    fn runs_with_the_pod_of_the_apply_job() {
        let store = store(&databases());
        let command = Command::Materialize {
            period: Period::Incremental {
                until: parse_time("2026-01-01T00:00:00Z").unwrap(),
            },
            views: vec!["v".to_owned()],
        };
        let mut job = render(&store, &command).unwrap();
        let spec = job["spec"].take();
        assert_eq!(
            job,
            json!({
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "name": "feast-x-run-materialize-0a1b2c3d",
                    "namespace": "ns",
                    "labels": {
                        "app.kubernetes.io/managed-by": "feast",
                        "feast.dev/command": "materialize",
                        "feast.dev/job-of": "x",
                        "team": "a",
                    },
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "Secret", "name": "feast-x", "uid": "uid"},
                    ],
                },
                "spec": null,
            })
        );
        let apply = feast_apply_job::render(&store).unwrap();
        let mut expected = apply["spec"].clone();
        expected["activeDeadlineSeconds"] = json!(180);
        expected["backoffLimit"] = json!(1);
        // The command uses the file of the servers.
        let file = &mut expected["template"]["spec"]["volumes"][0]["secret"]["items"][0];
        file["key"] = json!("feature_store.yaml");
        let container = &mut expected["template"]["spec"]["containers"][0];
        container["name"] = json!("feast-materialize");
        container["env"] = json!([{"name": "PYTHONUNBUFFERED", "value": "1"}]);
        container["command"] = json!([
            "feast",
            "materialize-incremental",
            "2026-01-01T00:00:00",
            "--views=v"
        ]);
        assert_eq!(spec, expected);
    }

    #[test]
    fn names_of_views_reach_feast_unchanged() {
        let command = Command::Materialize {
            period: Period::Incremental {
                until: parse_time("2026-01-01T00:00:00Z").unwrap(),
            },
            views: vec!["$(HOME)".to_owned(), "a$$b".to_owned()],
        };
        let job = render(&store(&databases()), &command).unwrap();
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            container["command"],
            json!([
                "feast",
                "materialize-incremental",
                "2026-01-01T00:00:00",
                "--views=$$(HOME)",
                "--views=a$$$b",
            ])
        );
    }

    #[test]
    fn runs_with_the_pod_of_the_cron_job_if_the_data_is_in_the_pods() {
        let cron_job = json!({"cronJob": {"schedule": "@daily", "suspend": true}});
        let job = render(&store(&cron_job), &Command::Apply).unwrap();
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], "feast-x-cronjob");
        let command = json!([
            "kubectl",
            "exec",
            "deploy/feast-x",
            "-c",
            "online",
            "-i",
            "--",
            "bash",
            "-c",
            "feast apply"
        ]);
        assert_eq!(pod["containers"][0]["command"], command);
        assert_eq!(
            render(&store(&json!({})), &Command::Apply).unwrap_err(),
            NoPod
        );
        // A Secret can describe a file.
        let databases = store(&databases());
        assert!(render(&databases, &Command::Apply).is_ok());
        let in_file = render_with(&databases, &Command::Apply, true);
        assert_eq!(in_file.unwrap_err(), NoPod);
    }

    #[test]
    fn names_have_room_for_the_longest_store() {
        let name = names::command_job(&"a".repeat(80), "materialize", "0a1b2c3d");
        assert_eq!(name.len(), 63);
        assert!(name.ends_with("-run-materialize-0a1b2c3d"), "{name}");
    }
}
