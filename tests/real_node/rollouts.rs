//! No request is lost while pods are added, replaced and removed.

use std::time::{Duration, Instant};

use crate::real_node::load::{Load, Rate, Report};
use crate::real_node::store::Store;
use crate::support::node::NAME as NODE;
use crate::support::testbed::cluster::eventually;

const ONE: &str = "scaling = { replicas = 1 }";
const TWO: &str = "scaling = { replicas = 2 }";
const BUDGET: &str = "scaling = { replicas = 2 }\npod_disruption_budgets = { max_unavailable = 1 }";
const THREE: &str = "scaling = { replicas = 3 }";
const AUTOSCALED: &str = "scaling = { autoscaling = { min_replicas = 2, max_replicas = 3 } }";
const EXTERNAL: &str = "deployment_strategy = { type = \"RollingUpdate\" }";
const ROLLING_ONE: &str =
    "scaling = { replicas = 1 }\ndeployment_strategy = { type = \"RollingUpdate\" }";

/// A change of a feature store while clients send requests.
struct Transition {
    /// The name in the table of the guide.
    name: &'static str,
    /// The services before it.
    before: &'static str,
    change: fn(&Store),
}

/// Each starts where the one before ended, as far as possible.
const TRANSITIONS: &[Transition] = &[
    Transition {
        name: "fixed 1 → fixed 3",
        before: ONE,
        change: |store| store.configure_and_apply(THREE),
    },
    Transition {
        name: "rolling update of 3 pods",
        before: THREE,
        change: |store| store.configure_and_apply(&with_annotation(THREE)),
    },
    Transition {
        name: "a Secret has changed: `feast apply` and a rolling update of 3 pods",
        before: THREE,
        change: |store| {
            store.write_secret(20);
            store.apply();
        },
    },
    Transition {
        name: "fixed 3 → HPA",
        before: THREE,
        change: |store| store.configure_and_apply(AUTOSCALED),
    },
    Transition {
        name: "HPA → external",
        before: AUTOSCALED,
        change: |store| store.configure_and_apply(EXTERNAL),
    },
    Transition {
        name: "`kubectl scale` from 3 to 1",
        before: EXTERNAL,
        change: |store| {
            scale(store, 3);
            scale(store, 1);
        },
    },
    Transition {
        name: "external → HPA",
        before: EXTERNAL,
        change: |store| store.configure_and_apply(AUTOSCALED),
    },
    Transition {
        name: "HPA → fixed 2",
        before: AUTOSCALED,
        change: |store| store.configure_and_apply(TWO),
    },
    Transition {
        name: "drain of the node under the budget",
        before: BUDGET,
        change: drain,
    },
    Transition {
        name: "fixed 2 → fixed 1",
        before: BUDGET,
        change: |store| store.configure_and_apply(ONE),
    },
    Transition {
        name: "rolling update of 1 pod",
        before: ROLLING_ONE,
        change: |store| store.configure_and_apply(&with_annotation(ROLLING_ONE)),
    },
];

/// The transitions of `cargo test`: a rolling update, and a scale-up and scale-down.
pub fn scaling_and_updating_lose_no_request() {
    let store = Store::create("rollouts", ONE);
    for transition in [0, 1, 7, 9] {
        expect_no_loss(&store, &TRANSITIONS[transition], Rate::Low);
    }
    store.destroy();
}

fn expect_no_loss(store: &Store, transition: &Transition, rate: Rate) -> [Report; 2] {
    let Transition {
        name,
        before,
        change,
    } = transition;
    store.configure_and_apply(before);
    wait_for_settled_pods(store);
    let load = Load::on(&store.address(), rate);
    std::thread::sleep(Duration::from_secs(2));
    let start = Instant::now();
    change(store);
    wait_for_settled_pods(store);
    let took = start.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    let reports = load.end();
    let [new, kept] = &reports;
    eprintln!(
        "{name} ({rate:?}): {} s; new connections: {} answered, {} lost, slowest {:.1} s; kept: {} answered, {} repeated, {} \
         lost, slowest {:.1} s",
        took.as_secs(),
        new.answered,
        new.failures.len(),
        new.slowest.as_secs_f32(),
        kept.answered,
        kept.repeated,
        kept.failures.len(),
        kept.slowest.as_secs_f32()
    );
    for (connections, report) in [("new", new), ("kept", kept)] {
        assert!(report.answered > 0, "{name}: no request was answered");
        assert!(
            report.failures.is_empty(),
            "{name} ({rate:?}), {connections} connections: {:#?}",
            report.failures
        );
    }
    reports
}

/// Waits until every pod is ready, and none is terminating.
fn wait_for_settled_pods(store: &Store) {
    eventually(
        "ready pods, none of which is terminating",
        Duration::from_secs(180),
        Duration::from_millis(500),
        || {
            let pods = store
                .namespace
                .json(&["get", "pods", "--selector=feast.dev/name=demo"])
                .ok()?;
            let pods = pods["items"].as_array()?;
            let is_settled = |pod: &serde_json::Value| {
                let conditions = pod["status"]["conditions"].as_array();
                let is_ready =
                    |it: &serde_json::Value| it["type"] == "Ready" && it["status"] == "True";
                pod["metadata"]["deletionTimestamp"].is_null()
                    && conditions.is_some_and(|conditions| conditions.iter().any(is_ready))
            };
            (!pods.is_empty() && pods.iter().all(is_settled)).then_some(())
        },
    )
    .unwrap();
}

/// Adds an annotation to the pods, which replaces them.
fn with_annotation(services: &str) -> String {
    format!("{services}\npod_annotations = {{ \"example.com/changed\" = \"true\" }}")
}

fn scale(store: &Store, replicas: usize) {
    let replicas = format!("--replicas={replicas}");
    let scale = ["scale", "deployment/feast-demo", &replicas];
    store.namespace.kubectl(&scale).unwrap();
    let status = [
        "rollout",
        "status",
        "deployment/feast-demo",
        "--timeout=180s",
    ];
    store.namespace.kubectl(&status).unwrap();
    wait_for_settled_pods(store);
}

/// Drains the only node: the budget allows the eviction of one pod, whose replacement has no node until the drain is
/// given up.
fn drain(store: &Store) {
    let cluster = &store.lab.cluster;
    let drained = cluster.kubectl(&[
        "drain",
        NODE,
        "--pod-selector=feast.dev/name=demo",
        "--delete-emptydir-data",
        "--timeout=20s",
    ]);
    let error = drained.expect_err("the budget allows no second eviction");
    assert!(
        error.to_string().contains("global timeout reached: 20s"),
        "{error}"
    );
    cluster.kubectl(&["uncordon", NODE]).unwrap();
}
