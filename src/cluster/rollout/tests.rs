use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::cluster::fake_api::{self, Reply};
use crate::cluster::{CancellationToken, Cluster, Error};
use crate::feast::secrets::redaction::Redaction;

/// A finished rollout of 3, changed at the given JSON pointers.
fn deployment(changes: &[(&str, Json)]) -> Deployment {
    let mut json = json!({
        "metadata": {"generation": 2, "deletionTimestamp": null},
        "spec": {"replicas": 3, "paused": false, "selector": {}, "template": {}},
        "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3,
            "conditions": []},
    });
    for (pointer, value) in changes {
        *json.pointer_mut(pointer).expect("a field of the fixture") = value.clone();
    }
    serde_json::from_value(json).expect("a Deployment")
}

fn waiting(text: &str) -> Progress {
    Progress::Waiting(text.into())
}

#[test]
fn a_finished_rollout_is_done() {
    assert_eq!(progress(&deployment(&[]), None), Progress::Done);
    assert_eq!(progress(&deployment(&[]), Some(2)), Progress::Done);
}

#[test]
fn an_outdated_status_is_ignored() {
    assert_eq!(
        progress(&deployment(&[("/metadata/generation", json!(3))]), None),
        waiting("the Deployment controller has not observed the change yet")
    );
    assert_eq!(
        progress(&deployment(&[("/status", Json::Null)]), None),
        waiting("the Deployment controller has not observed the change yet")
    );
}

#[test]
fn each_step_of_a_rollout_names_what_is_missing() {
    let at = |pointer: &str, count: i32| progress(&deployment(&[(pointer, json!(count))]), None);
    assert_eq!(
        at("/status/updatedReplicas", 1),
        waiting("1 of 3 replicas are updated")
    );
    assert_eq!(
        at("/status/replicas", 4),
        waiting("1 old replica still exists")
    );
    assert_eq!(
        at("/status/replicas", 5),
        waiting("2 old replicas still exist")
    );
    assert_eq!(
        at("/status/availableReplicas", 2),
        waiting("2 of 3 replicas are available")
    );
    assert_eq!(
        at("/spec/replicas", 2),
        waiting("1 surplus replica still exists")
    );
    assert_eq!(
        at("/spec/replicas", 5),
        waiting("3 of 5 replicas are updated")
    );
}

#[test]
fn zero_replicas_are_done_when_all_pods_are_gone() {
    let zero = [
        ("/spec/replicas", json!(0)),
        ("/status/updatedReplicas", json!(0)),
        ("/status/availableReplicas", json!(0)),
    ];
    assert_eq!(
        progress(&deployment(&zero), None),
        waiting("3 old replicas still exist")
    );
    let gone = [zero.as_slice(), &[("/status/replicas", json!(0))]].concat();
    assert_eq!(progress(&deployment(&gone), Some(2)), Progress::Done);
}

#[test]
fn waits_for_the_minimum_of_an_autoscaler() {
    assert_eq!(
        progress(&deployment(&[]), Some(4)),
        waiting("the autoscaler has not yet raised 3 replicas to its minimum of 4")
    );
}

#[test]
fn failed_and_deleted_deployments_are_reported() {
    let condition = |kind: &str, status: &str, reason: &str| json!([{"type": kind, "status": status, "reason": reason, "message": "m"}]);
    let late = condition("Progressing", "False", "ProgressDeadlineExceeded");
    let unready = ("/status/availableReplicas", json!(2));
    let late = deployment(&[("/status/conditions", late), unready]);
    assert_eq!(
        progress(&late, None),
        waiting("2 of 3 replicas are available")
    );
    assert_eq!(
        exceeded_deadline(&late),
        Some((
            Duration::from_secs(600),
            "ProgressDeadlineExceeded: m".into()
        ))
    );
    let created = condition("Progressing", "True", "NewReplicaSetCreated");
    let created = deployment(&[("/status/conditions", created)]);
    assert_eq!(exceeded_deadline(&created), None);
    let quota = condition("ReplicaFailure", "True", "FailedCreate");
    assert_eq!(
        progress(
            &deployment(&[
                ("/status/conditions", quota),
                ("/status/updatedReplicas", json!(0)),
                ("/spec/paused", json!(true)),
            ]),
            None
        ),
        waiting("0 of 3 replicas are updated; the Deployment is paused")
    );
    assert_eq!(
        progress(
            &deployment(&[("/metadata/deletionTimestamp", json!("2026-08-21T10:00:00Z"))]),
            None
        ),
        Progress::Failed("the Deployment is being deleted".into())
    );
}

