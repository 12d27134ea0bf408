//! Stuck pods: those that a node cannot prepare, that do not end, or that no scheduler takes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

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

fn pod_event(second: u32, kind: &str, reason: &str, message: &str) -> Event {
    event(
        "Pod",
        "p",
        json!({"type": kind, "reason": reason, "message": message,
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z")}),
    )
}

#[test]
fn a_failed_preparation_is_one_issue_of_the_pod() {
    for (reason, recoverability) in [
        ("FailedCreatePodSandBox", Recoverability::MaybeSoon),
        ("FailedMount", Recoverability::MaybeSoon),
        ("FailedAttachVolume", Recoverability::Eventually),
        ("NetworkNotReady", Recoverability::MaybeSoon),
        ("FailedMapVolume", Recoverability::MaybeSoon),
    ] {
        for state in ["ContainerCreating", "PodInitializing"] {
            let events = [pod_event(1, "Warning", reason, "m")];
            let expected = format!("pod p: {reason}: m");
            check(
                &[prepared("p", state)],
                &events,
                &[(recoverability, &expected)],
            );
        }
    }
    // The node has not reported the containers yet.
    let bare = pod(
        "p",
        "new",
        json!({"spec": {"containers": [], "nodeName": "n"}, "status": {"phase": "Pending"}}),
    );
    let events = [
        pod_event(1, "Warning", "FailedCreatePodSandBox", "m"),
        // The node tries again.
        pod_event(2, "Normal", "SandboxChanged", "Pod sandbox changed"),
    ];
    check(
        &[bare],
        &events,
        &[(
            Recoverability::MaybeSoon,
            "pod p: FailedCreatePodSandBox: m",
        )],
    );
}

#[test]
fn a_missing_volume_source_is_a_configuration_issue() {
    for message in [
        "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found",
        "MountVolume.SetUp failed for volume \"v\" : configmap \"c\" not found",
        "MountVolume.SetUp failed for volume \"v\" : references non-existent secret key: k",
        "MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: /x is not a directory",
    ] {
        let events = [pod_event(1, "Warning", "FailedMount", message)];
        let expected = format!("pod p: FailedMount: {message}");
        check(
            &[prepared("p", "ContainerCreating")],
            &events,
            &[(Recoverability::MaybeSoon, &expected)],
        );
    }
}

#[test]
fn outdated_events_are_ignored() {
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
    let failed = pod_event(1, "Warning", "FailedScheduling", "no node");
    let pods = [prepared("p", "ContainerCreating")];
    let sentences = |events: &[Event]| -> Vec<(Recoverability, String)> {
        let deployment = deployment(json!([]));
        let observation = Observation {
            deployment: Some(&deployment),
            pods: &pods,
            events,
            ..Observation::default()
        };
        let found = diagnose(&observation);
        found
            .iter()
            .map(|it| (it.recoverability, it.to_string()))
            .collect()
    };
    let creating = creating.map(|(recoverability, text)| (recoverability, text.to_owned()));
    assert_eq!(sentences(&[failed]), creating);
    let mount = || pod_event(2, "Warning", "FailedMount", "timed out");
    let pulling = pod_event(3, "Normal", "Pulling", "Pulling image \"i\"");
    assert_eq!(sentences(&[mount(), pulling.clone()]), creating);
    check(
        &pods,
        &[pulling, pod_event(4, "Normal", "Scheduled", "assigned")],
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
    // The scheduler reports fractions of a second, the node does not.
    let mut older = pod_event(2, "Normal", "Scheduled", "assigned");
    older.event_time =
        Some(serde_json::from_value(json!("2026-01-01T00:00:02.500000Z")).expect("a time"));
    let expected = [(
        Recoverability::Eventually,
        "pod p: FailedMount: timed out".to_owned(),
    )];
    assert_eq!(sentences(&[mount(), older]), expected);
}

/// A node that has stopped responding keeps the pod that it ran, and a finalizer keeps another one.
#[test]
fn the_strategy_recreate_waits_for_terminating_pods() {
    let old = |name: &str, phase: &str, metadata: Json| {
        let mut pod = pod(
            name,
            "old",
            json!({"spec": {"containers": [], "nodeName": "n"}, "status": {"phase": phase}}),
        );
        let metadata: ObjectMeta = serde_json::from_value(metadata).expect("metadata");
        pod.metadata.finalizers = metadata.finalizers;
        pod.metadata.deletion_timestamp = metadata.deletion_timestamp;
        pod.metadata.deletion_grace_period_seconds = metadata.deletion_grace_period_seconds;
        pod
    };
    let deleted =
        || json!({"deletionTimestamp": "2026-01-01T00:00:40Z", "deletionGracePeriodSeconds": 40});
    let mut held = deleted();
    held["finalizers"] = json!(["example.com/drain"]);
    let pods = [
        old("a", "Running", deleted()),
        old("b", "Running", deleted()),
        old("c", "Unknown", held),
        old("d", "Succeeded", deleted()),
        old("e", "Failed", deleted()),
        old("f", "Running", json!({})),
    ];
    let events = [event(
        "Pod",
        "a",
        json!({"type": "Warning", "reason": "NodeNotReady", "message": "Node is not ready"}),
    )];
    let of = |strategy: &str, replicas: i32, updated: Option<i32>| {
        let mut deployment = deployment(json!([]));
        deployment.spec.replicas = Some(replicas);
        let strategy = serde_json::from_value(json!({"type": strategy}));
        deployment.spec.strategy = Some(strategy.expect("a strategy"));
        deployment
            .status
            .as_mut()
            .expect("a status")
            .updated_replicas = updated;
        issues(&Observation {
            deployment: Some(&deployment),
            pods: &pods,
            events: &events,
            ..Observation::default()
        })
    };
    let text = |subject: &str, more: &str, event: &str| {
        (
            Recoverability::Eventually,
            format!(
                "pod {subject}: terminating since 2026-01-01T00:00:00Z, on node n{more}: with the strategy `Recreate`, new pods are created when it has ended{event}"
            ),
        )
    };
    assert_eq!(
        of("Recreate", 1, None),
        [
            text("a and 1 other", "", " <- NodeNotReady: Node is not ready"),
            text("c", ", finalizers: example.com/drain", ""),
        ]
    );
    assert_eq!(of("RollingUpdate", 1, None), []);
    // The new pods exist, or none are wanted.
    assert_eq!(of("Recreate", 1, Some(1)), []);
    assert_eq!(of("Recreate", 0, None), []);
}

/// A volume of a class that waits for the first consumer is provisioned after the scheduler has chosen a node, and
/// before the pod has it.
#[test]
fn a_pod_without_a_node_waits_for_its_volume_or_for_the_scheduler() {
    let pending = |name: &str, pvcs: &[&str]| {
        let volumes: Vec<Json> = (pvcs.iter())
            .map(|pvc| json!({"name": pvc, "persistentVolumeClaim": {"claimName": pvc}}))
            .collect();
        pod(
            name,
            "new",
            json!({"spec": {"containers": [], "volumes": volumes}, "status": {"phase": "Pending"}}),
        )
    };
    let pvc = |name: &str, phase: &str| -> PersistentVolumeClaim {
        serde_json::from_value(json!({"metadata": {"name": name},
            "spec": {"storageClassName": "fast"}, "status": {"phase": phase}}))
        .expect("a pvc")
    };
    let said = |kind: &str, reason: &str, second: u32| {
        let time = format!("2026-01-01T00:00:{second:02}Z");
        event(
            "PersistentVolumeClaim",
            "data",
            json!({"type": kind, "reason": reason, "message": "m", "lastTimestamp": time}),
        )
    };
    // A provisioner tries again.
    let events = [
        said("Normal", "WaitForFirstConsumer", 1),
        said("Warning", "ProvisioningFailed", 2),
        said("Normal", "Provisioning", 3),
    ];
    let of = |pod: &Pod, pvcs: &[PersistentVolumeClaim], events: &[Event]| {
        let deployment = deployment(json!([]));
        let found = diagnose(&Observation {
            deployment: Some(&deployment),
            pods: std::slice::from_ref(pod),
            events,
            pvcs,
            ..Observation::default()
        });
        let [issue] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(issue.recoverability, Recoverability::Eventually);
        (issue.cause, issue.to_string())
    };
    let text = "pod a: not scheduled yet";
    let mounting = pending("a", &["models", "data"]);
    let all = |phase| [pvc("models", "Bound"), pvc("data", phase)];
    for (events, reason) in [
        (&events[..], "ProvisioningFailed"),
        (&events[..1], "WaitForFirstConsumer"),
    ] {
        let text = format!("{text}; PersistentVolumeClaim data, storage class fast, {reason}: m");
        let expected = (Cause::UnboundPvc, text);
        assert_eq!(of(&mounting, &all("Pending"), events), expected);
    }
    let unschedulable = (Cause::Unschedulable, text.to_owned());
    assert_eq!(of(&mounting, &all("Bound"), &events), unschedulable);
    assert_eq!(of(&pending("a", &[]), &[], &[]), unschedulable);
    // The PersistentVolumeClaims are listed only for this cause.
    let unknown = (Cause::UnboundPvc, text.to_owned());
    assert_eq!(of(&mounting, &[], &[]), unknown);
}

#[test]
fn a_message_of_the_scheduler_about_a_volume_is_about_its_pvc() {
    for (message, cause) in [
        (
            "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded",
            Cause::UnboundPvc,
        ),
        (
            "running PreBind plugin \"VolumeBinding\": binding volumes: provisioning failed for PVC \"data\"",
            Cause::UnboundPvc,
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.",
            Cause::UnboundPvc,
        ),
        (
            "0/2 nodes are available: persistentvolumeclaim \"data\" not found.",
            Cause::UnboundPvc,
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
            Cause::Unschedulable,
        ),
    ] {
        let status = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "SchedulerError", "message": message}]});
        let pods = [pod("a", "new", json!({"status": status}))];
        let deployment = deployment(json!([]));
        let found = diagnose(&Observation {
            deployment: Some(&deployment),
            pods: &pods,
            ..Observation::default()
        });
        let found: Vec<_> = found.iter().map(|it| (it.cause, it.to_string())).collect();
        let text = format!("pod a: SchedulerError: {message}");
        assert_eq!(found, [(cause, text)]);
    }
}

#[test]
fn a_pod_with_ready_containers_has_the_reason_of_its_condition() {
    let of = |ready: Json| {
        let mut container = container("c", 0, json!({"running": {}}), json!({}));
        container["ready"] = json!(true);
        let status =
            json!({"phase": "Running", "conditions": [ready], "containerStatuses": [container]});
        let rest = json!({"spec": {"containers": [], "nodeName": "n"}, "status": status});
        let pods = [pod("a", "new", rest)];
        let deployment = deployment(json!([]));
        issues(&Observation {
            deployment: Some(&deployment),
            pods: &pods,
            ..Observation::default()
        })
    };
    let message =
        "corresponding condition of pod readiness gate \"example.com/ready\" does not exist.";
    for (ready, expected) in [
        (
            json!({"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": message}),
            format!("pod a: ReadinessGatesNotReady: {message}"),
        ),
        // The controller of nodes changes only the status of the condition.
        (
            json!({"type": "Ready", "status": "False"}),
            "pod a: not ready, although its containers are: node n may have stopped responding"
                .to_owned(),
        ),
    ] {
        assert_eq!(of(ready), [(Recoverability::Eventually, expected)]);
    }
    assert_eq!(of(json!({"type": "Ready", "status": "True"})), []);
}
