//! Feature stores that do not become ready on a real node.
//!
//! Each error names the cause in the words of the node, within a limited time, and each command in it shows the cause.
//! The errors are in `tests/real_node/failures/`, without generated names. After an intended change, run
//! `UPDATE_EXPECT=1 cargo test --test real_node failures -- --include-ignored` and review the difference.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use expect_test::expect_file;
use jiff::Timestamp;
use regex_lite::Regex;
use serde_json::{Value as Json, json};

use crate::real_node::lab::PASSWORD;
use crate::real_node::store::Store;
use crate::support::node::REPOSITORY;
use crate::support::testbed::cluster::{WITHOUT_KUBERC, eventually};
use crate::support::testbed::{Progress, Tool, tools};

/// A feature store with an online server and no database. Its server starts without init containers.
const BARE: &str = "disable_init_containers = true";

/// Settings of the online server that replace `feast` by a script of the test.
const SCRIPT: &str = r#"
        env           = [{ name = "PATH", value = "/script:/usr/bin:/bin" }]
        volume_mounts = [
          { name = "script", mount_path = "/script" },
          { name = "scratch", mount_path = "/scratch" },
        ]"#;

/// What an error must name, and when.
struct Expected<'a> {
    /// The name of the file with the error.
    name: &'a str,
    /// Words of the cause, which the error and the output of its commands contain.
    cause: &'a str,
    /// Words of the cause in the log at `TF_LOG=INFO`, and the seconds after which it has them.
    logged: (&'a str, u64),
    /// The seconds after which the apply ends.
    ends: u64,
}

/// Returns a feature store with these attributes and `services`.
fn store(name: &str, attributes: &str, services: &str) -> Store {
    let store = Store::new(name);
    store.write("demo", attributes, services);
    store
}

/// Returns a feature store whose online server has these settings. The create ends after `seconds`.
fn server(name: &str, seconds: u64, services: &str, server: &str) -> Store {
    let attributes = format!(
        "timeouts = {{ create = \"{seconds}s\" }}\n  \
         feast_project_dir = {{ packaged = {{ feature_repo_path = {REPOSITORY:?} }} }}"
    );
    let services =
        format!("{BARE}\n    {services}\n    online_store = {{ server = {{ {server} }} }}");
    store(name, &attributes, &services)
}

/// Returns a feature store whose online server is a script, with `scratch` as its volume `/scratch`.
fn scripted(name: &str, seconds: u64, scratch: &str, script: &str) -> Store {
    let volumes = format!(
        "volumes = [{{ name = \"script\", config_map = {{ name = \"script\", default_mode = 493 }} }},\n      \
         {{ name = \"scratch\", {scratch} }}]"
    );
    let store = server(name, seconds, &volumes, SCRIPT);
    let script = format!("--from-literal=feast=#!/bin/bash\n{script}\n");
    let create = ["create", "configmap", "script", &script];
    store.namespace.kubectl(&create).unwrap();
    store
}

/// Returns a feature store on PostgreSQL whose connection parameters have `wrong` in place of `right`.
fn database(name: &str, right: &str, wrong: &str) -> Store {
    let store = Store::new(name);
    store.configure("");
    let parameters = format!(
        "host: {}\nport: 5432\ndatabase: feast\nuser: feast\npassword: {PASSWORD}\nsslmode: disable\n",
        store.lab.postgres.host
    );
    let patch = json!({"stringData": {"postgres": parameters.replace(right, wrong)}}).to_string();
    let patch = ["patch", "secret", "feast-data-stores", "--patch", &patch];
    store.namespace.kubectl(&patch).unwrap();
    store
}

