//! Containers and pods that the kubelet has ended.

use super::*;

#[test]
fn a_probe_explains_only_a_crash_that_the_kubelet_has_caused() {
    let back_off = "Back-off restarting failed container c";
    let probe = "Startup probe failed: connection refused";
    let event = |reason: &str, message: &str| {
        let rest = json!({"type": "Warning", "reason": reason, "message": message});
        event("Pod", "a", rest)
    };
    let events = [event("BackOff", back_off), event("Unhealthy", probe)];
    for (code, told) in [
        (0, Some(probe)),
        (1, None),
        (137, Some(probe)),
        (143, Some(probe)),
    ] {
        let last = json!({"terminated": {"exitCode": code, "reason": "Error"}});
        let state = waiting("CrashLoopBackOff", "m");
        let status = json!({"containerStatuses": [container("c", 1, state, last)]});
        let mut expected =
            format!("pod a, container c: CrashLoopBackOff, exit code {code}, 1 restart: m");
        if let Some(told) = told {
            expected.push_str(&format!(" <- Unhealthy: {told}"));
        }
        check(
            &[pod("a", "new", json!({"status": status}))],
            &events,
            &[(Recoverability::Eventually, &expected)],
        );
    }
}

/// A pod that was created in this minute and evicted.
fn evicted(name: &str, minute: u32, message: &str) -> Pod {
    let ended = container("c", 0, json!({"terminated": {"exitCode": 137}}), json!({}));
    let mut pod = pod(
        name,
        "new",
        json!({"status": {"phase": "Failed", "reason": "Evicted", "message": message, "containerStatuses": [ended]}}),
    );
    let time = json!(format!("2026-01-01T00:{minute:02}:00Z"));
    pod.metadata.creation_timestamp = Some(serde_json::from_value(time).expect("a time"));
    pod
}

#[test]
fn pods_that_end_again_and_again_are_unrecoverable() {
    let limit = "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\".";
    let pressure = "The node was low on resource: memory.";
    for (message, pods, recoverability) in [
        (limit, 1, Recoverability::Eventually),
        (limit, 2, Recoverability::MaybeSoon),
        (pressure, 2, Recoverability::Eventually),
        (pressure, 3, Recoverability::MaybeSoon),
    ] {
        let minutes = [("a", 2), ("b", 6), ("c", 12)].into_iter().take(pods);
        // The kubelet ends its messages with a space.
        let message = format!("{message} ");
        let pods: Vec<Pod> = minutes
            .map(|(name, at)| evicted(name, at, &message))
            .collect();
        let others = ["", " and 1 other", " and 2 others"][pods.len() - 1];
        let expected = format!("pod a{others}: Evicted: {}", message.trim());
        // It repeats the status.
        let rest = json!({"type": "Warning", "reason": "Evicted", "message": message});
        let events = [event("Pod", "a", rest)];
        check(&pods, &events, &[(recoverability, &expected)]);
    }
}

#[test]
fn pods_that_ended_long_ago_are_ignored() {
    let mut replacement = evicted("d", 23, "");
    replacement.status = None;
    let ended = [("a", 2), ("b", 6), ("c", 12)].map(|(name, at)| evicted(name, at, "m"));
    check(
        &[&ended[..], &[replacement]].concat(),
        &[],
        &[(Recoverability::Eventually, "pod d: not ready")],
    );
}
