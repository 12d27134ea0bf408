//! Feature stores that the real KEDA scales, on a length that the real Prometheus scrapes. All tests share one control
//! plane with KEDA.
//!
//! `cargo test` ignores them, because the first build of KEDA takes long; `.ci/extended` runs them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::{Value as Json, json};

use super::queue::{QUERY, Queue};
use crate::lifecycle::lab;
use crate::lifecycle::store::{DATABASES, StoreUnderTest, until};
use crate::support::testbed::{ControlPlane, Tool, keda};

/// The time in which KEDA would change the number of pods, if it were to.
const TIME_TO_SCALE: Duration = Duration::from_secs(10);

/// The control plane with KEDA.
static CONTROL_PLANE: OnceLock<ControlPlane> = OnceLock::new();

/// Returns one trial for each function.
pub fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 8] = [
        ("scales_between_the_bounds", scales_between_the_bounds),
        ("scales_to_zero_and_back", scales_to_zero_and_back),
        ("pause_is_not_drift", pause_is_not_drift),
        ("fallback_sets_replicas", fallback_sets_replicas),
        ("formula_sets_replicas", formula_sets_replicas),
        (
            "replicas_never_drop_when_the_owner_changes",
            replicas_never_drop_when_the_owner_changes,
        ),
        (
            "scaled_object_of_another_owner_sets_replicas",
            scaled_object_of_another_owner_sets_replicas,
        ),
        ("rejections_are_explained", rejections_are_explained),
    ];
    let trials = tests.into_iter().map(|(name, test)| {
        let trial = Trial::test(format!("keda::real::{name}"), move || {
            test();
            Ok(())
        });
        trial.with_ignored_flag(true)
    });
    trials.collect()
}

fn control_plane() -> &'static ControlPlane {
    CONTROL_PLANE.get_or_init(|| {
        let control_plane = lab::own_control_plane();
        keda::start(&control_plane).unwrap_or_else(|error| panic!("no KEDA: {error}"));
        control_plane
    })
}

pub fn stop() {
    if let Some(control_plane) = CONTROL_PLANE.get() {
        control_plane.stop();
    }
}

fn store(name: &str) -> StoreUnderTest {
    let namespace = control_plane().namespace(name).unwrap();
    StoreUnderTest::on(lab::terraform(Tool::Terraform), namespace)
}

/// Returns services that KEDA scales between `min` and `max` pods.
fn scaled(queue: &Queue, min: u32, max: u32, more: &str) -> String {
    let trigger = queue.trigger("");
    format!(
        "scaling = {{ keda = {{
           min_replicas     = {min}
           max_replicas     = {max}
           polling_interval = 1
           cooldown_period  = 1
           behavior         = {{ scale_down = {{ stabilization_window_seconds = 1 }} }}
           triggers         = [{trigger}]
           {more}
         }} }}
         {DATABASES}"
    )
}

/// Waits until the Deployment has this many pods, and checks that this is neither drift nor a change.
#[track_caller]
fn expect_replicas(test: &StoreUnderTest, replicas: u64) {
    until(&format!("{replicas} replicas"), 120, || {
        let status = &test.deployment()["status"];
        let ready = status["readyReplicas"].as_u64().unwrap_or_default();
        (test.replicas() == replicas && ready == replicas).then_some(())
    });
    test.expect_empty_plan();
    test.expect_no_resource_drift();
}

fn scaled_object(test: &StoreUnderTest) -> Json {
    let name = ["get", "scaledobject", "feast-demo"];
    test.namespace.json(&name).unwrap()
}

fn condition(test: &StoreUnderTest, name: &str) -> Json {
    let object = scaled_object(test);
    let conditions = object["status"]["conditions"].as_array();
    let conditions = conditions.into_iter().flatten();
    let mut found = conditions.filter(|it| it["type"] == name);
    found.next().map_or(Json::Null, |it| it["status"].clone())
}

