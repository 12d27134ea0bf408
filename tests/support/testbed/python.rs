//! Python environments in the user's cache, each with the packages that a file with hashes pins.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cache;
use super::error::{Doing, Error, Result};
use super::process::output;
use super::progress::{Progress, Step};

/// Packages to install into an environment of their own.
pub struct Packages<'a> {
    /// What the packages are, for progress lines and errors.
    pub name: &'a str,
    /// The folder in the user's cache.
    pub folder: &'a str,
    /// The file that lists every package with its hashes.
    pub requirements: &'a Path,
    /// The size on disk, for the progress line.
    pub size: &'a str,
    /// The minutes of an installation on a new machine, for the progress line.
    pub minutes: u32,
}

/// A virtual environment of Python.
#[derive(Clone, Debug)]
pub struct Environment {
    pub path: PathBuf,
}

impl Packages<'_> {
    /// Returns the environment in the user's cache, and installs it if it is missing.
    pub fn ensure(&self, progress: Progress) -> Result<Environment> {
        let Self {
            name,
            size,
            minutes,
            ..
        } = self;
        let key = cache::key(&[self.requirements.to_owned()], "")?;
        let folder = cache::root()?.join(self.folder).join(key);
        let path = folder.join("environment");
        let complete = folder.join("complete");
        let _lock = cache::lock(&folder, progress)?;
        if !complete.is_file() || !works(&path) {
            progress.say(&format!(
                "Installing {name} into {}: about {minutes} min and {size}, once.",
                folder.display()
            ));
            let step = progress.step(format!("Installing {name}"));
            // An interrupted installation can have left this folder.
            fs::remove_dir_all(&path).ok();
            fs::remove_file(&complete).ok();
            self.install(&path, &step)?;
            fs::write(&complete, "").doing(|| format!("writing {}", complete.display()))?;
            step.done();
        }
        Ok(Environment { path })
    }

    fn install(&self, environment: &Path, step: &Step) -> Result<()> {
        let help = "Python 3.11 or later with its venv module (Debian: apt-get install python3-venv) and a reachable \
                    PyPI are needed.";
        step.note("creating the environment");
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(environment);
        output(&mut venv, "making a Python environment").map_err(|error| error.help(help))?;

        let mut pip = Command::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--no-input", "--require-hashes"])
            // The file lists every package, so pip has no dependencies to resolve.
            .args(["--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(self.requirements)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .doing(|| "running pip".to_owned())?;
        let errors = pip.stderr.take();
        let errors = std::thread::spawn(move || {
            errors.map_or_else(String::new, |pipe| {
                std::io::read_to_string(pipe).unwrap_or_default()
            })
        });
        let mut packages = 0;
        for line in pip
            .stdout
            .take()
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines())
        {
            let line = line.doing(|| "reading from pip".to_owned())?;
            if line.starts_with("Collecting ") {
                packages += 1;
                step.note(format!("{packages} packages downloaded"));
            } else if line.starts_with("Installing ") {
                step.note(format!("unpacking {packages} packages"));
            }
        }
        let status = pip.wait().doing(|| "running pip".to_owned())?;
        let errors = errors.join().unwrap_or_default();
        if status.success() {
            Ok(())
        } else {
            let why = format!("{status}\n{errors}");
            let doing = format!("installing {} with pip", self.name);
            Err(Error::new(doing, why).help(help))
        }
    }
}

/// Returns whether an environment still has its Python. An upgrade of the machine can have removed it, or replaced it by
/// a version that does not read the packages of this one.
fn works(environment: &Path) -> bool {
    let mut python = Command::new(environment.join("bin/python"));
    python.args(["-I", "-c", "import pip"]);
    output(&mut python, "starting Python").is_ok()
}

/// Returns the minor version of the machine's Python 3; `None` if there is none.
pub fn minor_version() -> Option<u32> {
    let mut python = Command::new("python3");
    python.args(["-c", "import sys; print(sys.version_info.minor)"]);
    let text = output(&mut python, "asking Python for its version").ok()?;
    text.trim().parse().ok()
}
