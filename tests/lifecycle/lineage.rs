//! The lineage server, which has its own pods.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{DATABASES, StoreUnderTest, until};
use crate::support::terraform::Exit;

const KEY: &str = "key-of-the-senders";

fn make_key(test: &StoreUnderTest, name: &str, key: &str) {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": test.namespace.name()},
        "stringData": {"api_key": key},
    });
    test.namespace.cluster().apply(&secret.to_string()).unwrap();
}

fn openlineage(server: &str) -> String {
    format!(
        "openlineage = {{
           enabled  = true
           consumer = {{
             enabled            = true
             api_key_secret_ref = {{ name = \"lineage\" }}
             {server}
           }}
         }}"
    )
}

fn configure(test: &StoreUnderTest, services: &str, server: &str) {
    test.configure_all(&format!("{services}\n{DATABASES}"), &openlineage(server));
}

fn deployment(test: &StoreUnderTest) -> Json {
    let deployment = ["get", "deployment", "feast-demo-lineage"];
    test.namespace.json(&deployment).unwrap()
}

fn configuration_hash(deployment: &Json) -> Json {
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    annotations["feast.dev/configuration-hash"].clone()
}

/// Returns the number of ready pods with this value of the label for the feature store's name.
fn ready(test: &StoreUnderTest, name: &str) -> usize {
    let selector = format!("--selector=feast.dev/name={name},app.kubernetes.io/managed-by=feast");
    let pods = test.namespace.json(&["get", "pods", &selector]).unwrap();
    let pods = pods["items"].as_array().unwrap().iter();
    pods.filter(|pod| {
        let conditions = pod["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    })
    .count()
}

pub fn runs_in_separate_pods() {
    let test = StoreUnderTest::new("lineage");
    make_key(&test, "lineage", KEY);
    configure(
        &test,
        "scaling = { replicas = 2 }",
        "lineage_server = { replicas = 3 }",
    );
    test.apply();
    // The apply has waited for both Deployments.
    assert_eq!((ready(&test, "demo"), ready(&test, "demo-lineage")), (2, 3));
    let namespace = test.namespace.name().to_owned();
    assert_eq!(
        test.state()["endpoints"]["lineage"],
        json!(format!(
            "feast-demo-lineage.{namespace}.svc.cluster.local:80"
        ))
    );
    assert_eq!(
        test.state()["scaling_status"],
        json!({"current_replicas": 2, "desired_replicas": 2})
    );
    let state = test.terraform.state_json().unwrap().to_string();
    assert!(!state.contains(KEY));
    for deployment in [test.deployment(), deployment(&test)] {
        assert!(!deployment.to_string().contains(KEY));
    }

    // A change of the other pods does not change the lineage server.
    let before = deployment(&test)["metadata"]["generation"].clone();
    let server = "lineage_server = { replicas = 3 }";
    configure(
        &test,
        "pod_annotations = {}\nscaling = { autoscaling = { max_replicas = 4 } }",
        server,
    );
    test.apply();
    assert_eq!(deployment(&test)["metadata"]["generation"], before);
    assert_eq!(test.autoscaler(), Some((1, 4)));

    // A change by another manager shows at its attribute, and is reverted.
    test.namespace
        .kubectl(&["scale", "deployment/feast-demo-lineage", "--replicas=1"])
        .unwrap();
    let plan = test.plan_with_changes();
    let drift = &plan.json["resource_drift"][0]["change"]["after"];
    assert_eq!(
        drift["openlineage"]["consumer"]["lineage_server"]["replicas"],
        1
    );
    assert_eq!(drift["drift"][0]["object"], "Deployment/feast-demo-lineage");
    test.apply();
    assert_eq!(ready(&test, "demo-lineage"), 3);

    // A new key rolls both Deployments.
    let hashes = |test: &StoreUnderTest| {
        [test.deployment(), deployment(test)].map(|deployment| configuration_hash(&deployment))
    };
    let first = hashes(&test);
    make_key(&test, "lineage", "another-key");
    test.plan_with_changes();
    test.apply();
    let second = hashes(&test);
    assert!(first[0] != second[0] && first[1] != second[1]);

    // Without the block, the lineage server is deleted with all its objects.
    configure(&test, "", "");
    test.apply();
    let left = test.objects().join(" ");
    assert!(!left.contains("lineage"), "{left}");
    test.destroy();
}

pub fn failing_lineage_rollout_is_explained() {
    let test = StoreUnderTest::new("lineage-fails");
    make_key(&test, "lineage", KEY);
    let nowhere = r#"lineage_server = { server = { node_selector = { disk = "none" } } }"#;
    let timeouts = r#"timeouts = { create = "60s" }"#;
    test.configure_all(DATABASES, &format!("{timeouts}\n{}", openlineage(nowhere)));
    let run = test.terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.error_messages();
    for part in [
        "The rollout did not finish",
        "Deployment/feast-demo-lineage",
        "didn't match Pod's node affinity/selector",
    ] {
        assert!(messages.contains(part), "{part:?} is not in {messages}");
    }
    // The other servers keep running, and the next plan is not empty.
    until("the other servers", 60, || {
        (ready(&test, "demo") == 1).then_some(())
    });
    let plan = test.terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
    configure(&test, "", "lineage_server = {}");
    test.apply();
    assert_eq!(ready(&test, "demo-lineage"), 1);
    test.destroy();
}

pub fn example_is_applied_and_destroyed() {
    let test = StoreUnderTest::new("lineage-example");
    make_key(&test, "feast-lineage", KEY);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lineage/main.tf");
    let text = fs::read_to_string(example).unwrap();
    test.terraform.write("main.tf", &text).unwrap();
    test.apply();
    let host = format!(
        "feast-traced-lineage.{}.svc.cluster.local:80",
        test.namespace.name()
    );
    assert_eq!(test.terraform.output("events").unwrap(), json!(host));
    test.destroy();
}
