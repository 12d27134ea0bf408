//! No request is lost while pods are added, replaced and removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::real_node::load::{Load, Rate, Report};
use crate::real_node::store::Store;
use crate::support::measured;
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

const RENEWED_CERTIFICATE: Transition = Transition {
    name: "a certificate has been renewed: rolling update of 2 pods with TLS",
    before: TWO,
    change: |store| {
        store.write_certificate(1);
        store.apply();
    },
};

/// The number of times that each transition is measured at each rate.
const ROUNDS: usize = 3;

/// Scale-up, rolling update and scale-down.
pub fn scaling_and_updating_lose_no_request() {
    let store = Store::create("rollouts", ONE);
    for transition in [0, 1, 7, 9] {
        measure(&store, &TRANSITIONS[transition], Rate::Low);
    }
    store.destroy();
}

/// Every transition, three times at each of two rates. With `UPDATE_DOCS=1`, writes the table of the guide.
pub fn every_transition_loses_no_request() {
    let mut rows = BTreeMap::new();
    for rate in [Rate::Low, Rate::High] {
        let store = Store::create("transitions", ONE);
        for round in 0..ROUNDS {
            for (number, transition) in TRANSITIONS.iter().enumerate() {
                eprint!("round {round}, {rate:?}: ");
                let measured = measure(&store, transition, rate);
                rows.entry(number).or_insert_with(Vec::new).push(measured);
            }
        }
        store.destroy();
        for round in 0..ROUNDS {
            let store = Store::create_with_tls(&format!("tls-{round}"), TWO);
            eprint!("round {round}, {rate:?}: ");
            let measured = measure(&store, &RENEWED_CERTIFICATE, rate);
            rows.entry(TRANSITIONS.len())
                .or_insert_with(Vec::new)
                .push(measured);
            store.destroy();
        }
    }
    let names = TRANSITIONS.iter().chain([&RENEWED_CERTIFICATE]);
    let rows: Vec<String> = names
        .zip(rows.into_values())
        .map(|(it, reports)| row(it, reports))
        .collect();
    let table = format!(
        "| | New connections: requests | lost | longest | Kept connections: requests | sent again | lost | longest |\n\
         |---|---|---|---|---|---|---|---|\n{}\n",
        rows.join("\n")
    );
    eprintln!("{table}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/scaling.md");
        measured::write_section(&guide, TABLE_BEGIN, &table);
    }
}

/// Returns the row of the table with the sum of several runs.
fn row(transition: &Transition, reports: Vec<[Report; 2]>) -> String {
    let [new, kept] = reports
        .into_iter()
        .fold(<[Report; 2]>::default(), |[new, kept], [a, b]| {
            [new.add(a), kept.add(b)]
        });
    format!(
        "| {} | {} | {} | {:.1} s | {} | {} | {} | {:.1} s |",
        transition.name,
        new.answered,
        new.failures.len(),
        new.slowest.as_secs_f32(),
        kept.answered,
        kept.repeated,
        kept.failures.len(),
        kept.slowest.as_secs_f32()
    )
}

const TABLE_BEGIN: &str =
    "<!-- Measured by `UPDATE_DOCS=1 cargo test --test real_node every_transition`. -->";

/// A destroy deletes the Service first. Until it is gone, every request is answered.
pub fn destroy_refuses_requests_only_without_the_service() {
    let store = Store::create("destroyed", TWO);
    let load = Load::on(&store.target(), Rate::Low);
    let start = Instant::now();
    let cluster = store.lab.cluster.clone();
    let namespace = format!("--namespace={}", store.namespace.name());
    let watch = std::thread::spawn(move || {
        let service = "service/feast-demo-online";
        let get = [
            "get",
            service,
            &namespace,
            "--ignore-not-found",
            "--output=name",
        ];
        let mut last_seen = start.elapsed();
        loop {
            let asked = start.elapsed();
            if cluster.kubectl(&get).unwrap().is_empty() {
                return last_seen;
            }
            last_seen = asked;
        }
    });
    std::thread::sleep(Duration::from_secs(2));
    store.destroy();
    let last_seen = watch.join().unwrap();
    for report in load.end() {
        let (time, failure) = report.failures.first().expect("no server is left");
        assert!(
            *time > last_seen,
            "{time:?}: {failure}; the Service was there after {last_seen:?}"
        );
    }
}

/// The offline server and the gRPC server of the registry do not handle SIGTERM. They end long before the grace period.
pub fn every_server_ends_before_the_grace_period() {
    let store = Store::new("ends");
    let services = "termination_grace_period_seconds = 3600
    offline_store = { server = {} }
    registry      = { local = { server = { rest_api = true } } }
    ui            = {}";
    store.write("demo", "", services);
    store.apply();
    let delete = [
        "delete",
        "pods",
        "--selector=feast.dev/name=demo",
        "--timeout=240s",
    ];
    store.namespace.kubectl(&delete).unwrap();
    store.destroy();
}

/// Changes the feature store under load.
fn measure(store: &Store, transition: &Transition, rate: Rate) -> [Report; 2] {
    let Transition {
        name,
        before,
        change,
    } = transition;
    store.configure_and_apply(before);
    wait_for_settled_pods(store);
    let load = Load::on(&store.target(), rate);
    std::thread::sleep(Duration::from_secs(2));
    change(store);
    wait_for_settled_pods(store);
    std::thread::sleep(Duration::from_secs(2));
    let reports = load.end();
    eprintln!("{}", row(transition, vec![reports.clone()]));
    for (connections, report) in ["new", "kept"].into_iter().zip(&reports) {
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
pub fn wait_for_settled_pods(store: &Store) {
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
    store.wait_for_rollout();
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
