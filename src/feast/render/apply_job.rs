//! The Job that runs `feast apply` once for a configuration, before the rollout.
//!
//! Its pod is a server's pod with `feast apply` in the place of the servers. Its whole name is not known before
//! the configuration's hash is, so [`fill`](crate::feast::secrets::resolve) completes it.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Affinity, Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value as Json;

use super::{deployment, initialization, manifest, metadata};
use crate::feast::names;
use crate::feast::spec::{ApplyBy, Store};

/// A registry that does not answer yet is worth another attempt; wrong definitions are not worth many.
const BACKOFF_LIMIT: i32 = 2;
/// A day, to read its logs in.
const TTL_SECONDS: i32 = 24 * 60 * 60;

pub(super) fn render(store: &Store) -> Option<Json> {
    (store.project.apply == ApplyBy::Job).then(|| {
        manifest(&Job {
            metadata: metadata::object(
                store,
                names::apply_job(&store.name),
                Some(names::APPLY_SERVICE_TYPE),
            ),
            spec: Some(JobSpec {
                backoff_limit: Some(BACKOFF_LIMIT),
                completions: Some(1),
                parallelism: Some(1),
                ttl_seconds_after_finished: Some(TTL_SECONDS),
                template: PodTemplateSpec {
                    metadata: Some(ObjectMeta {
                        labels: Some(BTreeMap::from([
                            (names::JOB_LABEL.to_owned(), store.name.clone()),
                            (
                                names::MANAGED_BY_LABEL.to_owned(),
                                names::MANAGED_BY.to_owned(),
                            ),
                        ])),
                        ..ObjectMeta::default()
                    }),
                    spec: Some(pod(store)),
                },
                ..JobSpec::default()
            }),
            ..Job::default()
        })
    })
}

fn pod(store: &Store) -> PodSpec {
    let server = deployment::pod(store);
    PodSpec {
        affinity: deployment::node_affinity(store).map(|node_affinity| Affinity {
            node_affinity: Some(node_affinity),
            ..Affinity::default()
        }),
        topology_spread_constraints: None,
        // Definitions need no device.
        resource_claims: None,
        init_containers: initialization::repository(store)
            .map(|container| vec![says_why(container)]),
        containers: vec![says_why(initialization::apply(store))],
        restart_policy: Some("Never".to_owned()),
        ..server
    }
}

/// The end of a failed container's log stands in its pod's status, which needs no right to read logs.
fn says_why(container: Container) -> Container {
    Container {
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..container
    }
}
