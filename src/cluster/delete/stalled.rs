//! The reasons why a deletion does not finish: the finalizers of the object, the controllers that remove them, and the
//! pods that they wait for.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::cluster::error::{Error, Reason, causes};
use crate::cluster::request::{List, Request};
use crate::cluster::resource::PODS;
use crate::cluster::{Cluster, StoreName};
use crate::kubernetes::kind::{Key, Kind, Pods, Scope};

/// The time for each of the two requests that find the reasons, after the time for the deletion itself.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest number of pods that a message names.
const LISTED_PODS: usize = 5;

const FOREGROUND: &str = "foregroundDeletion";
const PVC_PROTECTION: &str = "kubernetes.io/pvc-protection";

/// Finalizers of Kubernetes itself, with a clause that says when they are removed. They must not be removed by hand.
const KUBERNETES_FINALIZERS: &[(&str, &str)] = &[
    (
        FOREGROUND,
        "the garbage collector removes it when the dependent objects, pods last, are gone",
    ),
    (
        "orphan",
        "the garbage collector removes it when it has released the dependent objects",
    ),
    (
        PVC_PROTECTION,
        "Kubernetes removes it when no pod uses the PersistentVolumeClaim",
    ),
    (
        "batch.kubernetes.io/job-tracking",
        "the Job controller removes it when it has counted the pod",
    ),
];
/// Finalizers of other controllers, with a clause that says when they are removed.
const CONTROLLER_FINALIZERS: &[(&str, &str)] = &[
    (
        "service.kubernetes.io/load-balancer-cleanup",
        "the cloud provider's service controller removes it when the load balancer is gone",
    ),
    (
        "service.k8s.aws/resources",
        "the AWS Load Balancer Controller removes it when the load balancer is gone",
    ),
    (
        "networking.gke.io/neg-finalizer",
        "the GKE ingress controller removes it when the network endpoint groups are gone",
    ),
    (
        "finalizer.keda.sh",
        "the KEDA operator removes it; it must be running",
    ),
    (
        "provisioner.storage.kubernetes.io/cloning-protection",
        "the volume provisioner removes it when the PersistentVolumeClaim is not being cloned",
    ),
    (
        "snapshot.storage.kubernetes.io/pvc-as-source-protection",
        "the snapshot controller removes it when no snapshot of the PersistentVolumeClaim is being taken",
    ),
];

/// A terminating object that still exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StalledDeletion {
    /// The time for which the provider waited; `None` if it did not.
    waited: Option<Duration>,
    finalizers: Vec<String>,
    /// Descriptions of the pods that the finalizers wait for; `None` if they could not be listed or if none is waited
    /// for.
    pods: Option<Vec<String>>,
    /// The command that removes the finalizers.
    command: String,
}

impl StalledDeletion {
    /// `pods` are all pods of the namespace; `None` if they could not be listed.
    pub(in crate::cluster) fn new(
        key: &Key,
        namespace: &str,
        live: &Json,
        waited: Option<Duration>,
        pods: Option<&[Pod]>,
    ) -> Self {
        let finalizers = finalizers(live);
        let place = match key.kind.scope() {
            Scope::Namespace => format!(" --namespace {namespace}"),
            Scope::Cluster => String::new(),
        };
        let kind = key.kind.as_str().to_lowercase();
        Self {
            waited,
            pods: pods
                .filter(|_| waits_for_pods(key.kind, &finalizers))
                .map(|pods| {
                    let users = pods.iter().filter(|pod| waits_for(pod, key, live));
                    users.map(describe_pod).collect()
                }),
            finalizers,
            command: format!(
                "kubectl patch {kind}/{}{place} --type merge --patch '{{\"metadata\":{{\"finalizers\":null}}}}'",
                key.name
            ),
        }
    }
}

fn finalizers(live: &Json) -> Vec<String> {
    let names = live["metadata"]["finalizers"].as_array();
    let names = names.into_iter().flatten().filter_map(Json::as_str);
    names.map(str::to_owned).collect()
}