/// Returns the names of the HorizontalPodAutoscalers.
fn autoscalers(test: &StoreUnderTest) -> Vec<String> {
    let list = test.namespace.json(&["get", "hpa"]).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|it| it["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn uid(test: &StoreUnderTest, object: &str) -> Json {
    test.namespace.json(&["get", object]).unwrap()["metadata"]["uid"].clone()
}

/// Returns the UIDs of the pods.
fn pods(test: &StoreUnderTest) -> BTreeSet<String> {
    let list = test.namespace.json(&["get", "pods"]).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|it| it["metadata"]["uid"].as_str().unwrap().to_owned())
        .collect()
}

/// Destroys the store. KEDA leaves nothing behind.
#[track_caller]
fn destroy(test: &StoreUnderTest) {
    test.destroy();
    assert_eq!(autoscalers(test), Vec::<String>::new());
}

fn scales_between_the_bounds() {
    let (test, queue) = (store("bounds"), Queue::start());
    let named = |label: &str| {
        let scaled = scaled(&queue, 1, 4, "hpa_name = \"ours\"");
        format!("{scaled}\npod_labels = {{ team = \"{label}\" }}")
    };
    test.configure(&named("a"));
    test.apply();
    until("KEDA to be ready", 60, || {
        (condition(&test, "Ready") == json!("True")).then_some(())
    });
    expect_replicas(&test, 1);
    queue.set_length(25);
    expect_replicas(&test, 3);
    queue.set_length(1000);
    expect_replicas(&test, 4);

    // An apply changes neither the count nor the autoscaler of KEDA, which has the labels of the store.
    assert_eq!(autoscalers(&test), ["ours"]);
    let before = uid(&test, "hpa/ours");
    test.configure(&named("b"));
    test.apply();
    assert_eq!((test.replicas(), uid(&test, "hpa/ours")), (4, before));
    queue.set_length(0);
    expect_replicas(&test, 1);
    destroy(&test);
}

fn scales_to_zero_and_back() {
    let (test, queue) = (store("zero"), Queue::start());
    test.configure(&scaled(&queue, 0, 3, ""));
    test.apply();
    expect_replicas(&test, 0);
    // An apply does not start pods.
    let labelled = "pod_labels = { team = \"a\" }";
    test.configure(&format!("{}\n{labelled}", scaled(&queue, 0, 3, "")));
    test.apply();
    assert_eq!(test.replicas(), 0);
    // A HorizontalPodAutoscaler tolerates a tenth, so 11 would be one pod.
    queue.set_length(15);
    expect_replicas(&test, 2);
    queue.set_length(0);
    expect_replicas(&test, 0);

    // At least two pods while the trigger is active.
    let idle = scaled(&queue, 2, 3, "idle_replicas = 0");
    test.configure(&format!("{idle}\n{labelled}"));
    test.apply();
    expect_replicas(&test, 0);
    queue.set_length(1);
    expect_replicas(&test, 2);
    queue.set_length(0);
    expect_replicas(&test, 0);
    destroy(&test);
}

fn pause_is_not_drift() {
    let (test, queue) = (store("pause"), Queue::start());
    test.configure(&scaled(&queue, 1, 4, ""));
    test.apply();
    queue.set_length(40);
    expect_replicas(&test, 4);
    let annotate = |annotation: &str| {
        let arguments = ["annotate", "scaledobject/feast-demo", annotation];
        test.namespace.kubectl(&arguments).unwrap();
    };
    annotate("autoscaling.keda.sh/paused-replicas=2");
    expect_replicas(&test, 2);
    until("KEDA to delete its autoscaler", 120, || {
        autoscalers(&test).is_empty().then_some(())
    });
    assert_eq!(condition(&test, "Paused"), json!("True"));
    // An apply does not end the pause.
    test.configure(&scaled(&queue, 1, 3, ""));
    test.apply();
    assert_eq!(
        scaled_object(&test)["metadata"]["annotations"]["autoscaling.keda.sh/paused-replicas"],
        json!("2")
    );
    assert_eq!(test.replicas(), 2);
    annotate("autoscaling.keda.sh/paused-replicas-");
    expect_replicas(&test, 3);
    annotate("autoscaling.keda.sh/paused=true");
    queue.set_length(0);
    until("the pause", 120, || {
        (condition(&test, "Paused") == json!("True")).then_some(())
    });
    sleep(TIME_TO_SCALE);
    expect_replicas(&test, 3);
    destroy(&test);
}

