//! The persistence rule in `validate` and `plan`, without a cluster.

use crate::lifecycle::lab;
use crate::lifecycle::store::{self, StoreUnderTest};
use crate::support::terraform::{Exit, Terraform};
use crate::support::testbed::Tool;

const SUMMARY: &str = "horizontal scaling (replicas > 1 or autoscaling) requires DB-backed persistence \
                        for all enabled services. File-based persistence (SQLite, DuckDB, registry.db) is \
                        incompatible with multiple replicas";

const SCALINGS: [&str; 2] = [
    "scaling = { replicas = 3 }",
    "scaling = { autoscaling = { max_replicas = 5 } }",
];

const ONLINE_DATABASE: &str = r#"online_store = {
  persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
  server      = { resources = { requests = { cpu = "100m" } } }
}"#;
const REGISTRY_DATABASE: &str = r#"registry = {
  local = { persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } } }
}"#;

/// Returns parts of `services` that keep data in files, each with the attribute of the expected error.
fn rejected() -> Vec<(String, &'static str)> {
    let online = |persistence: &str| {
        format!(
            "online_store = {{\n{persistence}\nserver = {{ resources = {{ requests = {{ cpu = \"100m\" }} }} }}\n}}\n{REGISTRY_DATABASE}"
        )
    };
    let offline = |body: &str| {
        format!("{ONLINE_DATABASE}\n{REGISTRY_DATABASE}\noffline_store = {{ {body} }}")
    };
    let registry = |body: &str| format!("{ONLINE_DATABASE}\nregistry = {{ local = {{ {body} }} }}");
    let pvc = r#"pvc = { create = {}, mount_path = "/data" }"#;
    vec![
        (online(""), "online_store"),
        (
            online(r#"persistence = { file = { path = "/data/online.db" } }"#),
            "online_store",
        ),
        (
            online(&format!(
                r#"persistence = {{ file = {{ path = "online.db", {pvc} }} }}"#
            )),
            "online_store",
        ),
        (offline(""), "offline_store"),
        (
            offline(r#"persistence = { file = { type = "duckdb" } }"#),
            "offline_store",
        ),
        (
            offline(r#"persistence = { file = { type = "dask" } }"#),
            "offline_store",
        ),
        (
            offline(&format!(r#"persistence = {{ file = {{ {pvc} }} }}"#)),
            "offline_store",
        ),
        (ONLINE_DATABASE.to_owned(), "registry"),
        (registry(""), "registry"),
        (
            registry(r#"persistence = { file = { path = "/data/registry.db" } }"#),
            "registry",
        ),
        (
            registry(&format!(
                r#"persistence = {{ file = {{ path = "registry.db", {pvc} }} }}"#
            )),
            "registry",
        ),
    ]
}

fn accepted() -> Vec<String> {
    let registry = |body: &str| format!("{ONLINE_DATABASE}\nregistry = {{ {body} }}");
    vec![
        format!("{ONLINE_DATABASE}\n{REGISTRY_DATABASE}"),
        registry(r#"local = { persistence = { file = { path = "s3://bucket/registry.db" } } }"#),
        registry(r#"local = { persistence = { file = { path = "gs://bucket/registry.db" } } }"#),
        registry(r#"remote = { hostname = "registry.feast.svc:80" }"#),
    ]
}

/// Returns a Terraform whose kubeconfig does not exist.
fn without_cluster() -> Terraform {
    let mut terraform = lab::terraform(Tool::Terraform);
    let nowhere = terraform.folder().join("no-such-kubeconfig");
    store::set_variables(&mut terraform, &nowhere.display().to_string(), "default");
    terraform
}

pub fn rejects_files() {
    let terraform = without_cluster();
    for scaling in SCALINGS {
        for (services, service) in rejected() {
            let configuration = store::configuration(&format!("{scaling}\n{services}"), "");
            terraform.write("main.tf", &configuration).unwrap();
            let validate = terraform.validate().unwrap();
            let plan = terraform.plan().unwrap();
            assert_eq!(
                (validate.status, plan.exit),
                (Some(1), Exit::Failed),
                "{services}"
            );
            for messages in [validate.messages(), plan.run.messages()] {
                assert!(messages.contains(SUMMARY), "{services}\n{messages}");
                assert!(
                    messages.contains(&format!("services.{service}")),
                    "{services}\n{messages}"
                );
            }
        }
    }
}

pub fn accepts_databases_and_object_stores() {
    let terraform = without_cluster();
    for scaling in SCALINGS {
        for services in accepted() {
            let configuration = store::configuration(&format!("{scaling}\n{services}"), "");
            terraform.write("main.tf", &configuration).unwrap();
            terraform.validate().unwrap().expect_success();
            let plan = terraform.plan().unwrap();
            assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
        }
    }
}

/// Values that are unknown at plan time are checked during apply, before the first write.
pub fn checks_unknown_values_at_apply() {
    let test = StoreUnderTest::new("unknown");
    let late =
        |value: &str| format!("resource \"terraform_data\" \"late\" {{ input = {value} }}\n");
    let services = format!(
        "scaling = {{ replicas = 3 }}\n{ONLINE_DATABASE}\nregistry = {{ local = {{ persistence = {{ file = {{ path = terraform_data.late.output }} }} }} }}"
    );
    let configuration = store::configuration(&services, "");

    let rejected = format!("{}{configuration}", late("\"/data/registry.db\""));
    test.terraform.write("main.tf", &rejected).unwrap();
    test.plan_with_changes();
    let apply = test.terraform.apply().unwrap();
    assert_eq!(apply.status, Some(1), "{apply}");
    assert!(apply.messages().contains(SUMMARY), "{apply}");
    assert_eq!(test.objects(), Vec::<String>::new());

    let accepted = format!("{}{configuration}", late("\"s3://bucket/registry.db\""));
    test.terraform.write("main.tf", &accepted).unwrap();
    test.apply();
    test.destroy();
}
