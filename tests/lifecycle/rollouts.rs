//! Rollouts that fail, on nodes that simulate the failure: each error reports the cause, the place and the solution,
//! immediately or at the timeout. All tests except the last ones run without Terraform.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, PostParams};
use serde_json::{Value as Json, json};
use terraform_provider_feast::cluster::rollout::{Rollout, Wait};
use terraform_provider_feast::cluster::{CancellationToken, Error};
use terraform_provider_feast::feast::secrets::redaction::Redaction;
use terraform_provider_feast::kubernetes::Kind;

use crate::lifecycle::cluster::Lab;
use crate::lifecycle::cluster::lab::{Scaling, TIMEOUT, Wanted, deployment_key, object, wanted};
use crate::lifecycle::store::{DATABASES, PASSWORD, StoreUnderTest};
use crate::lifecycle::waiting::limit;

/// Returns one replica whose pod `edit` changes; the annotation selects the simulated failure.
pub fn one_replica(fail: &str, edit: impl FnOnce(&mut Json)) -> Wanted {
    let mut wanted = wanted("x", Scaling::Static(1));
    let deployment = wanted.get_mut(&deployment_key("x")).expect("wanted");
    if !fail.is_empty() {
        let annotations = json!({"testbed.feast.dev/fail": fail});
        deployment["spec"]["template"]["metadata"]["annotations"] = annotations;
    }
    edit(&mut deployment["spec"]);
    wanted
}

const ROLLOUT: Rollout<'_> = Rollout {
    deployment: "feast-x",
    pods: "x",
    minimum: None,
};

/// Applies the objects, and waits for the rollout.
pub async fn roll_out(lab: &Lab, wanted: &Wanted, seconds: u64, grace: u64) -> Result<Json, Error> {
    let outcome = lab.try_apply("x", wanted, true).await.expect("begun");
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    let secrets = Redaction::default();
    let wait = Wait {
        grace: Duration::from_secs(grace),
        ..Wait::new(Duration::from_secs(seconds), &secrets)
    };
    let cancel = CancellationToken::new();
    let store = lab.store("x");
    let rollout = lab
        .cluster
        .wait_for_rollout(&store, &ROLLOUT, &wait, &cancel);
    rollout.await
}

/// Replaces the random suffixes of the names of pods and ReplicaSets.
fn without_random_names(text: &str) -> String {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let mut plain = String::new();
    for part in text.split_inclusive(|letter| !is_name(letter)) {
        let name = part.trim_end_matches(|letter| !is_name(letter));
        let random = name
            .strip_prefix("feast-x-")
            .is_some_and(|rest| rest.contains(char::is_numeric));
        plain.push_str(if random { "POD" } else { name });
        plain.push_str(&part[name.len()..]);
    }
    plain
}

/// Returns the text of the error without the parts that depend on timing: whether the Deployment's controller has
/// counted the pod yet, and whether the scheduler has tried preemption.
pub fn error_text(lab: &Lab, error: &Error) -> String {
    without_random_names(&error.reason.to_string())
        .replace(&format!("-n {}", lab.namespace), "-n NS")
        .replace("replicas are updated", "replicas are available")
        .replace(
            " preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            "",
        )
        .replace(
            "PersistentVolumeClaims. not found",
            "PersistentVolumeClaims.",
        )
}

/// Rolls out the store, and compares the complete error. The kubelet writes an event after the corresponding status,
/// and a busy machine delays pods. If the wait ends before everything is recorded, the check is repeated.
pub async fn expect_error(lab: &Lab, wanted: &Wanted, seconds: u64, grace: u64, expected: &str) {
    let again_until = Instant::now() + Duration::from_secs(180);
    loop {
        let error = roll_out(lab, wanted, seconds, grace).await;
        let messages = error_text(lab, &error.expect_err("a failure"));
        if messages == expected || Instant::now() > again_until {
            assert_eq!(messages, expected);
            return;
        }
    }
}

/// Checks a rollout that fails before the timeout.
pub async fn expect_failure(lab: &Lab, wanted: &Wanted, expected: &str) {
    expect_error(lab, wanted, 60, 1, expected).await;
}

