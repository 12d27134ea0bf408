//! The data source: a feature store read from another configuration, with full and with limited permissions.

use serde_json::{Value as Json, json};

use crate::lifecycle::account;
use crate::lifecycle::store::{
    DATABASES, PROVIDER_BLOCK, StoreUnderTest, make_store_secret, until,
};
use crate::support::terraform::{Run, Terraform};
use crate::support::testbed::Tool;

const DATA_SOURCE: &str = r#"
data "feast_feature_store" "demo" {
  name = "demo"
}
output "view" {
  value     = data.feast_feature_store.demo
  sensitive = true
}
"#;

/// Permission to read everything except Secrets and pods.
fn few_permissions() -> Json {
    json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
    ])
}

/// Returns a configuration with the data source and no resource.
fn reader_configuration() -> String {
    format!("{PROVIDER_BLOCK}{DATA_SOURCE}")
}

fn reader(test: &StoreUnderTest, kubeconfig: &str) -> (Terraform, Run) {
    reader_of(test, kubeconfig, &reader_configuration())
}

/// Applies this configuration in a folder of its own.
fn reader_of(test: &StoreUnderTest, kubeconfig: &str, configuration: &str) -> (Terraform, Run) {
    let terraform = test.another_folder_with(Tool::Terraform, kubeconfig);
    terraform.write("main.tf", configuration).unwrap();
    let run = terraform.apply().unwrap();
    (terraform, run)
}

pub fn returns_live_values() {
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
            "owner": "terraform",
            "status": {"current_replicas": 3, "desired_replicas": 3},
            "ready": {"online": 3},
            "endpoint": host,
            "drift": [".spec.replicas", "2", "3"],
            "available": "True",
        })
    );
    test.destroy();
}

/// The namespace of the provider block is known only after apply.
pub fn rejects_a_provider_namespace_known_after_apply() {
    let test = StoreUnderTest::new("data-source-late");
    let kubeconfig = test.namespace.cluster().kubeconfig().display().to_string();
    test.configure(DATABASES);
    test.apply();
    let late = format!(
        "{}resource \"terraform_data\" \"namespace\" {{\n  input = var.namespace\n}}\n",
        reader_configuration().replace(
            "namespace   = var.namespace",
            "namespace   = terraform_data.namespace.output"
        )
    );
    let (_, run) = reader_of(&test, &kubeconfig, &late);
    assert_eq!(run.status, Some(1), "{run}");
    let unknown = "The namespace is not known yet";
    assert!(run.messages().contains(unknown), "{run}");

    // The namespace of the data source is unknown, too, so Terraform reads it during the apply.
    let named = late.replace(
        "name = \"demo\"",
        "name      = \"demo\"\n  namespace = terraform_data.namespace.output",
    );
    let (terraform, run) = reader_of(&test, &kubeconfig, &named);
    run.expect_success();
    let view = terraform.output("view").unwrap();
    assert_eq!(view["namespace"], test.namespace.name());
    test.destroy();
}

/// Writes a kubeconfig for an account with only these permissions, and returns its path.
fn account(test: &StoreUnderTest, name: &str, rules: &Json) -> String {
    let kubeconfig = account::make(&test.namespace, name, rules);
    test.terraform.write(name, &kubeconfig).unwrap();
    test.terraform.folder().join(name).display().to_string()
}

pub fn needs_only_read_permissions() {
    let test = StoreUnderTest::new("data-source-permissions");
    let services = format!(
        "scaling = {{ replicas = 2 }}\npod_disruption_budgets = {{ max_unavailable = 1 }}\n{DATABASES}"
    );
    test.configure_all(&services, "cron_job = { schedule = \"@daily\" }");
    test.apply();
    let seen = |kubeconfig: &str| {
        let (terraform, run) = reader(&test, kubeconfig);
        run.expect_success();
        terraform.output("view").unwrap()
    };
    let view = seen(&account(&test, "little", &few_permissions()));
    assert_eq!(
        json!([
            view["scaling_status"],
            view["configuration"],
            view["ready_pods"],
            view["drift"]
        ]),
        json!([{"current_replicas": 2, "desired_replicas": 2}, null, null, null])
    );

    let kubeconfig = account(&test, "reader", &account::rules_of("feast-reader"));
    let untouched = seen(&kubeconfig);
    let nulls: Vec<&String> = (untouched.as_object().unwrap().iter())
        .filter_map(|(name, value)| value.is_null().then_some(name))
        .collect();
    assert_eq!(nulls, Vec::<&String>::new());
    assert_eq!(
        json!([untouched["ready_pods"], untouched["drift"]]),
        json!([{"online": 2}, []])
    );
    test.namespace
        .kubectl(&["delete", "configmap", "feast-demo-client"])
        .unwrap();
    make_store_secret(&test.namespace, "another-password");
    let view = seen(&kubeconfig);
    let drift = view["drift"].as_array().unwrap().iter();
    let drift: Vec<String> = drift
        .map(|drift| {
            let text = |name: &str| drift[name].as_str().unwrap_or("null").to_owned();
            ["object", "change", "field", "live"].map(text).join(" ")
        })
        .collect();
    assert_eq!(
        drift,
        [
            "ConfigMap/feast-demo-client deleted  null",
            "Secret/feast-demo rotated .data.feature_store.yaml null",
        ]
    );
    assert!(!view.to_string().contains("another-password"));
    test.destroy();
}
