//! Builds the pinned Go programs into the user's cache, once.
//!
//! A finished program is moved into the cache atomically, so an interrupted build leaves nothing incomplete. A lock
//! file prevents two processes from building the same program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::cache;
use super::error::{Doing, Error, Result};
use super::keda_source;
use super::progress::{Progress, Step};
use super::tools::Tool;

/// The Go modules next to this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Module {
    Kubernetes,
    Kubernetes130,
    Node,
    Containerd,
    CoreDns,
    OpenTofu,
    Documentation,
    Pulumi,
    PulumiBridge,
    PulumiYaml,
    Prometheus,
    Keda,
    Crds,
}

impl Module {
    pub(super) fn folder(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/support/testbed")
            .join(match self {
                Self::Kubernetes => "kubernetes",
                Self::Kubernetes130 => "kubernetes-1.30",
                Self::Node => "node",
                Self::Containerd => "containerd",
                Self::CoreDns => "coredns",
                Self::OpenTofu => "opentofu",
                Self::Documentation => "documentation",
                Self::Pulumi => "pulumi",
                Self::PulumiBridge => "pulumi-bridge",
                Self::PulumiYaml => "pulumi-yaml",
                Self::Prometheus => "prometheus",
                Self::Keda => "keda",
                Self::Crds => "crds",
            })
    }

    fn title(self) -> &'static str {
        match self {
            Self::Kubernetes => "Building Kubernetes programs",
            Self::Kubernetes130 => "Building the programs of Kubernetes 1.30",
            Self::Node => "Building kubelet and kube-proxy",
            Self::Containerd => "Building containerd",
            Self::CoreDns => "Building CoreDNS",
            Self::OpenTofu => "Building OpenTofu",
            Self::Documentation => "Building tfplugindocs",
            Self::Pulumi => "Building Pulumi",
            Self::PulumiBridge => "Building Pulumi's bridge to Terraform providers",
            Self::PulumiYaml => "Building Pulumi's host of programs in YAML",
            Self::Prometheus => "Building Prometheus",
            Self::Keda => "Building KEDA",
            Self::Crds => "Building controller-gen",
        }
    }

    /// Returns the number of packages of a complete build, and its minutes on two busy cores. Both are only for the
    /// progress line.
    fn expectation(self) -> (usize, u32) {
        match self {
            Self::Kubernetes => (2840, 10),
            Self::Kubernetes130 => (2100, 7),
            // The other packages are those of Self::Kubernetes, in the same versions.
            Self::Node => (140, 1),
            Self::Containerd => (810, 2),
            Self::CoreDns => (480, 2),
            Self::OpenTofu => (1900, 4),
            Self::Documentation => (420, 1),
            Self::Pulumi => (1750, 10),
            Self::PulumiBridge => (1690, 8),
            Self::PulumiYaml => (670, 3),
            Self::Prometheus => (1000, 3),
            Self::Keda => (1700, 9),
            Self::Crds => (300, 1),
        }
    }

    /// Returns the build tags, which leave out what no test uses: the service discoveries of Prometheus, and the cloud
    /// providers that were part of Kubernetes.
    fn tags(self) -> &'static str {
        match self {
            Self::Kubernetes130 => "providerless",
            Self::Prometheus => "remove_all_sd",
            _ => "",
        }
    }

    /// Returns the linker flags that set the versions of the programs, as in the official builds.
    fn linker_flags(self, go_mod: &str) -> String {
        let stripped = "-s -w";
        match self {
            Self::CoreDns
            | Self::Documentation
            | Self::Pulumi
            | Self::PulumiBridge
            | Self::PulumiYaml
            | Self::Prometheus
            | Self::Crds => stripped.to_owned(),
            Self::Keda => {
                let version = version_of(go_mod, "github.com/kedacore/keda/v2 ");
                let variable = "-X github.com/kedacore/keda/v2/version.Version";
                format!("{stripped} {variable}={}", version.trim_start_matches('v'))
            }
            Self::Containerd => {
                let version = version_of(go_mod, "github.com/containerd/containerd/v2 ");
                let variable = "-X github.com/containerd/containerd/v2/version.Version";
                format!("{stripped} {variable}={}", version.trim_start_matches('v'))
            }
            Self::OpenTofu => format!("{stripped} -X github.com/opentofu/opentofu/version.dev=no"),
            Self::Kubernetes | Self::Kubernetes130 | Self::Node => {
                let version = version_of(go_mod, "k8s.io/kubernetes ");
                let mut numbers = version.trim_start_matches('v').split('.');
                let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
                let variable = "-X k8s.io/component-base/version.git";
                format!(
                    "{stripped} {variable}Version={version} {variable}Major={major} {variable}Minor={minor}"
                )
            }
        }
    }
}

/// Returns the version of a required module; `prefix` is its path and a space.
fn version_of<'a>(go_mod: &'a str, prefix: &str) -> &'a str {
    let mut lines = go_mod.lines().map(str::trim);
    let rest = lines.find_map(|line| {
        line.strip_prefix("require ")
            .unwrap_or(line)
            .strip_prefix(prefix)
    });
    rest.and_then(|rest| rest.split_whitespace().next())
        .unwrap_or("v0.0.0")
}

