use serde_json::{Value as Json, json};

use super::*;

/// A Deployment whose newest ReplicaSet is `new`.
fn deployment(conditions: Json) -> Deployment {
    let mut all = vec![json!({"type": "Progressing", "status": "True",
        "message": "ReplicaSet \"new\" is progressing."})];
    all.extend(conditions.as_array().expect("an array").clone());
    serde_json::from_value(json!({
        "metadata": {"name": "d", "generation": 2},
        "spec": {"selector": {}, "template": {}},
        "status": {"observedGeneration": 2, "updatedReplicas": 1, "conditions": all},
    }))
    .expect("a Deployment")
}

fn pod(name: &str, owner: &str, rest: Json) -> Pod {
    let mut json = json!({"metadata": {"name": name, "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "u", "controller": true}]}});
    for (field, value) in rest.as_object().expect("an object") {
        json[field] = value.clone();
    }
    serde_json::from_value(json).expect("a Pod")
}

fn container(name: &str, restarts: i32, state: Json, last: Json) -> Json {
    json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": restarts,
        "state": state, "lastState": last})
}

fn waiting(reason: &str, message: &str) -> Json {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn event(kind: &str, name: &str, rest: Json) -> Event {
    let mut json = json!({"metadata": {}, "involvedObject": {"kind": kind, "name": name}});
    for (field, value) in rest.as_object().expect("an object") {
        if field == "fieldPath" {
            json["involvedObject"]["fieldPath"] = value.clone();
        } else {
            json[field] = value.clone();
        }
    }
    serde_json::from_value(json).expect("an Event")
}

fn issues(observation: &Observation<'_>) -> Vec<(Recoverability, String)> {
    let tell = |issue: &PodIssue| {
        let event = issue.event.iter().map(|event| format!(" <- {event}"));
        let log = issue.log.iter().map(|line| format!(" | {line}"));
        let more: String = event.chain(log).collect();
        (issue.recoverability, format!("{issue}{more}"))
    };
    diagnose(observation).iter().map(tell).collect()
}

#[track_caller]
fn check(pods: &[Pod], events: &[Event], expected: &[(Recoverability, &str)]) {
    let deployment = deployment(json!([]));
    let observation = Observation {
        deployment: Some(&deployment),
        pods,
        events,
        ..Observation::default()
    };
    let expected: Vec<_> = (expected.iter())
        .map(|(recoverability, text)| (*recoverability, (*text).to_owned()))
        .collect();
    assert_eq!(issues(&observation), expected);
}

#[test]
fn reasons_of_the_kubelet_have_causes() {
    let of = |name: &str, reason: &str, restarts| {
        let state = waiting(reason, "m");
        pod(
            name,
            "new",
            json!({"status": {"containerStatuses": [container("c", restarts, state, json!({}))]}}),
        )
    };
    check(
        &[
            of("a", "CrashLoopBackOff", 1),
            of("b", "ImagePullBackOff", 0),
            of("c", "CreateContainerConfigError", 0),
            of("d", "RunContainerError", 0),
            of("e", "InvalidImageName", 0),
            of("f", "ContainerCreating", 0),
            of("g", "CrashLoopBackOff", 3),
        ],
        &[],
        &[
            (
                Recoverability::Never,
                "pod a and 1 other, container c: CrashLoopBackOff, 3 restarts: m",
            ),
            (
                Recoverability::Never,
                "pod e, container c: InvalidImageName: m",
            ),
            (
                Recoverability::MaybeSoon,
                "pod b, container c: ImagePullBackOff: m",
            ),
            (
                Recoverability::MaybeSoon,
                "pod c, container c: CreateContainerConfigError: m",
            ),
            (
                Recoverability::MaybeSoon,
                "pod d, container c: RunContainerError: m",
            ),
            (
                Recoverability::Eventually,
                "pod f, container c: ContainerCreating: m",
            ),
        ],
    );
}

#[test]
fn a_crash_has_an_exit_code_and_the_last_lines_of_the_log() {
    let last = json!({"terminated": {"exitCode": 2, "reason": "Error", "message": "one\ntwo"}});
    let status = json!({"initContainerStatuses": [container("feast-apply", 4, waiting("CrashLoopBackOff", "m"), last)],
        "containerStatuses": [container("online", 0, waiting("PodInitializing", ""), json!({}))]});
    let failed = json!({"phase": "Failed", "containerStatuses": [
        container("apply", 0, json!({"terminated": {"exitCode": 1, "reason": "Error"}}), json!({})),
        container("done", 0, json!({"terminated": {"exitCode": 0}}), json!({}))]});
    check(
        &[
            pod("a", "new", json!({"status": status})),
            pod("b", "new", json!({"status": failed})),
        ],
        &[],
        &[
            (
                Recoverability::Never,
                "pod a, init container feast-apply: CrashLoopBackOff, exit code 2, 4 restarts: m | one | two",
            ),
            (
                Recoverability::Eventually,
                "pod b, container apply: Error, exit code 1",
            ),
        ],
    );
}

#[test]
fn an_exceeded_memory_limit_is_named() {
    let last = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let status =
        json!({"containerStatuses": [container("c", 5, waiting("CrashLoopBackOff", "m"), last)]});
    check(
        &[pod("a", "new", json!({"status": status}))],
        &[],
        &[(
            Recoverability::Never,
            "pod a, container c: OOMKilled, exit code 137, 5 restarts: m",
        )],
    );
}

#[test]
fn an_issue_has_the_newest_event_of_its_container() {
    let state = waiting("ImagePullBackOff", "back-off");
    let status = json!({"containerStatuses": [container("c", 0, state, json!({}))]});
    let said = |second: u32, reason: &str, message: &str, container: &str| {
        event(
            "Pod",
            "a",
            json!({"reason": reason, "message": message,
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
            "fieldPath": format!("spec.containers{{{container}}}")}),
        )
    };
    check(
        &[pod("a", "new", json!({"status": status}))],
        &[
            said(1, "Failed", "Failed to pull image \"i\": not found", "c"),
            said(2, "Failed", "Error: ImagePullBackOff", "c"),
            said(3, "Failed", "Failed to pull image \"j\"", "other"),
            event(
                "Pod",
                "b",
                json!({"reason": "Failed", "message": "Failed to pull image of b"}),
            ),
        ],
        &[(
            Recoverability::MaybeSoon,
            "pod a, container c: ImagePullBackOff: back-off <- Failed: Failed to pull image \"i\": not found",
        )],
    );
}

#[test]
fn pods_of_older_replica_sets_are_ignored() {
    let running = |ready: bool| {
        json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready {"True"} else {"False"}}],
            "containerStatuses": [container("c", 0, json!({"running": {}}), json!({}))]}})
    };
    let mut leaving = running(false);
    leaving["metadata"] = json!({"name": "leaving", "deletionTimestamp": "2026-01-01T00:00:00Z"});
    check(
        &[
            pod("old", "old", running(false)),
            pod("ready", "new", running(true)),
            pod("done", "new", json!({"status": {"phase": "Succeeded"}})),
            pod("leaving", "new", leaving),
            pod("slow", "new", running(false)),
        ],
        &[],
        &[(
            Recoverability::Eventually,
            "pod slow, container c: not ready",
        )],
    );
}

