//! The example of a module: its own tests, and feature stores made by it.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::lifecycle::lab;
use crate::lifecycle::store::{PROVIDER_BLOCK, StoreUnderTest};
use crate::support::terraform::Terraform;

/// Copies the module into a folder.
fn copy(to: &Path) {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/module");
    for folder in ["", "tests"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(module.join(folder)).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                let name = from.file_name().unwrap();
                fs::copy(&from, to.join(folder).join(name)).unwrap();
            }
        }
    }
}

pub fn tests_of_the_module_pass() {
    lab::with_each_tool(|terraform| {
        copy(terraform.folder());
        let run = terraform.run(&["test", "-no-color"]).unwrap();
        let run = run.expect_success();
        assert!(run.stdout.contains("Success! 4 passed, 0 failed."), "{run}");
    });
}

/// Returns a configuration that uses the module for two feature stores, of which one has every option.
fn root() -> String {
    format!(
        r#"{PROVIDER_BLOCK}
module "feature_stores" {{
  source    = "./module"
  namespace = var.namespace
  labels    = {{ team = null, platform = "ml" }}
  timeouts  = {{ create = "10m" }}

  stores = {{
    demo = {{ secret = "feast-data-stores", replicas = 1, resources = null }}
    full = {{
      secret       = "feast-data-stores"
      online_store = "redis"
      project      = "p"
      git          = {{ url = "https://git.example.com/features", ref = "v1" }}
      autoscaling  = {{ max_replicas = 2, min_replicas = 1 }}
      resources    = {{ requests = {{ cpu = "100m" }} }}
      schedule     = "@daily"
      env          = {{ LOG_LEVEL = "info" }}
      labels       = {{ team = "a" }}
    }}
  }}
}}

output "online_stores" {{
  value = module.feature_stores.online_stores
}}

output "client_config_maps" {{
  value = module.feature_stores.client_config_maps
}}
"#
    )
}

pub fn creates_several_feature_stores() {
    lab::with_each_tool(|terraform| check(StoreUnderTest::with(terraform, "module")));
}

fn check(test: StoreUnderTest) {
    copy(&test.terraform.folder().join("module"));
    test.terraform.write("main.tf", &root()).unwrap();
    get(&test.terraform);
    test.apply();
    let address = |name: &str| {
        let namespace = test.namespace.name();
        format!("feast-{name}-online.{namespace}.svc.cluster.local:80")
    };
    assert_eq!(
        test.terraform.output("online_stores").unwrap(),
        json!({"demo": address("demo"), "full": address("full")})
    );
    let clients = test.terraform.output("client_config_maps").unwrap();
    for client in clients.as_object().unwrap().values() {
        let client = client.as_str().unwrap();
        test.namespace
            .kubectl(&["get", "configmap", client])
            .unwrap();
    }
    test.destroy();
}

/// Installs the module. The provider needs no installation.
fn get(terraform: &Terraform) {
    terraform
        .run(&["get", "-no-color"])
        .unwrap()
        .expect_success();
}
