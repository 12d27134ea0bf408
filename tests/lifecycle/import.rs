//! Import: a feature store that this provider created is imported into a state, and the plan is empty.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};

use terraform_provider_feast::feast::render::render;
use terraform_provider_feast::feast::secrets::source::Source;
use terraform_provider_feast::feast::spec::{Defaults, Store};
use terraform_provider_feast::kubernetes::kind::Api;
use terraform_provider_feast::provider::{FEATURE_STORE, Feast};
use terraform_provider_feast::schema::{Provider, Value, encode, hcl};

use crate::lifecycle::lab;
use crate::lifecycle::store::{DATABASES, PROVIDER_BLOCK, StoreUnderTest, configuration};
use crate::support::terraform::{Exit, Plan, Terraform};
use crate::support::testbed::Tool;

const ADDRESS: &str = "feast_feature_store.demo";

fn services() -> String {
    let scaling = "scaling = { autoscaling = { min_replicas = 1, max_replicas = 4 } }";
    format!("{scaling}\n{DATABASES}")
}

#[track_caller]
fn expect_empty(terraform: &Terraform) {
    let plan = terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
}

pub fn import_by_id_gives_an_empty_plan() {
    let test = StoreUnderTest::new("import");
    test.configure(&services());
    test.apply();
    for id in [id_of(&test).as_str(), "demo"] {
        let terraform = test.another_folder(Tool::Terraform);
        let text = configuration(&services(), "");
        import_by_id(&terraform, &text, id);
        expect_empty(&terraform);
    }
    test.destroy();
}

fn id_of(test: &StoreUnderTest) -> String {
    format!("{}/demo", test.namespace.name())
}

/// Writes the configuration, and imports the store with this ID into the state of the folder.
#[track_caller]
fn import_by_id(terraform: &Terraform, text: &str, id: &str) {
    terraform.write("main.tf", text).unwrap();
    let import = ["import", "-no-color", "-input=false", ADDRESS, id];
    terraform.run(&import).unwrap().expect_success();
}

/// Imports the store by its ID into another folder with these services and additional attributes of the resource.
#[track_caller]
fn imported(test: &StoreUnderTest, tool: Tool, services: &str, attributes: &str) -> Terraform {
    let terraform = test.another_folder(tool);
    let text = configuration(services, attributes);
    import_by_id(&terraform, &text, &id_of(test));
    terraform
}

/// Imports the store into an empty state, and checks that a plan with these services is empty.
#[track_caller]
pub fn expect_import_to_be_empty(test: &StoreUnderTest, services: &str) {
    expect_import_with_to_be_empty(test, Tool::Terraform, services);
}

/// The same as [`expect_import_to_be_empty`] with another tool.
#[track_caller]
pub fn expect_import_with_to_be_empty(test: &StoreUnderTest, tool: Tool, services: &str) {
    expect_empty(&imported(test, tool, services, ""));
}

/// The same as [`expect_import_to_be_empty`], with additional attributes of the resource.
#[track_caller]
pub fn expect_import_of_all_to_be_empty(test: &StoreUnderTest, services: &str, attributes: &str) {
    expect_empty(&imported(test, Tool::Terraform, services, attributes));
}

/// With the block of the guide, the state loses the store, and the cluster does not.
pub fn removed_block_keeps_the_store() {
    let guide = include_str!("../../docs/guides/operations.md");
    let mut blocks = guide.split("```").skip(1).step_by(2);
    let block = blocks.find_map(|block| {
        let block = block.strip_prefix("terraform\n")?;
        block.starts_with("removed {").then_some(block)
    });
    let block = block.unwrap().replace("example", "demo");
    lab::with_each_tool(|terraform| {
        let test = StoreUnderTest::with(terraform, "removed");
        test.configure(&services());
        test.apply();
        let uid = || test.deployment()["metadata"]["uid"].clone();
        let before = uid();
        let text = format!("{PROVIDER_BLOCK}{block}");
        test.terraform.write("main.tf", &text).unwrap();
        test.apply();
        assert_eq!(test.terraform.state_json().unwrap()["values"], Json::Null);
        assert_eq!(uid(), before);

        let text = configuration(&services(), "");
        import_by_id(&test.terraform, &text, &id_of(&test));
        test.expect_empty_plan();
        assert_eq!(uid(), before);
        test.destroy();
    });
}

