//! The guide "Getting started", step by step.

use std::process::Command;

use serde_json::{Value as Json, json};

use crate::real_node::store::Store;
use crate::support::testbed::cluster::WITHOUT_KUBERC;
use crate::support::testbed::{Progress, Tool, tools};

const GUIDE: &str = include_str!("../../docs/guides/getting-started.md");

pub fn the_guide_serves_a_feature() {
    let store = Store::new("getting-started");
    let kubeconfig = store.lab.cluster.kubeconfig();
    let namespace = store.namespace.name();
    let configuration = block("required_providers")
        .replace("~/.kube/config", &kubeconfig.display().to_string())
        .replace("\"feast\"\n", &format!("{namespace:?}\n"));
    store.terraform.write("main.tf", &configuration).unwrap();
    store.apply();
    let kubectl = tools::ensure(&[Tool::Kubectl], Progress::stderr()).unwrap();
    let kubectl = kubectl.path(Tool::Kubectl).unwrap().parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let commands = [block("materialize-incremental"), block("port-forward")].concat();
    let commands = commands.replace("--namespace feast", &format!("--namespace {namespace}"));
    let script = format!("trap 'kill $(jobs -p)' EXIT\n{commands}");
    let output = Command::new("bash")
        .args(["-ec", &script])
        .env("KUBECONFIG", kubeconfig)
        .envs([WITHOUT_KUBERC])
        .env("PATH", format!("{}:{path}", kubectl.display()))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let response = printed.lines().last().and_then(|line| {
        let start = line.find('{')?;
        serde_json::from_str(&line[start..]).ok()
    });
    let response: Json = response.unwrap_or_else(|| panic!("{output:?}"));
    let names = &response["metadata"]["feature_names"];
    assert_eq!(*names, json!(["driver_id", "conv_rate"]), "{response}");
    for result in response["results"].as_array().unwrap() {
        assert_eq!(result["statuses"], json!(["PRESENT"]), "{response}");
        assert!(result["values"][0].is_number(), "{response}");
    }
    store.destroy();
}

/// Returns the content of the guide's first code block that contains the text.
fn block(text: &str) -> &'static str {
    let mut blocks = GUIDE.split("```").skip(1).step_by(2);
    let block = blocks.find(|block| block.contains(text)).unwrap();
    let (_language, content) = block.split_once('\n').unwrap();
    content
}
