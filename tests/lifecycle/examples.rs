//! The examples, with Terraform and with OpenTofu: each is applied, planned without changes, and destroyed completely.
//! The examples of KEDA, TLS and lineage are in the modules of these subjects.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::lifecycle::lab;
use crate::lifecycle::store::StoreUnderTest;
use crate::support::testbed::Tool;

/// The expected state of the cluster for an example.
struct Expected {
    folder: &'static str,
    deployment: &'static str,
    replicas: u64,
    strategy: &'static str,
    replicas_owner: &'static str,
    /// The `spec` of the autoscaler without its target.
    autoscaler: Json,
}

pub fn static_replicas() {
    check(&Expected {
        folder: "examples/static-replicas",
        deployment: "feast-sample-static",
        replicas: 3,
        strategy: "RollingUpdate",
        replicas_owner: "terraform",
        autoscaler: Json::Null,
    });
}

pub fn autoscaling() {
    check(&Expected {
        folder: "examples/autoscaling",
        deployment: "feast-sample-hpa",
        replicas: 2,
        strategy: "RollingUpdate",
        replicas_owner: "hpa",
        autoscaler: json!({
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 70},
                },
            }],
        }),
    });
}

pub fn external_autoscaler() {
    check(&Expected {
        folder: "examples/external-autoscaler",
        deployment: "feast-sample-keda",
        replicas: 1,
        strategy: "RollingUpdate",
        replicas_owner: "external",
        autoscaler: Json::Null,
    });
}

pub fn production() {
    check(&Expected {
        folder: "examples/production",
        deployment: "feast-production",
        replicas: 3,
        strategy: "RollingUpdate",
        replicas_owner: "hpa",
        autoscaler: json!({
            "minReplicas": 3,
            "maxReplicas": 12,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 70},
                },
            }],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "selectPolicy": "Max",
                    "policies": [
                        {"type": "Pods", "value": 4, "periodSeconds": 15},
                        {"type": "Percent", "value": 100, "periodSeconds": 15},
                    ],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 600,
                    "selectPolicy": "Max",
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
                },
            },
        }),
    });
}

fn check(expected: &Expected) {
    lab::with_each_tool(|terraform| {
        let name = expected.folder.trim_start_matches("examples/");
        let test = StoreUnderTest::with(terraform, name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(expected.folder);
        let text = fs::read_to_string(folder.join("main.tf")).unwrap();
        test.terraform.write("main.tf", &text).unwrap();
        test.terraform.validate().unwrap().expect_success();
        test.apply();
        check_cluster(expected, &test);
        test.expect_empty_plan();
        test.destroy();
    });
}

fn check_cluster(expected: &Expected, test: &StoreUnderTest) {
    // An autoscaler needs some time to raise the count to its minimum.
    let deployment = crate::lifecycle::store::until("the expected replicas", 60, || {
        let deployment = test
            .namespace
            .json(&["get", "deployment", expected.deployment])
            .unwrap();
        let ready = deployment["status"]["readyReplicas"].as_u64();
        (ready == Some(expected.replicas)).then_some(deployment)
    });
    let state = test.state();
    let autoscalers = test.namespace.json(&["get", "hpa"]).unwrap();
    let mut autoscaler = autoscalers["items"][0]["spec"].clone();
    if let Some(spec) = autoscaler.as_object_mut() {
        spec.remove("scaleTargetRef");
    }
    assert_eq!(
        json!({
            "strategy": deployment["spec"]["strategy"]["type"],
            "effective": state["strategy"],
            "owner": state["replicas_owner"],
            "autoscaler": autoscaler,
        }),
        json!({
            "strategy": expected.strategy,
            "effective": expected.strategy,
            "owner": expected.replicas_owner,
            "autoscaler": expected.autoscaler,
        })
    );
    let store = expected.deployment.trim_start_matches("feast-");
    let pods = test
        .namespace
        .json(&["get", "pods", &format!("--selector=feast.dev/name={store}")])
        .unwrap();
    assert_eq!(
        pods["items"].as_array().unwrap().len() as u64,
        expected.replicas
    );
}

/// The example of the quick start, and the examples in the documentation, which have no variables: those of the
/// resource, and of the guide "Getting started", which is also that of the provider.
pub fn remaining_examples() {
    lab::with_each_tool(|terraform| {
        let test = StoreUnderTest::with(terraform, "examples");
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let quickstart = fs::read_to_string(examples.join("quickstart/main.tf")).unwrap();
        test.terraform.write("main.tf", &quickstart).unwrap();
        test.apply();
        test.destroy();

        let resource = examples.join("resources/feast_feature_store/resource.tf");
        let resource = fs::read_to_string(resource).unwrap();
        let namespace = format!("\"{}\"", test.namespace.name());
        let provider = quickstart.split("resource \"").next().unwrap();
        let text = format!("{provider}{}", resource.replace("\"default\"", &namespace));
        test.terraform.write("main.tf", &text).unwrap();
        test.apply();
        test.destroy();

        let first = resource_block(include_str!("../../docs/guides/getting-started.md"));
        let provider_page = fs::read_to_string(examples.join("provider/provider.tf")).unwrap();
        let same = resource_block(&provider_page).split_whitespace();
        assert!(
            first.split_whitespace().eq(same),
            "{first}\n{provider_page}"
        );
        let text = format!("{provider}{first}");
        test.terraform.write("main.tf", &text).unwrap();
        test.apply();
        test.destroy();
    });
}

pub fn are_formatted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let format = ["fmt", "-no-color", "-check", "-diff", "-recursive", folder];
    let terraform = lab::terraform(Tool::Terraform);
    terraform.run(&format).unwrap().expect_success();
}

/// Returns the last part of a text that begins with a `resource` block, up to the end of its code block.
fn resource_block(text: &str) -> &str {
    let start = text.find("resource \"feast_feature_store\"").unwrap();
    let block = &text[start..];
    block.split_once("```").map_or(block, |(block, _)| block)
}
