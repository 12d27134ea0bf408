//! Applies and waits that end early.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use terraform_provider_feast::cluster::apply::{DesiredState, Outcome};
use terraform_provider_feast::cluster::rollout::{Rollout, Wait};
use terraform_provider_feast::cluster::{CancellationToken, Error, PvcPolicy, Reason, StoreName};
use terraform_provider_feast::feast::secrets::redaction::Redaction;
use terraform_provider_feast::kubernetes::kind::{Key, Kind};

use super::lab::{Lab, Scaling, TIMEOUT, apply, deployment_key, objects, wanted};
use super::reasons;

pub async fn failed_apply_reports_existing_objects(lab: Lab) {
    let mut target = wanted("x", Scaling::Autoscaler);
    let good = target.clone();
    let deployment = target.get_mut(&deployment_key("x")).expect("wanted");
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("");
    let outcome = lab.try_apply("x", &target, false).await.expect("begun");
    assert!(
        matches!(
            &outcome.errors[..],
            [Error {
                reason: Reason::Invalid { .. },
                ..
            }]
        ),
        "{:?}",
        outcome.errors
    );
    let kinds: Vec<Kind> = outcome.objects.keys().map(|key| key.kind).collect();
    // The Deployment comes last, and the autoscaler can exist without it.
    let expected = [
        Kind::ServiceAccount,
        Kind::Secret,
        Kind::Service,
        Kind::HorizontalPodAutoscaler,
    ];
    assert_eq!(kinds, expected);

    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let desired = DesiredState {
        store: &lab.store("x"),
        objects: &objects(&good),
        prior: &BTreeMap::new(),
        pvc_policy: &PvcPolicy::default(),
        deadline: tokio::time::Instant::now(),
        wait_for_job: None,
    };
    let errors = apply(&lab.cluster, &desired, &cancelled)
        .await
        .expect_err("cancelled");
    assert_eq!(reasons(&errors), ["the operation was canceled"]);
    // The next apply continues.
    let outcome = lab.apply("x", &good).await;
    assert_eq!(outcome.objects.len(), 5);

    let elsewhere = DesiredState {
        store: &StoreName {
            namespace: "does-not-exist".into(),
            name: "x".into(),
        },
        ..desired
    };
    let outcome = apply(&lab.cluster, &elsewhere, &CancellationToken::new())
        .await
        .expect("begun");
    assert_eq!(outcome.objects, BTreeMap::new());
    assert_eq!(
        reasons(&outcome.errors)[0],
        "there is no namespace \"does-not-exist\""
    );
}

/// Needs the testbed's simulated pods. For the failures themselves, see `rollouts.rs`.
pub async fn cancels_a_wait(lab: Lab) {
    let mut target = wanted("x", Scaling::Static(1));
    let deployment = target.get_mut(&deployment_key("x")).expect("wanted");
    deployment["spec"]["template"]["metadata"]["annotations"] =
        json!({"testbed.feast.dev/fail": "never-ready"});
    lab.try_apply("x", &target, false).await.expect("applied");
    let store = lab.store("x");
    let secrets = Redaction::default();
    let wait = Wait::new(TIMEOUT, &secrets);
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let rollout = Rollout {
        deployment: "feast-x",
        pods: "x",
        minimum: None,
    };
    let (ended, ()) = tokio::join!(
        lab.cluster.wait_for_rollout(&store, &rollout, &wait, &stop),
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stopping.cancel();
        }
    );
    assert!(
        matches!(
            ended,
            Err(Error {
                reason: Reason::Cancelled,
                ..
            })
        ),
        "{ended:?}"
    );
}

/// Whenever an apply is stopped, its outcome has the existing objects, and otherwise only those whose write has no
/// response yet. The next apply continues.
pub async fn interrupted_apply_reports_existing_objects(lab: Lab) {
    let mut partial = 0;
    for step in 0..20 {
        let name = format!("s{step}");
        let store = lab.store(&name);
        let wanted = wanted(&name, Scaling::Autoscaler);
        let desired = DesiredState {
            store: &store,
            objects: &objects(&wanted),
            prior: &BTreeMap::new(),
            pvc_policy: &PvcPolicy::default(),
            deadline: tokio::time::Instant::now(),
            wait_for_job: None,
        };
        let cancel = CancellationToken::new();
        let (outcome, ()) = tokio::join!(apply(&lab.cluster, &desired, &cancel), async {
            tokio::time::sleep(Duration::from_millis(step * step)).await;
            cancel.cancel();
        });
        let Outcome {
            objects, errors, ..
        } = outcome.unwrap_or_default();
        let reported: BTreeSet<Key> = objects.into_keys().collect();
        let unanswered = errors.into_iter().filter(|error| error.maybe_done);
        let unanswered: BTreeSet<String> =
            unanswered.map(|error| error.target.to_string()).collect();
        let keys = wanted.keys().cloned().collect();
        let live = lab
            .cluster
            .read(&store, &keys, &CancellationToken::new())
            .await;
        let there: BTreeSet<Key> = live.expect("readable").into_keys().collect();
        if (1..wanted.len()).contains(&there.len()) {
            partial += 1;
        }
        let known = reported
            .iter()
            .filter(|key| there.contains(*key) || !unanswered.contains(&key.to_string()));
        assert_eq!(
            known.collect::<BTreeSet<_>>(),
            there.iter().collect(),
            "stopped after {} ms",
            step * step
        );
        let outcome = lab.apply(&name, &wanted).await;
        assert_eq!(outcome.objects.len(), wanted.len());
    }
    assert!(partial > 0, "no apply was stopped between its writes");
}