#[test]
fn scaling_status_has_current_and_desired_replicas() {
    assert_eq!(
        scaling_status(&deployment(&[("/spec/replicas", json!(5))])),
        (3, 5)
    );
    assert_eq!(
        scaling_status(&deployment(&[("/status", Json::Null)])),
        (0, 3)
    );
}

fn unavailable() -> Reply {
    let status = json!({"kind": "Status", "status": "Failure", "code": 503,
        "reason": "ServiceUnavailable", "message": "starting"});
    Reply::Answer(503, status)
}

/// Waits for a rollout that does not finish, and returns the reason of the timeout. Time is skipped when the API server
/// has sent to `receiver`.
async fn timeout_of_rollout(
    cluster: &Cluster,
    seconds: u64,
    receiver: &mut UnboundedReceiver<()>,
) -> String {
    let rollout = Rollout {
        deployment: "feast-x",
        pods: "x",
        minimum: None,
    };
    let secrets = Redaction::default();
    let wait = Wait::new(std::time::Duration::from_secs(seconds), &secrets);
    let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
    let waited = cluster.wait_for_rollout(&store, &rollout, &wait, &cancel);
    let (ended, ()) = tokio::join!(waited, fake_api::time_passes(receiver));
    ended.expect_err("a timeout").reason.to_string()
}

/// The first list fails, and the second one gets no answer.
#[tokio::test]
async fn a_timeout_names_the_failure_before_a_list_without_an_answer() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut lists = 0;
    let cluster = fake_api::cluster(move |it| {
        if it.line != "GET /apis/apps/v1/namespaces/ns/deployments" {
            return Reply::Hang;
        }
        lists += 1;
        if lists > 1 {
            sender.send(()).expect("a receiver");
            return Reply::Hang;
        }
        unavailable()
    });
    assert_eq!(
        timeout_of_rollout(&cluster.await, 60, &mut receiver).await,
        "the Deployment could not be read yet (last observation; the API server does not answer the watch: 503 \
         ServiceUnavailable: starting) after 60 s"
    );
}

/// The Deployment as the API server lists it.
fn listed(updated: i32) -> Reply {
    let mut deployment =
        serde_json::to_value(deployment(&[("/status/updatedReplicas", json!(updated))]))
            .expect("JSON");
    deployment["metadata"]["name"] = json!("feast-x");
    let list = json!({"metadata": {"resourceVersion": "7"}, "items": [deployment]});
    Reply::Answer(200, list)
}

/// The watch fails once, and is resumed without an event before the timeout.
#[tokio::test]
async fn a_timeout_does_not_name_an_interruption_that_is_over() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut requests = 0;
    let cluster = fake_api::cluster(move |it| {
        if it.line != "GET /apis/apps/v1/namespaces/ns/deployments" {
            return Reply::Hang;
        }
        requests += 1;
        match requests {
            1 => listed(1),
            2 => unavailable(),
            3 => {
                sender.send(()).expect("a receiver");
                Reply::Hang
            }
            _ => listed(2),
        }
    });
    assert_eq!(
        timeout_of_rollout(&cluster.await, 3600, &mut receiver).await,
        "2 of 3 replicas are updated after 3600 s"
    );
}

