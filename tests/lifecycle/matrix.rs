//! Every feature with every version of Terraform and OpenTofu that has it.
//!
//! `cargo test` runs the oldest version, that of the machine from 1.11 on, the newest, and OpenTofu. `.ci/extended`
//! runs all of them: `cargo test --test lifecycle -- matrix --include-ignored`.

#[path = "matrix/features.rs"]
mod features;

use std::fs;

use serde_json::json;

use crate::lifecycle::import;
use crate::lifecycle::lab;
use crate::lifecycle::store::{DATABASES, PROVIDER_BLOCK, StoreUnderTest, configuration};
use crate::support::terraform::{Exit, Terraform};
use crate::support::testbed::Tool;

use features::{COLUMNS, Feature, Product};

const ADDRESS: &str = "feast_feature_store.demo";

/// The tools of the columns, and whether `cargo test` runs them.
pub const TOOLS: &[(&str, Tool, bool)] = &[
    ("matrix::terraform_1_6", Tool::Terraform16, true),
    ("matrix::terraform_1_8", Tool::Terraform18, false),
    ("matrix::terraform_1_10", Tool::Terraform110, false),
    ("matrix::terraform_of_the_machine", Tool::Terraform, true),
    ("matrix::terraform_1_12", Tool::Terraform112, false),
    ("matrix::terraform_1_14", Tool::Terraform114, false),
    ("matrix::terraform_1_15", Tool::Terraform115, true),
    ("matrix::opentofu_1_12", Tool::Tofu, true),
];

/// Checks every feature that the version of this tool has.
pub fn check(tool: Tool) {
    let terraform = lab::terraform(tool);
    let (product, minor) = version(tool, &terraform);
    // The machine can have any version from 1.11 on.
    assert!(
        tool == Tool::Terraform || COLUMNS.contains(&(product, minor)),
        "{product:?} 1.{minor}"
    );
    let test = StoreUnderTest::with(terraform, "matrix");
    test.configure(&services());
    let has = |feature: &&Feature| feature.is_in(product, minor);
    for feature in Feature::ALL.iter().filter(has) {
        match feature {
            Feature::Validate => {
                test.terraform.validate().unwrap().expect_success();
            }
            Feature::Plan => {
                let plan = test.plan_with_changes();
                let changes = &plan.json["resource_changes"];
                assert_eq!(changes[0]["change"]["actions"], json!(["create"]));
            }
            Feature::Apply => {
                test.terraform.apply_plan().unwrap().expect_success();
            }
            Feature::EmptyPlan => test.expect_empty_plan(),
            Feature::Refresh => refresh(&test),
            Feature::ImportById => {
                import::expect_import_with_to_be_empty(&test, tool, &services());
            }
            Feature::GenerateConfig => generate_config(&test, tool),
            Feature::Functions => functions(&test, tool),
            Feature::ImportByIdentity => import_by_identity(&test, tool),
            Feature::Query => query(&test, tool),
            Feature::Actions => actions(&test),
        }
    }
    test.destroy();
}

fn version(tool: Tool, terraform: &Terraform) -> (Product, u32) {
    let version = terraform.json(&["version", "-json"]).unwrap();
    let version = version["terraform_version"].as_str().unwrap();
    let minor = version
        .strip_prefix("1.")
        .and_then(|rest| rest.split('.').next());
    let product = match tool {
        Tool::Tofu => Product::OpenTofu,
        _ => Product::Terraform,
    };
    (
        product,
        minor
            .and_then(|minor| minor.parse().ok())
            .unwrap_or_else(|| panic!("{version}")),
    )
}

fn services() -> String {
    format!("scaling = {{ replicas = 1 }}\n{DATABASES}")
}

fn refresh(test: &StoreUnderTest) {
    test.patch("deployment/feast-demo", r#"{"spec": {"replicas": 2}}"#);
    let plan = test.terraform.plan_with(&["-refresh-only"]).unwrap();
    assert_ne!(plan.exit, Exit::Failed, "{}", plan.run);
    let drift = &plan.json["resource_drift"][0];
    assert_eq!(drift["address"], ADDRESS, "{}", plan.run);
    test.apply();
    assert_eq!(test.replicas(), 1);
}

fn generate_config(test: &StoreUnderTest, tool: Tool) {
    let terraform = test.another_folder(tool);
    let id = format!("{}/demo", test.namespace.name());
    let block = format!("import {{\n  to = {ADDRESS}\n  id = {id:?}\n}}\n");
    terraform
        .write("main.tf", &format!("{PROVIDER_BLOCK}{block}"))
        .unwrap();
    let flag = "-generate-config-out=generated.tf";
    expect_no_change(&terraform, &[flag]);
    let path = terraform.folder().join("generated.tf");
    let generated = import::without_nulls(&fs::read_to_string(&path).unwrap());
    fs::write(&path, generated).unwrap();
    expect_no_change(&terraform, &[]);
}

fn import_by_identity(test: &StoreUnderTest, tool: Tool) {
    let terraform = test.another_folder(tool);
    let block = format!(
        "import {{\n  to = {ADDRESS}\n  identity = {{ namespace = var.namespace, name = \"demo\" }}\n}}\n"
    );
    terraform
        .write("main.tf", &(configuration(&services(), "") + &block))
        .unwrap();
    expect_no_change(&terraform, &[]);
}

/// Checks that a plan imports the feature store and does not change it.
#[track_caller]
fn expect_no_change(terraform: &Terraform, flags: &[&str]) {
    let plan = terraform.plan_with(flags).unwrap();
    assert_ne!(plan.exit, Exit::Failed, "{}", plan.run);
    let change = &plan.json["resource_changes"][0]["change"];
    assert_eq!(change["actions"], json!(["no-op"]), "{}", plan.run);
    assert!(change["importing"].is_object(), "{}", plan.run);
}

fn functions(test: &StoreUnderTest, tool: Tool) {
    let terraform = test.another_folder(tool);
    let output = "output \"manifests\" {\n  value = provider::feast::render({ name = \"x\", feast_project = \"p\" })\n}\n";
    terraform
        .write("main.tf", &format!("{PROVIDER_BLOCK}{output}"))
        .unwrap();
    terraform.apply().unwrap().expect_success();
    let manifests = terraform.output("manifests").unwrap();
    assert!(
        manifests.as_str().unwrap().contains("kind: Deployment"),
        "{manifests}"
    );
}

fn query(test: &StoreUnderTest, tool: Tool) {
    let terraform = test.another_folder(tool);
    terraform.write("main.tf", PROVIDER_BLOCK).unwrap();
    let list = "list \"feast_feature_store\" \"all\" {\n  provider = feast\n}\n";
    terraform.write("all.tfquery.hcl", list).unwrap();
    let run = terraform
        .run(&["query", "-no-color"])
        .unwrap()
        .expect_success();
    let name = format!("{}/demo", test.namespace.name());
    assert!(run.stdout.contains(&name), "{run}");
}

fn actions(test: &StoreUnderTest) {
    let action = "action \"feast_restart\" \"demo\" {\n  config {\n    name = \"demo\"\n  }\n}\n";
    test.terraform.write("actions.tf", action).unwrap();
    let invoke = [
        "apply",
        "-no-color",
        "-auto-approve",
        "-invoke=action.feast_restart.demo",
    ];
    test.terraform.run(&invoke).unwrap().expect_success();
    test.expect_empty_plan();
}
