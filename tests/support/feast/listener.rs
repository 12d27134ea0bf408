//! A server in a pod's network that accepts and records every request, in place of a server to which Feast reports.

use std::fs;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::pod::Pod;
use crate::support::testbed::error::Result;

const LISTEN: &str = include_str!("listener.py");

pub struct Listener {
    requests: PathBuf,
}

impl Listener {
    /// Starts the server, which ends with the pod.
    pub fn start(pod: &mut Pod<'_>, port: i32) -> Result<Self> {
        let requests = pod.folder().join("requests");
        let arguments = [&port.to_string(), &*requests.to_string_lossy()];
        pod.start_program("listener", LISTEN, &arguments)?;
        pod.wait_for_port("127.0.0.1", port)?;
        Ok(Self { requests })
    }

    /// Returns `path`, `authorization` and `body` of each request so far.
    pub fn requests(&self) -> Vec<Json> {
        let text = fs::read_to_string(&self.requests).unwrap_or_default();
        let lines = text.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}
