//! `terraform query`, generated configuration and imports by identity, with Terraform 1.15.

use std::fs;

use serde_json::{Value as Json, json};

use crate::lifecycle::account;
use crate::lifecycle::import;
use crate::lifecycle::lab;
use crate::lifecycle::operator::{self, Operator, on_pvc};
use crate::lifecycle::store::{PROVIDER_BLOCK, StoreUnderTest, configuration};
use crate::support::terraform::{Run, Terraform};
use crate::support::testbed::Tool;

const EXAMPLE: &str =
    include_str!("../../examples/list-resources/feast_feature_store/list-resource.tfquery.hcl");
const QUERY_FILE: &str = "list-resource.tfquery.hcl";

/// Creates a namespace, and a working folder of Terraform 1.15 without resources.
pub fn empty(name: &str) -> StoreUnderTest {
    let test = StoreUnderTest::with(lab::terraform(Tool::Terraform115), name);
    test.terraform.write("main.tf", PROVIDER_BLOCK).unwrap();
    test
}

/// Creates the feature store `own` with another working folder, which is returned. Its label `team` is the namespace.
fn make_own(test: &StoreUnderTest) -> Terraform {
    let terraform = test.another_folder(Tool::Terraform);
    let labels = format!("labels = {{ team = {:?} }}", test.namespace.name());
    let text = configuration("", &labels).replace("\"demo\"", "\"own\"");
    terraform.write("main.tf", &text).unwrap();
    terraform.apply().unwrap().expect_success();
    terraform
}

/// Returns the results of a query, each as the address of its block with the display name.
fn found(run: &Run) -> Vec<String> {
    let mut found: Vec<String> = results(run)
        .iter()
        .map(|result| {
            let text = |name: &str| result[name].as_str().unwrap();
            format!("{}: {}", text("address"), text("display_name"))
        })
        .collect();
    found.sort();
    found
}

fn results(run: &Run) -> Vec<Json> {
    let lines = run.stdout.lines();
    let messages = lines.map(|line| serde_json::from_str::<Json>(line).unwrap());
    messages
        .filter(|message| message["type"] == "list_resource_found")
        .map(|message| message["list_resource_found"].clone())
        .collect()
}

/// Follows "Migrate a whole cluster" in `docs/guides/migration.md`, next to a feature store that was not made by the
/// operator.
pub fn generated_configuration_migrates_a_namespace() {
    let test = empty("query");
    let namespace = test.namespace.name();
    let operator = Operator::reconciled(&test, &on_pvc());
    let label = format!("team={namespace}");
    test.namespace
        .kubectl(&["label", "featurestore", "demo", &label])
        .unwrap();
    let own = make_own(&test);

    let example = EXAMPLE
        .replace("= \"shop\"", &format!("= {namespace:?}"))
        .replace("team=ml", &label);
    test.terraform.write(QUERY_FILE, &example).unwrap();
    let run = test.terraform.run(&["query", "-json"]).unwrap();
    let run = run.expect_success();
    let expected = [
        format!("list.feast_feature_store.operator: {namespace}/demo (Feast operator)"),
        format!("list.feast_feature_store.shop: {namespace}/demo (Feast operator)"),
        format!("list.feast_feature_store.shop: {namespace}/own"),
    ];
    assert_eq!(found(&run), expected, "{run}");
    for result in results(&run) {
        let is_included = result["address"] == "list.feast_feature_store.operator";
        assert_eq!(result["resource_object"]["name"] == "demo", is_included);
        assert_eq!(result["identity"]["namespace"], namespace);
    }

    let query = example.split("\n\n# ").next().unwrap();
    test.terraform.write(QUERY_FILE, query).unwrap();
    let generate = "-generate-config-out=generated.tf";
    let run = test.terraform.run(&["query", "-no-color", generate]);
    run.unwrap().expect_success();
    let path = test.terraform.folder().join("generated.tf");
    let generated = import::without_nulls(&fs::read_to_string(&path).unwrap());
    for absent in ["objects", "endpoints", "wait_for_rollout"] {
        assert!(!generated.contains(absent), "{absent}:\n{generated}");
    }
    fs::write(&path, &generated).unwrap();

    let plan = test.plan_with_changes();
    let changes = plan.json["resource_changes"].as_array().unwrap();
    let change = |name: &str| {
        let mut changes = changes.iter().map(|it| &it["change"]);
        changes.find(|it| it["after"]["name"] == name).unwrap()
    };
    assert_eq!(changes.len(), 2, "{}", plan.run);
    assert_eq!(change("own")["actions"], json!(["no-op"]), "{}", plan.run);
    let taken_over = change("demo");
    assert_eq!(taken_over["actions"], json!(["update"]));
    assert_eq!(
        changed(taken_over),
        ["configuration_hash", "objects", "scaling_status"],
        "{}",
        plan.run
    );
    // Terraform 1.15 owns both from here on.
    drop(own);
    test.apply();
    operator.delete();
    test.expect_empty_plan();
    test.terraform.destroy().unwrap().expect_success();
}

