//! The actions with the real Feast: features are served after a materialization, a failing `feast apply` is explained,
//! and a restart loses no request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

use crate::real_node::lab::PASSWORD;
use crate::real_node::load::{Load, Rate};
use crate::real_node::serving;
use crate::real_node::store::Store;
use crate::support::feast::features::expected_response;
use crate::support::terraform::{Run, Terraform};
use crate::support::testbed::{Progress, Tool, tools};

const ACTIONS: &str = r#"
action "feast_materialize" "demo" {
  config {
    name      = "demo"
    namespace = feast_feature_store.demo.namespace
  }
}

action "feast_apply" "demo" {
  config {
    name      = "demo"
    namespace = feast_feature_store.demo.namespace
  }
}

action "feast_restart" "demo" {
  config {
    name      = "demo"
    namespace = feast_feature_store.demo.namespace
  }
}
"#;

/// Creates a store with Terraform 1.15, without features.
fn create(name: &str) -> Store {
    let mut store = Store::new(name);
    let tools = tools::ensure(&[Tool::Terraform115], Progress::stderr()).unwrap();
    let provider = env!("CARGO_BIN_EXE_terraform-provider-feast").as_ref();
    store.terraform = Terraform::new(tools.path(Tool::Terraform115).unwrap(), provider).unwrap();
    store.configure("scaling = { replicas = 2 }");
    store.terraform.write("actions.tf", ACTIONS).unwrap();
    store.apply();
    store
}

fn invoke(store: &Store, action: &str) -> Run {
    let flag = format!("-invoke=action.feast_{action}.demo");
    let arguments = ["apply", "-no-color", "-input=false", "-auto-approve", &flag];
    store.terraform.run(&arguments).unwrap()
}

fn pods(store: &Store) -> Vec<String> {
    let names = [
        "get",
        "pods",
        "--selector=feast.dev/name=demo",
        "--output=name",
    ];
    let names = store.namespace.kubectl(&names).unwrap();
    names.lines().map(str::to_owned).collect()
}

pub fn materializes_and_restarts_without_a_lost_request() {
    let store = create("actions");
    assert_ne!(serving::served(&store), Some(expected_response()));
    let run = invoke(&store, "materialize").expect_success();
    for message in [
        "| Materializing 1 feature view",
        "`feast materialize-incremental` has succeeded",
    ] {
        assert!(run.stdout.contains(message), "{message}: {run}");
    }
    serving::assert_serves_features(&store);

    let before = pods(&store);
    let load = Load::on(&store.target(), Rate::Low);
    let run = invoke(&store, "restart").expect_success();
    for report in load.end() {
        assert!(
            report.answered > 0 && report.failures.is_empty(),
            "{:?}\n{run}",
            report.failures
        );
    }
    let after = pods(&store);
    let replaced = after.iter().filter(|pod| !before.contains(pod)).count();
    assert_eq!(replaced, 2, "{before:?} {after:?}");
    destroy(store);
}

pub fn a_failing_feast_apply_is_explained() {
    let store = create("actions-fail");
    invoke(&store, "apply").expect_success();
    let secret = store
        .namespace
        .json(&["get", "secret", "feast-demo"])
        .unwrap();
    let patch = json!({"data": {"feature_store.yaml": with_wrong_password(&secret)}});
    let patch = [
        "patch",
        "secret",
        "feast-demo",
        "--patch",
        &patch.to_string(),
    ];
    store.namespace.kubectl(&patch).unwrap();
    let run = invoke(&store, "apply");
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.messages();
    for part in [
        "Cannot apply the feature definitions",
        "`feast apply` failed: BackoffLimitExceeded",
        "container feast-apply: Error, exit code 1",
        "password authentication failed",
        "Fix the problem in the log of the pod, then invoke the action again.",
        "The Job is kept for one day",
    ] {
        assert!(messages.contains(part), "{part}: {run}");
    }
    assert!(!messages.contains(PASSWORD), "{run}");
    destroy(store);
}

/// Returns `feature_store.yaml` with another password, as the data of a Secret.
fn with_wrong_password(secret: &Json) -> String {
    let file = secret["data"]["feature_store.yaml"].as_str().unwrap();
    let file = String::from_utf8(BASE64.decode(file).unwrap()).unwrap();
    assert!(file.contains(PASSWORD));
    BASE64.encode(file.replace(PASSWORD, "wrong"))
}

/// Deletes the Jobs of the runs first, because Kubernetes does so only some time after the store is gone.
fn destroy(store: Store) {
    let delete = [
        "delete",
        "jobs",
        "--selector=feast.dev/command",
        "--cascade=foreground",
    ];
    store.namespace.kubectl(&delete).unwrap();
    store.destroy();
}
