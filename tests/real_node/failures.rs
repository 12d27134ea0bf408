//! Rollouts that fail on a real node. Each error names the cause in the words of the node, within the documented time,
//! and each command in its advice shows the cause when it is typed in.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::real_node::lab;
use crate::real_node::store::Store;
use crate::support::node::REPOSITORY;
use crate::support::testbed::{Progress, Tool, tools};

/// A server that is a script, for faults that the real one does not have.
const SCRIPTED: &str = r#"
    volumes = [{ name = "script", config_map = { name = "script", default_mode = 493 } }]
    online_store = {
      server = {
        env           = [{ name = "PATH", value = "/script:/usr/bin:/bin" }]
        volume_mounts = [{ name = "script", mount_path = "/script" }]
      }
    }"#;

/// The result of an apply that has failed.
#[derive(Debug)]
struct Failure {
    /// The error, with the generated names replaced.
    error: String,
    took: Duration,
    /// The time until the log named the cause.
    commands: Vec<(String, String)>,
}

/// A feature store without databases and init containers.
fn store(name: &str, attributes: &str, services: &str) -> Store {
    let store = Store::new(name);
    let kubeconfig = store.lab.cluster.kubeconfig().display().to_string();
    let namespace = store.namespace.name();
    let configuration = format!(
        r#"
terraform {{
  required_providers {{
    feast = {{ source = "feast-dev/feast" }}
  }}
}}

provider "feast" {{
  config_path = {kubeconfig:?}
}}

resource "feast_feature_store" "demo" {{
  name          = "demo"
  namespace     = {namespace:?}
  feast_project = "demo"
  {attributes}
  services = {{
    {services}
  }}
}}
"#
    );
    store.terraform.write("main.tf", &configuration).unwrap();
    store
}

fn packaged() -> String {
    format!("feast_project_dir = {{ packaged = {{ feature_repo_path = {REPOSITORY:?} }} }}")
}

