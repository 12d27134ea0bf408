//! Requests to a pod's servers from inside its network.

use serde_json::Value as Json;

use super::pod::Pod;
use crate::support::testbed::error::{Doing, Result};
use crate::support::testbed::process::output;

const REQUEST: &str = include_str!("request.py");
const PROBE: &str = include_str!("probe.py");

impl Pod<'_> {
    /// Sends `body`, and returns the JSON response.
    pub fn post(&self, url: &str, body: &Json) -> Result<Json> {
        self.request("POST", url, &body.to_string(), "")
    }

    pub fn get(&self, url: &str) -> Result<Json> {
        self.request("GET", url, "", "")
    }

    /// With `ca`, the path of a file on the machine, the certificate of the server must be signed by that CA.
    pub fn request(&self, method: &str, url: &str, body: &str, ca: &str) -> Result<Json> {
        let mut command = self.enter();
        command
            .arg(self.python().programs().join("python"))
            .args(["-I", "-c", REQUEST, method, url, body, ca]);
        let text = output(&mut command, &format!("{method} {url}"))?;
        serde_json::from_str(&text).doing(|| format!("reading the answer to {method} {url}"))
    }

    /// Performs this probe as the kubelet does.
    pub(super) fn probe(&self, probe: &Json) -> Result<()> {
        let mut command = self.enter();
        command.arg(self.python().programs().join("python")).args([
            "-I",
            "-S",
            "-c",
            PROBE,
            &probe.to_string(),
        ]);
        output(&mut command, "probing").map(drop)
    }
}
