//! The shared control plane and programs of the lifecycle tests. Each is created when the first test needs it, so that
//! `--list` and a filter cost nothing.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libtest_mimic::Completion;

use crate::support::terraform::Terraform;
use crate::support::testbed::{
    ControlPlane, KubernetesVersion, Namespace, Options, Progress, Result, Tool, tools,
};

static CONTROL_PLANE: OnceLock<std::result::Result<ControlPlane, String>> = OnceLock::new();

/// Returns the shared control plane. A test fails with the reason if it cannot start.
pub fn control_plane() -> &'static ControlPlane {
    match CONTROL_PLANE.get_or_init(|| boot().map_err(|error| error.to_string())) {
        Ok(control_plane) => control_plane,
        Err(error) => panic!("no control plane: {error}"),
    }
}

fn boot() -> Result<ControlPlane> {
    let progress = Progress::stderr();
    let tools = tools::ensure(Tool::CONTROL_PLANE, progress)?;
    let options = Options {
        audit: true,
        ..Options::default()
    };
    ControlPlane::start(&tools, &options, progress)
}

/// Starts a control plane for a single test, if the test would affect others.
pub fn own_control_plane() -> ControlPlane {
    let progress = Progress::stderr();
    tools::ensure(Tool::CONTROL_PLANE, progress)
        .and_then(|tools| ControlPlane::start(&tools, &Options::default(), progress))
        .unwrap_or_else(|error| panic!("no control plane: {error}"))
}

/// Returns whether the control plane has this minor version of Kubernetes or a later one.
pub fn has_kubernetes(minor: u32) -> bool {
    let version = KubernetesVersion::chosen().unwrap_or_else(|error| panic!("{error}"));
    version.minor() >= minor
}

pub fn stop() {
    if let Some(Ok(control_plane)) = CONTROL_PLANE.get() {
        control_plane.stop();
    }
}

/// Creates a namespace for the test on the shared control plane.
pub fn namespace(name: &str) -> Namespace {
    control_plane()
        .namespace(name)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `test` with Terraform and with OpenTofu.
pub fn with_each_tool(test: impl Fn(Terraform)) {
    for tool in [Tool::Terraform, Tool::Tofu] {
        test(terraform(tool));
    }
}

/// Runs a test that needs Terraform 1.15, or ignores it with the reason on a machine that cannot have it.
pub fn with_newest_terraform(test: fn()) -> Completion {
    with_tool(Tool::Terraform115, |_| test())
}

/// Runs a test that needs the tool, or ignores it with the reason on a machine that cannot have it. A tool that cannot
/// be installed for another reason fails the test.
pub fn with_tool(tool: Tool, test: impl FnOnce(Tool)) -> Completion {
    match tools::unavailable(tool).unwrap_or_else(|error| panic!("{error}")) {
        None => {
            test(tool);
            Completion::Completed
        }
        Some(reason) => Completion::ignored_with(reason),
    }
}

/// Creates a working folder for the tool, with the provider that cargo has just built.
pub fn terraform(tool: Tool) -> Terraform {
    Terraform::new(&tool_path(tool), provider()).unwrap_or_else(|error| panic!("{error}"))
}

pub fn tool_path(tool: Tool) -> PathBuf {
    tools::ensure(&[tool], Progress::stderr())
        .and_then(|tools| tools.path(tool).map(Path::to_owned))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the provider that cargo has just built.
pub fn provider() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_terraform-provider-feast"))
}