/// The Deployment is listed once; then the API server answers 503 to every request.
#[tokio::test]
async fn a_timeout_names_an_interrupted_watch() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut requests = 0;
    let cluster = fake_api::cluster(move |it| {
        if it.line != "GET /apis/apps/v1/namespaces/ns/deployments" {
            return Reply::Hang;
        }
        requests += 1;
        if requests == 1 {
            return listed(1);
        }
        if requests == 3 {
            // The provider has noticed the second failure.
            sender.send(()).expect("a receiver");
        }
        unavailable()
    });
    assert_eq!(
        timeout_of_rollout(&cluster.await, 3600, &mut receiver).await,
        "1 of 3 replicas are updated (last observation; the API server does not answer the watch: \
         503 ServiceUnavailable: starting) after 3600 s"
    );
}

/// Waits for the Job `j` with a grace period of zero, and returns the error. Its pods are listed like this, and the API
/// server answers a list of events with `events`.
async fn job_fails(
    role: JobRole,
    timeout: Duration,
    status: Json,
    pods: Json,
    events: (u16, Json),
) -> Error {
    let jobs = json!([{
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "ns"},
        "spec": {"template": {"spec": {"containers": [{"name": "feast-materialize"}]}}},
        "status": status,
    }]);
    let mut listed = BTreeSet::new();
    let cluster = fake_api::cluster(move |it| {
        let items = match it.line.rsplit('/').next() {
            Some("jobs") => &jobs,
            Some("pods") => &pods,
            _ => return Reply::Answer(events.0, events.1.clone()),
        };
        // The list precedes the watch.
        match listed.insert(it.line.clone()) {
            true => {
                let list = json!({"metadata": {"resourceVersion": "7"}, "items": items});
                Reply::Answer(200, list)
            }
            false => Reply::Hang,
        }
    });
    let secrets = Redaction::default();
    let wait = Wait {
        grace: Duration::ZERO,
        ..Wait::new(timeout, &secrets)
    };
    let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
    let cluster = cluster.await;
    let waited = cluster.wait_for_job(&store, "j", role, &wait, &cancel);
    waited.await.expect_err("a failure")
}

#[tokio::test]
async fn a_sidecar_behind_a_command_that_has_succeeded_is_advised_on_by_its_pod() {
    let container = |name: &str, state: Json| json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state});
    let pods = json!([{
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns"},
        "status": {"phase": "Running", "containerStatuses": [
            container("feast-materialize", json!({"terminated": {"exitCode": 0}})),
            container("istio-proxy", json!({"running": {}})),
        ]},
    }]);
    let role = JobRole::OnRequest {
        command: "feast materialize",
        in_server: true,
    };
    let events = (200, json!({"items": []}));
    let timeout = Duration::from_secs(60);
    let error = job_fails(role, timeout, json!({"active": 1}), pods, events).await;
    let text = error.reason.to_string();
    for part in [
        "`feast materialize` did not finish: the Job has not ended yet\n\nPod p, container istio-proxy: still running: ",
        "Advice: the command has succeeded and does not have to run again. ",
        "`cron_job.job_spec.pod_template_annotations`",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[tokio::test]
async fn a_timeout_without_a_pod_names_the_permission_that_would_explain_it() {
    let events = |code| {
        let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": "Forbidden",
            "message": "events is forbidden: User \"u\" cannot list resource \"events\""});
        match code {
            200 => (code, json!({"items": []})),
            _ => (code, status),
        }
    };
    let role = JobRole::BeforeRollout;
    for (code, expected) in [
        (
            403,
            "\n\nJob j: it has no pod: its events, which have the reason, cannot be listed\n  Advice: grant this user the verb list on events",
        ),
        (200, ""),
    ] {
        let error = job_fails(role, Duration::ZERO, json!({}), json!([]), events(code)).await;
        let text = error.reason.to_string();
        let rest = text.strip_prefix("the Job has not ended yet after 0 s");
        let rest = rest.unwrap_or_else(|| panic!("{text}"));
        assert!(rest.starts_with(expected), "{text}");
        assert_eq!(rest.is_empty(), expected.is_empty(), "{text}");
    }
}
