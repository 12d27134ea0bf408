//! Adds details to the issues of a failed wait: events, PersistentVolumeClaims, and the end of logs without secrets.
//! Details that cannot be read are left out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::api::{ListParams, LogParams};
use kube::client::Body;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::diagnosis::{Observation, current_pods, diagnose, replica_set, terminating};
use super::pod_issue::{Cause, PodIssue};
use super::pods;
use crate::cluster::error::Reason;
use crate::cluster::request::{List, Request};
use crate::cluster::resource::{PODS, Resource, escape};
use crate::cluster::{Cluster, StoreName};
use crate::feast::names;
use crate::feast::secrets::redaction::Redaction;
use crate::kubernetes::kind::{Key, Kind};

/// The largest number of lines and bytes of one log.
const LINES: usize = 10;
const BYTES: i64 = 16_384;
/// The largest number of logs.
const LOGS: usize = 3;
/// The largest number of pods whose events are read.
const PODS_WITH_EVENTS: usize = 10;
/// The time for all reads, because the user waits for the error.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for the lists, before the logs are read.
const LISTS_TIMEOUT: Duration = Duration::from_secs(5);

impl Cluster {
    /// Returns the issues with their details.
    pub(super) async fn explain(
        &self,
        store: &StoreName,
        observation: Observation<'_>,
        secrets: &Redaction,
    ) -> Vec<PodIssue> {
        let now = Instant::now();
        let (lists_deadline, deadline) = (now + LISTS_TIMEOUT, now + DIAGNOSIS_TIMEOUT);
        let (events, pvcs) = tokio::join!(
            timeout_at(lists_deadline, self.events_about(store, &observation)),
            timeout_at(lists_deadline, self.unbound_pvcs(store, &observation)),
        );
        let (mut events, events_forbidden) = events.unwrap_or_default();
        let pvcs = pvcs.unwrap_or_default();
        // The events of stuck objects also include normal ones, which show the progress.
        let listed: BTreeSet<_> = events
            .iter()
            .map(|event| event.metadata.uid.clone())
            .collect();
        let watched = observation
            .events
            .iter()
            .filter(|event| !listed.contains(&event.metadata.uid));
        events.extend(watched.cloned());
        let mut issues = diagnose(&Observation {
            events: &events,
            events_forbidden: observation.events_forbidden || events_forbidden,
            pvcs: &pvcs,
            ..observation
        });
        let has_log = |issue: &&mut PodIssue| {
            matches!(issue.cause, Cause::Crash | Cause::Memory | Cause::NotReady)
        };
        for (number, issue) in issues.iter_mut().filter(has_log).enumerate() {
            let pod = observation
                .pods
                .iter()
                .find(|pod| pod.metadata.name == issue.pod);
            let mut secrets = secrets.clone();
            // A log is shown only after all secrets are listed.
            let complete = match pod {
                Some(pod) => {
                    let learned = self.learn_secrets(store, pod, &mut secrets);
                    timeout_at(deadline, learned).await.unwrap_or(false)
                }
                None => true,
            };
            issue.message = secrets.redact(&issue.message);
            issue.event = issue.event.take().map(|event| secrets.redact(&event));
            if !complete {
                issue.log.clear();
                continue;
            }
            if issue.log.is_empty() && number < LOGS {
                let log = timeout_at(deadline, self.log(store, issue)).await;
                issue.log = log.unwrap_or_default();
            }
            let start = issue.log.len().saturating_sub(LINES);
            // The text is redacted as a whole, because a value can have several lines.
            let end = secrets.redact(&issue.log[start..].join("\n"));
            issue.log = end.lines().map(str::to_owned).collect();
        }
        issues
    }

    /// Adds the values of the Secrets that the pod uses. Returns false if one cannot be read.
    pub(in crate::cluster) async fn learn_secrets(
        &self,
        store: &StoreName,
        pod: &Pod,
        secrets: &mut Redaction,
    ) -> bool {
        // The values in the store's Secret are listed already.
        let mut named = secrets_of(pod);
        named.remove(&names::main(&store.name));
        for name in named {
            let key = Key::new(Kind::Secret, name);
            let cancel = CancellationToken::new();
            let Ok(found) = self.get(&store.namespace, &key, &cancel).await else {
                tracing::info!(
                    "not showing logs, which can contain values of {key}, because it cannot be read"
                );
                return false;
            };
            let secret = found.and_then(|found| {
                serde_json::from_value::<k8s_openapi::api::core::v1::Secret>(found).ok()
            });
            for value in secret.and_then(|secret| secret.data).into_iter().flatten() {
                if let Ok(text) = std::str::from_utf8(&value.1.0) {
                    secrets.learn(text);
                }
            }
        }
        true
    }

