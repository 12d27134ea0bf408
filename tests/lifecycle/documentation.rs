//! The documentation, checked by HashiCorp's `tfplugindocs`.

use std::process::Command;

use crate::lifecycle::lab;
use crate::support::testbed::Tool;

const REQUIRED: &str = r#"
terraform {
  required_providers {
    feast = { source = "feast-dev/feast" }
  }
}
"#;

/// Checks layout, front matter and sizes, and that every resource, data source and function has its page.
pub fn passes_tfplugindocs() {
    let terraform = lab::terraform(Tool::Terraform);
    terraform.write("main.tf", REQUIRED).unwrap();
    let schema = terraform.json(&["providers", "schema", "-json"]).unwrap();
    // The checker finds a provider without an address only in this namespace of the registry.
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
    let messages = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success(),
        "{messages}{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    for page in [
        "docs/index.md",
        "docs/resources/feature_store.md",
        "docs/data-sources/feature_store.md",
        "docs/functions/render.md",
        "docs/list-resources/feature_store.md",
        "docs/actions/materialize.md",
    ] {
        assert!(
            messages.contains(&format!("running file checks on {page}")),
            "{messages}"
        );
    }
}