/// Checks a rollout that fails at the timeout.
pub async fn expect_timeout(lab: &Lab, wanted: &Wanted, expected: &str) {
    expect_error(lab, wanted, 6, 1, expected).await;
}

pub async fn image_pull_failure(lab: Lab) {
    expect_failure(
        &lab,
        &one_replica("ImagePullBackOff", |_| {}),
        "the rollout failed: 0 of 1 replicas are available\n\n\
         Pod POD, container online: ImagePullBackOff: Back-off pulling image \"feast:1\"\n  \
         Event: Failed: Failed to pull image: not found\n  \
         Advice: check the image's name and tag, and whether the nodes can reach its registry and have permission to pull it (`image_pull_secrets`). `kubectl describe pod POD -n NS` shows its details.",
    )
    .await;
}

/// An unrecoverable problem needs no grace period: with one, this test would end at the timeout.
pub async fn invalid_image_name(lab: Lab) {
    expect_error(
        &lab,
        &one_replica("InvalidImageName", |_| {}),
        60,
        3600,
        "the rollout failed: 0 of 1 replicas are available\n\n\
         Pod POD, container online: InvalidImageName: Failed to apply default image tag \"::\"\n  \
         Event: InspectFailed: Failed to apply default image tag \"::\": couldn't parse image name \"::\": invalid reference format\n  \
         Advice: correct the image's name in the configuration.",
    )
    .await;
}