    /// Returns the last lines of the container's log.
    async fn log(&self, store: &StoreName, issue: &PodIssue) -> Vec<String> {
        let (Some(pod), Some(container)) = (&issue.pod, &issue.container) else {
            return Vec::new();
        };
        let params = LogParams {
            container: Some(container.clone()),
            previous: issue.in_previous_run,
            tail_lines: i64::try_from(LINES).ok(),
            limit_bytes: Some(BYTES),
            ..LogParams::default()
        };
        match self.read_log(&store.namespace, pod, &params).await {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(error) => {
                tracing::info!("cannot read the log of pod {pod}: {error}");
                Vec::new()
            }
        }
    }

    pub(in crate::cluster) async fn read_log(
        &self,
        namespace: &str,
        pod: &str,
        params: &LogParams,
    ) -> Result<String, Reason> {
        let client = self.client().await?;
        let unreachable = |error| self.unreachable(error).reason;
        let request = PODS
            .requests(namespace)
            .logs(&escape(pod).to_string(), params);
        let request = request.map_err(|error| Reason::InvalidRequest(Arc::new(error)))?;
        let response = client
            .send(request.map(Body::from))
            .await
            .map_err(unreachable)?;
        let status = response.status();
        let bytes = response
            .into_body()
            .collect_bytes()
            .await
            .map_err(unreachable)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() {
            Ok(text)
        } else {
            Err(Reason::Rejected {
                code: status.as_u16(),
                reason: status.canonical_reason().unwrap_or_default().to_owned(),
                message: text,
            })
        }
    }

    /// Returns the events about the objects that can prevent the newest pods from becoming ready, and whether the
    /// account has no permission to list them.
    async fn events_about(
        &self,
        store: &StoreName,
        observation: &Observation<'_>,
    ) -> (Vec<Event>, bool) {
        let cancel = &CancellationToken::new();
        let selectors = explaining_events(observation);
        let lists = selectors.iter().map(|selector| async move {
            let listed = self.list_events(store, selector, cancel).await;
            (selector, listed)
        });
        let (mut events, mut forbidden) = (Vec::new(), false);
        for (selector, listed) in join_all(lists).await {
            match listed {
                Ok(listed) => events.extend(listed),
                Err(error) => {
                    tracing::info!("cannot list the events with {selector}: {}", error.reason);
                    forbidden |= error.is_forbidden();
                }
            }
        }
        (events, forbidden)
    }

    /// Returns the PersistentVolumeClaims, if one that is not bound is an issue.
    async fn unbound_pvcs(
        &self,
        store: &StoreName,
        observation: &Observation<'_>,
    ) -> Vec<PersistentVolumeClaim> {
        if !diagnose(observation).iter().any(is_about_pvc) {
            return Vec::new();
        }
        let resource = Resource::from(Kind::PersistentVolumeClaim);
        let params = ListParams::default().limit(500);
        let request = Request::list(resource, &store.namespace, params);
        let cancel = CancellationToken::new();
        let list = self.send_for::<List<PersistentVolumeClaim>>(request, &cancel);
        match list.await {
            Ok(list) => list.items.unwrap_or_default(),
            Err(error) => {
                tracing::info!("cannot list {}: {}", resource.plural, error.reason);
                Vec::new()
            }
        }
    }
}

fn is_about_pvc(issue: &PodIssue) -> bool {
    issue.cause == Cause::UnboundPvc
}

/// Returns the field selectors of the events that can explain the issues: the warnings about the Job, or the
/// ReplicaSet, and about the pods that are not ready or do not end, and all events of their PersistentVolumeClaims.
/// Only a normal event says that the provisioner of a volume does not run.
fn explaining_events(observation: &Observation<'_>) -> Vec<String> {
    let pods = current_pods(observation).unwrap_or_default();
    let mut issues = pods::issues(&pods);
    issues.extend(terminating(observation));
    let mut names: BTreeSet<String> = (issues.iter())
        .filter_map(|issue| issue.pod.clone())
        .take(PODS_WITH_EVENTS)
        .collect();
    let mut pvcs: BTreeSet<&String> = BTreeSet::new();
    if issues.iter().any(is_about_pvc) {
        let named = pods.iter().filter(|pod| {
            let name = pod.metadata.name.as_ref();
            name.is_some_and(|name| names.contains(name))
        });
        pvcs.extend(named.flat_map(pods::pvc_names));
    }
    names.extend(observation.job.map(str::to_owned));
    names.extend(observation.deployment.and_then(replica_set));
    let of_pvcs = pvcs.into_iter().map(|name| {
        format!("involvedObject.kind=PersistentVolumeClaim,involvedObject.name={name}")
    });
    let warnings = (names.iter()).map(|name| format!("type=Warning,involvedObject.name={name}"));
    warnings.chain(of_pvcs).collect()
}

