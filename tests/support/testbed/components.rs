//! The command line of each program of the control plane.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::error::{Doing, Result};
use super::pki::Pki;
use super::tools::{Tool, Tools};

/// One free port for each listener. kube-controller-manager and kube-scheduler do not listen.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub etcd: u16,
    pub etcd_peer: u16,
    pub kube_apiserver: u16,
    pub kwok: u16,
    pub metrics_server: u16,
}

impl Ports {
    /// The ports are free at this time. If another process takes one, the start is repeated with other ports.
    pub fn free() -> Result<Self> {
        let [etcd, etcd_peer, kube_apiserver, kwok, metrics_server] = free_ports()?;
        Ok(Self {
            etcd,
            etcd_peer,
            kube_apiserver,
            kwok,
            metrics_server,
        })
    }
}

/// Returns ports of 127.0.0.1 on which no process listens.
pub fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT]> {
    // All are held until the last is found, because the system could otherwise return one twice.
    let mut held = Vec::new();
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let doing = || "finding a free port on 127.0.0.1".to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).doing(doing)?;
        *port = listener.local_addr().doing(doing)?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// The values of the command-line flags.
pub struct Setup<'a> {
    pub tools: &'a Tools,
    pub folder: &'a Path,
    pub pki: &'a Pki,
    pub kubeconfig: &'a Path,
    pub ports: Ports,
    pub audit: bool,
}

impl Setup<'_> {
    pub fn etcd(&self) -> Result<Command> {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        let mut etcd = self.command(Tool::Etcd)?;
        etcd.args(["--name=testbed", "--log-level=warn", "--unsafe-no-fsync"])
            .arg(flag("--data-dir", &self.folder.join("etcd")))
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster=testbed={peer}"));
        Ok(etcd)
    }

    pub fn kube_apiserver(&self) -> Result<Command> {
        let mut apiserver = self.command(Tool::KubeApiserver)?;
        apiserver
            .arg(format!(
                "--etcd-servers=http://127.0.0.1:{}",
                self.ports.etcd
            ))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            // Nothing connects to the API server through the service `kubernetes`, and Kubernetes rejects a loopback
            // address as its endpoint.
            .arg("--endpoint-reconciler-type=none")
            .arg(format!("--secure-port={}", self.ports.kube_apiserver))
            .args(["--authorization-mode=Node,RBAC", "--allow-privileged=true"])
            // With two address families. The first one is the default of Services.
            .arg("--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112")
            .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
            .arg(flag("--service-account-key-file", &self.pki.public_key))
            .arg(flag("--service-account-signing-key-file", &self.pki.key))
            .arg(flag("--client-ca-file", &self.pki.ca))
            .arg(flag("--tls-cert-file", &self.pki.certificate))
            .arg(flag("--tls-private-key-file", &self.pki.key))
            .arg(flag("--proxy-client-cert-file", &self.pki.certificate))
            .arg(flag("--proxy-client-key-file", &self.pki.key));
        if self.audit {
            apiserver
                .arg(flag(
                    "--audit-policy-file",
                    &self.folder.join("audit-policy.yaml"),
                ))
                .arg(flag("--audit-log-path", &self.folder.join("audit.log")))
                // In megabytes. Requests in rotated files are not counted.
                .arg("--audit-log-maxsize=4000");
        }
        Ok(apiserver)
    }

    pub fn kube_controller_manager(&self) -> Result<Command> {
        let mut controllers = self.command(Tool::KubeControllerManager)?;
        controllers
            .arg(flag("--kubeconfig", self.kubeconfig))
            .args(["--secure-port=0", "--leader-elect=false"])
            .args(["--kube-api-qps=200", "--kube-api-burst=400"])
            .arg(flag("--root-ca-file", &self.pki.ca))
            .arg(flag("--service-account-private-key-file", &self.pki.key))
            // The autoscaler acts within seconds instead of minutes.
            .arg("--horizontal-pod-autoscaler-sync-period=2s")
            .arg("--horizontal-pod-autoscaler-cpu-initialization-period=5s")
            .arg("--horizontal-pod-autoscaler-initial-readiness-delay=1s")
            .arg("--horizontal-pod-autoscaler-downscale-stabilization=5s");
        Ok(controllers)
    }

    pub fn kube_scheduler(&self) -> Result<Command> {
        let mut scheduler = self.command(Tool::KubeScheduler)?;
        scheduler
            .arg(flag("--kubeconfig", self.kubeconfig))
            .args(["--secure-port=0", "--leader-elect=false"])
            .args(["--kube-api-qps=200", "--kube-api-burst=400"]);
        Ok(scheduler)
    }

    pub fn kwok(&self) -> Result<Command> {
        let mut kwok = self.command(Tool::Kwok)?;
        kwok.arg(flag("--kubeconfig", self.kubeconfig))
            .arg(flag("--config", &self.folder.join("kwok.yaml")))
            .arg("--manage-all-nodes=true")
            .args(["--node-ip=127.0.0.1", "--node-name=localhost"])
            .arg(format!("--node-port={}", self.ports.kwok))
            .arg(format!("--server-address=127.0.0.1:{}", self.ports.kwok))
            .arg("--node-lease-duration-seconds=40")
            .arg(flag("--tls-cert-file", &self.pki.certificate))
            .arg(flag("--tls-private-key-file", &self.pki.key))
            // Otherwise, it would also read the user's own kwok configuration.
            .env("KWOK_WORKDIR", self.folder);
        Ok(kwok)
    }

    pub fn metrics_server(&self) -> Result<Command> {
        let mut metrics_server = self.command(Tool::MetricsServer)?;
        for kubeconfig in [
            "--kubeconfig",
            "--authentication-kubeconfig",
            "--authorization-kubeconfig",
        ] {
            metrics_server.arg(flag(kubeconfig, self.kubeconfig));
        }
        metrics_server
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={}", self.ports.metrics_server))
            .arg(flag("--tls-cert-file", &self.pki.certificate))
            .arg(flag("--tls-private-key-file", &self.pki.key))
            .args([
                "--kubelet-preferred-address-types=InternalIP",
                "--kubelet-use-node-status-port",
            ])
            .arg("--kubelet-insecure-tls")
            // The minimum that it accepts.
            .arg("--metric-resolution=15s");
        Ok(metrics_server)
    }

    /// Removes the variables that could lead a program to another cluster.
    fn command(&self, tool: Tool) -> Result<Command> {
        let mut command = Command::new(self.tools.path(tool)?);
        command.current_dir(self.folder).env_remove("KUBECONFIG");
        Ok(command)
    }
}

/// Returns a command-line flag with a path.
pub fn flag(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}