/// Checks the apply of a feature store that does not become ready, and destroys it.
#[track_caller]
fn check(mut store: Store, expected: &Expected<'_>) {
    let log = store.terraform.folder().join("provider.log");
    (store.terraform)
        .environment("TF_LOG_PROVIDER", "INFO")
        .environment("TF_LOG_PATH", &log.display().to_string());
    let started = Instant::now();
    // The errors in JSON are not wrapped.
    let apply = ["apply", "-json", "-input=false", "-auto-approve"];
    let run = store.terraform.run(&apply).unwrap();
    let took = started.elapsed();
    assert!(!run.succeeded(), "{run}");
    let errors: Vec<String> = (run.stdout.lines())
        .filter_map(|line| serde_json::from_str::<Json>(line).ok())
        .filter(|line| line["@level"] == "error" && line["type"] == "diagnostic")
        .filter_map(|line| Some(line["diagnostic"]["detail"].as_str()?.to_owned()))
        .collect();
    let error = errors.join("\n\n");
    assert!(error.contains(expected.cause), "{error}");
    let outputs: String = (commands(&error).map(|command| typed_in(&store, command))).collect();
    assert!(outputs.contains(expected.cause), "{error}\n\n{outputs}");
    let (words, seconds) = expected.logged;
    let log = std::fs::read_to_string(&log).unwrap();
    let logged = logged_after(&log, words).unwrap_or_else(|| panic!("no {words} in {log}"));
    eprintln!(
        "{}: logged after {:.1} s, ended after {:.0} s",
        expected.name,
        logged.as_secs_f32(),
        took.as_secs_f32()
    );
    assert!(logged <= Duration::from_secs(seconds), "{logged:?}: {log}");
    assert!(
        took <= Duration::from_secs(expected.ends),
        "{took:?}: {log}"
    );
    let file = format!("tests/real_node/failures/{}.txt", expected.name);
    let error = without_generated_names(&error, store.namespace.name());
    expect_file![Path::new(env!("CARGO_MANIFEST_DIR")).join(file)].assert_eq(&error);
    store.destroy();
}

/// Returns the `kubectl` commands between backquotes.
fn commands(error: &str) -> impl Iterator<Item = &str> {
    let quoted = error.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("kubectl "))
}