/// Returns whether the deletion of the object waits for pods.
fn waits_for_pods(kind: Kind, finalizers: &[String]) -> bool {
    let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
    match kind.pods() {
        Pods::Mounting => has(PVC_PROTECTION),
        Pods::Owned | Pods::Servers => has(FOREGROUND),
        Pods::OwnedByJobs | Pods::None => false,
    }
}

/// Returns whether the deletion of the object waits for this pod: the pod mounts the object, or the object selects it.
fn waits_for(pod: &Pod, key: &Key, live: &Json) -> bool {
    match key.kind.pods() {
        Pods::Mounting => {
            let volumes = (pod.spec.iter()).flat_map(|spec| spec.volumes.iter().flatten());
            let mut pvcs = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
            pvcs.any(|pvc| pvc.claim_name == key.name)
        }
        Pods::Owned | Pods::Servers => {
            let labels = pod.metadata.labels.as_ref();
            let matches = |(name, value): (&String, &Json)| {
                let label = labels.and_then(|labels| labels.get(name));
                label.map(String::as_str) == value.as_str()
            };
            let selector = live["spec"]["selector"]["matchLabels"].as_object();
            selector.is_some_and(|selector| selector.iter().all(matches))
        }
        Pods::OwnedByJobs | Pods::None => false,
    }
}

/// Returns the facts that can delay the deletion of the pod, the time of the deletion first.
pub(in crate::cluster) fn deletion_facts(pod: &Pod) -> Vec<String> {
    let metadata = &pod.metadata;
    let mut facts = Vec::new();
    if let Some(end) = &metadata.deletion_timestamp {
        // The timestamp is the end of the grace period.
        let grace = SignedDuration::from_secs(metadata.deletion_grace_period_seconds.unwrap_or(0));
        let since = end.0.checked_sub(grace).unwrap_or(end.0);
        facts.push(format!("terminating since {since}"));
    }
    if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) {
        facts.push(format!("on node {node}"));
    }
    if let Some(finalizers) = metadata.finalizers.as_ref().filter(|all| !all.is_empty()) {
        facts.push(format!("finalizers: {}", finalizers.join(", ")));
    }
    facts
}

/// Returns the name of the pod and the facts that can delay its deletion.
pub(super) fn describe_pod(pod: &Pod) -> String {
    let facts = deletion_facts(pod);
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if facts.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", facts.join(", "))
    }
}

/// Joins the first descriptions, and says how many there are beside them.
pub(super) fn join_pods(pods: &[String]) -> String {
    let first = pods.iter().take(LISTED_PODS).cloned().collect::<Vec<_>>();
    match pods.len().saturating_sub(LISTED_PODS) {
        0 => first.join(", "),
        more => format!("{}, and {more} more", first.join(", ")),
    }
}

fn remover(finalizer: &str) -> Option<&'static str> {
    let known = KUBERNETES_FINALIZERS.iter().chain(CONTROLLER_FINALIZERS);
    let mut known = known.filter(|(name, _)| *name == finalizer);
    known.next().map(|(_, remover)| *remover)
}

impl fmt::Display for StalledDeletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the object is still being deleted")?;
        if let Some(waited) = self.waited {
            write!(f, " after {} s", waited.as_secs())?;
        }
        if self.finalizers.is_empty() {
            return f.write_str(". It has no finalizers; the API server has not removed it yet");
        }
        f.write_str(". It has these finalizers:")?;
        for finalizer in &self.finalizers {
            let remover = remover(finalizer).unwrap_or(
                "the controller with this name removes it; check that it runs, and check its log",
            );
            write!(f, "\n  {finalizer}: {remover}")?;
        }
        match self.pods.as_deref() {
            None => {}
            Some([]) => f.write_str("\nNo pod uses it")?,
            Some(pods) => write!(f, "\nThese pods use it: {}", join_pods(pods))?,
        }
        let is_of_kubernetes = |finalizer: &String| {
            KUBERNETES_FINALIZERS
                .iter()
                .any(|(name, _)| name == finalizer)
        };
        if self.finalizers.iter().all(is_of_kubernetes) {
            return Ok(());
        }
        write!(
            f,
            "\nOnly if that controller no longer exists, as a last resort, remove the finalizers by hand: `{}`",
            self.command
        )
    }
}

