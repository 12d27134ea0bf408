//! KEDA beside a control plane: its real operator, metrics adapter and admission webhooks, as processes on 127.0.0.1.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::components::{flag, free_ports};
use super::control_plane::ControlPlane;
use super::crds::Crd;
use super::error::{Doing, Result};
use super::pki::Pki;
use super::progress::Progress;
use super::tools::{self, Tool};

const OBJECTS: &str = include_str!("manifests/keda.yaml");
const NAMESPACE: &str = "keda";

/// Installs KEDA's definitions in the cluster and runs its programs beside the control plane. The first start builds
/// them, which takes long.
pub fn start(control_plane: &ControlPlane) -> Result<()> {
    let tools = tools::ensure(&[Tool::KedaOperator, Tool::KedaAdapter], Progress::stderr())?;
    control_plane.install(Crd::KEDA)?;
    let [grpc, adapter, webhooks] = free_ports()?;
    let setup = Setup {
        kubeconfig: control_plane.kubeconfig().to_owned(),
        certificates: certificates(control_plane.folder())?,
        grpc: format!("127.0.0.1:{grpc}"),
    };
    control_plane.kubectl(&["create", "namespace", NAMESPACE])?;
    let programs = [
        (
            "keda-operator",
            setup.operator(tools.path(Tool::KedaOperator)?),
        ),
        (
            "keda-adapter",
            setup.adapter(tools.path(Tool::KedaAdapter)?, adapter, webhooks),
        ),
    ];
    control_plane.run_beside(programs, "the webhooks of KEDA", || {
        TcpStream::connect(("127.0.0.1", webhooks)).is_ok()
    })?;
    let ca = fs::read(setup.certificates.join("ca.crt"))
        .doing(|| "reading the certificate authority".to_owned())?;
    let objects = OBJECTS
        .replace("@adapter_port@", &adapter.to_string())
        .replace("@webhooks_port@", &webhooks.to_string())
        .replace("@ca_bundle@", &STANDARD.encode(ca));
    control_plane.apply(&objects)?;
    control_plane.kubectl(&[
        "wait",
        "apiservice/v1beta1.external.metrics.k8s.io",
        "--for=condition=Available",
        "--timeout=180s",
    ])?;
    control_plane.check()
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