/// Runs a command line as a user would, and returns its output.
#[track_caller]
fn typed_in(store: &Store, command: &str) -> String {
    let tools = tools::ensure(&[Tool::Kubectl], Progress::stderr()).unwrap();
    let kubectl = tools.path(Tool::Kubectl).unwrap().parent().unwrap();
    let output = Command::new("bash")
        .args(["-c", command])
        .env("KUBECONFIG", store.lab.cluster.kubeconfig())
        .envs([WITHOUT_KUBERC])
        .env("PATH", format!("{}:/usr/bin:/bin", kubectl.display()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the time from the first line about the wait to the first line with `words`.
fn logged_after(log: &str, words: &str) -> Option<Duration> {
    let mut lines = log.lines().filter(|line| line.contains("waiting for"));
    let time = |line: &str| line.split(' ').next()?.parse::<Timestamp>().ok();
    let first = lines.next()?;
    let named = [first]
        .into_iter()
        .chain(lines)
        .find(|line| line.contains(words))?;
    time(named)?.duration_since(time(first)?).try_into().ok()
}

fn without_generated_names(error: &str, namespace: &str) -> String {
    let mut text = error.replace(namespace, "NAMESPACE");
    for (pattern, name) in [
        (r"feast-demo-apply-[0-9a-f]{8}", "JOB"),
        (r"JOB-[0-9a-z]{5}", "POD"),
        (r"feast-demo-[0-9a-f]{8,10}-[0-9a-z]{5}", "POD"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
        (r"[0-9a-f]{64}", "ID"),
        (r"https://10\.\d+\.\d+\.\d+:\d+", "https://SERVER"),
        (r"\b10(\.\d+){3}", "ADDRESS"),
        (r"/\S*/site-packages/", "…/"),
        (r"line \d+", "line N"),
        // A log can be cut inside such a line.
        (r"\^{2,}", "^"),
        // The kubelet shows both in turn.
        (r#"ImagePullBackOff: Back-off pulling image "[^"]*": "#, ""),
    ] {
        let pattern = Regex::new(pattern).unwrap();
        text = pattern.replace_all(&text, name).into_owned();
    }
    text
}

pub fn a_server_that_crashes() {
    let env = r#"env = [{ name = "WEB_CONCURRENCY", value = "many" }]"#;
    let cause = "ValueError: invalid literal for int() with base 10: 'many'";
    check(
        server("crash", 240, "", env),
        &Expected {
            name: "crash",
            cause,
            logged: ("Error, exit code 1", 30),
            ends: 120,
        },
    );
}

pub fn a_server_beyond_its_memory_limit() {
    let limit = r#"resources = { limits = { memory = "48Mi" } }"#;
    check(
        server("memory", 240, "", limit),
        &Expected {
            name: "memory",
            cause: "OOMKilled",
            logged: ("OOMKilled", 30),
            ends: 90,
        },
    );
}

pub fn a_server_on_another_port() {
    let script = "exec python3 -m http.server 9999";
    check(
        scripted("probe", 50, "empty_dir = {}", script),
        &Expected {
            name: "probe",
            cause: "connect: connection refused",
            logged: ("Startup probe failed", 40),
            ends: 60,
        },
    );
}

pub fn an_image_that_cannot_be_pulled() {
    // Nothing listens there.
    let image = r#"image = "127.0.0.1:9/feast:1""#;
    check(
        server("image", 240, "", image),
        &Expected {
            name: "image",
            cause: "dial tcp 127.0.0.1:9: connect: connection refused",
            logged: ("ErrImagePull", 30),
            ends: 90,
        },
    );
}

pub fn an_image_that_runs_as_root() {
    let image = r#"image = "registry.k8s.io/pause:3.10""#;
    check(
        server("root", 240, "", image),
        &Expected {
            name: "root",
            cause: "container has runAsNonRoot and image will run as root",
            logged: ("CreateContainerConfigError", 30),
            ends: 90,
        },
    );
}

pub fn a_csi_driver_that_does_not_exist() {
    let volumes = r#"volumes = [{ name = "extra", csi = { driver = "missing.example.com" } }]"#;
    let mount = r#"volume_mounts = [{ name = "extra", mount_path = "/extra" }]"#;
    check(
        server("csi", 40, volumes, mount),
        &Expected {
            name: "csi",
            cause: "missing.example.com",
            logged: ("FailedMount", 30),
            ends: 60,
        },
    );
}

pub fn a_sandbox_that_cannot_be_created() {
    // The kernel rejects the value.
    let context = r#"security_context = { sysctls = [{ name = "net.ipv4.ip_unprivileged_port_start", value = "99999999" }] }"#;
    check(
        server("sandbox", 40, context, ""),
        &Expected {
            name: "sandbox",
            cause: "ip_unprivileged_port_start",
            logged: ("FailedCreatePodSandBox", 30),
            ends: 60,
        },
    );
}

pub fn a_container_that_cannot_be_created() {
    let context = r#"security_context = { seccomp_profile = { type = "Localhost", localhost_profile = "missing.json" } }"#;
    check(
        server("container", 240, context, ""),
        &Expected {
            name: "container",
            cause: "/var/lib/kubelet/seccomp/missing.json: no such file or directory",
            logged: ("CreateContainerError", 30),
            ends: 90,
        },
    );
}

pub fn a_volume_beyond_its_size_limit() {
    // It ends at once, so that the evictions follow each other quickly.
    let script =
        "trap 'exit 1' TERM; head -c 8M /dev/zero >/scratch/data; while true; do sleep 0.2; done";
    check(
        scripted(
            "evicted",
            240,
            r#"empty_dir = { size_limit = "1Mi" }"#,
            script,
        ),
        &Expected {
            name: "evicted",
            cause: "Usage of EmptyDir volume \"scratch\" exceeds the limit \"1Mi\"",
            // The kubelet measures volumes once a minute.
            logged: ("Evicted", 75),
            ends: 220,
        },
    );
}

pub fn a_volume_without_space() {
    let scratch = r#"empty_dir = { medium = "Memory", size_limit = "1Mi" }"#;
    let script = r#"exec python3 -c "open('/scratch/data', 'wb', buffering=0).write(bytes(8 << 20)); open('/scratch/more', 'w').write('x' * 9000)""#;
    check(
        scripted("no-space", 240, scratch, script),
        &Expected {
            name: "no-space",
            cause: "OSError: [Errno 28] No space left on device",
            logged: ("Error, exit code 1", 30),
            ends: 90,
        },
    );
}

pub fn a_pod_that_no_node_takes() {
    let requests = r#"resources = { requests = { cpu = "1000" } }"#;
    check(
        server("unschedulable", 30, "", requests),
        &Expected {
            name: "unschedulable",
            cause: "0/1 nodes are available: 1 Insufficient cpu",
            logged: ("Insufficient cpu", 20),
            ends: 50,
        },
    );
}

pub fn a_git_repository_that_cannot_be_cloned() {
    let source = r#"feast_project_dir = { git = { url = "https://git.invalid/features.git" } }"#;
    check(
        store("git", source, ""),
        &Expected {
            name: "git",
            cause: "Could not resolve host: git.invalid",
            logged: ("init container feast-init: Error, exit code 1", 30),
            ends: 90,
        },
    );
}

pub fn a_wrong_password() {
    check(
        database("password", PASSWORD, "wrong"),
        &Expected {
            name: "password",
            cause: "password authentication failed for user \"feast\"",
            logged: ("container feast-apply: Error, exit code 1", 30),
            ends: 150,
        },
    );
}

pub fn a_database_that_does_not_exist() {
    check(
        database("database", "database: feast", "database: missing"),
        &Expected {
            name: "database",
            cause: "database \"missing\" does not exist",
            logged: ("container feast-apply: Error, exit code 1", 30),
            ends: 150,
        },
    );
}

pub fn a_database_without_tls() {
    check(
        database("tls", "sslmode: disable\n", ""),
        &Expected {
            name: "tls",
            cause: "server does not support SSL, but SSL was required",
            logged: ("container feast-apply: Error, exit code 1", 30),
            ends: 150,
        },
    );
}

/// The rollout continues when the node is repaired.
pub fn a_node_whose_network_is_repaired() {
    let store = server("network", 240, "", "");
    let node = store.lab.cluster.folder();
    let plugin = node.join("root/opt/cni/bin/bridge");
    let broken = plugin.with_extension("broken");
    std::fs::rename(&plugin, &broken).unwrap();
    let applied = std::thread::scope(|scope| {
        let apply = scope.spawn(|| store.apply());
        let minute = Duration::from_secs(60);
        let named = eventually(
            "a failed sandbox",
            minute,
            Duration::from_millis(500),
            || {
                let selector = "--field-selector=reason=FailedCreatePodSandBox";
                let events =
                    (store.namespace).kubectl(&["get", "events", selector, "--output=name"]);
                events.ok().filter(|events| !events.is_empty())
            },
        );
        std::fs::rename(&broken, &plugin).unwrap();
        named.unwrap();
        apply.join()
    });
    applied.unwrap();
    store.destroy();
}

/// Creates the PVC `data` of a volume that is a folder of root on the node. `source` returns the volume's source.
fn create_pvc(store: &Store, source: impl Fn(&str) -> Json) {
    let namespace = store.namespace.name();
    let place = format!("/var/lib/kubelet/{namespace}");
    let node = store.lab.cluster.folder();
    std::fs::create_dir(node.join(format!("root{place}"))).unwrap();
    let common = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": ""});
    let with = |object: Json| {
        let both = [&common, &object].map(|it| it.as_object().unwrap().clone());
        Json::Object(both.into_iter().flatten().collect())
    };
    let mut volume = source(&place);
    volume["capacity"] = json!({"storage": "1Gi"});
    let pvc = json!({"volumeName": namespace, "resources": {"requests": {"storage": "1Gi"}}});
    let items = json!([
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": with(volume)},
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": namespace}, "spec": with(pvc),
        },
    ]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    store.lab.cluster.apply(&list.to_string()).unwrap();
}

pub fn a_pvc_that_the_user_cannot_write() {
    let scratch = r#"persistent_volume_claim = { claim_name = "data" }"#;
    let script = r#"exec python3 -c "open('/scratch/data', 'w')""#;
    let store = scripted("pvc", 240, scratch, script);
    // The kubelet does not change the owner of such a volume.
    create_pvc(&store, |path| json!({"hostPath": {"path": path}}));
    check(
        store,
        &Expected {
            name: "pvc",
            cause: "PermissionError: [Errno 13] Permission denied: '/scratch/data'",
            logged: ("Error, exit code 1", 30),
            ends: 90,
        },
    );
}

/// Without a security context, and although the volume belongs to root.
pub fn a_pvc_is_writable() {
    let pvc = r#"pvc = { ref = { name = "data" }, mount_path = "/data" }"#;
    let services = format!(
        "online_store = {{ persistence = {{ file = {{ path = \"online.db\", {pvc} }} }} }}"
    );
    let store = store("writable", "", &services);
    create_pvc(&store, |path| {
        let node = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": ["node"]});
        let node = json!({"nodeSelectorTerms": [{"matchExpressions": [node]}]});
        json!({"local": {"path": path}, "nodeAffinity": {"required": node}})
    });
    store.apply();
    let list = "id --user; stat --format='%u:%g %a' /data; stat --format=%u:%g /data/online.db";
    let exec = [
        "exec",
        "deployment/feast-demo",
        "--container=online",
        "--",
        "sh",
        "-c",
        list,
    ];
    let said = store.namespace.kubectl(&exec).unwrap();
    assert_eq!(said, "1001\n0:1001 2775\n1001:1001\n");
    store.destroy();
}
