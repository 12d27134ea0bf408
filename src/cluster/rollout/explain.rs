//! Adds details to the issues of a failed wait: events, PersistentVolumeClaims, and the end of logs without secrets.
//! Details that cannot be read are left out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{ListParams, LogParams};
use kube::client::Body;
use tokio_util::sync::CancellationToken;

use super::diagnosis::{Observation, diagnose};
use super::pod_issue::{Cause, PodIssue};
use crate::cluster::error::{Error, Reason};
use crate::cluster::request::Request;
use crate::cluster::resource::{EVENTS, PODS, Resource, escape};
use crate::cluster::{Cluster, StoreName};
use crate::feast::names;
use crate::feast::secrets::redaction::Redaction;
use crate::kubernetes::kind::{Key, Kind};

/// The largest number of lines and bytes of one log.
const LINES: usize = 10;
const BYTES: i64 = 16_384;
/// The largest number of logs.
const LOGS: usize = 3;
/// The time for all reads, because the user waits for the error.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(10);

impl Cluster {
    /// Returns the issues with their details.
    pub(super) async fn explain(
        &self,
        store: &StoreName,
        watched: Observation<'_>,
        secrets: &Redaction,
    ) -> Vec<PodIssue> {
        let details = self.read_details(store, watched, secrets);
        let details = tokio::time::timeout(DIAGNOSIS_TIMEOUT, details).await;
        details.unwrap_or_else(|_| {
            // A log is shown only after all secrets are listed.
            let mut issues = diagnose(&watched);
            issues.iter_mut().for_each(|issue| issue.log.clear());
            issues
        })
    }

    async fn read_details(
        &self,
        store: &StoreName,
        observation: Observation<'_>,
        secrets: &Redaction,
    ) -> Vec<PodIssue> {
        let mut events: Vec<Event> = self
            .list_items(store, EVENTS, ListParams::default().fields("type=Warning"))
            .await;
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
        let pvcs: Vec<PersistentVolumeClaim> = if diagnose(&observation)
            .iter()
            .any(|issue| issue.cause == Cause::UnboundPvc)
        {
            let pvcs = Resource::from(Kind::PersistentVolumeClaim);
            self.list_items(store, pvcs, ListParams::default().limit(500))
                .await
        } else {
            Vec::new()
        };
        let mut issues = diagnose(&Observation {
            events: &events,
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
            let complete = match pod {
                Some(pod) => self.learn_secrets(store, pod, &mut secrets).await,
                None => true,
            };
            issue.message = secrets.redact(&issue.message);
            issue.event = issue.event.take().map(|event| secrets.redact(&event));
            if !complete {
                issue.log.clear();
                continue;
            }
            if issue.log.is_empty() && number < LOGS {
                issue.log = self.log(store, issue).await;
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
        let unreadable = |error: kube::Error| Reason::Unreadable(Arc::new(error));
        let request = PODS
            .requests(namespace)
            .logs(&escape(pod).to_string(), params);
        let request = request.map_err(|error| Reason::Unreadable(Arc::new(error)))?;
        let response = client
            .send(request.map(Body::from))
            .await
            .map_err(unreadable)?;
        let status = response.status();
        let bytes = response
            .into_body()
            .collect_bytes()
            .await
            .map_err(unreadable)?;
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

    async fn list_items<T: DeserializeOwned>(
        &self,
        store: &StoreName,
        resource: Resource,
        params: ListParams,
    ) -> Vec<T> {
        let request = Request::list(resource, &store.namespace, params);
        match self.send(request, &CancellationToken::new()).await {
            Ok(list) => serde_json::from_value(list["items"].clone()).unwrap_or_default(),
            Err(Error { reason, .. }) => {
                tracing::info!("cannot list {}: {reason}", resource.plural);
                Vec::new()
            }
        }
    }
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
