//! Clients in a pod's network that send the same request all the time.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;

use super::pod::Pod;
use crate::support::testbed::error::{Doing, Result};

const LOAD: &str = include_str!("load.py");

/// The clients, which stop if this is dropped.
pub struct Load {
    clients: Child,
    /// A file, because nobody reads a pipe while the clients run.
    output: PathBuf,
}

/// One request and its response.
#[derive(Debug, Clone)]
pub struct Sent {
    pub at: SystemTime,
    pub took: Duration,
    /// The HTTP status; 0 if there was no response.
    pub status: u16,
    /// The end of the response, or the error of the connection; empty for a success.
    pub error: String,
}

impl Load {
    /// Starts `clients` clients that post `body`. Each waits for `pause` between a response and its next request.
    pub fn start(
        pod: &Pod<'_>,
        url: &str,
        body: &Json,
        clients: usize,
        pause: Duration,
    ) -> Result<Self> {
        let output = pod.folder().join("load");
        let file = File::create(&output).doing(|| format!("creating {}", output.display()))?;
        let mut command = pod.enter();
        command
            .arg(pod.python().programs().join("python"))
            .args(["-I", "-S", "-c", LOAD, url, &body.to_string()])
            .args([clients.to_string(), pause.as_secs_f64().to_string()])
            .stdin(Stdio::piped())
            .stdout(file);
        let clients = command
            .spawn()
            .doing(|| "starting the clients".to_owned())?;
        Ok(Self { clients, output })
    }

    /// Returns the requests so far, in the order of the responses.
    pub fn sent(&self) -> Result<Vec<Sent>> {
        let doing = || format!("reading {}", self.output.display());
        let text = fs::read_to_string(&self.output).doing(doing)?;
        // The last line can be incomplete.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(Sent::parse).collect()
    }

    /// Stops the clients, and returns their requests in the order of the responses.
    pub fn stop(mut self) -> Result<Vec<Sent>> {
        drop(self.clients.stdin.take());
        let ended = self.clients.wait();
        ended.doing(|| "stopping the clients".to_owned())?;
        self.sent()
    }
}

impl Sent {
    /// Parses a line of load.py.
    fn parse(line: &str) -> Result<Self> {
        let doing = || format!("reading {line:?}");
        let (at, took, status, error): (f64, f64, u16, String) =
            serde_json::from_str(line).doing(doing)?;
        Ok(Self {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs_f64(at),
            took: Duration::from_secs_f64(took),
            status,
            error,
        })
    }

    pub fn succeeded(&self) -> bool {
        self.status == 200
    }

    pub fn answered_at(&self) -> SystemTime {
        self.at + self.took
    }
}
