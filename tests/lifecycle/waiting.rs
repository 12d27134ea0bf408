//! The duration of waits: each ends immediately, after a grace period, or at the timeout. The tests run without
//! Terraform.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ResourceQuota};
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value as Json, json};
use terraform_provider_feast::cluster::rollout::{JobRole, Wait};
use terraform_provider_feast::cluster::{CancellationToken, Error, PvcPolicy};
use terraform_provider_feast::feast::secrets::redaction::Redaction;
use terraform_provider_feast::kubernetes::Kind;

use crate::lifecycle::cluster::Lab;
use crate::lifecycle::cluster::lab::{
    Scaling, TIMEOUT, deployment_key, eventually, object, wanted,
};
use crate::lifecycle::rollouts::{
    create, error_text, expect_error, expect_failure, expect_timeout, one_replica, roll_out,
};

const JOB: &str = "feast-x-apply-1";

/// Creates a Job like the one that runs `feast apply`; the annotation selects the simulated failure of its pod.
async fn create_job(lab: &Lab, fail: &str) {
    let annotations = if fail.is_empty() {
        json!({})
    } else {
        json!({"testbed.feast.dev/fail": fail})
    };
    let job = json!({"metadata": {"name": JOB}, "spec": {"backoffLimit": 2, "template": {
        "metadata": {"annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "feast-apply", "image": "feast:1"}]}}}});
    lab.create::<Job>(&job).await;
}

async fn wait_for_job(lab: &Lab, seconds: u64, grace: u64) -> Result<Json, Error> {
    let secrets = Redaction::default();
    let wait = Wait {
        grace: Duration::from_secs(grace),
        ..Wait::new(Duration::from_secs(seconds), &secrets)
    };
    let (store, cancel) = (lab.store("x"), CancellationToken::new());
    let role = JobRole::BeforeRollout;
    (lab.cluster)
        .wait_for_job(&store, JOB, role, &wait, &cancel)
        .await
}

/// Returns the error for the Job, without the random suffixes of names.
async fn job_ends(lab: &Lab, seconds: u64, grace: u64) -> String {
    let error = wait_for_job(lab, seconds, grace)
        .await
        .expect_err("a failure");
    error_text(lab, &error)
}

/// Creates a quota, and waits until it is enforced.
pub async fn limit(lab: &Lab, name: &str, hard: Json) {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}});
    create(lab, quota).await;
    let quotas: Api<ResourceQuota> = Api::namespaced(lab.client.clone(), &lab.namespace);
    eventually("the quota is counted", async || {
        let status = quotas.get(name).await.expect("there").status;
        status.is_some_and(|status| status.hard.is_some())
    })
    .await;
}

pub async fn job_rejected_by_quota(lab: Lab) {
    limit(&lab, "q", json!({"limits.cpu": "1"})).await;
    create_job(&lab, "").await;
    assert_eq!(
        job_ends(&lab, 60, 1).await,
        "`feast apply` did not finish: the Job has not ended yet\n\n\
         A pod is rejected: FailedCreate: pods \"POD\" is forbidden: failed quota: q: must specify limits.cpu for: feast-apply\n  \
         Advice: a ResourceQuota of the namespace counts the resources that the message names, so every container must set them: \
         write them under `resources` of every server (init containers and the Job have those of the largest server, or `services.init_resources`), \
         or give the namespace a LimitRange with defaults."
    );
}

pub async fn job_rejected_by_pod_security(lab: Lab) {
    let namespaces: Api<Namespace> = Api::all(lab.client.clone());
    let labels =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    namespaces
        .patch(
            &lab.namespace,
            &PatchParams::default(),
            &Patch::Merge(labels),
        )
        .await
        .expect("labelled");
    // The admission controller learns of the label with a delay: the test waits until it rejects a pod.
    let pods: Api<Pod> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let pod: Pod = serde_json::from_value(
        json!({"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
    )
    .expect("a pod");
    let dry_run = kube::api::PostParams {
        dry_run: true,
        ..Default::default()
    };
    eventually("the label is enforced", async || {
        pods.create(&dry_run, &pod).await.is_err()
    })
    .await;
    create_job(&lab, "").await;
    let text = job_ends(&lab, 60, 1).await;
    for part in [
        "`feast apply` did not finish: the Job has not ended yet\n\nA pod is rejected: FailedCreate: pods \"POD\" is forbidden: violates PodSecurity \"restricted:",
        "allowPrivilegeEscalation != false (container \"feast-apply\" must set securityContext.allowPrivilegeEscalation=false)",
        "Advice: remove what the message names from `services.security_context`, `services.container_security_context`",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// After the quota is raised, the earlier rejection no longer counts.
pub async fn job_succeeds_after_its_quota_is_raised(lab: Lab) {
    limit(&lab, "q", json!({"pods": "0"})).await;
    create_job(&lab, "").await;
    assert_eq!(
        job_ends(&lab, 60, 1).await,
        "`feast apply` did not finish: the Job has not ended yet\n\n\
         A pod is rejected: FailedCreate: pods \"POD\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0\n  \
         Advice: raise the quota, reduce what others use of it, or request less: fewer replicas, or lower `resources`."
    );
    let quotas: Api<ResourceQuota> = Api::namespaced(lab.client.clone(), &lab.namespace);
    quotas
        .delete("q", &Default::default())
        .await
        .expect("deleted");
    let done = wait_for_job(&lab, 90, 3600).await.expect("done");
    assert_eq!(done["status"]["succeeded"], 1);
}

pub async fn running_sidecar_ends_the_wait_for_a_job(lab: Lab) {
    create_job(&lab, "sidecar").await;
    let begun = Instant::now();
    let text = job_ends(&lab, 90, 3600).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{text}");
    assert_eq!(
        text,
        "`feast apply` did not finish: the Job has not ended yet\n\n\
         Pod POD, container istio-proxy: still running: the Job's own containers (feast-apply) have ended with exit code 0\n  \
         Advice: this container was added to the pod of the Job, and the Job cannot end before it. Exclude the pods from the injection by an annotation of the mesh in `services.feast_apply_job.pod_annotations`, inject it as a native sidecar (an init container with `restartPolicy: Always`), or set \
         `feast_apply = \"init_container\"`. Then run `kubectl delete job/POD -n NS` and apply again."
    );
}

/// The pod does not fail while the sidecar runs, so that its Job does not either.
pub async fn failure_behind_a_sidecar_ends_the_wait_for_a_job(lab: Lab) {
    create_job(&lab, "behind-sidecar").await;
    let begun = Instant::now();
    let text = job_ends(&lab, 90, 3600).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{text}");
    assert_eq!(
        text,
        "`feast apply` did not finish: the Job has not ended yet\n\n\
         Pod POD, container feast-apply: Error, exit code 1; the pod does not end, because the container istio-proxy, which was added to it, still runs\n  \
         Last lines of the log:\n    | the registry is on fire\n  \
         Advice: fix the problem reported in the container log. `kubectl logs POD -c feast-apply -n NS` shows the whole log. \
         A container was added to the pod of the Job, and the Job cannot end before it. Exclude the pods from the injection by an annotation of the mesh in `services.feast_apply_job.pod_annotations`, inject it as a native sidecar (an init container with `restartPolicy: Always`), or set \
         `feast_apply = \"init_container\"`. Then run `kubectl delete job/POD -n NS` and apply again."
    );
}

const SANDBOX: &str = "Pod POD: FailedCreatePodSandBox: Failed to create pod sandbox: no network plugin\n  \
     Advice: the node cannot prepare the pod: check the node's network plugin and container runtime, and the volumes that the \
     message names; the pod starts when this is repaired. `kubectl describe pod POD -n NS` shows its details.";

pub async fn failing_sandbox_is_reported_at_the_timeout(lab: Lab) {
    let failing = one_replica("FailedCreatePodSandBox", |_| {});
    let expected = format!("0 of 1 replicas are available after 6 s\n\n{SANDBOX}");
    expect_timeout(&lab, &failing, &expected).await;
    create_job(&lab, "FailedCreatePodSandBox").await;
    let expected = format!("the Job has not ended yet after 20 s\n\n{SANDBOX}");
    assert_eq!(job_ends(&lab, 20, 1).await, expected);

    // The pod recovers when the node is repaired, which the test simulates with another annotation.
    let pods: Api<Pod> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let of_job = ListParams::default().labels(&format!("job-name={JOB}"));
    let healed = async {
        let found = pods.list(&of_job).await.expect("listed").items;
        let name = found[0].metadata.name.clone().expect("a name");
        let patch = json!({"metadata": {"annotations": {"testbed.feast.dev/fail": null}}});
        pods.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("patched");
    };
    let (done, ()) = tokio::join!(wait_for_job(&lab, 60, 1), healed);
    assert_eq!(done.expect("done")["status"]["succeeded"], 1);
}

/// The strategy `Recreate` waits for the old pod, which a finalizer keeps.
pub async fn terminating_pod_is_reported_at_the_timeout(lab: Lab) {
    let recreated = |image: &str| {
        one_replica("", |spec| {
            spec["strategy"] = json!({"type": "Recreate"});
            spec["template"]["spec"]["containers"][0]["image"] = json!(image);
        })
    };
    lab.apply("x", &recreated("feast:1")).await;
    let pods: Api<Pod> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let of_store = ListParams::default().labels("feast.dev/name=x");
    let old = pods.list(&of_store).await.expect("listed").items;
    let name = old[0].metadata.name.clone().expect("a name");
    let finalizers = async |finalizers: Json| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        pods.patch(&name, &PatchParams::default(), &patch)
            .await
            .expect("patched");
    };
    finalizers(json!(["test.feast.dev/held"])).await;

    let changed = recreated("feast:2");
    let error = roll_out(&lab, &changed, 15, 1)
        .await
        .expect_err("a timeout");
    let text = error_text(&lab, &error);
    for part in [
        "0 of 1 replicas are available after 15 s\n\nPod POD: terminating since 20",
        ", finalizers: test.feast.dev/held: with the strategy `Recreate`, new pods are created when it has ended\n",
        "`kubectl delete pod POD -n NS --force` removes it without its node",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }

    finalizers(Json::Null).await;
    let live = roll_out(&lab, &changed, 90, 1).await.expect("rolled out");
    assert_eq!(live["status"]["readyReplicas"], 1);
}

/// Sets a field of the spec as `kubectl` would.
async fn set<K>(lab: &Lab, name: &str, spec: Json)
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let params = PatchParams {
        field_manager: Some("kubectl-rollout".to_owned()),
        ..PatchParams::default()
    };
    api.patch(name, &params, &Patch::Merge(json!({"spec": spec})))
        .await
        .expect("patched");
}

/// No grace period is set: with one, this test would end at the timeout.
pub async fn paused_rollout_fails_immediately(lab: Lab) {
    lab.apply("x", &one_replica("", |_| {})).await;
    set::<Deployment>(&lab, "feast-x", json!({"paused": true})).await;
    let time = lab.written("x", "kubectl-rollout").await;
    let changed = one_replica("", |spec| {
        spec["template"]["spec"]["containers"][0]["image"] = json!("feast:2");
    });
    expect_error(
        &lab,
        &changed,
        60,
        3600,
        &format!(
            "the rollout failed: 0 of 1 replicas are available; the Deployment is paused\n\n\
             Deployment feast-x: paused: spec.paused is true, set by \"kubectl-rollout\" at {time}\n  \
             Advice: find out why it was paused, resume it with `kubectl rollout resume deployment/feast-x -n NS`, then apply again."
        ),
    )
    .await;

    // A complete Deployment can be paused.
    lab.apply("y", &wanted("y", Scaling::Static(1))).await;
    set::<Deployment>(&lab, "feast-y", json!({"paused": true})).await;
    lab.wait("y", &wanted("y", Scaling::Static(1)))
        .await
        .expect("complete");
}

pub async fn suspended_job_fails_immediately(lab: Lab) {
    create_job(&lab, "FailedCreatePodSandBox").await;
    set::<Job>(&lab, JOB, json!({"suspend": true})).await;
    let text = job_ends(&lab, 60, 3600).await;
    let text = text.split(" at 20").collect::<Vec<_>>();
    assert_eq!(
        text[0],
        "`feast apply` did not finish: the Job has not ended yet\n\n\
         Job POD: suspended: spec.suspend is true, set by \"kubectl-rollout\""
    );
    assert!(
        text[1].contains("resume it with `kubectl patch job/POD --type merge --patch '{\"spec\":{\"suspend\":false}}' -n NS`"),
        "{text:?}"
    );
}

/// The Deployment's progress deadline passes long before the node is added.
pub async fn waits_for_a_late_node(lab: Lab) {
    let label = format!("test.feast.dev/{}", lab.namespace);
    let late = one_replica("", |spec| {
        spec["progressDeadlineSeconds"] = json!(2);
        spec["template"]["spec"]["nodeSelector"] = json!({&label: "late"});
    });
    let node = async {
        eventually("the progress deadline is exceeded", async || {
            let live = lab
                .deployments()
                .get_opt("feast-x")
                .await
                .expect("readable");
            let status = live.and_then(|live| live.status).unwrap_or_default();
            let mut conditions = status.conditions.into_iter().flatten();
            conditions.any(|it| it.reason.as_deref() == Some("ProgressDeadlineExceeded"))
        })
        .await;
        let nodes: Api<Node> = Api::all(lab.client.clone());
        let found = nodes
            .list(&ListParams::default())
            .await
            .expect("listed")
            .items;
        let name = found[0].metadata.name.clone().expect("a name");
        let labels = json!({"metadata": {"labels": {&label: "late"}}});
        nodes
            .patch(&name, &PatchParams::default(), &Patch::Merge(labels))
            .await
            .expect("labelled");
    };
    let (live, ()) = tokio::join!(roll_out(&lab, &late, 90, 1), node);
    assert_eq!(live.expect("rolled out")["status"]["readyReplicas"], 1);
}

pub async fn rejected_replica_set_ends_the_wait(lab: Lab) {
    limit(&lab, "q", json!({"count/replicasets.apps": "0"})).await;
    let mut wanted = one_replica("", |_| {});
    let name = deployment_key("x");
    wanted.retain(|key, _| *key == name || key.kind == Kind::ServiceAccount);
    let error = roll_out(&lab, &wanted, 60, 1).await.expect_err("rejected");
    let text = error_text(&lab, &error);
    for part in [
        "the rollout failed: ",
        "ReplicaSet of Deployment feast-x: ReplicaSetCreateError: Failed to create new replica set \"POD\": replicasets.apps \"POD\" is forbidden: exceeded quota: q",
        "Advice: raise the quota",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// An autoscaler whose minimum exceeds a quota.
pub async fn quota_below_the_minimum_ends_the_wait(lab: Lab) {
    limit(&lab, "q", json!({"pods": "1"})).await;
    let target = wanted("x", Scaling::Autoscaler);
    let error = {
        let outcome = lab.try_apply("x", &target, true).await.expect("begun");
        assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
        let secrets = Redaction::default();
        let wait = Wait {
            grace: Duration::from_secs(1),
            ..Wait::new(TIMEOUT, &secrets)
        };
        let rollout = terraform_provider_feast::cluster::rollout::Rollout {
            deployment: "feast-x",
            pods: "x",
            minimum: Some(2),
        };
        let (store, cancel) = (lab.store("x"), CancellationToken::new());
        let ended = lab
            .cluster
            .wait_for_rollout(&store, &rollout, &wait, &cancel);
        ended.await.expect_err("rejected")
    };
    let text = error_text(&lab, &error);
    assert!(
        text.starts_with("the rollout failed: 1 of 2 replicas are available"),
        "{text}"
    );
    assert!(
        text.contains("exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"),
        "{text}"
    );
}

/// A Deployment that was scaled to zero externally is complete.
pub async fn external_scaling_to_zero_is_complete(lab: Lab) {
    lab.apply("x", &wanted("x", Scaling::External)).await;
    lab.scale("x", 0).await;
    let mut changed = wanted("x", Scaling::External);
    let deployment = changed.get_mut(&deployment_key("x")).expect("wanted");
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("feast:2");
    let live = roll_out(&lab, &changed, 60, 1).await.expect("complete");
    assert_eq!(
        (&live["spec"]["replicas"], &live["status"]["replicas"]),
        (&json!(0), &Json::Null)
    );
}

/// A PVC that a pod of another owner uses.
pub async fn names_the_pod_that_uses_a_pvc(lab: Lab) {
    let (key, pvc) = object(
        Kind::PersistentVolumeClaim,
        "feast-x-online",
        "x",
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
            "resources": {"requests": {"storage": "1Gi"}}}}),
    );
    let held = [(key.clone(), pvc)].into();
    let outcome = lab.try_apply("x", &held, false).await.expect("applied");
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    let pod = json!({"metadata": {"name": "reader"}, "spec": {"containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": key.name}}]}});
    lab.create::<Pod>(&pod).await;
    let pods: Api<Pod> = Api::namespaced(lab.client.clone(), &lab.namespace);
    eventually("the pod runs", async || {
        let live = pods.get("reader").await.expect("readable");
        live.status
            .is_some_and(|status| status.phase.as_deref() == Some("Running"))
    })
    .await;
    let policy = PvcPolicy {
        deletable: [key.name.clone()].into(),
        ..PvcPolicy::default()
    };
    let (store, cancel) = (lab.store("x"), CancellationToken::new());
    let keys = [key.clone()].into();
    let delete = async |seconds| {
        let timeout = Duration::from_secs(seconds);
        let deleted = lab.cluster.delete(&store, &keys, &policy, timeout, &cancel);
        deleted.await.expect("begun")
    };
    let stays = delete(10).await;
    let [error] = &stays.errors[..] else {
        panic!("{:?}", stays.errors);
    };
    let text = error.reason.to_string();
    let (before, node) = text.split_once(" (on node ").expect("a node");
    assert_eq!(
        before,
        "the object is still being deleted after 10 s. It has these finalizers:\n  \
         kubernetes.io/pvc-protection: Kubernetes removes it when no pod uses the PersistentVolumeClaim\n\
         These pods use it: reader"
    );
    assert!(node.ends_with(')') && !node.contains('\n'), "{text}");

    pods.delete("reader", &Default::default())
        .await
        .expect("deleted");
    let gone = delete(90).await;
    assert!(gone.errors.is_empty(), "{:?}", gone.errors);
}