pub fn plans_a_missing_deployment() {
    let test = StoreUnderTest::new("import-parts");
    test.configure(&services());
    test.apply();
    let delete = ["delete", "deployment/feast-demo"];
    test.namespace.kubectl(&delete).unwrap();
    let terraform = imported(&test, Tool::Terraform, &services(), "");
    terraform.apply().unwrap().expect_success();
    expect_empty(&terraform);
    test.expect_empty_plan();
    test.destroy();
}

/// The API server keeps the order of an autoscaler's metrics, but other writers can change it.
pub fn metric_order_is_not_drift() {
    let test = StoreUnderTest::new("metrics");
    let services = format!(
        r#"
        scaling = {{ autoscaling = {{
          min_replicas = 2
          max_replicas = 6
          metrics = [
            {{ type = "Resource", resource = {{ name = "memory", target = {{ type = "AverageValue", average_value = "1.5Gi" }} }} }},
            {{ type = "Resource", resource = {{ name = "cpu", target = {{ type = "Utilization", average_utilization = 70 }} }} }},
            {{ type = "Pods", pods = {{ metric = {{ name = "qps" }}, target = {{ type = "AverageValue", average_value = "1500m" }} }} }},
            {{ type = "Pods", pods = {{ metric = {{ name = "errors" }}, target = {{ type = "AverageValue", average_value = "2" }} }} }},
          ]
          behavior = {{
            scale_up = {{
              select_policy = "Min"
              policies      = [{{ type = "Pods", value = 2, period_seconds = 30 }}, {{ type = "Percent", value = 50, period_seconds = 60 }}]
            }}
            scale_down = {{
              stabilization_window_seconds = 120
              policies                     = [{{ type = "Percent", value = 10, period_seconds = 60 }}]
            }}
          }}
        }} }}
        {DATABASES}"#
    );
    test.configure(&services);
    test.apply();
    expect_import_to_be_empty(&test, &services);

    let metrics = || {
        let autoscaler = test.namespace.json(&["get", "hpa", "feast-demo"]).unwrap();
        autoscaler["spec"]["metrics"].as_array().unwrap().clone()
    };
    let mut other = metrics();
    assert_eq!(other.len(), 4);
    other.reverse();
    let patch = json!({"spec": {"metrics": other}}).to_string();
    test.patch("hpa/feast-demo", &patch);
    assert_eq!(metrics(), other);
    test.expect_empty_plan();
    expect_import_to_be_empty(&test, &services);
    test.destroy();
}

pub fn rejects_missing_stores() {
    let test = StoreUnderTest::new("import-nothing");
    test.configure(&services());
    let import = test
        .terraform
        .run(&["import", "-no-color", ADDRESS, "nowhere"])
        .unwrap();
    assert_eq!(import.status, Some(1));
    let messages = import.error_messages();
    for part in [
        "There is no such feature store",
        "Secret \"feast-nowhere\"",
        "custom resource \"nowhere\"",
    ] {
        assert!(messages.contains(part), "{import}");
    }
}

pub fn import_by_block_gives_an_empty_plan() {
    // Terraform supports identities from version 1.12 on.
    expect_imports_to_be_empty(&[
        (Tool::Terraform, ById),
        (Tool::Tofu, ById),
        (Tool::Tofu, ByIdentity),
    ]);
}

/// Checks an import by identity with a generated configuration.
pub fn expect_generated_import_to_be_empty(tool: Tool) {
    expect_imports_to_be_empty(&[(tool, ByIdentity)]);
}

enum Import {
    ById,
    ByIdentity,
}
use Import::{ById, ByIdentity};

