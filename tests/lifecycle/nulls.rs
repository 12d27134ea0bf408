//! Null elements of maps and lists, as in modules: `{ team = var.team }` with a variable that is null.

use crate::lifecycle::import;
use crate::lifecycle::lab;
use crate::lifecycle::store::{StoreUnderTest, configuration, set_variables};
use crate::support::terraform::Exit;

/// Returns services with a null element in every map of the pods.
fn services(null: &str) -> String {
    format!(
        r#"
        node_selector   = {{ "kubernetes.io/os" = "linux", "example.com/pool" = {null} }}
        pod_annotations = {{ "example.com/a" = "b", "example.com/c" = {null} }}
        online_store = {{
          persistence = {{ store = {{ type = "postgres", secret_ref = {{ name = "feast-data-stores" }} }} }}
          server = {{ resources = {{
            requests = {{ cpu = "100m", memory = {null} }}
            limits   = {{ cpu = {null} }}
          }} }}
        }}
        registry = {{
          local = {{ persistence = {{ store = {{ type = "sql", secret_ref = {{ name = "feast-data-stores" }} }} }} }}
        }}"#
    )
}

const LABELS: &str = r#"labels = { "example.com/team" = null, "example.com/tier" = "a" }"#;

pub fn ignores_null_map_elements() {
    let test = StoreUnderTest::new("nulls");
    test.configure_all(&services("null"), LABELS);
    test.terraform.validate().unwrap().expect_success();
    test.apply();
    let deployment = test.deployment();
    let labels = &deployment["metadata"]["labels"];
    assert_eq!(labels["example.com/tier"], "a");
    assert!(labels.get("example.com/team").is_none(), "{labels}");
    let template = &deployment["spec"]["template"];
    assert_eq!(
        template["spec"]["nodeSelector"],
        serde_json::json!({"kubernetes.io/os": "linux"})
    );
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["example.com/a"], "b");
    assert!(annotations.get("example.com/c").is_none(), "{annotations}");
    // An import has no null elements, and its plan is empty nevertheless.
    import::expect_import_of_all_to_be_empty(&test, &services("null"), LABELS);
    // Removing a null element changes nothing.
    test.configure_all(
        &services("null"),
        r#"labels = { "example.com/tier" = "a" }"#,
    );
    test.expect_empty_plan();
    // A value in place of a null element is a change.
    test.configure_all(&services("null"), &LABELS.replace("null", "\"b\""));
    test.apply();
    assert_eq!(
        test.deployment()["metadata"]["labels"]["example.com/team"],
        "b"
    );
    test.destroy();
}

pub fn rejects_null_list_elements() {
    lab::with_each_tool(|terraform| {
        let services = r#"
            image_pull_secrets = [null]
            tolerations        = [{ key = "a", operator = "Exists" }, null]
            volumes            = [{ name = "a", persistent_volume_claim = { claim_name = "c" } }]
            online_store = { server = { env_from = [null], volume_mounts = null } }"#;
        terraform
            .write("main.tf", &configuration(services, ""))
            .unwrap();
        let mut terraform = terraform;
        set_variables(&mut terraform, "/nonexistent", "n");
        let plan = terraform.plan().unwrap();
        assert_eq!(plan.exit, Exit::Failed, "{}", plan.run);
        let messages = plan.run.messages();
        for (path, name) in [
            ("services.image_pull_secrets[0]", "image_pull_secrets"),
            ("services.tolerations[1]", "tolerations"),
            ("services.online_store.server.env_from[0]", "env_from"),
        ] {
            let expected = format!(
                "`{path}` is null, and a list cannot have null elements. Give the element a value, or remove the null \
                 elements: `{name} = [for v in … : v if v != null]`."
            );
            assert!(messages.contains(&expected), "{expected}\n{messages}");
        }
        assert_eq!(messages.matches("Null element").count(), 3, "{messages}");
    });
}
