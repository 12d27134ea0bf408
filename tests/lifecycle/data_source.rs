//! The data source: a feature store seen from another configuration, with more and with fewer rights.

use std::fs;

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{DATABASES, StoreUnderTest, until};
use crate::lifecycle::{account, lab};
use crate::support::terraform::{Run, Terraform};
use crate::support::testbed::Tool;

const READER: &str = r#"
terraform {
  required_providers {
    feast = { source = "feast-dev/feast" }
  }
}
variable "kubeconfig" { type = string }
variable "namespace" { type = string }
provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}
data "feast_feature_store" "demo" {
  name = "demo"
}
output "view" {
  value = data.feast_feature_store.demo
}
"#;

/// May look at everything but Secrets and pods.
fn rules() -> Json {
    json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
    ])
}

fn reader(test: &StoreUnderTest, kubeconfig: &str) -> (Terraform, Run) {
    let mut terraform = Terraform::new(&lab::tool_path(Tool::Terraform), lab::provider()).unwrap();
    terraform
        .environment("TF_VAR_kubeconfig", kubeconfig)
        .environment("TF_VAR_namespace", test.namespace.name());
    terraform.write("main.tf", READER).unwrap();
    let run = terraform.apply().unwrap();
    (terraform, run)
}

pub fn shows_what_is_there() {
    let test = StoreUnderTest::new("data-source");
    let kubeconfig = test.namespace.cluster().kubeconfig().display().to_string();
    let (_, run) = reader(&test, &kubeconfig);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(
        run.stderr.contains("There is no such feature store"),
        "{run}"
    );

    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    test.namespace
        .kubectl(&["scale", "deployment/feast-demo", "--replicas=3"])
        .unwrap();
    until("3 ready pods", 60, || {
        (test.deployment()["status"]["readyReplicas"] == 3).then_some(())
    });
    let (terraform, run) = reader(&test, &kubeconfig);
    run.expect_success();
    let view = terraform.output("view").unwrap();
    assert_eq!(
        view["configuration_hash"],
        test.state()["configuration_hash"]
    );
    let configuration = view["configuration"].as_str().unwrap();
    let configuration: Json = serde_json::from_str(configuration).unwrap();
    assert_eq!(configuration["services"]["scaling"], json!({"replicas": 2}));
    let picked = json!({
        "owner": view["replicas_owner"],
        "status": view["scaling_status"],
        "ready": view["ready_pods"],
        "endpoint": view["endpoints"]["online_store"],
        "drift": [view["drift"][0]["field"], view["drift"][0]["wanted"], view["drift"][0]["live"]],
        "available": view["conditions"][0]["status"],
    });
    let host = format!(
        "feast-demo-online.{}.svc.cluster.local:80",
        test.namespace.name()
    );
    assert_eq!(
        picked,
        json!({
            "owner": "external",
            "status": {"current_replicas": 3, "desired_replicas": 3},
            "ready": {"online": 3},
            "endpoint": host,
            "drift": [".spec.replicas", "2", "3"],
            "available": "True",
        })
    );
    test.destroy();
}

pub fn needs_only_the_right_to_read() {
    let test = StoreUnderTest::new("data-source-rights");
    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    let kubeconfig = account::make(&test.namespace, "reader", &rules());
    let path = test.terraform.folder().join("reader.kubeconfig");
    fs::write(&path, kubeconfig).unwrap();

    let (terraform, run) = reader(&test, &path.display().to_string());
    run.expect_success();
    let view = terraform.output("view").unwrap();
    assert_eq!(
        json!([
            view["scaling_status"],
            view["configuration"],
            view["ready_pods"],
            view["drift"]
        ]),
        json!([{"current_replicas": 2, "desired_replicas": 2}, null, null, null])
    );
    test.destroy();
}
