//! The owner of the replica count: a watch records the count during every change of owner.

use std::time::Duration;

use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use terraform_provider_feast::kubernetes::kind::{Key, Kind};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::lab::{Lab, Scaling, deployment_key, wanted};

/// Every transition between one replica, three replicas, an autoscaler and external scaling; a watch records each
/// value of `spec.replicas`.
pub async fn replicas_never_drop_during_a_transition(lab: Lab) {
    use Scaling::{Autoscaler, External, Static};
    let all = [Static(1), Static(3), Autoscaler, External];
    let pairs = all
        .into_iter()
        .flat_map(|from| all.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from != to);
    let checks = pairs.enumerate().map(|(number, (from, to))| {
        let lab = &lab;
        async move { transition(lab, &format!("s{number}"), from, to).await }
    });
    futures::stream::iter(checks)
        .buffer_unordered(4)
        .collect::<()>()
        .await;
}

/// Starts to record the values of `spec.replicas` of a store. The first one is the current value.
fn record_replicas(lab: &Lab, store: &str) -> (JoinHandle<()>, UnboundedReceiver<Option<i32>>) {
    let (sender, recorded) = unbounded_channel();
    let config = watcher::Config::default().fields(&format!("metadata.name=feast-{store}"));
    let stream = watcher(lab.deployments(), config)
        .default_backoff()
        .applied_objects();
    let recorder = tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        // A broken watch is started again.
        while let Some(seen) = stream.next().await {
            if let Ok(live) = seen
                && sender.send(live.spec.replicas).is_err()
            {
                break;
            }
        }
    });
    (recorder, recorded)
}

async fn transition(lab: &Lab, store: &str, from: Scaling, to: Scaling) {
    use Scaling::{Autoscaler, External, Static};
    lab.apply(store, &wanted(store, from)).await;
    let start = match from {
        Static(replicas) => replicas,
        // The count that a busy autoscaler or `kubectl scale` has set.
        Autoscaler | External => {
            lab.scale(store, 4).await;
            4
        }
    };
    lab.wait(store, &wanted(store, from)).await.expect("scaled");

    let (recorder, mut recorded) = record_replicas(lab, store);
    let mut seen = vec![recorded.recv().await.flatten()];

    // The pods change as well, so that a rollout is in progress.
    let mut target = wanted(store, to);
    if let Some(deployment) = target.get_mut(&deployment_key(store)) {
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("feast:2");
    }
    let outcome = lab.apply(store, &target).await;
    // An autoscaler's controller writes within its next sync period.
    tokio::time::sleep(Duration::from_secs(3)).await;
    recorder.abort();
    while let Some(replicas) = recorded.recv().await {
        seen.push(replicas);
    }
    seen.dedup();
    let end = match to {
        Static(replicas) => replicas,
        Autoscaler => start.max(2),
        External => start,
    };
    let mut expected = vec![Some(start), Some(end)];
    expected.dedup();
    assert_eq!(seen, expected, "{from:?} -> {to:?}");
    let hpa = Key::new(Kind::HorizontalPodAutoscaler, format!("feast-{store}"));
    assert_eq!(
        outcome.objects.contains_key(&hpa),
        to == Autoscaler,
        "{from:?} -> {to:?}"
    );
    let strategy = &lab.live(store).await["spec"]["strategy"]["type"];
    let wanted_strategy = if to == Static(1) {
        "Recreate"
    } else {
        "RollingUpdate"
    };
    assert_eq!(strategy, wanted_strategy, "{from:?} -> {to:?}");
}
