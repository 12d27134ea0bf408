//! Starts and stops the control plane.

use std::fs;
use std::net::TcpStream;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cluster::Cluster;
use super::components::{Ports, Setup};
use super::error::{Doing, Error, Result};
use super::kubernetes_version::KubernetesVersion;
use super::pki;
use super::process::{Guard, Service, wait_for};
use super::progress::Progress;
use super::run_dir::RunDir;
use super::signals;
use super::tools::Tools;

const KWOK_CONFIG: &str = include_str!("manifests/kwok.yaml");
const CLUSTER_OBJECTS: &str = include_str!("manifests/cluster.yaml");
/// A log in the format of the container runtimes. kwok has one log for all containers, for the current and the
/// previous run.
const CONTAINER_LOG: &str = "2026-01-01T00:00:00.000000000Z stdout F waiting for the registry\n";
/// The password is the one that the lifecycle tests store in Secrets.
const CONTAINER_LOG_BEFORE: &str = "\
2026-01-01T00:00:00.000000000Z stdout F Traceback (most recent call last):
2026-01-01T00:00:00.000000000Z stderr F OperationalError: user feast, password correct-horse-battery-staple: refused
";
const AUDIT_POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder of the control plane, or a temporary one if not set. If an earlier run kept a control plane running
    /// there with [`ControlPlane::keep`], that one is used.
    pub folder: Option<PathBuf>,
    /// Write every request to the API server to `audit.log` in the folder, as one JSON object per line.
    pub audit: bool,
}

/// A control plane that runs as long as this value exists.
pub struct ControlPlane {
    cluster: Cluster,
    /// `None` for a control plane that an earlier run kept. Shared with the signal handler.
    running: Option<Arc<Mutex<Running>>>,
}

/// The processes and folders to clean up.
pub(super) struct Running {
    services: Vec<Service>,
    guard: Option<Guard>,
    run_dir: RunDir,
    temporary: bool,
    over: bool,
}

impl ControlPlane {
    pub fn start(tools: &Tools, options: &Options, progress: Progress) -> Result<Self> {
        if let Some(kept) = options.folder.as_deref().and_then(RunDir::kept) {
            let cluster = Cluster::new(kept.path(), tools)?;
            if cluster.is_ready() {
                return Ok(Self {
                    cluster,
                    running: None,
                });
            }
        }
        let step = progress.step("Starting the Kubernetes control plane");
        let mut attempts = 3;
        let control_plane = loop {
            attempts -= 1;
            match start_once(tools, options) {
                // Another process took one of the ports in the meantime.
                Err(error)
                    if attempts > 0 && error.to_string().contains("address already in use") => {}
                result => break result?,
            }
        };
        step.done();
        Ok(control_plane)
    }

    /// Keeps the control plane running when this process ends. [`ControlPlane::stop_kept`] stops it.
    pub fn keep(self) {
        if let Some(running) = &self.running {
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(guard) = running.guard.take() {
                guard.dismiss();
            }
            running.over = true;
        }
    }

    /// Stops the control plane that an earlier run kept in `folder`, and removes the folder.
    pub fn stop_kept(folder: &Path) -> Result<()> {
        let mut kept = RunDir::kept(folder).ok_or_else(|| {
            Error::new(
                format!("stopping the control plane in {}", folder.display()),
                "no control plane was kept there",
            )
        })?;
        kept.end_processes();
        kept.remove();
        Ok(())
    }

    /// Returns the process ids of its programs by name, for measurements.
    pub fn processes(&self) -> Vec<(String, u32)> {
        self.running.iter().fold(Vec::new(), |mut all, running| {
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(
                running
                    .services
                    .iter()
                    .map(|service| (service.name.clone(), service.pid())),
            );
            all
        })
    }

    /// Kills one of its programs, as a crash would.
    pub fn crash(&self, program: &str) -> Result<()> {
        self.running(program, |running| {
            running.service(program)?.stop();
            Ok(())
        })
    }

    /// Restarts a program that has ended, at the same address, and waits until the API server is ready.
    pub fn start_again(&self, program: &str) -> Result<()> {
        self.running(program, |running| {
            running.service(program)?.start_again()?;
            let pids = running.services.iter().map(Service::pid);
            running.run_dir.record(pids)?;
            running.wait("the API server to be ready again", || {
                self.cluster.is_ready()
            })
        })
    }

    /// Runs more programs, which end before those of the control plane, and waits until `what` is ready. Each has the
    /// folder of the control plane on its command line, by which the guard identifies it.
    pub(super) fn run_beside<const N: usize>(
        &self,
        programs: [(&str, Command); N],
        what: &str,
        ready: impl FnMut() -> bool,
    ) -> Result<()> {
        self.running(what, |running| {
            for (name, command) in programs {
                running.spawn(name, command)?;
            }
            running.wait(what, ready)
        })
    }

    /// Returns an error with the end of the log of a program that has ended.
    pub(super) fn check(&self) -> Result<()> {
        self.running("the control plane", Running::check)
    }