fn fallback_sets_replicas() {
    let (test, mut queue) = (store("fallback"), Queue::start());
    let fallback = |behavior: &str| {
        let fallback = format!(
            "fallback = {{ failure_threshold = 1, replicas = 3, behavior = \"{behavior}\" }}"
        );
        scaled(&queue, 1, 4, &fallback)
    };
    let (fixed, higher) = (fallback("static"), fallback("currentReplicasIfHigher"));
    test.configure(&fixed);
    test.apply();
    expect_replicas(&test, 1);
    queue.stop_prometheus();
    expect_replicas(&test, 3);
    assert_eq!(condition(&test, "Fallback"), json!("True"));
    queue.start_prometheus_again();
    expect_replicas(&test, 1);
    queue.set_length(40);
    test.configure(&higher);
    test.apply();
    expect_replicas(&test, 4);
    queue.stop_prometheus();
    until("the fallback", 60, || {
        (condition(&test, "Fallback") == json!("True")).then_some(())
    });
    sleep(TIME_TO_SCALE);
    expect_replicas(&test, 4);
    destroy(&test);
}

fn formula_sets_replicas() {
    let (test, queue) = (store("formula"), Queue::start());
    let triggers = [
        queue.trigger("name = \"requests\""),
        queue.trigger("name = \"events\""),
    ];
    test.configure(&format!(
        "scaling = {{ keda = {{
           max_replicas      = 4
           polling_interval  = 1
           triggers          = [{}]
           scaling_modifiers = {{ formula = \"requests + events\", target = \"10\" }}
           fallback          = {{ failure_threshold = 1, replicas = 2 }}
         }} }}
         {DATABASES}",
        triggers.join(", ")
    ));
    test.apply();
    // Each trigger alone would need two pods.
    queue.set_length(20);
    expect_replicas(&test, 4);
    let metrics = &scaled_object(&test)["status"]["compositeScalerName"];
    assert!(metrics.is_string(), "{metrics}");
    destroy(&test);
}

fn replicas_never_drop_when_the_owner_changes() {
    let (test, queue) = (store("owners"), Queue::start());
    let keda = scaled(&queue, 1, 4, "");
    let fixed = format!("scaling = {{ replicas = 3 }}\n{DATABASES}");
    let hpa = format!(
        "scaling = {{ autoscaling = {{ min_replicas = 3, max_replicas = 5 }} }}\n{DATABASES}"
    );
    queue.set_length(30);
    test.configure(&keda);
    test.apply();
    expect_replicas(&test, 3);
    let running = pods(&test);
    for (owner, services, own) in [
        ("external", DATABASES, vec![]),
        ("keda", keda.as_str(), vec!["keda-hpa-feast-demo"]),
        ("fixed", fixed.as_str(), vec![]),
        ("keda", keda.as_str(), vec!["keda-hpa-feast-demo"]),
        ("hpa", hpa.as_str(), vec!["feast-demo"]),
        ("keda", keda.as_str(), vec!["keda-hpa-feast-demo"]),
    ] {
        test.configure(services);
        test.apply();
        until(&format!("the autoscalers of {owner}"), 60, || {
            (autoscalers(&test) == own).then_some(())
        });
        expect_replicas(&test, 3);
        assert_eq!(pods(&test), running, "{owner}");
    }

    // A fixed number holds, whatever KEDA wanted.
    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    assert_eq!((test.replicas(), autoscalers(&test)), (2, vec![]));
    sleep(TIME_TO_SCALE);
    test.expect_empty_plan();
    assert_eq!(test.replicas(), 2);

    // Without a number of the configuration, KEDA can restore the one from before.
    test.configure(&scaled(
        &queue,
        1,
        4,
        "restore_to_original_replica_count = true",
    ));
    test.apply();
    queue.set_length(40);
    expect_replicas(&test, 4);
    test.configure(DATABASES);
    test.apply();
    expect_replicas(&test, 2);
    destroy(&test);
}

