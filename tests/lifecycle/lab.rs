//! What the lifecycle tests share: one control plane, and the programs. Each is made when the
//! first test asks for it, so that `--list` and a filter cost nothing.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::terraform::Terraform;
use crate::support::testbed::{ControlPlane, Namespace, Options, Progress, Result, Tool, tools};

static CONTROL_PLANE: OnceLock<std::result::Result<ControlPlane, String>> = OnceLock::new();

/// The control plane; a test fails with the reason if it cannot be had.
pub fn control_plane() -> &'static ControlPlane {
    match CONTROL_PLANE.get_or_init(|| boot().map_err(|error| error.to_string())) {
        Ok(control_plane) => control_plane,
        Err(error) => panic!("no control plane: {error}"),
    }
}

fn boot() -> Result<ControlPlane> {
    let progress = Progress::stderr();
    match kubeconfig_of_the_user() {
        Some(kubeconfig) => {
            ControlPlane::existing(&kubeconfig, &tools::ensure(&[Tool::Kubectl], progress)?)
        }
        None => {
            let tools = tools::ensure(Tool::CONTROL_PLANE, progress)?;
            let options = Options {
                audit: true,
                ..Options::default()
            };
            ControlPlane::start(&tools, &options, progress)
        }
    }
}

pub fn stop() {
    if let Some(Ok(control_plane)) = CONTROL_PLANE.get() {
        control_plane.stop();
    }
}

pub fn kubeconfig_of_the_user() -> Option<PathBuf> {
    std::env::var_os("FEAST_TEST_KUBECONFIG").map(PathBuf::from)
}

/// A namespace of the test's own on the control plane.
pub fn namespace(name: &str) -> Namespace {
    control_plane()
        .namespace(name)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Does `test` with Terraform and again with OpenTofu.
pub fn with_each_tool(test: impl Fn(Terraform)) {
    for tool in [Tool::Terraform, Tool::Tofu] {
        let path = tool_path(tool);
        test(Terraform::new(&path, provider()).unwrap_or_else(|error| panic!("{error}")));
    }
}

pub fn tool_path(tool: Tool) -> PathBuf {
    tools::ensure(&[tool], Progress::stderr())
        .and_then(|tools| tools.path(tool).map(Path::to_owned))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The provider, as cargo has just built it.
pub fn provider() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_terraform-provider-feast"))
}