/// The environment has a value of a user's Secret, and the log contains this value.
pub async fn crashing_server(lab: Lab) {
    let secrets: Api<Secret> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let secret = json!({"metadata": {"name": "credentials"}, "stringData": {"password": PASSWORD}});
    let secret: Secret = serde_json::from_value(secret).expect("valid");
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .expect("created");
    let wanted = one_replica("CrashLoopBackOff", |spec| {
        spec["template"]["spec"]["containers"][0]["env"] = json!([{"name": "PASSWORD",
            "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "password"}}}]);
    });
    expect_failure(
        &lab,
        &wanted,
        "the rollout failed: 0 of 1 replicas are available\n\n\
         Pod POD, container online: CrashLoopBackOff, exit code 1, 4 restarts: back-off 1m20s restarting failed container=online\n  \
         Last lines of the log:\n    \
         | Traceback (most recent call last):\n    \
         | OperationalError: user feast, password [redacted]: refused\n  \
         Advice: fix the problem reported in the container log. `kubectl logs POD -c online --previous -n NS` shows the whole log.",
    )
    .await;
}

pub async fn crashing_init_container(lab: Lab) {
    let wanted = one_replica("InitCrashLoopBackOff", |spec| {
        spec["template"]["spec"]["initContainers"] =
            json!([{"name": "feast-apply", "image": "feast:1"}]);
    });
    expect_failure(
        &lab,
        &wanted,
        "the rollout failed: 0 of 1 replicas are available\n\n\
         Pod POD, init container feast-apply: CrashLoopBackOff, exit code 1, 4 restarts: back-off 1m20s restarting failed container=feast-apply\n  \
         Last lines of the log:\n    \
         | Traceback (most recent call last):\n    \
         | OperationalError: user feast, password correct-horse-battery-staple: refused\n  \
         Advice: fix the problem reported in the container log: the feature repository, its definitions, or the connections of the stores. `kubectl logs POD -c feast-apply --previous -n NS` shows the whole log.",
    )
    .await;
}

pub async fn missing_secret(lab: Lab) {
    expect_failure(
        &lab,
        &one_replica("CreateContainerConfigError", |_| {}),
        "the rollout failed: 0 of 1 replicas are available\n\n\
         Pod POD, container online: CreateContainerConfigError: secret \"credentials\" not found\n  \
         Event: Failed: Error: secret \"credentials\" not found\n  \
         Advice: create the missing Secret, ConfigMap or key in this namespace, or correct its name. `kubectl describe pod POD -n NS` shows its details.",
    )
    .await;
}

pub async fn out_of_memory(lab: Lab) {
    expect_failure(
        &lab,
        &one_replica("OOMKilled", |_| {}),
        "the rollout failed: 0 of 1 replicas are available\n\n\
         Pod POD, container online: OOMKilled, exit code 137, 4 restarts: back-off 1m20s restarting failed container\n  \
         Last lines of the log:\n    \
         | Traceback (most recent call last):\n    \
         | OperationalError: user feast, password correct-horse-battery-staple: refused\n  \
         Advice: raise `resources.limits.memory` of this container, or reduce its load. `kubectl describe pod POD -n NS` shows its details.",
    )
    .await;
}

pub async fn failing_liveness_probe(lab: Lab) {
    expect_failure(
        &lab,
        &one_replica("liveness", |_| {}),
        "the rollout failed: 0 of 1 replicas are available\n\n\
         Pod POD, container online: CrashLoopBackOff, exit code 137, 4 restarts: back-off 1m20s restarting failed container\n  \
         Event: Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 503\n  \
         Last lines of the log:\n    \
         | Traceback (most recent call last):\n    \
         | OperationalError: user feast, password correct-horse-battery-staple: refused\n  \
         Advice: fix the problem reported in the container log. `kubectl logs POD -c online --previous -n NS` shows the whole log.",
    )
    .await;
}

pub async fn failing_readiness_probe(lab: Lab) {
    expect_timeout(
        &lab,
        &one_replica("never-ready", |_| {}),
        "0 of 1 replicas are available after 6 s\n\n\
         Pod POD, container online: not ready\n  \
         Event: Unhealthy: Readiness probe failed: connection refused\n  \
         Last lines of the log:\n    \
         | waiting for the registry\n  \
         Advice: the server runs and its probe does not succeed: check its log, and check that the stores can be reached. `kubectl logs POD -c online -n NS` shows the whole log. `kubectl describe pod POD -n NS` shows its details.",
    )
    .await;
}

/// The message is the real scheduler's. The wait continues, because a cluster autoscaler may add a node.
pub async fn unschedulable_pod(lab: Lab) {
    let wanted = one_replica("", |spec| {
        spec["template"]["spec"]["nodeSelector"] = json!({"accelerator": "none-such"});
    });
    expect_timeout(
        &lab,
        &wanted,
        "0 of 1 replicas are available after 6 s\n\n\
         Pod POD: Unschedulable: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.\n  \
         Advice: no node can run the pod: add nodes, or change its `resources`, `node_selector`, `tolerations` or `affinity`. A cluster autoscaler may still add one. `kubectl describe pod POD -n NS` shows its details.",
    )
    .await;
}

/// The wait of another object has used up the time.
pub async fn expired_wait_reports_the_current_state(lab: Lab) {
    let nowhere = one_replica("", |spec| {
        spec["template"]["spec"]["nodeSelector"] = json!({"accelerator": "none-such"});
    });
    lab.try_apply("x", &nowhere, true).await.expect("begun");
    let (store, cancel) = (lab.store("x"), CancellationToken::new());
    let is_refused = |pod: &Pod| {
        let status = pod.status.as_ref();
        let mut conditions = status
            .into_iter()
            .flat_map(|it| it.conditions.iter().flatten());
        conditions.any(|it| it.reason.as_deref() == Some("Unschedulable"))
    };
    let rejected = async {
        loop {
            let pods = lab
                .cluster
                .pods(&store.namespace, &["x".to_owned()], &cancel)
                .await;
            if pods.expect("readable").iter().any(is_refused) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, rejected)
        .await
        .expect("rejected by the scheduler");
    let error = roll_out(&lab, &nowhere, 0, 1).await.expect_err("no time");
    assert_eq!(
        error_text(&lab, &error),
        "0 of 1 replicas are available after 0 s\n\n\
         Pod POD: Unschedulable: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.\n  \
         Advice: no node can run the pod: add nodes, or change its `resources`, `node_selector`, `tolerations` or `affinity`. A cluster autoscaler may still add one. `kubectl describe pod POD -n NS` shows its details."
    );

    // A rollout that is already complete does not fail.
    let fine = one_replica("", |_| {});
    lab.apply("x", &fine).await;
    let live = roll_out(&lab, &fine, 0, 1).await.expect("complete");
    assert_eq!(live["status"]["readyReplicas"], 1);
}

/// The message is that of the real volume controller.
pub async fn pvc_without_volume(lab: Lab) {
    let mut wanted = one_replica("", |spec| {
        spec["template"]["spec"]["volumes"] = json!([{"name": "feast-data", "persistentVolumeClaim": {"claimName": "feast-x-online"}}]);
    });
    let (key, pvc) = object(
        Kind::PersistentVolumeClaim,
        "feast-x-online",
        "x",
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none-such",
            "resources": {"requests": {"storage": "1Gi"}}}}),
    );
    wanted.insert(key, pvc);
    expect_timeout(
        &lab,
        &wanted,
        "0 of 1 replicas are available after 6 s\n\n\
         Pod POD: Unschedulable: 0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.; \
         PersistentVolumeClaim feast-x-online, storage class none-such, ProvisioningFailed: storageclass.storage.k8s.io \"none-such\" not found\n  \
         Advice: no volume is bound: check the storage class and its provisioner, and the size and access modes of the PersistentVolumeClaim. `kubectl describe pod POD -n NS` shows its details.",
    )
    .await;
}

/// Creates an object in the namespace.
pub async fn create(lab: &Lab, manifest: Json) {
    let kind = kube::core::ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: manifest["kind"].as_str().expect("a kind").to_owned(),
        plural: format!(
            "{}s",
            manifest["kind"].as_str().expect("a kind").to_lowercase()
        ),
    };
    let api: Api<kube::api::DynamicObject> =
        Api::namespaced_with(lab.client.clone(), &lab.namespace, &kind);
    let object = serde_json::from_value(manifest).expect("an object");
    api.create(&PostParams::default(), &object)
        .await
        .expect("created");
}

