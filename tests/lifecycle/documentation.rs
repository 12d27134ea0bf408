//! The documentation, as HashiCorp's own checker sees it.

use std::process::Command;

use crate::lifecycle::lab;
use crate::support::terraform::Terraform;
use crate::support::testbed::Tool;

const REQUIRED: &str = r#"
terraform {
  required_providers {
    feast = { source = "feast-dev/feast" }
  }
}
"#;

/// Layout, front matter and sizes, and that every resource, data source and function has its page.
pub fn tfplugindocs_finds_nothing_wrong() {
    let terraform = Terraform::new(&lab::tool_path(Tool::Terraform), lab::provider()).unwrap();
    terraform.write("main.tf", REQUIRED).unwrap();
    let schema = terraform.json(&["providers", "schema", "-json"]).unwrap();
    // The checker finds a provider by its name alone only below this address.
    let schema = schema.to_string().replace(
        "registry.terraform.io/feast-dev/feast",
        "registry.terraform.io/hashicorp/feast",
    );
    terraform.write("schema.json", &schema).unwrap();

    let checked = Command::new(lab::tool_path(Tool::Tfplugindocs))
        .args(["validate", "--provider-name=feast"])
        .arg(format!("--provider-dir={}", env!("CARGO_MANIFEST_DIR")))
        .arg(format!(
            "--providers-schema={}",
            terraform.folder().join("schema.json").display()
        ))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    for page in [
        "docs/index.md",
        "docs/resources/feature_store.md",
        "docs/data-sources/feature_store.md",
        "docs/functions/render.md",
    ] {
        assert!(
            said.contains(&format!("running file checks on {page}")),
            "{said}"
        );
    }
}
