//! Programs as child processes that never outlive this process.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cluster::eventually;
use super::error::{Doing, Error, Result};

/// Returns the path as one word of a shell.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Runs the command, and returns its standard output, or an error with its standard error.
pub fn output(command: &mut Command, doing: &str) -> Result<String> {
    let result = command
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("{doing}: {}", command.get_program().display()))?;
    if result.status.success() {
        return Ok(String::from_utf8_lossy(&result.stdout).into_owned());
    }
    let why = format!(
        "{}\n{}{}",
        result.status,
        String::from_utf8_lossy(&result.stdout),
        String::from_utf8_lossy(&result.stderr)
    );
    Err(Error::new(doing, why))
}

/// A program that runs until it is stopped.
pub struct Service {
    pub name: String,
    command: Command,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Runs `command` with its output in `<logs>/<name>.log`.
    pub fn spawn(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::create(&log).doing(|| format!("creating {}", log.display()))?;
        let stderr = file
            .try_clone()
            .doing(|| format!("creating {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(stderr)
            // Ctrl-C is sent only to this process, which then stops the others.
            .process_group(0)
            .spawn()
            .doing(|| format!("running {}", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            command,
            child,
            log,
        })
    }

    /// Runs the same command again, with the same log.
    pub fn start_again(&mut self) -> Result<()> {
        let doing = || format!("running {} again", self.name);
        self.child = self.command.spawn().doing(doing)?;
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns an error with the end of the log if the program has ended.
    pub fn check(&mut self) -> Result<()> {
        let doing = || format!("running {}", self.name);
        match self.child.try_wait().doing(doing)? {
            None => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let lines: Vec<_> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(15)..].join("\n");
                Err(Error::new(doing(), format!("it ended ({status}):\n{tail}")))
            }
        }
    }

    /// Waits until the program has ended by itself.
    pub fn wait(&mut self) -> Result<()> {
        let ended = self.child.wait();
        ended.doing(|| format!("waiting for {} to end", self.name))?;
        Ok(())
    }

    /// Kills the program. It has no data that needs a graceful shutdown.
    pub fn stop(&mut self) {
        // An error means that the process has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits for `what`, and fails early with the log of a service that has ended.
pub fn wait_for(
    services: &mut [Service],
    what: &str,
    timeout: Duration,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    let mut ended = Ok(());
    let found = eventually(what, timeout, Duration::from_millis(100), || {
        ended = services.iter_mut().try_for_each(Service::check);
        (ended.is_err() || ready()).then_some(())
    });
    ended.and(found)
}

/// A small shell that kills the services if this process dies without stopping them, even by SIGKILL: its standard
/// input is a pipe that only this process holds open.
pub struct Guard {
    shell: Child,
}

/// Kills only processes that have the run's folder on their command line, so never another process that was given the
/// process id of a service.
const GUARD: &str = r#"
IFS= read -r word
[ "$word" = dismissed ] && exit 0
while read -r pid; do
    case "$(ps -ww -o args= -p "$pid")" in
        *"$1"*) kill -KILL "$pid" ;;
    esac
done < "$2"
"#;

impl Guard {
    /// `processes` is the file that lists the services of the run in `folder`.
    pub fn watch(folder: &Path, processes: &Path) -> Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", GUARD, "testbed-guard"])
            .args([folder, processes])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .doing(|| "running sh to watch over the processes".to_owned())?;
        Ok(Self { shell })
    }

    pub fn dismiss(mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            pipe.write_all(b"dismissed\n").ok();
        }
        self.shell.wait().ok();
    }
}