/// A quota that rejects servers also ends the wait early, and the error names the missing resources.
pub async fn servers_without_limits_under_a_quota(lab: Lab) {
    limit(&lab, "q", json!({"limits.cpu": "1"})).await;
    expect_failure(
        &lab,
        &one_replica("", |_| {}),
        "the rollout failed: 0 of 1 replicas are available\n\n\
         A pod is rejected: FailedCreate: pods \"POD\" is forbidden: failed quota: q: must specify limits.cpu for: online\n  \
         Advice: a ResourceQuota of the namespace counts the resources that the message names, so every container must set them: \
         write them under `resources` of every server (init containers and the Job have those of the largest server, or `services.init_resources`), \
         or give the namespace a LimitRange with defaults.",
    )
    .await;
}

/// Orphaned pods with a finalizer.
pub async fn names_remaining_pods(lab: Lab) {
    let labels = json!({"feast.dev/name": "x", "app.kubernetes.io/managed-by": "feast"});
    let pod = json!({"metadata": {"name": "held", "labels": labels, "finalizers": ["test.feast.dev/held"]},
        "spec": {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"none": "such"}}});
    lab.create::<Pod>(&pod).await;
    let (policy, store, cancel) = (
        PvcPolicy::default(),
        lab.store("x"),
        CancellationToken::new(),
    );
    let known = std::collections::BTreeSet::new();
    let delete = async || {
        let timeout = Duration::from_secs(3);
        let deleted = (lab.cluster).delete(&store, &known, &policy, timeout, &cancel);
        let errors = deleted.await.expect("begun").errors;
        let [error] = &errors[..] else {
            panic!("{errors:?}");
        };
        error.reason.to_string()
    };
    let mut text = String::new();
    // On a busy machine, the time may be over before the pods were read.
    eventually("the pods are read", async || {
        text = delete().await;
        text != "the pods could not be read after 3 s"
    })
    .await;
    assert_eq!(
        text,
        "these pods still exist: held (finalizers: test.feast.dev/held) after 3 s"
    );
    let pods: Api<Pod> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    pods.patch("held", &PatchParams::default(), &free)
        .await
        .expect("patched");
}