/// Returns the names of the Secrets in environment variables and volumes.
fn secrets_of(pod: &Pod) -> BTreeSet<String> {
    let Some(spec) = &pod.spec else {
        return BTreeSet::new();
    };
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    let mut named = BTreeSet::new();
    for container in containers {
        for variable in container.env.iter().flatten() {
            let source = variable.value_from.as_ref();
            named.extend(
                source.and_then(|source| Some(source.secret_key_ref.as_ref()?.name.clone())),
            );
        }
        for source in container.env_from.iter().flatten() {
            named.extend(source.secret_ref.as_ref().map(|secret| secret.name.clone()));
        }
    }
    for volume in spec.volumes.iter().flatten() {
        named.extend(
            volume
                .secret
                .as_ref()
                .and_then(|secret| secret.secret_name.clone()),
        );
        let projected = volume
            .projected
            .as_ref()
            .and_then(|all| all.sources.as_ref());
        for source in projected.into_iter().flatten() {
            named.extend(source.secret.as_ref().map(|secret| secret.name.clone()));
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::cluster::rollout::JobRole;
    use crate::cluster::rollout::pod_issue::paragraphs;

    fn pod(name: &str, message: &str) -> Pod {
        let json = json!({
            "metadata": {"name": name, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "d-1", "uid": "u", "controller": true}]},
            "spec": {"containers": [], "volumes": [
                {"name": "v", "persistentVolumeClaim": {"claimName": format!("data-of-{name}")}}]},
            "status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]},
        });
        serde_json::from_value(json).expect("a Pod")
    }

    #[test]
    fn the_events_of_few_objects_are_read() {
        let deployment = |pods: usize| -> Json {
            json!({"metadata": {"name": "d"}, "spec": {"selector": {}, "template": {}},
                "status": {"updatedReplicas": pods, "conditions": [{"type": "Progressing", "status": "True",
                    "message": "ReplicaSet \"d-1\" is progressing."}]}})
        };
        let selectors = |pods: &[Pod]| {
            let deployment = serde_json::from_value(deployment(pods.len())).expect("a Deployment");
            explaining_events(&Observation {
                deployment: Some(&deployment),
                pods,
                ..Observation::default()
            })
        };
        let warnings = |name: &str| format!("type=Warning,involvedObject.name={name}");
        let unbound = "pod has unbound immediate PersistentVolumeClaims";
        assert_eq!(selectors(&[]), [warnings("d-1")]);
        assert_eq!(
            selectors(&[pod("p", "no node")]),
            [warnings("d-1"), warnings("p")]
        );
        assert_eq!(
            selectors(&[pod("p", unbound)]),
            [
                warnings("d-1"),
                warnings("p"),
                "involvedObject.kind=PersistentVolumeClaim,involvedObject.name=data-of-p"
                    .to_owned()
            ]
        );
        let many: Vec<Pod> = (0..50).map(|n| pod(&format!("p{n}"), "no node")).collect();
        assert_eq!(selectors(&many).len(), PODS_WITH_EVENTS + 1);
        let mut recreated = deployment(0);
        recreated["spec"]["strategy"] = json!({"type": "Recreate"});
        let recreated = serde_json::from_value(recreated).expect("a Deployment");
        let mut old = pod("old", "no node");
        let deleted = serde_json::from_value(json!("2026-01-01T00:00:00Z"));
        old.metadata.deletion_timestamp = Some(deleted.expect("a time"));
        let waiting = Observation {
            deployment: Some(&recreated),
            pods: &[old],
            ..Observation::default()
        };
        assert_eq!(
            explaining_events(&waiting),
            [warnings("d-1"), warnings("old")]
        );
        let job = Observation {
            job: Some("j"),
            ..Observation::default()
        };
        assert_eq!(explaining_events(&job), [warnings("j")]);
    }

    /// Returns the paragraphs about a Job without a pod if the API server answers a list of events like this.
    async fn job_without_pod(code: u16, events: Json) -> String {
        let cluster = fake_api::cluster(move |_| Reply::Answer(code, events.clone())).await;
        let live = json!({"metadata": {"name": "j", "namespace": "ns"}, "spec": {}, "status": {}});
        let observation = Observation {
            job: Some("j"),
            role: Some(JobRole::BeforeRollout),
            live: Some(&live),
            ..Observation::default()
        };
        let (store, secrets) = (fake_api::store("x"), Redaction::default());
        let issues = cluster.explain(&store, observation, &secrets).await;
        paragraphs(&issues)
    }

    #[tokio::test]
    async fn a_job_without_a_pod_is_reported_if_its_events_are_forbidden() {
        let forbidden = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden",
            "message": "events is forbidden: User \"u\" cannot list resource \"events\" in API group \"\""});
        assert_eq!(
            job_without_pod(403, forbidden).await,
            "\n\nJob j: it has no pod: its events, which have the reason, cannot be listed\n  Advice: grant this user the \
             verb list on events in the namespace, so that the error has the reason, such as a quota or an admission \
             policy. A user with this permission sees it with \
             `kubectl get events --field-selector involvedObject.name=j -n ns`."
        );
        assert_eq!(job_without_pod(200, json!({"items": []})).await, "");
        let denied = json!({"items": [{"metadata": {}, "involvedObject": {"kind": "Job", "name": "j"},
            "reason": "FailedCreate", "message": "exceeded quota: q"}]});
        let text = job_without_pod(200, denied).await;
        assert!(
            text.starts_with("\n\nA pod is rejected: FailedCreate: exceeded quota: q\n"),
            "{text}"
        );
    }
}
