//! Access to a cluster through kubectl, as far as tests and the quick start need it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::error::{Doing, Error, Result};
use super::signals;

/// The annotation with the CPU usage of each container of the pod (see manifests/kwok.yaml).
const CPU_USAGE: &str = "kwok.x-k8s.io/usage-cpu";

/// An existing cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    server: String,
    kubectl: PathBuf,
    folder: Option<PathBuf>,
}

impl Cluster {
    /// `folder` is the control plane's folder, if this process has started it.
    pub fn new(kubeconfig: &Path, kubectl: &Path, folder: Option<&Path>) -> Result<Self> {
        let mut cluster = Self {
            kubeconfig: kubeconfig.to_owned(),
            server: String::new(),
            kubectl: kubectl.to_owned(),
            folder: folder.map(Path::to_owned),
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

    /// Returns the control plane's folder, with its `ca.crt`, `admin.crt`, `admin.key`, `logs/` and `audit.log`, or
    /// `None` for the user's own cluster.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
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
        kubectl.arg(format!("--kubeconfig={}", self.kubeconfig.display()));
        if let Some(folder) = &self.folder {
            // The user's cache could have the responses of another cluster with the same address.
            kubectl.arg(format!(
                "--cache-dir={}",
                folder.join("kubectl-cache").display()
            ));
        }
        kubectl
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("KUBECONFIG");
        kubectl
    }

    pub fn is_ready(&self) -> bool {
        self.kubectl(&["get", "--raw", "/readyz"]).is_ok()
    }

    /// Creates a namespace whose name starts with `name`. It is deleted when the value is dropped.
    pub fn namespace(&self, name: &str) -> Result<Namespace> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // The names of two runs on the user's own cluster must differ.
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("{name}-{:x}-{count}", since_1970.as_millis());
        self.kubectl(&["create", "namespace", &name])?;
        if self.folder.is_none() {
            signals::register_namespace(self, &name);
        }
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

    /// Deletes a namespace, without waiting: it is deleted in the background, or with the control plane.
    pub(super) fn delete_namespace(&self, name: &str) {
        self.kubectl(&["delete", "namespace", name, "--wait=false"])
            .ok();
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
        self.cluster.delete_namespace(&self.name);
        signals::forget_namespace(&self.name);
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
