//! What is stuck: pods that a node cannot prepare, workloads that are halted, Jobs without pods or with one too many
//! containers.

use super::*;

/// A scheduled pod whose node has not started anything.
fn prepared(name: &str, reason: &str) -> Pod {
    let container = |name| container(name, 0, waiting(reason, ""), json!({}));
    pod(
        name,
        "new",
        json!({"status": {"phase": "Pending", "containerStatuses": [container("a"), container("b")]}}),
    )
}

fn told_of_pod(second: u32, kind: &str, reason: &str, message: &str) -> Event {
    event(
        "Pod",
        "p",
        json!({"type": kind, "reason": reason, "message": message,
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z")}),
    )
}

#[test]
fn a_node_that_cannot_prepare_the_pod_is_named_once_for_the_pod() {
    for reason in [
        "FailedCreatePodSandBox",
        "FailedMount",
        "FailedAttachVolume",
        "NetworkNotReady",
        "FailedMapVolume",
    ] {
        for state in ["ContainerCreating", "PodInitializing"] {
            let events = [told_of_pod(1, "Warning", reason, "m")];
            let expected = format!("pod p: {reason}: m");
            check(
                &[prepared("p", state)],
                &events,
                &[(Recoverability::Eventually, &expected)],
            );
        }
    }
    // The node has not even reported on the containers.
    let bare = pod("p", "new", json!({"status": {"phase": "Pending"}}));
    let events = [told_of_pod(1, "Warning", "FailedCreatePodSandBox", "m")];
    check(
        &[bare],
        &events,
        &[(
            Recoverability::Eventually,
            "pod p: FailedCreatePodSandBox: m",
        )],
    );
}

#[test]
fn a_volume_whose_source_is_missing_is_a_matter_of_configuration() {
    for message in [
        "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found",
        "MountVolume.SetUp failed for volume \"v\" : configmap \"c\" not found",
        "MountVolume.SetUp failed for volume \"v\" : references non-existent secret key: k",
        "MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: /x is not a directory",
    ] {
        let events = [told_of_pod(1, "Warning", "FailedMount", message)];
        let expected = format!("pod p: FailedMount: {message}");
        check(
            &[prepared("p", "ContainerCreating")],
            &events,
            &[(Recoverability::MaybeSoon, &expected)],
        );
    }
}

#[test]
fn what_a_newer_event_overcomes_is_not_told() {
    let creating = [
        (
            Recoverability::Eventually,
            "pod p, container a: ContainerCreating",
        ),
        (
            Recoverability::Eventually,
            "pod p, container b: ContainerCreating",
        ),
    ];
    let failed = told_of_pod(1, "Warning", "FailedScheduling", "no node");
    let pods = [prepared("p", "ContainerCreating")];
    let sentences = |events: &[Event]| -> Vec<(Recoverability, String)> {
        let deployment = deployment(json!([]));
        let seen = Seen {
            deployment: Some(&deployment),
            pods: &pods,
            events,
            ..Seen::default()
        };
        let found = diagnose(&seen);
        found
            .iter()
            .map(|it| (it.recoverability, it.to_string()))
            .collect()
    };
    let creating = creating.map(|(recoverability, text)| (recoverability, text.to_owned()));
    assert_eq!(sentences(&[failed]), creating);
    let mount = || told_of_pod(2, "Warning", "FailedMount", "timed out");
    let pulling = told_of_pod(3, "Normal", "Pulling", "Pulling image \"i\"");
    assert_eq!(sentences(&[mount(), pulling.clone()]), creating);
    check(
        &pods,
        &[pulling, told_of_pod(4, "Normal", "Scheduled", "assigned")],
        &[
            (
                Recoverability::Eventually,
                "pod p, container a: ContainerCreating <- Pulling: Pulling image \"i\"",
            ),
            (
                Recoverability::Eventually,
                "pod p, container b: ContainerCreating <- Pulling: Pulling image \"i\"",
            ),
        ],
    );
    // The scheduler's time is exact, and that of the node is cut to the second.
    let mut older = told_of_pod(2, "Normal", "Scheduled", "assigned");
    older.event_time =
        Some(serde_json::from_value(json!("2026-01-01T00:00:02.500000Z")).expect("a time"));
    let expected = [(
        Recoverability::Eventually,
        "pod p: FailedMount: timed out".to_owned(),
    )];
    assert_eq!(sentences(&[mount(), older]), expected);
}

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
fn a_paused_deployment_names_its_author_and_is_hopeless_with_old_pods() {
    let text = "Deployment d: paused: spec.paused is true, set by \"kubectl-rollout\" at 2026-01-01T00:00:00Z";
    let paused = |recoverability| vec![(recoverability, text.to_owned())];
    for (wanted, replicas, updated, expected) in [
        (3, 3, 1, paused(Recoverability::Never)),
        (3, 3, 0, paused(Recoverability::Never)),
        // It may yet be scaled.
        (3, 1, 1, paused(Recoverability::MaybeSoon)),
        (1, 0, 0, paused(Recoverability::MaybeSoon)),
        // Its pods are as wanted, and only have to become ready.
        (1, 1, 1, Vec::new()),
        (0, 0, 0, Vec::new()),
    ] {
        let (mut deployment, live) = halted_deployment(replicas, updated);
        deployment.spec.replicas = Some(wanted);
        let seen = Seen {
            deployment: Some(&deployment),
            live: Some(&live),
            ..Seen::default()
        };
        assert_eq!(told(&seen), expected, "{wanted}, {replicas}, {updated}");
    }
}

#[test]
fn a_suspended_job_is_hopeless_unless_a_queue_has_suspended_it() {
    let suspended = |manager: Option<&str>, labels: Json| {
        let fields: Vec<Json> = (manager.iter())
            .map(|manager| {
                json!({"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {"f:suspend": {}}}})
            })
            .collect();
        let live = json!({"metadata": {"name": "j", "labels": labels, "managedFields": fields}, "spec": {"suspend": true}});
        let seen = Seen {
            job: Some("j"),
            live: Some(&live),
            field_manager: "ours",
            ..Seen::default()
        };
        told(&seen)
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
fn a_replica_set_that_is_refused_is_told_before_the_spec_is_observed() {
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
        let seen = Seen {
            deployment: Some(&refused),
            ..Seen::default()
        };
        let text = "ReplicaSet of Deployment d: ReplicaSetCreateError: exceeded quota: q";
        assert_eq!(told(&seen), [(Recoverability::MaybeSoon, text.to_owned())]);
    }
}

#[test]
fn the_replicas_that_an_autoscaler_wants_and_a_quota_refuses() {
    let refused = deployment(
        json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "exceeded quota: q"}]),
    );
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let pods = [pod("a", "new", ready)];
    let seen = Seen {
        deployment: Some(&refused),
        pods: &pods,
        ..Seen::default()
    };
    let text = "a pod is refused: FailedCreate: exceeded quota: q";
    assert_eq!(told(&seen), [(Recoverability::MaybeSoon, text.to_owned())]);
}

/// A Job of two containers, with a pod whose containers are in these states.
fn job_with(states: &[(&str, Json)]) -> Vec<(Recoverability, String)> {
    let live = json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": [
        {"name": "feast-apply"}, {"name": "second"}]}}}});
    let statuses: Vec<Json> = (states.iter())
        .map(|(name, state)| container(name, 0, state.clone(), json!({})))
        .collect();
    let pods = [pod(
        "p",
        "j",
        json!({"status": {"phase": "Running", "containerStatuses": statuses}}),
    )];
    told(&Seen {
        job: Some("j"),
        live: Some(&live),
        pods: &pods,
        ..Seen::default()
    })
}

