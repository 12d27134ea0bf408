//! Custom resource definitions of other projects, from their pinned Go modules (`crds/go.mod`, `keda/go.mod`).
//!
//! Most modules have the definitions as files. The Prometheus Operator's module has its Go types only: its definitions
//! are generated from them, by the generator and with the options of that project.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{MutexGuard, PoisonError};

use super::cluster::Cluster;
use super::error::{Doing, Error, Result};
use super::go_build::{self, Module};
use super::progress::Progress;
use super::tools::{self, Tool};

/// The Go module of KEDA.
pub(super) const KEDA: &str = "github.com/kedacore/keda/v2";
const OPENSHIFT: &str = "github.com/openshift/api";
const GATEWAY: &str = "sigs.k8s.io/gateway-api";
const MONITORING: &str =
    "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1";

/// A custom resource definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crd {
    ScaledObject,
    ScaledJob,
    TriggerAuthentication,
    ClusterTriggerAuthentication,
    CloudEventSource,
    ClusterCloudEventSource,
    Route,
    SecurityContextConstraints,
    ServiceMonitor,
    GatewayClass,
    Gateway,
    HttpRoute,
    GrpcRoute,
}

impl Crd {
    /// All definitions that the KEDA operator needs.
    pub const KEDA: &[Self] = &[
        Self::ScaledObject,
        Self::ScaledJob,
        Self::TriggerAuthentication,
        Self::ClusterTriggerAuthentication,
        Self::CloudEventSource,
        Self::ClusterCloudEventSource,
    ];

    /// Returns the name of the definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScaledObject => "scaledobjects.keda.sh",
            Self::ScaledJob => "scaledjobs.keda.sh",
            Self::TriggerAuthentication => "triggerauthentications.keda.sh",
            Self::ClusterTriggerAuthentication => "clustertriggerauthentications.keda.sh",
            Self::CloudEventSource => "cloudeventsources.eventing.keda.sh",
            Self::ClusterCloudEventSource => "clustercloudeventsources.eventing.keda.sh",
            Self::Route => "routes.route.openshift.io",
            Self::SecurityContextConstraints => "securitycontextconstraints.security.openshift.io",
            Self::ServiceMonitor => "servicemonitors.monitoring.coreos.com",
            Self::GatewayClass => "gatewayclasses.gateway.networking.k8s.io",
            Self::Gateway => "gateways.gateway.networking.k8s.io",
            Self::HttpRoute => "httproutes.gateway.networking.k8s.io",
            Self::GrpcRoute => "grpcroutes.gateway.networking.k8s.io",
        }
    }

    /// Returns the module that has the definition, and its file there. `None` if it is generated.
    fn file(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::ScaledObject => (KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml"),
            Self::ScaledJob => (KEDA, "config/crd/bases/keda.sh_scaledjobs.yaml"),
            Self::TriggerAuthentication => {
                (KEDA, "config/crd/bases/keda.sh_triggerauthentications.yaml")
            }
            Self::ClusterTriggerAuthentication => (
                KEDA,
                "config/crd/bases/keda.sh_clustertriggerauthentications.yaml",
            ),
            Self::CloudEventSource => (
                KEDA,
                "config/crd/bases/eventing.keda.sh_cloudeventsources.yaml",
            ),
            Self::ClusterCloudEventSource => (
                KEDA,
                "config/crd/bases/eventing.keda.sh_clustercloudeventsources.yaml",
            ),
            Self::Route => (
                OPENSHIFT,
                "route/v1/zz_generated.crd-manifests/routes.crd.yaml",
            ),
            Self::SecurityContextConstraints => (
                OPENSHIFT,
                "security/v1/zz_generated.crd-manifests/0000_03_config-operator_01_securitycontextconstraints.crd.yaml",
            ),
            Self::ServiceMonitor => return None,
            Self::GatewayClass => (
                GATEWAY,
                "config/crd/standard/gateway.networking.k8s.io_gatewayclasses.yaml",
            ),
            Self::Gateway => (
                GATEWAY,
                "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
            ),
            Self::HttpRoute => (
                GATEWAY,
                "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
            ),
            Self::GrpcRoute => (
                GATEWAY,
                "config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml",
            ),
        })
    }

    /// Returns the path of the manifest.
    fn manifest(self) -> Result<PathBuf> {
        match self.file() {
            Some((module, file)) => Ok(module_folder(module)?.join(file)),
            None => Ok(generated()?.join("monitoring.coreos.com_servicemonitors.yaml")),
        }
    }
}

