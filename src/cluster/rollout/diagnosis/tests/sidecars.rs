//! Injected containers that keep the pod of a Job running after its own containers.

use super::*;

fn ended(code: i32) -> Json {
    json!({"terminated": {"exitCode": code, "reason": "r"}})
}

fn running() -> Json {
    json!({"running": {}})
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
    issues(&Observation {
        job: Some("j"),
        live: Some(&live),
        pods: &pods,
        ..Observation::default()
    })
}

#[test]
fn an_injected_container_of_an_ended_job_is_named() {
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
    // A container of the Job still runs, or is unknown.
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
}

/// The pod does not become `Failed`, so that the Job does not count the failure.
#[test]
fn an_injected_container_does_not_hide_the_failure_of_a_job() {
    let failed =
        || json!({"terminated": {"exitCode": 1, "reason": "Error", "message": "one\ntwo"}});
    let text = |name: &str, sidecars: &str| {
        (
            Recoverability::MaybeSoon,
            format!(
                "pod p, container {name}: Error, exit code 1; the pod does not end, because the {sidecars} | one | two"
            ),
        )
    };
    let proxy = "container istio-proxy, which was added to it, still runs";
    assert_eq!(
        job_with(&[
            ("feast-apply", failed()),
            ("second", ended(0)),
            ("istio-proxy", running()),
        ]),
        [text("feast-apply", proxy)]
    );
    let proxies = "containers istio-proxy, linkerd-proxy, which were added to it, still run";
    assert_eq!(
        job_with(&[
            ("feast-apply", failed()),
            ("second", failed()),
            ("istio-proxy", running()),
            ("linkerd-proxy", running()),
            ("init", ended(0)),
        ]),
        [text("feast-apply", proxies), text("second", proxies)]
    );
    // Another container of the Job still runs.
    let unready = |name: &str| {
        (
            Recoverability::Eventually,
            format!("pod p, container {name}: not ready"),
        )
    };
    assert_eq!(
        job_with(&[
            ("feast-apply", failed()),
            ("second", running()),
            ("istio-proxy", running()),
        ]),
        [
            (
                Recoverability::Eventually,
                "pod p, container feast-apply: Error, exit code 1 | one | two".to_owned()
            ),
            unready("second"),
            unready("istio-proxy"),
        ]
    );
}

#[test]
fn only_a_running_container_of_a_pod_that_stays_keeps_a_job_from_ending() {
    let live = json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": [
        {"name": "feast-apply"}]}}}});
    let causes = |is_deleted: bool, injected: Json| {
        let mut pod = pod(
            "p",
            "j",
            json!({"status": {"phase": "Running", "containerStatuses": [
                container("feast-apply", 0, ended(1), json!({})),
                container("istio-proxy", 0, injected, json!({}))]}}),
        );
        if is_deleted {
            let deleted = json!("2026-08-21T10:00:00Z");
            pod.metadata.deletion_timestamp = Some(serde_json::from_value(deleted).unwrap());
        }
        let found = diagnose(&Observation {
            job: Some("j"),
            live: Some(&live),
            pods: &[pod],
            ..Observation::default()
        });
        let causes = found.into_iter().map(|issue| {
            let kept_running = !issue.kept_running_by.is_empty();
            (issue.cause, kept_running)
        });
        causes.collect::<Vec<_>>()
    };
    assert_eq!(causes(false, running()), [(Cause::Crash, true)]);
    assert_eq!(causes(true, running()), []);
    let pulling = json!({"waiting": {"reason": "ImagePullBackOff", "message": "m"}});
    assert_eq!(
        causes(false, pulling),
        [(Cause::Image, false), (Cause::Crash, false)]
    );
}

#[test]
fn a_failure_behind_an_injected_container_names_the_job() {
    let live = json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": [
        {"name": "feast-apply"}]}}}});
    let out_of_memory = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let pods = [pod(
        "p",
        "j",
        json!({"status": {"phase": "Running", "containerStatuses": [
            container("feast-apply", 0, out_of_memory, json!({})),
            container("istio-proxy", 0, running(), json!({}))]}}),
    )];
    let role = JobRole::OnRequest {
        command: "feast apply",
        in_server: true,
    };
    let found = diagnose(&Observation {
        job: Some("j"),
        role: Some(role),
        live: Some(&live),
        pods: &pods,
        ..Observation::default()
    });
    let [issue] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(issue.cause, Cause::Memory);
    assert_eq!(issue.recoverability, Recoverability::MaybeSoon);
    assert_eq!(issue.kept_running_by, ["istio-proxy"]);
    assert_eq!(issue.role, Some(role));
    let job = issue.workload.as_ref().map(|job| job.name.as_str());
    assert_eq!(job, Some("j"));
}
