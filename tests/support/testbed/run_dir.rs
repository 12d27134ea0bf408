//! The folder of one control plane: its data, its logs and the list of its processes.
//!
//! A run holds a lock on its folder as long as it exists. A folder without a lock was left by a run that was killed;
//! the next start ends its processes and removes it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache;
use super::error::{Doing, Error, Result};

pub struct RunDir {
    path: PathBuf,
    /// The system releases the lock when this process ends, in any case.
    lock: Option<File>,
}

const LOCK: &str = "owner.lock";
const PROCESSES: &str = "processes";

impl RunDir {
    /// Creates a folder in the user's cache, after removing those of killed runs.
    pub fn temporary() -> Result<Self> {
        let runs = cache::testbed()?.join("runs");
        fs::create_dir_all(&runs).doing(|| format!("creating {}", runs.display()))?;
        // Held until the new folder has its own lock, so that no other start treats it as a leftover.
        let doing = || format!("locking {}", runs.display());
        let starting = File::create(runs.join(".lock")).doing(doing)?;
        starting.lock().doing(doing)?;
        remove_leftovers(&runs)?;
        let path = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&runs)
            .doing(|| format!("creating a folder in {}", runs.display()))?
            .keep();
        Self::lock(path)
    }

    /// Returns the folder that the user has specified for a control plane to keep.
    pub fn named(path: &Path) -> Result<Self> {
        let doing = || format!("creating {}", path.display());
        fs::create_dir_all(path).doing(doing)?;
        let path = path.canonicalize().doing(doing)?;
        let entries = fs::read_dir(&path).doing(doing)?.flatten();
        let others: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|file| !file.ends_with(LOCK))
            .collect();
        if !others.is_empty() && !path.join(PROCESSES).is_file() {
            return Err(
                Error::new(doing(), "it has other files in it").help("Use an empty folder.")
            );
        }
        let run_dir = Self::lock(path)?;
        run_dir.end_processes();
        for file in others {
            let removed = if file.is_dir() {
                fs::remove_dir_all(&file)
            } else {
                fs::remove_file(&file)
            };
            removed.doing(|| format!("removing {}, of an earlier run", file.display()))?;
        }
        Ok(run_dir)
    }

    /// Returns the folder of a control plane that an earlier run kept, if that run has ended.
    pub fn kept(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let kept = path.join(PROCESSES).is_file() && !is_owned(&path);
        kept.then_some(Self { path, lock: None })
    }

    fn lock(path: PathBuf) -> Result<Self> {
        let doing = || format!("locking {}", path.display());
        let lock = File::create(path.join(LOCK)).doing(doing)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path,
                lock: Some(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                doing(),
                "another process runs a control plane there",
            )
            .help("Wait until it has ended, or use another folder.")),
            Err(TryLockError::Error(error)) => Err(Error::new(doing(), error)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file with the process ids, one per line.
    pub fn processes(&self) -> PathBuf {
        self.path.join(PROCESSES)
    }

    /// Records the processes, so that a later start can end them.
    pub fn record(&self, processes: impl Iterator<Item = u32>) -> Result<()> {
        let text: String = processes.map(|pid| format!("{pid}\n")).collect();
        let path = self.processes();
        fs::write(&path, text).doing(|| format!("writing {}", path.display()))
    }

    pub fn end_processes(&self) {
        end_processes(&self.path);
    }

    pub fn remove(&mut self) {
        self.lock = None;
        // A process that is being killed may still write; a second attempt succeeds.
        for _ in 0..5 {
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                _ => return,
            }
        }
    }
}

fn remove_leftovers(runs: &Path) -> Result<()> {
    for entry in fs::read_dir(runs)
        .doing(|| format!("reading {}", runs.display()))?
        .flatten()
    {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        if !is_owned(&path) {
            end_processes(&path);
            RunDir { path, lock: None }.remove();
        }
    }
    Ok(())
}

/// Returns whether the process that started the run is alive.
fn is_owned(run: &Path) -> bool {
    File::open(run.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err())
}

fn end_processes(folder: &Path) {
    let processes = fs::read_to_string(folder.join(PROCESSES)).unwrap_or_default();
    for pid in processes
        .lines()
        .filter_map(|line| line.trim().parse::<i32>().ok())
    {
        let Some(process) = rustix::process::Pid::from_raw(pid) else {
            continue;
        };
        if names_folder(pid, folder) {
            // An error means that the process has already ended.
            rustix::process::kill_process(process, rustix::process::Signal::KILL).ok();
        }
    }
}

/// Returns whether the process belongs to the run: all its processes have the folder on their command line. The system
/// can have given the process id to another process.
fn names_folder(pid: i32, folder: &Path) -> bool {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).or_else(|_| {
        let mut ps = Command::new("ps");
        ps.args(["-ww", "-o", "args=", "-p"]).arg(pid.to_string());
        ps.output().map(|output| output.stdout)
    });
    let folder = folder.as_os_str().as_encoded_bytes();
    command_line.is_ok_and(|line| line.windows(folder.len()).any(|part| part == folder))
}
