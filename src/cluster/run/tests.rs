use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::cluster::fake_api::{self, Reply};
use crate::cluster::report::Report;
use crate::feast::secrets::redaction::Redaction;

/// The Job `other` of an apply, changed at the given JSON pointers.
fn other_job(changes: &[(&str, Json)]) -> Json {
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "other",
            "namespace": "ns",
            "labels": {NAME_LABEL: "x", SERVICE_TYPE_LABEL: APPLY_SERVICE_TYPE},
            "deletionTimestamp": null,
            "managedFields": [{"manager": "kubectl-patch", "operation": "Update",
                "fieldsV1": {"f:spec": {"f:suspend": {}}}}],
        },
        "spec": {"suspend": false, "template": {"spec": {"containers": [{"name": "feast-apply"}]}}},
        "status": {},
    });
    for (pointer, value) in changes {
        *job.pointer_mut(pointer).expect("a field of the fixture") = value.clone();
    }
    job
}

/// Waits for the other Job, which the API server lists like this in turn. Time is skipped after the first watch of
/// Jobs. Returns the reason of the error, and the reports.
async fn wait_for_other_job(lists: Vec<Json>) -> (Result<(), String>, Vec<Report>) {
    let (sender, mut receiver) = unbounded_channel();
    let mut lists = lists.into_iter();
    let mut are_pods_listed = false;
    let cluster = fake_api::cluster(move |it| {
        let items = match it.line.rsplit('/').next() {
            Some("jobs") => match lists.next() {
                Some(job) => json!([job]),
                None => {
                    sender.send(()).ok();
                    return Reply::Hang;
                }
            },
            // The list precedes the watch.
            Some("pods") if std::mem::replace(&mut are_pods_listed, true) => return Reply::Hang,
            _ => json!([]),
        };
        Reply::Answer(
            200,
            json!({"metadata": {"resourceVersion": "7"}, "items": items}),
        )
    });
    let cluster = cluster.await;
    let secrets = Redaction::default();
    let wait = Wait {
        grace: Duration::ZERO,
        ..Wait::new(Duration::from_secs(3600), &secrets)
    };
    let (reporter, mut reports) = Reporter::channel();
    let (store, cancel) = (fake_api::store("x"), CancellationToken::new());
    let own = Key::new(Kind::Job, "own");
    let waited = cluster.wait_for_apply_jobs(&store, &own, &wait, &reporter, &cancel);
    let ended = tokio::select! {
        ended = waited => ended,
        never = skip_time(&mut receiver) => match never {},
    };
    let mut all = Vec::new();
    while let Ok(report) = reports.try_recv() {
        all.push(report);
    }
    (ended.map_err(|error| error.reason.to_string()), all)
}

async fn skip_time(receiver: &mut UnboundedReceiver<()>) -> std::convert::Infallible {
    fake_api::time_passes(receiver).await;
    std::future::pending().await
}

fn waiting_for_other_job() -> Vec<Report> {
    let text = "Job/other is running `feast apply`; Job/own starts after it";
    vec![Report::Step(text.to_owned())]
}

#[tokio::test]
async fn starts_after_another_job_has_ended() {
    let ended = |kind: &str| {
        let conditions = json!({"conditions": [{"type": kind, "status": "True"}]});
        other_job(&[("/status", conditions)])
    };
    for kind in ["Complete", "Failed"] {
        let lists = vec![other_job(&[]), ended(kind), ended(kind)];
        assert_eq!(
            wait_for_other_job(lists).await,
            (Ok(()), waiting_for_other_job())
        );
    }
}

#[tokio::test]
async fn another_job_that_cannot_end_is_diagnosed() {
    let suspended = ("/spec/suspend", json!(true));
    let labels = json!({JOB_LABEL: "x", COMMAND_LABEL: "apply"});
    let text = "`feast apply` did not finish: the Job has not ended yet\n\n\
        Job other: suspended: spec.suspend is true, set by \"kubectl-patch\"\n  Advice: find out ";
    for (changes, advice) in [
        (
            vec![suspended.clone()],
            "why it was suspended, resume it with `kubectl patch job/other --type merge --patch '{\"spec\":{\"suspend\":false}}' -n ns`, then apply again. A queue such as Kueue resumes its Jobs itself.",
        ),
        (
            vec![suspended, ("/metadata/labels", labels)],
            "what has suspended the Job, then invoke the action again, which creates another one. A queue such as Kueue resumes its Jobs itself.",
        ),
    ] {
        let job = other_job(&changes);
        assert_eq!(
            wait_for_other_job(vec![job.clone(), job]).await,
            (Err(format!("{text}{advice}")), waiting_for_other_job())
        );
    }
}

#[tokio::test]
async fn waits_until_another_job_is_deleted() {
    let deleted = ("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    let text = "the Job that runs `feast apply` is being deleted after 3600 s";
    assert_eq!(
        wait_for_other_job(vec![other_job(&[deleted])]).await,
        (Err(text.to_owned()), waiting_for_other_job())
    );
}

#[test]
fn the_role_of_another_job_follows_from_its_labels_and_its_command() {
    let of = |labels: Json, command: Json| {
        let containers = json!([{"name": "c", "command": command}]);
        role_of(&other_job(&[
            ("/metadata/labels", labels),
            ("/spec/template/spec/containers", containers),
        ]))
    };
    let request = || json!({JOB_LABEL: "x", COMMAND_LABEL: "apply"});
    let on_request = |in_server| JobRole::OnRequest {
        command: "feast apply",
        in_server,
    };
    let feast = json!(["feast", "apply"]);
    assert_eq!(of(json!({}), feast.clone()), JobRole::BeforeRollout);
    assert_eq!(of(request(), feast), on_request(false));
    assert_eq!(of(request(), json!(["kubectl", "exec"])), on_request(true));
}

#[test]
fn waits_only_for_feast_apply_of_the_same_store() {
    let store = StoreName {
        namespace: "ns".to_owned(),
        name: "x".to_owned(),
    };
    let job = |labels: Json, status: Json| {
        runs_apply(
            &store,
            &json!({"metadata": {"labels": labels}, "status": status}),
        )
    };
    let rollout = json!({NAME_LABEL: "x", SERVICE_TYPE_LABEL: APPLY_SERVICE_TYPE});
    let request = json!({JOB_LABEL: "x", COMMAND_LABEL: "apply"});
    let complete = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    let failed = json!({"conditions": [{"type": "Failed", "status": "True"}]});
    for labels in [&rollout, &request] {
        assert!(job(labels.clone(), json!({"active": 1})));
        assert!(!job(labels.clone(), complete.clone()));
        assert!(!job(labels.clone(), failed.clone()));
    }
    for labels in [
        json!({NAME_LABEL: "y", SERVICE_TYPE_LABEL: APPLY_SERVICE_TYPE}),
        json!({NAME_LABEL: "x", SERVICE_TYPE_LABEL: "cronjob"}),
        json!({JOB_LABEL: "x", COMMAND_LABEL: "materialize"}),
        json!({}),
    ] {
        assert!(!job(labels.clone(), json!({})), "{labels}");
    }
}