/// Imports one feature store with each tool by an `import` block and a generated configuration. The plan must be empty.
fn expect_imports_to_be_empty(imports: &[(Tool, Import)]) {
    let test = StoreUnderTest::new("import-block");
    test.configure(&services());
    test.apply();
    let namespace = test.namespace.name();
    for (tool, import) in imports {
        let import = match import {
            ById => format!("id = \"{namespace}/demo\""),
            ByIdentity => {
                format!("identity = {{ namespace = \"{namespace}\", name = \"demo\" }}")
            }
        };
        let terraform = test.another_folder(*tool);
        let block = format!("import {{\n  to = {ADDRESS}\n  {import}\n}}\n");
        terraform
            .write("main.tf", &format!("{PROVIDER_BLOCK}{block}"))
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

/// Imports every configuration that has golden objects, all in one working folder: with import blocks and the
/// configuration, and with a generated configuration. The imported configuration must be unchanged.
pub fn imports_every_configuration_unchanged() {
    import_every_configuration(&[Tool::Terraform, Tool::Tofu]);
}

/// The same as [`imports_every_configuration_unchanged`] with these tools.
pub fn import_every_configuration(tools: &[Tool]) {
    // The configurations have fixed node ports, which a cluster assigns once.
    static NODE_PORTS: Mutex<()> = Mutex::new(());
    let _only_user = NODE_PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let test = StoreUnderTest::new("import-every");
    let stores = goldens(test.namespace.name());
    make_sources(&test, &stores);
    let resources: String = stores.iter().map(Golden::resource).collect();
    test.terraform
        .write("main.tf", &format!("{PROVIDER_BLOCK}{resources}"))
        .unwrap();
    test.apply();

    let imports: String = stores
        .iter()
        .map(|it| it.import(test.namespace.name()))
        .collect();
    for &tool in tools {
        let written = test.another_folder(tool);
        written
            .write("main.tf", &format!("{PROVIDER_BLOCK}{resources}{imports}"))
            .unwrap();
        expect_all_imported(&written.plan().unwrap(), &stores);

        let generated = test.another_folder(tool);
        generated
            .write("main.tf", &format!("{PROVIDER_BLOCK}{imports}"))
            .unwrap();
        let plan = generated.plan_with(&["-generate-config-out=generated.tf"]);
        expect_all_imported(&plan.unwrap(), &stores);
        let path = generated.folder().join("generated.tf");
        let text = fs::read_to_string(&path).unwrap();
        for computed in ["objects", "endpoints", "configuration_hash", "drift"] {
            assert!(!text.contains(&format!("\n  {computed} ")), "{text}");
        }
        fs::write(&path, without_nulls(&text)).unwrap();
        expect_all_imported(&generated.plan().unwrap(), &stores);
    }
    // Cluster-scoped roles are not deleted with the namespace.
    test.terraform.destroy().unwrap().expect_success();
}

/// Removes the lines of attributes that are not set, as `grep -v ' = null$'` in the guide does.
pub fn without_nulls(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .filter(|line| !line.trim_end().ends_with(" = null"))
        .collect()
}

#[track_caller]
fn expect_all_imported(plan: &Plan, stores: &[Golden]) {
    assert_ne!(plan.exit, Exit::Failed, "{}", plan.run);
    let changes = plan.json["resource_changes"].as_array().unwrap();
    let changed: Vec<_> = (changes.iter())
        .filter(|it| it["change"]["actions"] != json!(["no-op"]))
        .map(|it| &it["address"])
        .collect();
    assert!(changed.is_empty(), "{changed:?}\n{}", plan.run);
    assert_eq!(changes.len(), stores.len());
}

struct Golden {
    label: String,
    attributes: BTreeMap<String, Value>,
    sources: BTreeSet<Source>,
}

impl Golden {
    fn resource(&self) -> String {
        hcl::block("resource", &[FEATURE_STORE, &self.label], &self.attributes)
    }

    fn import(&self, namespace: &str) -> String {
        let Self { label, .. } = self;
        format!(
            "import {{\n  to = {FEATURE_STORE}.{label}\n  id = \"{namespace}/{}\"\n}}\n",
            name(label)
        )
    }
}

fn name(label: &str) -> String {
    label.replace('_', "-")
}

/// Returns the configurations of `tests/render`, each with its own name and without waiting for pods. Those with KEDA
/// and with OpenShift are omitted: the cluster does not have their APIs. `keda.rs` and `openshift.rs` test their
/// import.
fn goldens(namespace: &str) -> Vec<Golden> {
    let feast = Feast::new();
    let block = &feast.registry().resources[FEATURE_STORE].schema().block;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let label = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut json: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        json["name"] = json!(name(&label));
        json["namespace"] = json!(namespace);
        json["waitForRollout"] = json!(false);
        let config = serde_json::from_value(json.clone()).unwrap();
        let objects = render(&Store::new(&config, &Defaults::default()));
        let mut kinds = objects.manifests.keys().map(|key| key.kind);
        if kinds.any(|kind| kind.info().api != Api::BuiltIn) {
            // The cluster of this test lacks the APIs.
            continue;
        }
        let sources = objects.sources();
        let Value::Object(attributes) = encode(&block.attributes, &json) else {
            panic!("{label} is not an object");
        };
        found.push(Golden {
            label,
            attributes,
            sources,
        });
    }
    assert!(found.len() > 10);
    found
}

/// Creates the Secrets and ConfigMaps that the configurations name, with a valid value for every key.
fn make_sources(test: &StoreUnderTest, stores: &[Golden]) {
    let mut objects: BTreeMap<String, Json> = BTreeMap::new();
    for source in stores.iter().flat_map(|store| &store.sources) {
        let kind = source.kind.as_str();
        let object = objects
            .entry(format!("{kind}/{}", source.name))
            .or_insert_with(|| {
                json!({
                    "apiVersion": "v1",
                    "kind": kind,
                    "metadata": {"name": source.name, "namespace": test.namespace.name()},
                })
            });
        let data = if kind == "Secret" {
            "stringData"
        } else {
            "data"
        };
        let key = source.key().unwrap_or("client_id");
        let content = match key {
            "spark" => "type: spark_application",
            "config" => "type: local",
            "client_id" => "feast",
            _ => "host: somewhere",
        };
        object[data][key] = json!(content);
    }
    for object in objects.values() {
        let text = object.to_string();
        test.namespace.cluster().apply(&text).unwrap();
    }
}

pub fn moved_block_changes_nothing() {
    let test = StoreUnderTest::new("moved");
    test.configure(&services());
    test.apply();
    let before = test.deployment()["metadata"]["uid"].clone();
    let text = configuration(&services(), "").replace(
        "\"feast_feature_store\" \"demo\"",
        "\"feast_feature_store\" \"renamed\"",
    );
    let moved =
        "moved {\n  from = feast_feature_store.demo\n  to = feast_feature_store.renamed\n}\n";
    test.terraform
        .write("main.tf", &format!("{text}{moved}"))
        .unwrap();
    let plan = test.terraform.plan().unwrap();
    let change = &plan.json["resource_changes"][0];
    assert_eq!(change["previous_address"], ADDRESS, "{}", plan.run);
    assert_eq!(change["change"]["actions"], json!(["no-op"]));
    test.apply();
    assert_eq!(test.deployment()["metadata"]["uid"], before);
    test.destroy();
}

/// A new name or namespace is a new feature store. The plan shows the replacement, and warns about the data.
pub fn name_or_namespace_change_replaces() {
    let test = StoreUnderTest::new("replaced");
    let pvc = r#"online_store = {
  persistence = { file = { path = "online.db", pvc = { create = {}, mount_path = "/data" } } }
}"#;
    test.configure(pvc);
    test.apply();
    let renamed = configuration(pvc, "").replace("= \"demo\"\n  feast", "= \"other\"\n  feast");
    let elsewhere = lab::namespace("replaced-to");
    let elsewhere = configuration(pvc, &format!("namespace = {:?}", elsewhere.name()));
    for (text, attribute) in [(renamed, "name"), (elsewhere, "namespace")] {
        test.terraform.write("main.tf", &text).unwrap();
        let plan = test.plan_with_changes();
        let messages = plan
            .run
            .stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(
            messages.contains(&format!("{ADDRESS} must be replaced")),
            "{messages}"
        );
        let change = &plan.json["resource_changes"][0]["change"];
        assert_eq!(change["actions"], json!(["delete", "create"]));
        assert_eq!(change["replace_paths"], json!([[attribute]]));
        assert!(
            messages.contains("\"feast-demo-online\" will no longer be part of a feature store. It is kept with its data"),
            "{messages}"
        );
    }
    test.configure(pvc);
    test.expect_empty_plan();
}