impl Cluster {
    /// Returns the reasons why the object still exists after the wait. `None` if it is gone.
    ///
    /// An object that can no longer be read may be gone. Then the reason is the `interruption` of the watch, or the
    /// failure of the read.
    pub(in crate::cluster) async fn stalled_deletion(
        &self,
        store: &StoreName,
        key: &Key,
        live: &Json,
        waited: Duration,
        interruption: Option<String>,
    ) -> Option<Reason> {
        let (namespace, cancel) = (&store.namespace, CancellationToken::new());
        let diagnosis = async {
            let now = match self.get(namespace, key, &cancel).await? {
                Some(now) if now["metadata"]["uid"] == live["metadata"]["uid"] => now,
                _ => return Ok(None),
            };
            let pods = match waits_for_pods(key.kind, &finalizers(&now)) {
                true => {
                    let pods = self.pods_of_namespace(namespace, &cancel);
                    let pods = tokio::time::timeout(DIAGNOSIS_TIMEOUT, pods).await;
                    pods.ok().flatten()
                }
                false => None,
            };
            let stalled = StalledDeletion::new(key, namespace, &now, Some(waited), pods.as_deref());
            Ok::<_, Error>(Some(Reason::Terminating(Box::new(stalled))))
        };
        let failure = match tokio::time::timeout(2 * DIAGNOSIS_TIMEOUT, diagnosis).await {
            Ok(Ok(stalled)) => return stalled,
            Ok(Err(error)) => causes(&error.reason).last().map(ToString::to_string),
            Err(_) => None,
        };
        let why = interruption
            .or(failure)
            .unwrap_or_else(|| "the API server does not answer".to_owned());
        Some(Reason::TimedOut {
            seconds: waited.as_secs(),
            waiting_for: format!("the deletion is not confirmed ({why})"),
            issues: Vec::new(),
        })
    }

    /// Returns `None` if the pods cannot be listed.
    async fn pods_of_namespace(
        &self,
        namespace: &str,
        cancel: &CancellationToken,
    ) -> Option<Vec<Pod>> {
        let request = Request::list(PODS, namespace, ListParams::default());
        match self.send_for::<List<Pod>>(request, cancel).await {
            Ok(list) => Some(list.items.unwrap_or_default()),
            Err(error) => {
                tracing::info!(
                    "cannot list the pods that delay the deletion: {}",
                    error.reason
                );
                None
            }
        }
    }

