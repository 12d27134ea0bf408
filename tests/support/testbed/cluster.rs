//! Access to a cluster through kubectl, as far as tests and the quick start need it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::components::flag;
use super::error::{Doing, Error, Result};
use super::tools::{Tool, Tools};

/// The annotation with the CPU usage of each container of the pod (see manifests/kwok.yaml).
const CPU_USAGE: &str = "kwok.x-k8s.io/usage-cpu";

/// The environment variable with which kubectl does not read the user's preferences (`~/.kube/kuberc`), which can set
/// other defaults of flags.
pub const WITHOUT_KUBERC: (&str, &str) = ("KUBERC", "off");

/// A cluster that the testbed has started.
#[derive(Clone, Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    server: String,
    kubectl: PathBuf,
    folder: PathBuf,
    /// The names of the custom resource definitions that [`Cluster::install`] has installed.
    pub(super) definitions: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Cluster {
    /// `folder` is the control plane's folder, with its `kubeconfig`.
    pub fn new(folder: &Path, tools: &Tools) -> Result<Self> {
        let mut cluster = Self {
            kubeconfig: folder.join("kubeconfig"),
            server: String::new(),
            kubectl: tools.path(Tool::Kubectl)?.to_owned(),
            folder: folder.to_owned(),
            definitions: Arc::default(),
        };
        let path = "jsonpath={.clusters[0].cluster.server}";
        cluster.server = cluster.kubectl(&["config", "view", "--minify", "-o", path])?;
        Ok(cluster)
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns the address of the API server, `https://127.0.0.1:…`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns the control plane's folder, with its `ca.crt`, `admin.crt`, `admin.key`, `logs/` and `audit.log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs kubectl, and returns its output.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let doing = || format!("kubectl {}", arguments.join(" "));
        let output = self.kubectl_command(arguments).output().doing(doing)?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(Error::new(
                doing(),
                String::from_utf8_lossy(&output.stderr).trim_end(),
            ))
        }
    }

    /// Runs kubectl, and returns its JSON output: `json(&["get", "pods", …])`.
    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let text = self.kubectl(&[arguments, &["--output=json"]].concat())?;
        serde_json::from_str(&text)
            .doing(|| format!("kubectl {}: reading the JSON", arguments.join(" ")))
    }

    /// Applies a manifest.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        use std::io::Write;
        let doing = || "kubectl apply".to_owned();
        let mut kubectl = self
            .kubectl_command(&["apply", "--filename=-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .doing(doing)?;
        if let Some(mut pipe) = kubectl.stdin.take() {
            pipe.write_all(manifest.as_bytes()).doing(doing)?;
        }
        let output = kubectl.wait_with_output().doing(doing)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::new(
            doing(),
            String::from_utf8_lossy(&output.stderr).trim_end(),
        ))
    }

    fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl
            .arg(flag("--kubeconfig", &self.kubeconfig))
            // The user's cache could have the responses of another cluster with the same address.
            .arg(flag("--cache-dir", &self.folder.join("kubectl-cache")))
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("KUBECONFIG")
            .envs([WITHOUT_KUBERC]);
        kubectl
    }

    pub fn is_ready(&self) -> bool {
        self.kubectl(&["get", "--raw", "/readyz"]).is_ok()
    }

    /// Returns the version of the API server, such as `1.37`.
    pub fn version(&self) -> Result<String> {
        let doing = || "reading the version of the API server".to_owned();
        let text = self.kubectl(&["get", "--raw", "/version"])?;
        let version: serde_json::Value = serde_json::from_str(&text).doing(doing)?;
        match (version["major"].as_str(), version["minor"].as_str()) {
            (Some(major), Some(minor)) => Ok(format!("{major}.{minor}")),
            _ => Err(Error::new(doing(), text)),
        }
    }

    /// Creates a namespace whose name starts with `name`. It is deleted when the value is dropped.
    pub fn namespace(&self, name: &str) -> Result<Namespace> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // The names of two runs differ, because a node can be kept for the next run.
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("{name}-{:x}-{count}", since_1970.as_millis());
        self.kubectl(&["create", "namespace", &name])?;
        // Pods are rejected until the controller has created this account.
        let namespace = Namespace {
            cluster: self.clone(),
            name,
        };
        eventually(
            "the default service account",
            Duration::from_secs(120),
            POLL,
            || {
                namespace
                    .kubectl(&["get", "serviceaccount", "default"])
                    .ok()
            },
        )?;
        Ok(namespace)
    }
}

const POLL: Duration = Duration::from_millis(200);

/// A namespace for a single test.
#[derive(Debug)]
pub struct Namespace {
    cluster: Cluster,
    name: String,
}

impl Namespace {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster
            .kubectl(&[&["--namespace", &self.name], arguments].concat())
    }

    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        self.cluster
            .json(&[&["--namespace", &self.name], arguments].concat())
    }

    /// Returns the command without running it, for commands that keep running, such as a watch.
    pub fn kubectl_command(&self, arguments: &[&str]) -> Command {
        self.cluster
            .kubectl_command(&[&["--namespace", &self.name], arguments].concat())
    }

    /// Sets the CPU usage, such as `400m`, of each container of the existing pods. metrics-server reports it after two
    /// readings, 15 to 45 seconds later.
    pub fn set_cpu_usage(&self, label_selector: &str, cpu: &str) -> Result<()> {
        let usage = format!("{CPU_USAGE}={cpu}");
        self.kubectl(&[
            "annotate",
            "pods",
            "--overwrite",
            "--selector",
            label_selector,
            &usage,
        ])
        .map(drop)
    }

    /// Divides a load evenly among the existing pods. Called repeatedly while an autoscaler scales, it simulates
    /// clients behind a load balancer.
    pub fn share_cpu_load(&self, label_selector: &str, millicores: usize) -> Result<()> {
        let pods = self.kubectl(&["get", "pods", "--output=name", "--selector", label_selector])?;
        let share = millicores / pods.lines().count().max(1);
        self.set_cpu_usage(label_selector, &format!("{share}m"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It is deleted in the background, or with the control plane.
        self.cluster
            .kubectl(&["delete", "namespace", &self.name, "--wait=false"])
            .ok();
    }
}

/// Calls `ask` until it returns a value. The error at the timeout contains `what`.
pub fn eventually<T>(
    what: &str,
    timeout: Duration,
    every: Duration,
    mut ask: impl FnMut() -> Option<T>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if started.elapsed() > timeout {
            let why = format!("it took more than {} s", timeout.as_secs());
            return Err(Error::new(format!("waiting for {what}"), why));
        }
        std::thread::sleep(every);
    }
}
