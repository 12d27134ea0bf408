//! Import: a feature store that this provider made comes back into a state, and the plan is empty.

use std::fs;

use crate::lifecycle::lab;
use crate::lifecycle::store::{DATABASES, StoreUnderTest, configuration};
use crate::support::terraform::{Exit, Terraform};
use crate::support::testbed::Tool;

const ADDRESS: &str = "feast_feature_store.demo";

fn services() -> String {
    let scaling = "scaling = { autoscaling = { min_replicas = 1, max_replicas = 4 } }";
    format!("{scaling}\n{DATABASES}")
}

/// Another working folder for the same store, with an empty state.
fn elsewhere(test: &StoreUnderTest, tool: Tool) -> Terraform {
    let mut terraform = Terraform::new(&lab::tool_path(tool), lab::provider()).unwrap();
    let kubeconfig = test.namespace.cluster().kubeconfig().display().to_string();
    terraform
        .environment("TF_VAR_kubeconfig", &kubeconfig)
        .environment("TF_VAR_namespace", test.namespace.name());
    terraform
}

#[track_caller]
fn expect_empty(terraform: &Terraform) {
    let plan = terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
}

pub fn by_id_gives_an_empty_plan() {
    let test = StoreUnderTest::new("import");
    test.configure(&services());
    test.apply();
    let id = format!("{}/demo", test.namespace.name());
    for id in [id.as_str(), "demo"] {
        let terraform = elsewhere(&test, Tool::Terraform);
        terraform
            .write("main.tf", &configuration(&services(), ""))
            .unwrap();
        let import = terraform.run(&["import", "-no-color", "-input=false", ADDRESS, id]);
        import.unwrap().expect_success();
        expect_empty(&terraform);
    }
    test.destroy();
}

pub fn what_is_not_there_is_said() {
    let test = StoreUnderTest::new("import-nothing");
    test.configure(&services());
    let import = test
        .terraform
        .run(&["import", "-no-color", ADDRESS, "nowhere"])
        .unwrap();
    assert_eq!(import.status, Some(1));
    assert!(
        import.stderr.contains("There is no such feature store"),
        "{import}"
    );
}

pub fn by_block_with_a_generated_configuration_gives_an_empty_plan() {
    let test = StoreUnderTest::new("import-block");
    test.configure(&services());
    test.apply();
    let before_resource = |text: &str| text.split("resource \"").next().unwrap().to_owned();
    let providers = before_resource(&configuration("", ""));
    let by_id = format!("id = \"{}/demo\"", test.namespace.name());
    let by_identity = format!(
        "identity = {{ namespace = \"{}\", name = \"demo\" }}",
        test.namespace.name()
    );
    for (tool, import) in [
        (Tool::Terraform, &by_id),
        (Tool::Tofu, &by_id),
        // Terraform knows identities from 1.12 on.
        (Tool::Tofu, &by_identity),
    ] {
        let terraform = elsewhere(&test, tool);
        let block = format!("import {{\n  to = {ADDRESS}\n  {import}\n}}\n");
        terraform
            .write("main.tf", &format!("{providers}{block}"))
            .unwrap();
        let generate = "-generate-config-out=generated.tf";
        let plan = terraform.plan_with(&[generate]).unwrap();
        assert_ne!(plan.exit, Exit::Failed, "{}", plan.run);
        let change = &plan.json["resource_changes"][0]["change"];
        let generated = fs::read_to_string(terraform.folder().join("generated.tf")).unwrap();
        assert_eq!(change["actions"][0], "no-op", "{}\n{generated}", plan.run);
        terraform.apply().unwrap().expect_success();
        expect_empty(&terraform);
    }
    test.destroy();
}
