//! Tests `convert` with the real tools: its output is formatted and valid, and has the same meaning as the result of
//! the functions for the same custom resource. No cluster is needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use terraform_provider_feast::feast::secrets::manifest_redaction::redact_manifest;
use terraform_provider_feast::provider::Feast;
use terraform_provider_feast::schema::{Provider, Value};

use crate::lifecycle::lab;
use crate::support::terraform::Terraform;

const REQUIRED: &str = "terraform {\n  required_providers {\n    feast = {\n      source = \"feast-dev/feast\"\n    }\n  }\n}\n";

/// The cases that are not exactly one valid feature store, with their number of feature stores.
const OTHERS: &[(&str, usize)] = &[
    ("case-authz-noauth-false", 1),
    ("case-authz-oidc-empty", 1),
    ("case-cronjob-bad-concurrency", 1),
    ("case-cronjob-bad-schedule", 1),
    ("case-dotted-name", 1),
    ("case-hpa-behavior-partial", 1),
    ("case-hpa-default", 1),
    ("case-hpa-min-gt-max", 1),
    ("case-hpa-replicas1-explicit", 1),
    ("case-lineage-server-no-db", 1),
    ("case-long-name-53", 1),
    ("case-long-name-58", 1),
    ("case-no-local-server", 1),
    ("case-pdb-max-hpa", 1),
    ("case-project-packaged-overlap", 1),
    ("case-pvc-same-mountpath", 1),
    ("case-remote-registry-feastref-self", 1),
    ("case-two-stores-one-namespace", 2),
];

pub fn output_is_formatted_valid_and_equivalent() {
    let cases = cases();
    lab::with_each_tool(|terraform| {
        let mut main = REQUIRED.to_owned();
        let mut expected = 0;
        let mut others = Vec::new();
        for (name, manifest) in &cases {
            let text = converted(manifest);
            let [text] = text.as_slice() else {
                others.push((name.as_str(), text.len()));
                continue;
            };
            if !is_valid(manifest) {
                others.push((name.as_str(), 1));
                continue;
            }
            expected += 1;
            let label = name.replace('-', "_");
            let (before, rest) = text.split_once("\"feast_feature_store\" \"").unwrap();
            let (_, after) = rest.split_once('"').unwrap();
            let text = format!("{before}\"feast_feature_store\" \"{label}\"{after}");
            terraform.write(&format!("{name}.tf"), &text).unwrap();
            let path = manifest.display();
            main.push_str(&format!(
                "\noutput \"{label}\" {{\n  value = provider::feast::render(provider::feast::from_manifest(file(\"{path}\")))\n}}\n"
            ));
        }
        assert_eq!(others, OTHERS);
        terraform.write("main.tf", &main).unwrap();
        formatted(&terraform);
        terraform.validate().unwrap().expect_success();
        let plan = terraform.plan().unwrap().json;
        let planned = &plan["planned_values"];
        let resources = planned["root_module"]["resources"].as_array().unwrap();
        assert_eq!(resources.len(), expected);
        for resource in resources {
            let label = resource["name"].as_str().unwrap();
            let text = planned["outputs"][label]["value"].as_str().unwrap();
            let rendered: BTreeMap<String, Json> = (rendered(text).iter())
                .map(|(key, manifest)| (key.clone(), redact_manifest(manifest)))
                .collect();
            assert_eq!(objects(resource), rendered, "{label}");
        }
    });
}

fn formatted(terraform: &Terraform) {
    let run = terraform.run(&["fmt", "-check", "-diff"]).unwrap();
    assert!(run.succeeded(), "{run}");
}

pub fn functions_report_errors() {
    lab::with_each_tool(|terraform| {
        let messages = |expression: &str| {
            let text = format!("{REQUIRED}\noutput \"it\" {{\n  value = {expression}\n}}\n");
            terraform.write("main.tf", &text).unwrap();
            let run = terraform.plan().unwrap().run;
            assert!(!run.succeeded() && run.status != Some(2), "{run}");
            run.error_messages()
        };
        let unknown = messages(
            r#"provider::feast::from_manifest("kind: FeatureStore\napiVersion: feast.dev/v1\nmetadata: {name: a}\nspec: {feastProject: p, services: {bogus: 1}}")"#,
        );
        assert!(unknown.contains("`spec.services.bogus`"), "{unknown}");
        let broken = messages(
            r#"provider::feast::render({ name = "a", feast_project = "p", services = { scaling = { replicas = "3" } } })"#,
        );
        assert!(broken.contains("services.online_store"), "{broken}");
        let misspelt = messages(r#"provider::feast::render({ nmae = "a", feast_project = "p" })"#);
        assert!(misspelt.contains("`nmae`"), "{misspelt}");
    });
}

pub fn plans_examples() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/functions");
    lab::with_each_tool(|terraform| {
        for name in ["from_manifest", "render"] {
            let text = fs::read_to_string(examples.join(name).join("function.tf")).unwrap();
            terraform.write(&format!("{name}.tf"), &text).unwrap();
        }
        let manifest = fs::read_to_string(examples.join("from_manifest/store.yaml")).unwrap();
        terraform.write("store.yaml", &manifest).unwrap();
        terraform.write("main.tf", REQUIRED).unwrap();
        formatted(&terraform);
        let planned = terraform.plan().unwrap().json["planned_values"].clone();
        let services = &planned["root_module"]["resources"][0]["values"]["services"];
        assert_eq!(services["scaling"]["replicas"], 2);
        let manifests = planned["outputs"]["manifests"]["value"].as_str().unwrap();
        assert!(rendered(manifests).contains_key("Service/feast-sample-registry-rest"));
    });
}

/// Returns the custom resources of the oracle test by name.
fn cases() -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/cases");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        found.insert(format!("case-{name}"), path.join("cr.yaml"));
    }
    found
}

/// Returns the `resource` blocks that `convert` writes.
#[track_caller]
fn converted(manifest: &Path) -> Vec<String> {
    let output = Command::new(lab::provider())
        .arg("convert")
        .arg(manifest)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", manifest.display());
    let text = String::from_utf8(output.stdout).unwrap();
    // Each block starts with its comments, after an empty line.
    let blocks = text.split("\n}\n").filter(|block| !block.is_empty());
    blocks
        .map(|block| format!("{}\n}}\n", block.trim_start()))
        .collect()
}

/// Returns whether every rule accepts the feature store.
fn is_valid(manifest: &Path) -> bool {
    let feast = Feast::new();
    let text = fs::read_to_string(manifest).unwrap();
    let functions = &feast.registry().functions;
    functions["from_manifest"]
        .call(&[Value::string(text)])
        .and_then(|object| functions["render"].call(&[object]))
        .is_ok()
}

/// Returns the planned objects by `Kind/name`.
fn objects(resource: &Json) -> BTreeMap<String, Json> {
    let objects = resource["values"]["objects"].as_object().unwrap();
    objects
        .iter()
        .map(|(key, text)| {
            (
                key.clone(),
                serde_json::from_str(text.as_str().unwrap()).unwrap(),
            )
        })
        .collect()
}

fn rendered(text: &str) -> BTreeMap<String, Json> {
    let documents: Vec<Json> = serde_saphyr::from_multiple(text).unwrap();
    documents
        .into_iter()
        .map(|object| {
            let part = |value: &Json| value.as_str().unwrap().to_owned();
            let key = format!(
                "{}/{}",
                part(&object["kind"]),
                part(&object["metadata"]["name"])
            );
            (key, object)
        })
        .collect()
}