    /// Returns descriptions of the feature store's pods; `None` if they cannot be listed in time.
    pub(super) async fn remaining_pods(
        &self,
        store: &StoreName,
        labels: &[String],
    ) -> Option<Vec<String>> {
        let cancel = CancellationToken::new();
        let pods = self.pods(&store.namespace, labels, &cancel);
        let pods = tokio::time::timeout(DIAGNOSIS_TIMEOUT, pods)
            .await
            .ok()?
            .ok()?;
        Some(pods.iter().map(describe_pod).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api::{self, Reply};

    fn pods() -> Vec<Pod> {
        serde_json::from_value(json!([
            {"metadata": {"name": "reader"}, "spec": {"containers": [], "nodeName": "n1",
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}},
            {"metadata": {"name": "other"}, "spec": {"containers": [],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "of-others"}}]}},
            {"metadata": {"name": "server", "labels": {"app": "x", "hash": "1"}, "finalizers": ["example.com/drain"],
                "deletionTimestamp": "2026-01-01T00:00:40Z", "deletionGracePeriodSeconds": 40}},
        ]))
        .expect("pods")
    }

    fn text(kind: Kind, live: &Json, waited: Option<u64>) -> String {
        let key = Key::new(kind, "data");
        let waited = waited.map(Duration::from_secs);
        StalledDeletion::new(&key, "ns", live, waited, Some(&pods())).to_string()
    }

    #[test]
    fn names_the_finalizers_and_their_controllers() {
        let live = json!({"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup", "example.com/x"]}});
        assert_eq!(
            text(Kind::Service, &live, Some(600)),
            "the object is still being deleted after 600 s. It has these finalizers:\n  \
             service.kubernetes.io/load-balancer-cleanup: the cloud provider's service controller removes it when the load balancer is gone\n  \
             example.com/x: the controller with this name removes it; check that it runs, and check its log\n\
             Only if that controller no longer exists, as a last resort, remove the finalizers by hand: \
             `kubectl patch service/data --namespace ns --type merge --patch '{\"metadata\":{\"finalizers\":null}}'`"
        );
    }

    #[test]
    fn a_protected_pvc_names_its_pods_and_no_patch() {
        let live = json!({"metadata": {"finalizers": [PVC_PROTECTION]}});
        assert_eq!(
            text(Kind::PersistentVolumeClaim, &live, None),
            "the object is still being deleted. It has these finalizers:\n  \
             kubernetes.io/pvc-protection: Kubernetes removes it when no pod uses the PersistentVolumeClaim\n\
             These pods use it: reader (on node n1)"
        );
    }

    #[test]
    fn a_workload_names_its_pods_and_their_finalizers() {
        let live = json!({"metadata": {"finalizers": [FOREGROUND]}, "spec": {"selector": {"matchLabels": {"app": "x"}}}});
        let expected = |pods: &str| {
            format!(
                "the object is still being deleted after 3 s. It has these finalizers:\n  \
                 foregroundDeletion: the garbage collector removes it when the dependent objects, pods last, are gone\n{pods}"
            )
        };
        assert_eq!(
            text(Kind::Deployment, &live, Some(3)),
            expected(
                "These pods use it: server (terminating since 2026-01-01T00:00:00Z, finalizers: example.com/drain)"
            )
        );
        let live = json!({"metadata": {"finalizers": [FOREGROUND]}, "spec": {"selector": {"matchLabels": {"app": "y"}}}});
        assert_eq!(text(Kind::Job, &live, Some(3)), expected("No pod uses it"));
    }

    #[test]
    fn cluster_scoped_objects_have_no_namespace_and_finalizers_are_optional() {
        let live = json!({"metadata": {"finalizers": ["example.com/x"]}});
        let message = text(Kind::ClusterRole, &live, None);
        assert!(
            message.contains("`kubectl patch clusterrole/data --type merge"),
            "{message}"
        );
        assert_eq!(
            text(Kind::Secret, &json!({}), Some(9)),
            "the object is still being deleted after 9 s. It has no finalizers; the API server has not removed it yet"
        );
    }

    #[tokio::test]
    async fn an_object_that_cannot_be_read_may_be_gone() {
        let unavailable = json!({"kind": "Status", "message": "etcd is down", "reason": "ServiceUnavailable",
            "details": {"retryAfterSeconds": 3600}});
        let cluster = fake_api::cluster(move |_| Reply::Answer(503, unavailable.clone())).await;
        let (store, key) = (fake_api::store("x"), Key::new(Kind::Deployment, "feast-x"));
        let live = json!({"metadata": {"uid": "1", "finalizers": [FOREGROUND]}});
        let waited = Duration::from_secs(30);
        for (interruption, why) in [
            (
                None,
                "the API server answered 503 ServiceUnavailable: etcd is down",
            ),
            (Some("connection refused"), "connection refused"),
        ] {
            let interruption = interruption.map(str::to_owned);
            let reason = cluster.stalled_deletion(&store, &key, &live, waited, interruption);
            let reason = reason.await.map(|reason| reason.to_string());
            assert_eq!(
                reason,
                Some(format!("the deletion is not confirmed ({why}) after 30 s"))
            );
        }
    }

    #[test]
    fn a_long_list_of_pods_is_truncated() {
        let pods: Vec<String> = (1..=7).map(|number| format!("p{number}")).collect();
        assert_eq!(join_pods(&pods), "p1, p2, p3, p4, p5, and 2 more");
    }
}