/// Applies, and runs the commands of the error's advice.
#[track_caller]
fn failure(mut store: Store) -> Failure {
    let log = store.terraform.folder().join("provider.log");
    store
        .terraform
        .environment("TF_LOG_PROVIDER", "INFO")
        .environment("TF_LOG_PATH", &log.display().to_string());
    let began = Instant::now();
    let run = store
        .terraform
        .run(&["apply", "-json", "-input=false", "-auto-approve"])
        .unwrap();
    let took = began.elapsed();
    assert!(!run.succeeded(), "{run}");
    let errors: Vec<String> = run
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok())
        .filter(|line| line["type"] == "diagnostic")
        .map(|line| {
            format!(
                "{}\n{}",
                line["diagnostic"]["summary"],
                line["diagnostic"]["detail"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let error = errors.join("\n---\n");
    let commands = error
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("kubectl "))
        .map(|command| (command.to_owned(), typed_in(&store, command)))
        .collect();
    eprintln!(
        "=== {} after {:.0} s\n{error}\n=== commands",
        store.namespace.name(),
        took.as_secs_f32()
    );
    let failure = Failure {
        error,
        took,
        commands,
    };
    for (command, output) in &failure.commands {
        eprintln!("$ {command}\n{output}");
    }
    let text = std::fs::read_to_string(&log).unwrap();
    for line in text.lines().filter(|line| line.contains("waiting for")) {
        eprintln!("LOG {line}");
    }
    store.destroy();
    failure
}

/// The output of a command line, with the errors.
fn typed_in(store: &Store, command: &str) -> String {
    let tools = tools::ensure(&[Tool::Kubectl], Progress::stderr()).unwrap();
    let kubectl = tools.path(Tool::Kubectl).unwrap();
    let output = Command::new("bash")
        .args(["-c", &format!("{command} 2>&1")])
        .env("KUBECONFIG", store.lab.cluster.kubeconfig())
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", kubectl.parent().unwrap().display()),
        )
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    format!("{}\n{text}", output.status)
}

fn script(store: &Store, text: &str) {
    let text = format!("--from-literal=feast=#!/bin/bash\n{text}");
    store
        .namespace
        .kubectl(&["create", "configmap", "script", &text])
        .unwrap();
}

const BARE: &str = "disable_init_containers = true";

fn scripted(name: &str, timeout: &str, text: &str) -> Failure {
    let attributes = format!("{}\n  timeouts = {{ create = {timeout:?} }}", packaged());
    let store = store(name, &attributes, &format!("{BARE}\n{SCRIPTED}"));
    script(&store, text);
    failure(store)
}

pub fn a_server_that_crashes() {
    let services = format!(
        "{BARE}\n    online_store = {{ server = {{ env = [{{ name = \"WEB_CONCURRENCY\", value = \"many\" }}] }} }}"
    );
    failure(store("crash", &packaged(), &services));
}

pub fn a_server_beyond_its_memory_limit() {
    let services = format!(
        "{BARE}\n    online_store = {{ server = {{ resources = {{ limits = {{ memory = \"48Mi\" }} }} }} }}"
    );
    failure(store("memory", &packaged(), &services));
}

pub fn a_server_that_listens_elsewhere() {
    scripted("probe", "40s", "exec /usr/bin/python3 -m http.server 9999");
}

pub fn an_image_that_cannot_be_pulled() {
    let services = format!(
        "{BARE}\n    online_store = {{ server = {{ image = \"registry.invalid/feast:1\" }} }}"
    );
    failure(store("image", &packaged(), &services));
}

pub fn a_sandbox_that_cannot_be_created() {
    let services = format!(
        "{BARE}\n    security_context = {{ seccomp_profile = {{ type = \"Localhost\", localhost_profile = \"missing.json\" }} }}"
    );
    let attributes = format!("{}\n  timeouts = {{ create = \"40s\" }}", packaged());
    failure(store("sandbox", &attributes, &services));
}

pub fn a_secret_that_cannot_be_mounted() {
    let services = format!(
        "{BARE}\n    volumes = [{{ name = \"extra\", secret = {{ secret_name = \"missing\" }} }}]"
    );
    failure(store("secret", &packaged(), &services));
}

pub fn a_csi_driver_that_does_not_exist() {
    let services = format!(
        "{BARE}\n    volumes = [{{ name = \"extra\", csi = {{ driver = \"missing.example.com\" }} }}]"
    );
    let attributes = format!("{}\n  timeouts = {{ create = \"40s\" }}", packaged());
    failure(store("csi", &attributes, &services));
}

pub fn an_ephemeral_volume_that_is_full() {
    let attributes = format!("{}\n  timeouts = {{ create = \"90s\" }}", packaged());
    let services = format!(
        "{BARE}\n{}",
        SCRIPTED
            .replace(
                "volumes = [",
                "volumes = [{ name = \"scratch\", empty_dir = { size_limit = \"1Mi\" } },"
            )
            .replace(
                "volume_mounts = [",
                "volume_mounts = [{ name = \"scratch\", mount_path = \"/scratch\" },"
            )
    );
    let store = store("evicted", &attributes, &services);
    script(
        &store,
        "head -c 8M /dev/zero >/scratch/data; exec sleep 1000",
    );
    failure(store);
}

pub fn a_volume_without_space() {
    let attributes = format!("{}\n  timeouts = {{ create = \"180s\" }}", packaged());
    let services = format!("{BARE}\n{}", SCRIPTED.replace("volumes = [", "volumes = [{ name = \"scratch\", empty_dir = { medium = \"Memory\", size_limit = \"1Mi\" } },")
        .replace("volume_mounts = [", "volume_mounts = [{ name = \"scratch\", mount_path = \"/scratch\" },"));
    let store = store("enospc", &attributes, &services);
    script(
        &store,
        "exec /usr/bin/python3 -c \"open('/scratch/data', 'wb').write(bytes(8 << 20))\"",
    );
    failure(store);
}

pub fn a_pod_that_no_node_takes() {
    let services = format!(
        "{BARE}\n    online_store = {{ server = {{ resources = {{ requests = {{ cpu = \"1000\" }} }} }} }}"
    );
    let attributes = format!("{}\n  timeouts = {{ create = \"20s\" }}", packaged());
    failure(store("unschedulable", &attributes, &services));
}

pub fn a_git_repository_that_cannot_be_cloned() {
    let attributes = "feast_project_dir = { git = { url = \"https://git.invalid/features.git\" } }";
    failure(store("git", attributes, ""));
}

fn database(name: &str, wrong: &str, right: &str) {
    let store = Store::new(name);
    store.configure("");
    let secret = store
        .namespace
        .kubectl(&["get", "secret", "feast-data-stores", "--output=json"])
        .unwrap();
    let mut secret: Json = serde_json::from_str(&secret).unwrap();
    secret["stringData"] = serde_json::json!({});
    let host = &store.lab.postgres.host;
    let ok = format!(
        "host: {host}\nport: 5432\ndatabase: feast\nuser: feast\npassword: {}\nsslmode: disable\n",
        lab::PASSWORD
    );
    secret["stringData"]["postgres"] = ok.replace(wrong, right).into();
    store.lab.cluster.apply(&secret.to_string()).unwrap();
    failure(store);
}

pub fn a_wrong_password() {
    database("password", lab::PASSWORD, "wrong");
}

pub fn a_database_that_does_not_exist() {
    database("database", "database: feast", "database: missing");
}

pub fn a_database_without_tls() {
    database("tls", "sslmode: disable\n", "");
}

pub fn a_claim_of_another_user() {
    let store = store(
        "claim",
        "",
        r#"
    online_store = { persistence = { file = { path = "online.db", pvc = { ref = { name = "data" }, mount_path = "/data" } } } }"#,
    );
    let namespace = store.namespace.name();
    let manifest = format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [
      {{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {{"name": "{namespace}"}},
        "spec": {{"capacity": {{"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
          "hostPath": {{"path": "/var/lib/kubelet/{namespace}", "type": "DirectoryOrCreate"}}}}}},
      {{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {{"name": "data", "namespace": "{namespace}"}},
        "spec": {{"accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": "{namespace}",
          "resources": {{"requests": {{"storage": "1Gi"}}}}}}}}]}}"#
    );
    store.lab.cluster.apply(&manifest).unwrap();
    failure(store);
}