#[test]
fn an_outdated_status_has_no_issues() {
    let mut late = deployment(json!([]));
    late.metadata.generation = Some(3);
    let status = json!({"containerStatuses": [container("c", 0, waiting("InvalidImageName", ""), json!({}))]});
    let pods = [pod("a", "new", json!({"status": status}))];
    let observation = Observation {
        deployment: Some(&late),
        pods: &pods,
        ..Observation::default()
    };
    assert_eq!(issues(&observation), []);
}

/// The strategy `Recreate` ends the old pods before the condition names another ReplicaSet. An evicted pod is not
/// counted until its replacement exists.
#[test]
fn without_updated_pods_only_ended_ones_have_issues() {
    let mut replaced = deployment(json!([]));
    replaced.status.as_mut().expect("a status").updated_replicas = None;
    let crashing = json!({"containerStatuses": [container("c", 4, waiting("CrashLoopBackOff", "m"), json!({}))]});
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "m"});
    let pods = [
        pod("a", "new", json!({"status": crashing})),
        pod("b", "new", json!({"status": evicted})),
    ];
    let observation = Observation {
        deployment: Some(&replaced),
        pods: &pods,
        ..Observation::default()
    };
    assert_eq!(
        issues(&observation),
        [(Recoverability::Eventually, "pod b: Evicted: m".to_owned())]
    );
}