/// Returns the cache folder for the programs of `module` in the pinned versions, and with our own sources.
pub fn cache_folder(module: Module) -> Result<PathBuf> {
    let sources: &[&str] = match module {
        Module::Keda => &["loopback/main.go", "../keda_source.rs"],
        Module::Containerd => &["pause/main.go"],
        Module::CoreDns => &["main.go"],
        _ => &[],
    };
    let pins = ["go.mod", "go.sum"].iter().chain(sources);
    let pins: Vec<PathBuf> = pins.map(|file| module.folder().join(file)).collect();
    let go_mod = fs::read_to_string(&pins[0]).doing(|| format!("reading {}", pins[0].display()))?;
    let settings = format!("{} {}", module.tags(), module.linker_flags(&go_mod));
    Ok(cache::testbed()?.join(cache::key(&pins, &settings)?))
}

/// Builds `tools`, which are all from `module`, and returns their folder.
pub fn build(module: Module, tools: &[Tool], progress: Progress) -> Result<PathBuf> {
    let folder = cache_folder(module)?;
    let _lock = cache::lock(&folder, progress)?;

    // Another process may have built them while this one waited for the lock.
    let missing: Vec<Tool> = tools
        .iter()
        .copied()
        .filter(|tool| !folder.join(tool.binary()).is_file())
        .collect();
    if missing.is_empty() {
        return Ok(folder);
    }

    let names: Vec<_> = missing.iter().map(|tool| tool.binary()).collect();
    let names = names.join(", ");
    let minutes = module.expectation().1;
    progress.say(&format!(
        "The testbed builds {names} into {}: about {minutes} minutes, once.",
        folder.display()
    ));
    let step = progress.step(module.title());
    let staging = folder.join("building");
    // An interrupted build can have left this folder.
    fs::remove_dir_all(&staging).ok();
    fs::create_dir(&staging).doing(|| format!("creating {}", staging.display()))?;
    go_build(module, &missing, &staging, &step).map_err(|why| {
        Error::new(
            format!("building {names} in {}", module.folder().display()),
            why,
        )
        .help(
            "Go 1.26 (https://go.dev/doc/install) and a reachable Go module proxy are needed; or \
             put the programs into a folder and name it in FEAST_TESTBED_BIN.",
        )
    })?;
    for &tool in &missing {
        let (from, to) = (staging.join(built_as(tool)), folder.join(tool.binary()));
        fs::rename(&from, &to).doing(|| format!("moving {} into the cache", from.display()))?;
    }
    fs::remove_dir(&staging).ok();
    step.done();
    Ok(folder)
}

/// Go names a program after the last element of its package path that is not a version.
fn built_as(tool: Tool) -> &'static str {
    match tool {
        Tool::Etcd => "server",
        Tool::PulumiBridge => "dynamic",
        Tool::KedaOperator => "operator",
        Tool::KedaAdapter => "loopback",
        _ => tool.binary(),
    }
}

fn go_build(
    module: Module,
    tools: &[Tool],
    into: &Path,
    step: &Step,
) -> std::result::Result<(), String> {
    let mut go = go_build_command(module, tools, into)?
        .spawn()
        .map_err(|error| format!("cannot run go: {error}"))?;
    let errors = show_progress(&mut go, module.expectation().0, into, tools.len(), step)?;
    let status = go.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let last = errors.len().saturating_sub(20);
    Err(format!("go build: {status}\n{}", errors[last..].join("\n")))
}

/// Returns the command that builds `tools` into the folder `into`.
fn go_build_command(
    module: Module,
    tools: &[Tool],
    into: &Path,
) -> std::result::Result<Command, String> {
    let go_mod = fs::read_to_string(module.folder().join("go.mod")).map_err(|e| e.to_string())?;
    let modfile = match module {
        // Beside the folder of the programs, which are counted.
        Module::Keda => {
            let sources = keda_source::write(&into.with_file_name("source"));
            Some(sources.map_err(|error| error.to_string())?)
        }
        _ => None,
    };
    let mut command = Command::new("go");
    command
        .args([
            "build",
            "-v",
            "-trimpath",
            "-buildvcs=false",
            "-mod=readonly",
        ])
        .arg(format!("-ldflags={}", module.linker_flags(&go_mod)))
        .arg(format!("-tags={}", module.tags()))
        .args(modfile.map(|file| format!("-modfile={}", file.display())))
        .arg("-o")
        .arg(into)
        .args(tools.iter().filter_map(|tool| tool.package()))
        .current_dir(module.folder())
        // No C compiler is needed, and the user's flags do not affect the build.
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Shows in `step` how many of about `total` packages and of the `programs` in the folder `into` are built, until `go`
/// ends. Returns the errors that it prints.
fn show_progress(
    go: &mut Child,
    total: usize,
    into: &Path,
    programs: usize,
    step: &Step,
) -> std::result::Result<Vec<String>, String> {
    let mut compiled = 0;
    let mut errors = Vec::new();
    for line in go
        .stderr
        .take()
        .into_iter()
        .flat_map(|pipe| BufReader::new(pipe).lines())
    {
        let line = line.map_err(|error| error.to_string())?;
        // With -v, go prints the path of each package that it compiles on a separate line. Other lines are about
        // downloads or errors.
        if line.starts_with("go: downloading ") {
            step.note("downloading their sources");
        } else if line.contains(' ') || line.starts_with('#') {
            errors.push(line);
        } else {
            compiled += 1;
            let linked = fs::read_dir(into).map_or(0, Iterator::count);
            step.note(format!(
                "{compiled} of ~{} packages, {linked} of {programs} programs",
                total.max(compiled)
            ));
        }
    }
    Ok(errors)
}
