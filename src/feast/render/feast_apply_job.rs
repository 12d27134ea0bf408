//! The Job that runs `feast apply` once for a configuration, before the rollout.
//!
//! Its pod is a server's pod with `feast apply` instead of the servers. Its name ends with the hash of the
//! configuration, which [`resolve`](crate::feast::secrets::resolve) appends.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::Value as Json;

use super::{deployment, initialization, manifest, metadata, pods, volumes};
use crate::feast::names;
use crate::feast::spec::{FeastApplyMode, Store};

/// A few retries are enough for a registry that is not available yet, and invalid definitions fail again.
const BACKOFF_LIMIT: i32 = 2;
/// One day, during which its logs can be read. If no apply waits for the Job, it stays until the next one replaces it:
/// only the Job itself shows later that it has failed.
pub(super) const TTL_SECONDS: i32 = 24 * 60 * 60;

pub(super) fn render(store: &Store) -> Option<Json> {
    (store.project.feast_apply == FeastApplyMode::Job).then(|| {
        manifest(&Job {
            metadata: metadata::object(
                store,
                names::feast_apply_job_prefix(&store.name),
                Some(names::APPLY_SERVICE_TYPE),
            ),
            spec: Some(JobSpec {
                backoff_limit: Some(BACKOFF_LIMIT),
                completions: Some(1),
                parallelism: Some(1),
                ttl_seconds_after_finished: store.wait_for_rollout.then_some(TTL_SECONDS),
                template: pods::template(
                    store,
                    metadata::job_pod_labels(store),
                    &store.pods.feast_apply_job_labels,
                    &store.pods.feast_apply_job_annotations,
                    pod(store),
                ),
                ..JobSpec::default()
            }),
            ..Job::default()
        })
    })
}

fn pod(store: &Store) -> PodSpec {
    let container = initialization::feast_apply_container(store);
    // Its own copy: the running servers keep theirs until it has succeeded.
    pod_running(store, container, names::APPLY_YAML)
}

/// Returns a pod that creates the feature repository and then runs one container with a command of Feast, which reads
/// the `feature_store.yaml` under `key` in the Secret.
pub(super) fn pod_running(store: &Store, container: Container, key: &str) -> PodSpec {
    let server = deployment::pod(store);
    PodSpec {
        volumes: Some(volumes::volumes(store, key)),
        affinity: deployment::job_affinity(store),
        topology_spread_constraints: None,
        // It serves no requests.
        termination_grace_period_seconds: None,
        // Commands of Feast need no devices.
        resource_claims: None,
        init_containers: initialization::repository(store)
            .map(|container| vec![with_termination_message(container)]),
        containers: vec![with_termination_message(container)],
        restart_policy: Some("Never".to_owned()),
        ..server
    }
}

/// Writes the end of a failed container's log to the status of the pod, which can be read without permission to read
/// logs.
pub(super) fn with_termination_message(container: Container) -> Container {
    Container {
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..container
    }
}