pub async fn exhausted_quota(lab: Lab) {
    limit(&lab, "none", json!({"pods": "0"})).await;
    expect_failure(
        &lab,
        &one_replica("", |_| {}),
        "the rollout failed: 0 of 1 replicas are available\n\n\
         A pod is rejected: FailedCreate: pods \"POD\" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0\n  \
         Advice: raise the quota, reduce what others use of it, or request less: fewer replicas, or lower `resources`.",
    )
    .await;
}

pub async fn denied_admission(lab: Lab) {
    create(
        &lab,
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
            "spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}, "default": {"memory": "1Mi"}}]}}),
    )
    .await;
    expect_failure(
        &lab,
        &one_replica("", |spec| {
            spec["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "2Mi"}});
        }),
        "the rollout failed: 0 of 1 replicas are available\n\n\
         A pod is rejected: FailedCreate: pods \"POD\" is forbidden: maximum memory usage per Container is 1Mi, but limit is 2Mi\n  \
         Advice: set `resources` within the bounds of the namespace's LimitRange, or change the LimitRange.",
    )
    .await;
}

pub async fn exceeded_progress_deadline(lab: Lab) {
    expect_failure(
        &lab,
        &one_replica("never-ready", |spec| spec["progressDeadlineSeconds"] = json!(2)),
        "the rollout failed: ProgressDeadlineExceeded: ReplicaSet \"POD\" has timed out progressing.\n\n\
         Pod POD, container online: not ready\n  \
         Event: Unhealthy: Readiness probe failed: connection refused\n  \
         Last lines of the log:\n    \
         | waiting for the registry\n  \
         Advice: the server runs and its probe does not succeed: check its log, and check that the stores can be reached. `kubectl logs POD -c online -n NS` shows the whole log. `kubectl describe pod POD -n NS` shows its details.",
    )
    .await;
}

/// The registry fails once and then recovers.
pub async fn ignores_a_single_failed_pull(lab: Lab) {
    let live = roll_out(&lab, &one_replica("ErrImagePullOnce", |_| {}), 180, 120).await;
    assert_eq!(live.expect("rolled out")["status"]["readyReplicas"], 1);
}

/// A second change fixes a failed rollout.
pub async fn ignores_issues_of_old_pods(lab: Lab) {
    let three = |fail: &str| {
        one_replica(fail, |spec| {
            spec["replicas"] = json!(3);
            spec["strategy"] = json!({"type": "RollingUpdate"});
        })
    };
    let error = roll_out(&lab, &three("ImagePullBackOff"), 60, 1).await;
    assert!(
        error
            .expect_err("a failure")
            .reason
            .to_string()
            .contains(" and 2 others, container online: "),
        "three pods, one entry"
    );
    let mut fixed = three("");
    let deployment = fixed.get_mut(&deployment_key("x")).expect("wanted");
    let annotations = json!({"testbed.feast.dev/ready-after": "1s"});
    deployment["spec"]["template"]["metadata"]["annotations"] = annotations;
    let live = roll_out(&lab, &fixed, 180, 0).await;
    assert_eq!(live.expect("rolled out")["status"]["readyReplicas"], 3);
}

/// The old pod crashes until the strategy `Recreate` ends it, after the wait has begun.
pub async fn a_change_repairs_a_crashing_server(lab: Lab) {
    let recreated = |fail: &str| {
        one_replica(fail, |spec| {
            spec["strategy"] = json!({"type": "Recreate"});
        })
    };
    let error = roll_out(&lab, &recreated("CrashLoopBackOff"), 60, 1).await;
    error.expect_err("a failure");
    let live = roll_out(&lab, &recreated(""), 180, 120).await;
    assert_eq!(live.expect("rolled out")["status"]["readyReplicas"], 1);
}

/// The same through Terraform, with the provider's own grace period and the next plan.
pub fn apply_fails_before_its_timeout() {
    let test = StoreUnderTest::new("fails-fast");
    let services = |fail: &str| {
        format!("annotations_of_the_pods\nfeast_apply = \"init_container\"\n{DATABASES}")
            .replace("annotations_of_the_pods", fail)
    };
    let failing =
        services(r#"pod_annotations = { "testbed.feast.dev/fail" = "InitCrashLoopBackOff" }"#);
    test.configure_all(&failing, r#"timeouts = { create = "10m" }"#);
    let started = Instant::now();
    let apply = test.terraform.apply().unwrap();
    assert!(started.elapsed() < Duration::from_secs(120), "{apply}");
    assert_eq!(apply.status, Some(1), "{apply}");
    let found: BTreeMap<&str, bool> = [
        "The rollout did not finish",
        "init container feast-init: CrashLoopBackOff, exit code 1, 4 restarts",
        "OperationalError: user feast, password [redacted]: refused",
        "Advice: fix the problem reported in the container log: the feature repository",
    ]
    .map(|part| (part, apply.error_messages().contains(part)))
    .into();
    assert!(
        found.values().all(|is_found| *is_found),
        "{found:#?}\n{apply}"
    );
    assert!(!apply.to_string().contains(PASSWORD), "{apply}");
    assert_eq!(test.state()["deployment_name"], "feast-demo");
    test.plan_with_changes();

    test.configure(&services(""));
    test.apply();
    test.destroy();
}

/// The apply does not wait, and the unfinished rollout is not drift.
pub fn does_not_wait_if_disabled() {
    let test = StoreUnderTest::new("no-wait");
    let services = format!(
        "pod_annotations = {{ \"testbed.feast.dev/fail\" = \"never-ready\" }}\nfeast_apply = \"init_container\"\n{DATABASES}"
    );
    test.configure_all(&services, "wait_for_rollout = false");
    test.terraform.apply().unwrap().expect_success();
    assert_eq!(test.deployment()["status"]["availableReplicas"], Json::Null);
    test.expect_empty_plan();
    test.destroy();
}

/// At `TF_LOG=INFO`, each change of what is missing is logged.
pub fn logs_progress() {
    let mut test = StoreUnderTest::new("progress");
    test.terraform.environment("TF_LOG_PROVIDER", "INFO");
    let services = format!(
        "scaling = {{ replicas = 2 }}\npod_annotations = {{ \"testbed.feast.dev/ready-after\" = \"3s\" }}\nfeast_apply = \"init_container\"\n{DATABASES}"
    );
    test.configure_all(&services, "");
    let apply = test.terraform.apply().unwrap().expect_success();
    let line = format!(
        "waiting for Deployment/feast-demo in namespace {}: 0 of 2 replicas are available",
        test.namespace.name()
    );
    let lines: Vec<&str> = apply
        .stderr
        .lines()
        .filter(|text| text.contains(&line))
        .collect();
    assert!(!lines.is_empty(), "{apply}");
    for (number, text) in lines.iter().enumerate() {
        let entry = &text[text.find(&line).unwrap()..];
        assert!(
            !lines[number + 1..]
                .iter()
                .any(|later| later.ends_with(entry)),
            "logged twice: {entry}"
        );
    }
    test.destroy();
}
