//! The process that makes the node's namespaces and removes them, even if this process dies.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::support::testbed::error::{Doing, Error, Result};
use crate::support::testbed::progress::Step;

/// Removes the namespaces, and all processes in them, when it is dropped.
pub struct Keeper {
    /// The process whose end is the end of the namespaces.
    pub namespaces: u32,
    shell: Child,
    /// The keeper cleans up when this pipe closes.
    pipe: Option<ChildStdin>,
}

impl Keeper {
    /// Makes the namespaces; `folder` gets `init.pid`, by which [`enter`] finds them, and which disappears when they
    /// are removed.
    pub fn start(folder: &Path, step: &Step) -> Result<Self> {
        let doing = || "making the namespaces of a node".to_owned();
        let log = std::fs::File::create(folder.join("logs/keeper.log")).doing(doing)?;
        let mut shell = Command::new("bash")
            .arg(script("keeper.sh"))
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C goes to this process alone.
            .process_group(0)
            .spawn()
            .doing(doing)?;
        let pipe = shell.stdin.take();
        let output = shell.stdout.take().map(BufReader::new);
        let mut said = Vec::new();
        for line in output.into_iter().flat_map(BufRead::lines) {
            let line = line.doing(doing)?;
            if line == "waiting" {
                step.note("waiting for the end of another node on this machine");
                continue;
            }
            if let Some(process) = line.strip_prefix("ready ") {
                return Ok(Self {
                    namespaces: process.parse().doing(doing)?,
                    shell,
                    pipe,
                });
            }
            said.push(line);
        }
        shell.wait().ok();
        let log = std::fs::read_to_string(folder.join("logs/keeper.log")).unwrap_or_default();
        let why = format!("{}\n{log}", said.join("\n"));
        Err(Error::new(doing(), why.trim_end()))
    }

    /// Lets the namespaces live on when this process ends, until the process [`Keeper::namespaces`] is killed.
    pub fn keep(mut self) -> Result<()> {
        let doing = || "keeping a node".to_owned();
        if let Some(mut pipe) = self.pipe.take() {
            pipe.write_all(b"keep\n").doing(doing)?;
        }
        // Dropping it would wait for the end of the node.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.pipe = None;
        // An error means that it has ended already.
        self.shell.wait().ok();
    }
}

/// The beginning of a command in the namespaces of the node in `folder`, with `path` as its `PATH`.
pub fn enter(folder: &Path, path: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(script("enter.sh")).arg(folder).arg(path);
    command
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/support/node")
        .join(name)
}