impl Cluster {
    /// Installs definitions, and waits until the API server serves them.
    pub fn install(&self, crds: &[Crd]) -> Result<()> {
        for crd in crds {
            let path = crd.manifest()?.display().to_string();
            self.kubectl(&["apply", "--server-side", "--filename", &path])?;
        }
        for crd in crds {
            let object = format!("crd/{}", crd.name());
            self.kubectl(&[
                "wait",
                "--for=condition=Established",
                &object,
                "--timeout=180s",
            ])?;
            self.definitions_mut().insert(crd.name());
        }
        Ok(())
    }

    /// Removes a definition with its objects.
    pub fn uninstall(&self, crd: Crd) -> Result<()> {
        self.definitions_mut().remove(crd.name());
        let deleted = self.kubectl(&["delete", "crd", crd.name(), "--timeout=60s"]);
        if deleted.is_err() {
            self.definitions_mut().insert(crd.name());
        }
        deleted.map(drop)
    }

    /// Returns the names of the installed definitions, such as `routes.route.openshift.io`.
    pub fn definitions(&self) -> BTreeSet<&'static str> {
        self.definitions_mut().clone()
    }

    fn definitions_mut(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        let definitions = self.definitions.lock();
        definitions.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the folder of a module in the Go module cache, and downloads that module alone if it is not there.
pub(super) fn module_folder(module: &str) -> Result<PathBuf> {
    // The module of the definitions would select other versions if it required KEDA, too.
    let pins = if module == KEDA {
        Module::Keda
    } else {
        Module::Crds
    };
    let mut command = Command::new("go");
    command
        .args(["mod", "download", "-json", module])
        .current_dir(pins.folder());
    let output = run(command, &format!("go mod download {module}"))?;
    let json: serde_json::Value = serde_json::from_str(&output)
        .doing(|| format!("reading the output of go mod download {module}"))?;
    let folder = json["Dir"].as_str().map(PathBuf::from);
    folder.ok_or_else(|| Error::new(format!("downloading {module}"), &json["Error"]))
}

/// Returns the folder of the generated definitions.
fn generated() -> Result<PathBuf> {
    let progress = Progress::stderr();
    let tools = tools::ensure(&[Tool::ControllerGen], progress)?;
    let cache = go_build::cache_folder(Module::Crds)?;
    let folder = cache.join("generated");
    let _lock = super::cache::lock(&folder, progress)?;
    let complete = folder.join("complete");
    if !complete.is_file() {
        // An interrupted run can have left this folder.
        fs::remove_dir_all(&folder).ok();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut command = Command::new(tools.path(Tool::ControllerGen)?);
        command
            .current_dir(Module::Crds.folder())
            .args(["crd:crdVersions=v1", &format!("paths={MONITORING}")])
            .arg(format!("output:crd:dir={}", folder.display()))
            .env("PATH", path);
        run(command, "generating custom resource definitions")?;
        fs::write(&complete, "").doing(|| format!("creating {}", complete.display()))?;
    }
    Ok(folder)
}

/// Runs a command of Go's tools, and returns its output.
fn run(mut command: Command, doing: &str) -> Result<String> {
    let output = command
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off")
        .output()
        .doing(|| doing.to_owned())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::new(
            doing.to_owned(),
            String::from_utf8_lossy(&output.stderr).trim_end(),
        )
        .help("Go 1.26 (https://go.dev/doc/install) and a reachable Go module proxy are needed.")),
    }
}