/// Returns the attributes that a planned change sets to other values.
pub fn changed(change: &Json) -> Vec<String> {
    let before = change["before"].as_object().unwrap().iter();
    before
        .filter(|(name, value)| {
            change["after_unknown"][name.as_str()] == true
                || change["after"][name.as_str()] != **value
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// With the minimal Role, the feature stores of this provider are listed, and a warning names each missing permission.
pub fn missing_permissions_are_warnings() {
    let mut test = empty("query-permissions");
    operator::define();
    let own = make_own(&test);
    let kubeconfig = account::make(&test.namespace, "lister", &account::minimal_rules());
    test.use_kubeconfig(&kubeconfig);
    let namespace = test.namespace.name();
    let query = |config: &str| -> Run {
        let text = format!(
            "list \"feast_feature_store\" \"all\" {{\n  provider = feast\n  config {{\n    {config}\n  }}\n}}\n"
        );
        test.terraform.write(QUERY_FILE, &text).unwrap();
        let run = test.terraform.run(&["query", "-no-color"]);
        run.unwrap().expect_success()
    };

    let here = query("").messages();
    assert!(here.contains(&format!("{namespace}/own")), "{here}");
    let advice = format!(
        "Grant this user the verbs get and list on featurestores in the API group feast.dev in the namespace {namespace:?}"
    );
    assert!(here.contains(&advice), "{here}");
    assert!(!here.contains("on secrets"), "{here}");
    let own_only = query("managed_by = \"feast\"").messages();
    assert!(!own_only.contains("were not listed"), "{own_only}");

    let everywhere = query("all_namespaces = true").messages();
    for part in [
        "Cannot list secrets in all namespaces of the cluster",
        "Grant this user the verbs get and list on secrets in a ClusterRole",
        "Grant this user the verbs get and list on featurestores in the API group feast.dev in a ClusterRole",
        "set `namespace` instead of `all_namespaces`",
    ] {
        assert!(everywhere.contains(part), "{part}: {everywhere}");
    }
    own.destroy().unwrap().expect_success();
}

pub fn import_by_identity_generates_configuration() {
    import::expect_generated_import_to_be_empty(Tool::Terraform115);
}

pub fn generates_every_configuration() {
    import::import_every_configuration(&[Tool::Terraform115]);
}

/// The checks of the `config` block need no cluster.
pub fn invalid_queries_are_rejected() {
    let test = empty("query-invalid");
    for (config, expected) in [
        (
            "namespace = \"a\"\n all_namespaces = true",
            "`namespace` conflicts with `all_namespaces`",
        ),
        (
            "label_selector = \"a b\"",
            "\"a b\" is not a valid label key",
        ),
        ("managed_by = \"helm\"", "managed_by"),
    ] {
        let text = format!(
            "list \"feast_feature_store\" \"all\" {{\n  provider = feast\n  config {{\n    {config}\n  }}\n}}\n"
        );
        test.terraform.write(QUERY_FILE, &text).unwrap();
        let run = test.terraform.run(&["query", "-no-color"]).unwrap();
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.messages().contains(expected), "{run}");
    }
}