#[test]
fn an_unschedulable_pod_names_its_unbound_pvc() {
    let unscheduled = |message: &str| {
        json!({"status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]},
            "spec": {"containers": [], "volumes": [
                {"name": "v", "persistentVolumeClaim": {"claimName": "bound"}},
                {"name": "w", "persistentVolumeClaim": {"claimName": "data"}}]}})
    };
    let pvc = |name: &str, phase: &str| {
        serde_json::from_value(
            json!({"metadata": {"name": name}, "spec": {"storageClassName": "fast"},
            "status": {"phase": phase}}),
        )
        .expect("a pvc")
    };
    let deployment = deployment(json!([]));
    let sentence = "0/2 nodes are available: 2 Insufficient cpu.";
    let unbound = "pod has unbound immediate PersistentVolumeClaims";
    let observation = Observation {
        deployment: Some(&deployment),
        pods: &[
            pod("a", "new", unscheduled(sentence)),
            pod("b", "new", unscheduled(unbound)),
        ],
        events: &[
            event(
                "Pod",
                "a",
                json!({"reason": "FailedScheduling", "message": sentence}),
            ),
            event(
                "PersistentVolumeClaim",
                "data",
                json!({"reason": "ProvisioningFailed", "message": "no such class"}),
            ),
        ],
        pvcs: &[pvc("bound", "Bound"), pvc("data", "Pending")],
        ..Observation::default()
    };
    assert_eq!(
        issues(&observation),
        [
            (
                Recoverability::Eventually,
                format!("pod a: Unschedulable: {sentence}")
            ),
            (
                Recoverability::Eventually,
                format!(
                    "pod b: Unschedulable: {unbound}; PersistentVolumeClaim data, storage class fast, ProvisioningFailed: no such class"
                )
            ),
        ]
    );
}

#[test]
fn rejected_pods_are_recoverable_only_while_pods_terminate() {
    let denied = deployment(
        json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "exceeded quota"}]),
    );
    let leaving = pod(
        "a",
        "old",
        json!({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    );
    let pods = [leaving];
    for (pods, recoverability) in [
        (&[][..], Recoverability::MaybeSoon),
        (&pods[..], Recoverability::Eventually),
    ] {
        let observation = Observation {
            deployment: Some(&denied),
            pods,
            ..Observation::default()
        };
        assert_eq!(
            issues(&observation),
            [(
                recoverability,
                "a pod is rejected: FailedCreate: exceeded quota".to_owned()
            )]
        );
    }
}

#[test]
fn rejected_pods_of_other_workloads_are_ignored() {
    let denied = |kind, name, message| {
        let rest = json!({"reason": "FailedCreate", "message": message});
        event(kind, name, rest)
    };
    let events = [
        denied("Job", "j", "of the Job"),
        denied("ReplicaSet", "d-5d4f", "of the Deployment"),
        denied("Job", "j2", "of others"),
        denied("ReplicaSet", "d-lineage-77f", "of others"),
        denied("ReplicaSet", "other-5d4f", "of others"),
        denied("ReplicaSet", "d", "of others"),
        denied("StatefulSet", "d-5d4f", "of others"),
    ];
    let deployment = deployment(json!([]));
    let job = Observation {
        job: Some("j"),
        ..Observation::default()
    };
    let deployment = Observation {
        deployment: Some(&deployment),
        ..Observation::default()
    };
    for (of, expected) in [(job, "of the Job"), (deployment, "of the Deployment")] {
        let mut all = events.clone();
        // The order of the events does not matter.
        for _ in 0..all.len() {
            all.rotate_left(1);
            let observation = Observation { events: &all, ..of };
            let refused = format!("a pod is rejected: FailedCreate: {expected}");
            assert_eq!(issues(&observation), [(Recoverability::MaybeSoon, refused)]);
        }
    }
}

#[test]
fn a_job_reports_its_newest_pod() {
    let failed = |name: &str, second: u32| {
        let mut pod = pod(
            name,
            "job",
            json!({"status": {"phase": "Failed", "containerStatuses": [
            container("c", 0, json!({"terminated": {"exitCode": 1, "reason": "Error"}}), json!({}))]}}),
        );
        pod.metadata.creation_timestamp = Some(
            serde_json::from_value(json!(format!("2026-01-01T00:00:{second:02}Z")))
                .expect("a time"),
        );
        pod
    };
    let pods = [failed("a", 1), failed("c", 3), failed("b", 2)];
    let observation = Observation {
        pods: &pods,
        ..Observation::default()
    };
    assert_eq!(
        issues(&observation),
        [(
            Recoverability::Eventually,
            "pod c, container c: Error, exit code 1".to_owned()
        )]
    );
}

mod ended;
mod halted;
mod sidecars;
mod stuck;
