//! A real PostgreSQL that listens only on a Unix socket, which is reachable from every network namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::python::Python;
use crate::support::testbed::TestRun;
use crate::support::testbed::cluster::eventually;
use crate::support::testbed::error::{Doing, Result};
use crate::support::testbed::process::{Service, output};

pub struct Postgres {
    service: Mutex<Service>,
    psql: PathBuf,
    socket: PathBuf,
}

impl Postgres {
    pub const USER: &str = "feast";
    /// A password with characters that are special in YAML, URLs, shells and `${}`.
    pub const PASSWORD: &str = "p: #'%40 \"w";
    /// The folder of the socket in every container.
    pub const SOCKET_IN_CONTAINERS: &str = "/run/postgresql";

    pub fn start(run: &TestRun, python: &Python) -> Result<Self> {
        let folder = run.folder("postgres")?;
        let (data, password) = (folder.join("data"), folder.join("password"));
        let socket = run.socket_folder()?;
        fs::write(&password, Self::PASSWORD).doing(|| format!("writing {}", password.display()))?;
        let mut initdb = as_unprivileged_user(&python.postgres("initdb"));
        initdb
            .args([
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ])
            .args(["--username", Self::USER, "--pwfile"])
            .arg(&password)
            .arg("--pgdata")
            .arg(&data);
        output(&mut initdb, "making a PostgreSQL database")?;

        let mut server = as_unprivileged_user(&python.postgres("postgres"));
        server.arg("-D").arg(&data);
        for setting in [
            "listen_addresses=",
            "max_connections=300",
            // The data does not have to survive a crash.
            "fsync=off",
            "full_page_writes=off",
        ] {
            server.args(["-c", setting]);
        }
        server
            .arg("-c")
            .arg(format!("unix_socket_directories={}", socket.display()));
        let postgres = Self {
            service: Mutex::new(run.spawn("postgres", server, &folder)?),
            psql: python.postgres("psql"),
            socket,
        };
        postgres.wait_until_ready()?;
        Ok(postgres)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let mut ended = Ok(());
        let (timeout, every) = (Duration::from_secs(300), Duration::from_millis(100));
        eventually("PostgreSQL to answer", timeout, every, || {
            ended = self.service().check();
            (ended.is_err() || self.query("postgres", "select 1").is_ok()).then_some(())
        })?;
        ended
    }

    pub fn stop(&self) {
        self.service().stop();
    }

    fn service(&self) -> MutexGuard<'_, Service> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the server as `pg_ctl stop --mode=fast` does, which ends all connections, and starts it again after
    /// `pause`.
    pub fn restart(&self, run: &TestRun, pause: Duration) -> Result<()> {
        {
            let mut service = self.service();
            let mut kill = Command::new("kill");
            kill.arg("-INT").arg(service.pid().to_string());
            output(&mut kill, "stopping PostgreSQL")?;
            service.wait()?;
            thread::sleep(pause);
            service.start_again()?;
            run.record(&service)?;
        }
        self.wait_until_ready()
    }

    /// Returns the folder of the socket outside the containers.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn create_database(&self, name: &str) -> Result<()> {
        self.query("postgres", &format!("create database {name}"))
            .map(drop)
    }

    /// Returns the output of `psql`: one line for each row, with `|` between the columns.
    pub fn query(&self, database: &str, statement: &str) -> Result<String> {
        let mut psql = Command::new(&self.psql);
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet"])
            .args(["--username", Self::USER, "--dbname", database, "--host"])
            .arg(&self.socket)
            .args(["--command", statement])
            .env("PGPASSWORD", Self::PASSWORD);
        Ok(output(&mut psql, "asking PostgreSQL")?.trim().to_owned())
    }
}

/// PostgreSQL does not run as root, so it runs in a user namespace as another user. Its shared memory is deleted with
/// the namespace in any case.
fn as_unprivileged_user(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--ipc", "--map-user=1000", "--map-group=1000"])
        .arg(program);
    command
}
