//! KEDA beside a control plane: its real operator, metrics adapter and admission webhooks, as processes on 127.0.0.1.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cluster::Cluster;
use super::components::{flag, free_ports};
use super::crds::Crd;
use super::error::{Doing, Error, Result};
use super::pki::Pki;
use super::process::{Guard, Service, wait_for};
use super::progress::Progress;
use super::tools::{self, Tool};

const OBJECTS: &str = include_str!("manifests/keda.yaml");
const NAMESPACE: &str = "keda";

/// The programs, which run as long as this value exists.
pub struct Keda {
    services: Vec<Service>,
    guard: Option<Guard>,
}

impl Keda {
    /// Installs KEDA's definitions in the cluster and starts its programs. The first start builds them, which takes
    /// long.
    pub fn start(cluster: &Cluster) -> Result<Self> {
        let tools = tools::ensure(&[Tool::KedaOperator, Tool::KedaAdapter], Progress::stderr())?;
        let folder = cluster.folder().ok_or_else(|| {
            Error::new(
                "starting KEDA",
                "the cluster was not started by the testbed",
            )
        })?;
        cluster.install(Crd::KEDA)?;
        let [grpc, adapter, webhooks] = free_ports()?;
        let setup = Setup {
            kubeconfig: cluster.kubeconfig().to_owned(),
            certificates: certificates(folder)?,
            grpc: format!("127.0.0.1:{grpc}"),
        };
        let processes = folder.join("keda/processes");
        let mut keda = Self {
            services: Vec::new(),
            guard: Some(Guard::watch(folder, &processes)?),
        };
        cluster.kubectl(&["create", "namespace", NAMESPACE])?;
        for (name, command) in [
            (
                "keda-operator",
                setup.operator(tools.path(Tool::KedaOperator)?),
            ),
            (
                "keda-adapter",
                setup.adapter(tools.path(Tool::KedaAdapter)?, adapter, webhooks),
            ),
        ] {
            let service = Service::spawn(name, command, &folder.join("logs"))?;
            keda.services.push(service);
            let pids = keda.services.iter().map(|it| format!("{}\n", it.pid()));
            fs::write(&processes, pids.collect::<String>())
                .doing(|| format!("writing {}", processes.display()))?;
        }
        let ca = fs::read(setup.certificates.join("ca.crt"))
            .doing(|| "reading the certificate authority".to_owned())?;
        let objects = OBJECTS
            .replace("@adapter_port@", &adapter.to_string())
            .replace("@webhooks_port@", &webhooks.to_string())
            .replace("@ca_bundle@", &STANDARD.encode(ca));
        wait_for(
            &mut keda.services,
            "the webhooks of KEDA",
            Duration::from_secs(180),
            || TcpStream::connect(("127.0.0.1", webhooks)).is_ok(),
        )?;
        cluster.apply(&objects)?;
        cluster.kubectl(&[
            "wait",
            "apiservice/v1beta1.external.metrics.k8s.io",
            "--for=condition=Available",
            "--timeout=180s",
        ])?;
        keda.services.iter_mut().try_for_each(Service::check)?;
        Ok(keda)
    }
}

impl Drop for Keda {
    fn drop(&mut self) {
        for service in &mut self.services {
            service.stop();
        }
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }
}

/// The values of the command-line flags.
struct Setup {
    kubeconfig: PathBuf,
    certificates: PathBuf,
    /// The address of the operator's metrics service.
    grpc: String,
}

impl Setup {
    fn operator(&self, program: &Path) -> Command {
        let mut operator = self.command(program);
        operator
            .args([
                "--enable-prometheus-metrics=false",
                "--health-probe-bind-address=0",
            ])
            .arg(format!("--metrics-service-bind-address={}", self.grpc))
            .args(["--kube-api-qps=200", "--kube-api-burst=400"]);
        operator
    }

    fn adapter(&self, program: &Path, port: u16, webhooks_port: u16) -> Command {
        let mut adapter = self.command(program);
        for kubeconfig in [
            "--lister-kubeconfig",
            "--authentication-kubeconfig",
            "--authorization-kubeconfig",
        ] {
            adapter.arg(flag(kubeconfig, &self.kubeconfig));
        }
        let file = |name: &str| self.certificates.join(name);
        adapter
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={port}"))
            .arg(format!("--webhooks-port={webhooks_port}"))
            .arg(format!("--metrics-service-address={}", self.grpc))
            .arg(flag("--client-ca-file", &file("ca.crt")))
            .arg(flag("--tls-cert-file", &file("tls.crt")))
            .arg(flag("--tls-private-key-file", &file("tls.key")));
        adapter
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .arg(flag("--kubeconfig", &self.kubeconfig))
            .arg(flag("--cert-dir", &self.certificates))
            .env_remove("KUBECONFIG")
            // All namespaces.
            .env("WATCH_NAMESPACE", "")
            .env("POD_NAMESPACE", NAMESPACE)
            .env("KEDA_CLUSTER_OBJECT_NAMESPACE", NAMESPACE);
        command
    }
}

/// Returns a folder with the control plane's certificates under the names that KEDA reads. The operator and the adapter
/// authenticate each other with them.
fn certificates(folder: &Path) -> Result<PathBuf> {
    let certificates = folder.join("keda/certificates");
    fs::create_dir_all(&certificates).doing(|| format!("creating {}", certificates.display()))?;
    let pki = Pki::in_folder(folder);
    for (from, name) in [
        (&pki.ca, "ca.crt"),
        (&pki.certificate, "tls.crt"),
        (&pki.key, "tls.key"),
    ] {
        let to = certificates.join(name);
        fs::copy(from, &to).doing(|| format!("copying {}", from.display()))?;
    }
    Ok(certificates)
}
