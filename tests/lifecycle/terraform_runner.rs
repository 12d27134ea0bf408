//! Tests of the Terraform runner, with the resource that is built into both tools.

use crate::lifecycle::lab;
use crate::support::terraform::{Exit, Terraform};
use crate::support::testbed::Tool;

const CONFIGURATION: &str = r#"
resource "terraform_data" "this" {
  input = "hello"
}

output "said" {
  value = terraform_data.this.output
}
"#;

pub fn plans_and_applies() {
    lab::with_each_tool(|terraform| {
        terraform.write("main.tf", CONFIGURATION).unwrap();
        terraform.validate().unwrap().expect_success();

        let plan = terraform.plan().unwrap();
        assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
        let change = &plan.json["resource_changes"][0];
        assert_eq!(change["change"]["actions"][0], "create");

        terraform.apply_plan().unwrap().expect_success();
        assert_eq!(terraform.output("said").unwrap(), "hello");
        let state = terraform.state_json().unwrap();
        assert_eq!(
            state["values"]["root_module"]["resources"][0]["type"],
            "terraform_data"
        );
        assert_eq!(terraform.plan().unwrap().exit, Exit::NoChanges);

        terraform.destroy().unwrap().expect_success();
        assert!(terraform.state_json().unwrap()["values"].is_null());
    });
}

pub fn reports_a_failed_plan() {
    lab::with_each_tool(|terraform| {
        terraform
            .write(
                "main.tf",
                "output \"broken\" {\n  value = nothing.at.all\n}\n",
            )
            .unwrap();
        let plan = terraform.plan().unwrap();
        assert_eq!(plan.exit, Exit::Failed);
        assert!(plan.run.stderr.contains("nothing"), "{}", plan.run);
        assert!(plan.json.is_null());
    });
}

/// `init` only unpacks and hashes the provider, so it does not start it.
pub fn mirror_layout_is_found() {
    for tool in [Tool::Terraform, Tool::Tofu] {
        let folder = tempfile::tempdir().unwrap();
        let tool = lab::tool_path(tool);
        let terraform = Terraform::with_mirror(&tool, lab::provider(), folder.path()).unwrap();
        let required = "terraform {\n  required_providers {\n    feast = {\n      \
                        source = \"feast-dev/feast\"\n    }\n  }\n}\n";
        terraform.write("main.tf", required).unwrap();
        let init = terraform.init().unwrap().expect_success();
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            init.stdout
                .contains(&format!("Installed feast-dev/feast v{version}")),
            "{init}"
        );
    }
}
