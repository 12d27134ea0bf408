//! Workloads whose controllers create no pods: paused, suspended, or rejected by admission.

use super::*;

fn halted_deployment(replicas: i32, updated: i32) -> (Deployment, Json) {
    let mut halted = deployment(json!([]));
    halted.spec.paused = Some(true);
    let status = halted.status.as_mut().expect("a status");
    (status.replicas, status.updated_replicas) = (Some(replicas), Some(updated));
    let live = json!({"metadata": {"name": "d", "namespace": "ns", "managedFields": [
        {"manager": "kubectl-rollout", "operation": "Update", "time": "2026-01-01T00:00:00Z",
            "fieldsV1": {"f:spec": {"f:paused": {}}}},
        {"manager": "other", "operation": "Update", "time": "2026-01-02T00:00:00Z",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
        "spec": {"paused": true}});
    (halted, live)
}

#[test]
fn a_paused_deployment_names_its_author_and_is_unrecoverable_with_old_pods() {
    let text = "Deployment d: paused: spec.paused is true, set by \"kubectl-rollout\" at 2026-01-01T00:00:00Z";
    let paused = |recoverability| vec![(recoverability, text.to_owned())];
    for (wanted, replicas, updated, expected) in [
        (3, 3, 1, paused(Recoverability::Never)),
        (3, 3, 0, paused(Recoverability::Never)),
        // It can still be scaled.
        (3, 1, 1, paused(Recoverability::MaybeSoon)),
        (1, 0, 0, paused(Recoverability::MaybeSoon)),
        // All pods are updated, and have to become ready.
        (1, 1, 1, Vec::new()),
        (0, 0, 0, Vec::new()),
    ] {
        let (mut deployment, live) = halted_deployment(replicas, updated);
        deployment.spec.replicas = Some(wanted);
        let observation = Observation {
            deployment: Some(&deployment),
            live: Some(&live),
            ..Observation::default()
        };
        assert_eq!(
            issues(&observation),
            expected,
            "{wanted}, {replicas}, {updated}"
        );
    }
}

#[test]
fn a_suspended_job_is_recoverable_if_a_queue_has_suspended_it() {
    let suspended = |manager: Option<&str>, labels: Json| {
        let fields: Vec<Json> = (manager.iter())
            .map(|manager| {
                json!({"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {"f:suspend": {}}}})
            })
            .collect();
        let live = json!({"metadata": {"name": "j", "labels": labels, "managedFields": fields}, "spec": {"suspend": true}});
        let observation = Observation {
            job: Some("j"),
            live: Some(&live),
            field_manager: "ours",
            ..Observation::default()
        };
        issues(&observation)
    };
    let text = "Job j: suspended: spec.suspend is true";
    assert_eq!(
        suspended(Some("kubectl-patch"), json!({})),
        [(
            Recoverability::Never,
            format!("{text}, set by \"kubectl-patch\"")
        )]
    );
    assert_eq!(
        suspended(Some("ours"), json!({})),
        [(
            Recoverability::Eventually,
            format!("{text}, set by \"ours\"")
        )]
    );
    assert_eq!(
        suspended(None, json!({})),
        [(Recoverability::Eventually, text.to_owned())]
    );
    let queued = json!({"kueue.x-k8s.io/queue-name": "q"});
    assert_eq!(
        suspended(Some("kueue"), queued),
        [(
            Recoverability::Eventually,
            format!("{text}, set by \"kueue\"")
        )]
    );
}

#[test]
fn a_rejected_replica_set_is_reported_before_the_specification_is_observed() {
    let mut refused: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "d", "generation": 2},
        "spec": {"selector": {}, "template": {}},
        "status": {"observedGeneration": 1, "conditions": [{"type": "Progressing", "status": "False",
            "reason": "ReplicaSetCreateError", "message": "exceeded quota: q"}]},
    }))
    .expect("a Deployment");
    for observed in [1, 2] {
        refused
            .status
            .as_mut()
            .expect("a status")
            .observed_generation = Some(observed);
        let observation = Observation {
            deployment: Some(&refused),
            ..Observation::default()
        };
        let text = "ReplicaSet of Deployment d: ReplicaSetCreateError: exceeded quota: q";
        assert_eq!(
            issues(&observation),
            [(Recoverability::MaybeSoon, text.to_owned())]
        );
    }
}

#[test]
fn replicas_beyond_a_quota_are_reported() {
    let refused = deployment(
        json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "exceeded quota: q"}]),
    );
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let pods = [pod("a", "new", ready)];
    let observation = Observation {
        deployment: Some(&refused),
        pods: &pods,
        ..Observation::default()
    };
    let text = "a pod is rejected: FailedCreate: exceeded quota: q";
    assert_eq!(
        issues(&observation),
        [(Recoverability::MaybeSoon, text.to_owned())]
    );
}

