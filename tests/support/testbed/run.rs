//! A folder with everything that one test program creates, and the processes that use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::error::{Doing, Result};
use super::process::{Guard, Service};
use super::run_dir::RunDir;

/// Stopping a run ends its processes and removes its folder. A guard ends the processes if this process dies.
pub struct TestRun {
    folder: PathBuf,
    started: Mutex<Option<(RunDir, Guard, Vec<u32>)>>,
    folders: AtomicUsize,
    socket_folders: Mutex<Vec<TempDir>>,
}

impl TestRun {
    pub fn start() -> Result<Self> {
        let run_dir = RunDir::temporary()?;
        let guard = Guard::watch(run_dir.path(), &run_dir.processes())?;
        Ok(Self {
            folder: run_dir.path().to_owned(),
            started: Mutex::new(Some((run_dir, guard, Vec::new()))),
            folders: AtomicUsize::new(0),
            socket_folders: Mutex::default(),
        })
    }

    /// Creates a folder in the run's folder. The last part of its path starts with `name`.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{name}-{number}"));
        fs::create_dir(&folder).doing(|| format!("creating {}", folder.display()))?;
        Ok(folder)
    }

    /// Creates a folder for a Unix socket, with a short path: that of the run's folder depends on the user's home, and
    /// the path of a socket is limited to 107 bytes.
    pub fn socket_folder(&self) -> Result<PathBuf> {
        let made = tempfile::Builder::new()
            .prefix("feast-")
            .tempdir_in("/tmp")
            .doing(|| "creating a folder in /tmp".to_owned())?;
        let path = made.path().to_owned();
        let mut folders = self
            .socket_folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        folders.push(made);
        Ok(path)
    }

    /// Starts a program that has the run's folder on its command line, by which the guard identifies it.
    pub fn spawn(&self, name: &str, command: Command, logs: &Path) -> Result<Service> {
        let service = Service::spawn(name, command, logs)?;
        self.record(&service)?;
        Ok(service)
    }

    /// Makes the guard end a program that has this run's folder on its command line.
    pub fn record(&self, service: &Service) -> Result<()> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((run_dir, _, processes)) = &mut *started {
            processes.push(service.pid());
            run_dir.record(processes.iter().copied())?;
        }
        Ok(())
    }

    pub fn stop(&self) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((mut run_dir, guard, _)) = started.take() {
            run_dir.end_processes();
            guard.dismiss();
            self.socket_folders
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
            if std::env::var_os("FEAST_TESTBED_KEEP_LOGS").is_none() {
                run_dir.remove();
            }
        }
    }
}