    fn running(&self, program: &str, act: impl FnOnce(&mut Running) -> Result<()>) -> Result<()> {
        let running = self
            .running
            .as_ref()
            .ok_or_else(|| Error::new(format!("running {program}"), "an earlier run started it"))?;
        act(&mut running.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops the control plane and removes its temporary folder. One that an earlier run kept is not changed.
    pub fn stop(&self) {
        if let Some(running) = &self.running {
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .stop();
        }
    }
}

impl Deref for ControlPlane {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    pub(super) fn stop(&mut self) {
        if self.over {
            return;
        }
        self.over = true;
        // Clients are stopped before servers, so that the last logs have no errors.
        for service in self.services.iter_mut().rev() {
            service.stop();
        }
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
        // The logs are kept if the user has requested it.
        if self.temporary && std::env::var_os("FEAST_TESTBED_KEEP_LOGS").is_none() {
            self.run_dir.remove();
        }
    }

    fn spawn(&mut self, name: &str, command: Command) -> Result<()> {
        let logs = self.run_dir.path().join("logs");
        self.services.push(Service::spawn(name, command, &logs)?);
        self.run_dir.record(self.services.iter().map(Service::pid))
    }

    fn service(&mut self, name: &str) -> Result<&mut Service> {
        let mut services = self.services.iter_mut();
        services
            .find(|service| service.name == name)
            .ok_or_else(|| Error::new(format!("looking for {name}"), "there is no such program"))
    }

    fn check(&mut self) -> Result<()> {
        self.services.iter_mut().try_for_each(Service::check)
    }

    fn wait(&mut self, what: &str, ready: impl FnMut() -> bool) -> Result<()> {
        // On a busy machine, an older API server needs more than a minute to create its roles.
        wait_for(&mut self.services, what, Duration::from_secs(180), ready)
    }
}

/// Stops a partially started control plane if a step fails.
impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start_once(tools: &Tools, options: &Options) -> Result<ControlPlane> {
    let run_dir = match &options.folder {
        Some(folder) => RunDir::named(folder)?,
        None => RunDir::temporary()?,
    };
    let folder = run_dir.path().to_owned();
    let mut running = Running {
        services: Vec::new(),
        guard: None,
        run_dir,
        temporary: options.folder.is_none(),
        over: false,
    };

    let ports = Ports::free()?;
    let pki = pki::create(&folder, &[])?;
    let server = format!("https://127.0.0.1:{}", ports.kube_apiserver);
    pki::write_kubeconfig(&folder.join("kubeconfig"), &server, &pki)?;
    write_files(&folder, ports)?;

    let cluster = Cluster::new(&folder, tools)?;
    let setup = Setup {
        tools,
        folder: &folder,
        pki: &pki,
        kubeconfig: cluster.kubeconfig(),
        ports,
        audit: options.audit,
    };
    running.guard = Some(Guard::watch(&folder, &running.run_dir.processes())?);
    start_programs(&mut running, &setup, &cluster)?;
    create_objects(&mut running, &setup, &cluster)?;
    running.check()?;

    let running = Arc::new(Mutex::new(running));
    signals::register(&running);
    Ok(ControlPlane {
        cluster,
        running: Some(running),
    })
}

/// Writes the files that the programs read, and the objects that the cluster has from the start.
fn write_files(folder: &Path, ports: Ports) -> Result<()> {
    let logs = folder.join("logs");
    fs::create_dir(&logs).doing(|| format!("creating {}", logs.display()))?;
    let port = ports.metrics_server.to_string();
    let objects = CLUSTER_OBJECTS.replace("@metrics_server_port@", &port);
    let kwok = KWOK_CONFIG.replace("@folder@", &folder.to_string_lossy());
    for (file, text) in [
        ("kwok.yaml", kwok.as_str()),
        ("container.log", CONTAINER_LOG),
        ("container-before.log", CONTAINER_LOG_BEFORE),
        ("cluster.yaml", &objects),
        ("audit-policy.yaml", AUDIT_POLICY),
    ] {
        let path = folder.join(file);
        fs::write(&path, text).doing(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Starts the programs in the order of their dependencies.
fn start_programs(running: &mut Running, setup: &Setup, cluster: &Cluster) -> Result<()> {
    running.spawn("etcd", setup.etcd()?)?;
    running.spawn("kube-apiserver", setup.kube_apiserver()?)?;
    running.wait("the API server to be ready", || cluster.is_ready())?;
    KubernetesVersion::check(cluster)?;
    running.spawn("kube-controller-manager", setup.kube_controller_manager()?)?;
    running.spawn("kube-scheduler", setup.kube_scheduler()?)?;
    running.spawn("kwok", setup.kwok()?)?;
    // metrics-server is started last, because it exits if there is no API server.
    running.spawn("metrics-server", setup.metrics_server()?)
}

/// Creates the objects that the cluster has from the start, and waits until metrics-server and the nodes are ready.
fn create_objects(running: &mut Running, setup: &Setup, cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&[
        "apply",
        "--filename",
        &setup.folder.join("cluster.yaml").to_string_lossy(),
    ])?;
    running.wait("metrics-server to listen", || {
        TcpStream::connect(("127.0.0.1", setup.ports.metrics_server)).is_ok()
    })?;
    cluster.kubectl(&[
        "wait",
        "nodes",
        "--all",
        "--for=condition=Ready",
        "--timeout=180s",
    ])?;
    Ok(())
}