#[test]
fn a_container_that_keeps_the_pod_of_an_ended_job_is_named() {
    let ended = |code: i32| json!({"terminated": {"exitCode": code, "reason": "r"}});
    let running = || json!({"running": {}});
    let text = |name: &str| {
        format!(
            "pod p, container {name}: still running: the Job's own containers (feast-apply, second) have ended with exit code 0"
        )
    };
    assert_eq!(
        job_with(&[
            ("feast-apply", ended(0)),
            ("second", ended(0)),
            ("istio-proxy", running()),
            ("linkerd-proxy", running()),
            ("init", ended(0)),
        ]),
        [
            (Recoverability::MaybeSoon, text("istio-proxy")),
            (Recoverability::MaybeSoon, text("linkerd-proxy"))
        ]
    );
    // One of its own is still at work, or not known, or has failed.
    let not_ready = |name: &str| {
        (
            Recoverability::Eventually,
            format!("pod p, container {name}: not ready"),
        )
    };
    assert_eq!(
        job_with(&[
            ("feast-apply", ended(0)),
            ("second", running()),
            ("istio-proxy", running())
        ]),
        [not_ready("second"), not_ready("istio-proxy")]
    );
    assert_eq!(
        job_with(&[("feast-apply", ended(0)), ("istio-proxy", running())]),
        [not_ready("istio-proxy")]
    );
    assert_eq!(
        job_with(&[
            ("feast-apply", ended(1)),
            ("second", ended(0)),
            ("istio-proxy", running())
        ]),
        [
            (
                Recoverability::Eventually,
                "pod p, container feast-apply: r, exit code 1".to_owned()
            ),
            not_ready("istio-proxy"),
        ]
    );
}

#[test]
fn a_refusal_counts_for_this_job_and_after_its_last_pod() {
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
        let seen = Seen {
            job: Some("j"),
            live: Some(&live),
            events,
            pods,
            ..Seen::default()
        };
        let denied = diagnose(&seen)
            .into_iter()
            .filter(|it| it.cause == Cause::Denied);
        denied.map(|it| it.to_string()).collect()
    };
    let text = "a pod is refused: FailedCreate: exceeded quota: q";
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
fn the_log_is_the_previous_runs_only_where_there_was_one() {
    let ended = || json!({"terminated": {"exitCode": 1, "reason": "Error"}});
    for (restarts, state, last, previous) in [
        (0, ended(), json!({}), false),
        // Between its end and its restart.
        (2, ended(), ended(), false),
        (2, waiting("CrashLoopBackOff", ""), ended(), true),
        (1, json!({"running": {}}), ended(), true),
        (0, json!({"running": {}}), json!({}), false),
        // The log of before was removed.
        (1, waiting("CrashLoopBackOff", ""), json!({}), false),
    ] {
        let status = json!({"containerStatuses": [container("c", restarts, state.clone(), last)]});
        let pods = [pod("p", "new", json!({"status": status}))];
        let deployment = deployment(json!([]));
        let seen = Seen {
            deployment: Some(&deployment),
            pods: &pods,
            ..Seen::default()
        };
        let found: Vec<bool> = diagnose(&seen)
            .iter()
            .map(|it| it.in_previous_run)
            .collect();
        assert_eq!(found, [previous], "{restarts} {state}");
    }
}
