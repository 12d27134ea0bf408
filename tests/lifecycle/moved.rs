//! `moved` blocks from resources of other providers that hold a custom resource of the Feast operator.

use std::fs;

use serde_json::{Value as Json, json};

use crate::lifecycle::lab;
use crate::lifecycle::migration;
use crate::lifecycle::operator::{Operator, on_pvc};
use crate::lifecycle::query::changed;
use crate::lifecycle::store::StoreUnderTest;

/// The attributes of a `kubectl_manifest` with the FeatureStore `shop/demo`.
const SOURCE: &str = include_str!("../states/kubectl_manifest.json");
const MOVED: &str =
    "moved {\n  from = kubectl_manifest.demo\n  to   = feast_feature_store.demo\n}\n";

/// Lets the tool start this provider also as gavinbunney/kubectl, whose schema it reads while the state names it.
fn configure_providers(test: &mut StoreUnderTest) {
    let folder = test.terraform.folder().to_owned();
    let others = folder.join("kubectl");
    fs::create_dir(&others).unwrap();
    std::os::unix::fs::symlink(lab::provider(), others.join("terraform-provider-kubectl")).unwrap();
    let text = format!(
        "provider_installation {{\n  dev_overrides {{\n    \"feast-dev/feast\" = {:?}\n    \"gavinbunney/kubectl\" = {:?}\n  \
         }}\n  direct {{}}\n}}\n",
        lab::provider().parent().unwrap(),
        others
    );
    test.terraform.write("terraform.tfrc", &text).unwrap();
    let file = folder.join("terraform.tfrc").display().to_string();
    test.terraform.environment("TF_CLI_CONFIG_FILE", &file);
}

/// Writes the state in which the custom resource is a `kubectl_manifest`. OpenTofu replaces the registry's host by its
/// own.
fn write_source(test: &StoreUnderTest) {
    let attributes = SOURCE.replace("shop", test.namespace.name());
    let attributes: Json = serde_json::from_str(&attributes).unwrap();
    let state = json!({
        "version": 4, "terraform_version": "1.8.0", "serial": 1, "lineage": "moved", "outputs": {},
        "resources": [{
            "mode": "managed", "type": "kubectl_manifest", "name": "demo",
            "provider": "provider[\"registry.terraform.io/gavinbunney/kubectl\"]",
            "instances": [{"schema_version": 1, "attributes": attributes, "sensitive_attributes": []}],
        }],
    });
    test.terraform
        .write("terraform.tfstate", &state.to_string())
        .unwrap();
}

/// Follows "Move a manifest in Terraform" in `docs/guides/migration.md`.
pub fn kubectl_manifest_is_taken_over() {
    lab::with_each_tool(|terraform| take_over(StoreUnderTest::with(terraform, "moved-manifest")));
}

fn take_over(mut test: StoreUnderTest) {
    configure_providers(&mut test);
    let operator = Operator::reconciled(&test, &on_pvc());
    migration::convert(&test);
    test.terraform.write("moved.tf", MOVED).unwrap();
    write_source(&test);

    let unread = test
        .terraform
        .run(&["apply", "-no-color", "-auto-approve", "-refresh=false"])
        .unwrap();
    assert_eq!(unread.status, Some(1), "{unread}");
    assert!(
        unread
            .messages()
            .contains("The moved feature store was not refreshed"),
        "{unread}"
    );

    write_source(&test);
    let plan = test.plan_with_changes();
    let [change] = plan.json["resource_changes"].as_array().unwrap().as_slice() else {
        panic!("{}", plan.run);
    };
    assert_eq!(change["address"], "feast_feature_store.demo");
    assert_eq!(change["previous_address"], "kubectl_manifest.demo");
    let change = &change["change"];
    assert_eq!(change["actions"], json!(["update"]), "{}", plan.run);
    assert_eq!(
        changed(change),
        ["configuration_hash", "objects", "scaling_status"],
        "{}",
        plan.run
    );
    test.apply();
    operator.delete();
    test.expect_empty_plan();
    test.terraform.destroy().unwrap().expect_success();
}
