//! A provider that runs with `-debug`, which Terraform and OpenTofu use instead of starting one.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::lifecycle::lab;
use crate::support::terraform::{Exit, Terraform};
use crate::support::testbed::Tool;

const CONFIGURATION: &str = r#"
terraform {
  required_providers {
    feast = {
      source = "feast-dev/feast"
    }
  }
}

provider "feast" {
  host = "http://127.0.0.1:1"
}

resource "feast_feature_store" "demo" {
  name          = "demo"
  feast_project = "demo"
}
"#;

/// Ends the provider also after a failed test.
struct Debugged(Child);

impl Drop for Debugged {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

pub fn each_tool_uses_the_running_provider() {
    let provider = Command::new(lab::provider())
        .arg("-debug")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut provider = Debugged(provider.unwrap());
    // The provider would end if nobody read its output.
    let mut printed = BufReader::new(provider.0.stdout.take().unwrap()).lines();
    let variable = printed.by_ref().map(Result::unwrap).find_map(|line| {
        let value = line.trim().strip_prefix("TF_REATTACH_PROVIDERS='")?;
        Some(value.trim_end_matches('\'').to_owned())
    });
    let variable = variable.expect("the provider prints the variable");
    for tool in [Tool::Terraform, Tool::Tofu] {
        // No other provider is installed.
        let nothing = "filesystem_mirror {\n    path = \"/nonexistent\"\n  }";
        let mut terraform = Terraform::with_installation(&lab::tool_path(tool), nothing).unwrap();
        terraform.environment("TF_REATTACH_PROVIDERS", &variable);
        terraform.write("main.tf", CONFIGURATION).unwrap();
        let plan = terraform.plan().unwrap();
        assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
    }
}