/// The third example of the blog: the feature store has no `scaling`, and somebody else applies a ScaledObject.
fn scaled_object_of_another_owner_sets_replicas() {
    let (test, queue) = (store("beside"), Queue::start());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/external-autoscaler");
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    test.terraform.write("main.tf", &read("main.tf")).unwrap();
    test.apply();
    let manifest = read("scaled-object.yaml");
    let query = manifest
        .lines()
        .find(|line| line.contains("query:"))
        .unwrap();
    let manifest = manifest
        .replace(query, &format!("        query: {QUERY}"))
        .replace("http://prometheus.monitoring.svc:9090", &queue.address())
        .replace("\"100\"", "\"10\"")
        .replace(
            "  minReplicaCount: 1",
            "  minReplicaCount: 2\n  pollingInterval: 1",
        )
        .replace(
            "metadata:\n  name:",
            &format!("metadata:\n  namespace: {}\n  name:", test.namespace.name()),
        );
    test.namespace.cluster().apply(&manifest).unwrap();
    let replicas = || {
        let name = ["get", "deployment", "feast-sample-keda"];
        test.namespace.json(&name).unwrap()["spec"]["replicas"].as_u64()
    };
    for (length, expected) in [(0, 2), (55, 6), (0, 2)] {
        queue.set_length(length);
        until(&format!("{expected} replicas"), 120, || {
            (replicas() == Some(expected)).then_some(())
        });
        test.expect_empty_plan();
        test.expect_no_resource_drift();
    }
    // An apply of another change keeps the count and the ScaledObject.
    queue.set_length(40);
    until("4 replicas", 120, || (replicas() == Some(4)).then_some(()));
    let changed = read("main.tf").replace(
        "    deployment_strategy = {",
        "    pod_labels = { team = \"a\" }\n    deployment_strategy = {",
    );
    test.terraform.write("main.tf", &changed).unwrap();
    test.apply();
    assert_eq!(replicas(), Some(4));
    // A destroy keeps the ScaledObject of somebody else.
    test.terraform.destroy().unwrap().expect_success();
    let left = test
        .namespace
        .kubectl(&["get", "scaledobjects", "--output=name"]);
    assert_eq!(
        left.unwrap().trim(),
        "scaledobject.keda.sh/feast-sample-keda"
    );
}

/// The webhook of KEDA rejects a second ScaledObject for the Deployment.
fn rejections_are_explained() {
    let (test, queue) = (store("rejected"), Queue::start());
    test.configure(DATABASES);
    test.apply();
    let other = json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "other", "namespace": test.namespace.name()},
        "spec": {
            "scaleTargetRef": {"name": "feast-demo"},
            "minReplicaCount": 1,
            "triggers": [{
                "type": "prometheus",
                "metadata": {"serverAddress": queue.address(), "query": QUERY, "threshold": "10"},
            }],
        },
    });
    test.namespace.cluster().apply(&other.to_string()).unwrap();
    until("KEDA to create its autoscaler", 60, || {
        (autoscalers(&test) == ["keda-hpa-other"]).then_some(())
    });
    test.configure(&scaled(&queue, 1, 4, ""));
    let run = test.terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    let text = run.error_messages();
    assert!(
        text.contains("A policy of the cluster denies this")
            && text.contains("is already managed by"),
        "{text}"
    );
    // Without the other ScaledObject, the next apply succeeds.
    test.namespace
        .kubectl(&["delete", "scaledobject", "other", "--timeout=60s"])
        .unwrap();
    until("the end of the other autoscaler", 60, || {
        autoscalers(&test).is_empty().then_some(())
    });
    test.apply();
    until("the autoscaler of the store", 60, || {
        (autoscalers(&test) == ["keda-hpa-feast-demo"]).then_some(())
    });
    destroy(&test);
}