#[test]
fn rejected_pods_are_reported_for_the_current_job_after_its_last_pod() {
    let live = json!({"metadata": {"name": "j", "uid": "now"}});
    let refused = |uid: &str, second: u32| {
        let mut event = event(
            "Job",
            "j",
            json!({"reason": "FailedCreate", "message": "Error creating: exceeded quota: q",
                "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z")}),
        );
        event.involved_object.uid = Some(uid.to_owned());
        event
    };
    let mut failed = pod("p", "j", json!({"status": {"phase": "Failed"}}));
    failed.metadata.creation_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:10Z")).expect("a time"));
    let of = |events: &[Event], pods: &[Pod]| -> Vec<String> {
        let observation = Observation {
            job: Some("j"),
            live: Some(&live),
            events,
            pods,
            ..Observation::default()
        };
        let denied = diagnose(&observation)
            .into_iter()
            .filter(|it| it.cause == Cause::Denied);
        denied.map(|it| it.to_string()).collect()
    };
    let text = "a pod is rejected: FailedCreate: exceeded quota: q";
    assert_eq!(of(&[refused("now", 1)], &[]), [text]);
    assert_eq!(of(&[refused("before", 1)], &[]), [""; 0]);
    let pods = [failed];
    assert_eq!(of(&[refused("now", 5)], &pods), [""; 0]);
    assert_eq!(of(&[refused("now", 11)], &pods), [text]);
    let mut running = pods.clone();
    running[0].status.as_mut().expect("a status").phase = Some("Running".to_owned());
    assert_eq!(of(&[refused("now", 11)], &running), [""; 0]);
}

#[test]
fn a_job_without_a_pod_is_reported_if_its_events_are_forbidden() {
    let of = |events_forbidden, status: Json, pods: &[Pod]| {
        let live =
            json!({"metadata": {"name": "j", "namespace": "ns"}, "spec": {}, "status": status});
        issues(&Observation {
            job: Some("j"),
            live: Some(&live),
            events_forbidden,
            pods,
            ..Observation::default()
        })
    };
    let text = "Job j: it has no pod: its events, which have the reason, cannot be listed";
    assert_eq!(
        of(true, json!({}), &[]),
        [(Recoverability::Eventually, text.to_owned())]
    );
    assert_eq!(of(false, json!({}), &[]), []);
    // The account may be forbidden to list pods, too.
    assert_eq!(of(true, json!({"active": 1}), &[]), []);
    let done = pod("p", "j", json!({"status": {"phase": "Succeeded"}}));
    assert_eq!(of(true, json!({}), &[done]), []);
}

#[test]
fn the_previous_log_is_used_only_after_a_restart() {
    let ended = || json!({"terminated": {"exitCode": 1, "reason": "Error"}});
    for (restarts, state, last, previous) in [
        (0, ended(), json!({}), false),
        // Between the end and the restart.
        (2, ended(), ended(), false),
        (2, waiting("CrashLoopBackOff", ""), ended(), true),
        (1, json!({"running": {}}), ended(), true),
        (0, json!({"running": {}}), json!({}), false),
        // The previous container was removed.
        (1, waiting("CrashLoopBackOff", ""), json!({}), false),
    ] {
        let status = json!({"containerStatuses": [container("c", restarts, state.clone(), last)]});
        let pods = [pod("p", "new", json!({"status": status}))];
        let deployment = deployment(json!([]));
        let observation = Observation {
            deployment: Some(&deployment),
            pods: &pods,
            ..Observation::default()
        };
        let found: Vec<bool> = diagnose(&observation)
            .iter()
            .map(|it| it.in_previous_run)
            .collect();
        assert_eq!(found, [previous], "{restarts} {state}");
    }
}
