//! A real Prometheus in a pod's network.

use std::fs;

use serde_json::Value as Json;

use super::pod::Pod;
use crate::support::testbed::error::{Doing, Result};
use crate::support::testbed::{Progress, Tool, prometheus, tools};

pub struct Prometheus;

impl Prometheus {
    pub const PORT: i32 = 9090;

    /// Starts Prometheus with this configuration. It ends with the pod.
    pub fn start(pod: &mut Pod<'_>, configuration: &Json) -> Result<()> {
        let tools = tools::ensure(&[Tool::Prometheus], Progress::stderr())?;
        let folder = pod.folder().join("prometheus");
        fs::create_dir(&folder).doing(|| format!("creating {}", folder.display()))?;
        let mut command = pod.enter();
        command
            .arg(tools.path(Tool::Prometheus)?)
            .args(prometheus::flags(&folder, configuration, Self::PORT)?);
        pod.start_beside("prometheus", command)?;
        pod.wait_for_port("127.0.0.1", Self::PORT)
    }

    /// Returns the values of an instant query.
    pub fn query(pod: &Pod<'_>, expression: &str) -> Result<Vec<f64>> {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        };
        let encoded: String = expression.bytes().map(byte).collect();
        let url = format!(
            "http://127.0.0.1:{}/api/v1/query?query={encoded}",
            Self::PORT
        );
        let answer = pod.get(&url)?;
        let results = answer["data"]["result"].as_array().cloned();
        let results = results.unwrap_or_default().into_iter();
        results
            .map(|result| {
                let value = result["value"][1].as_str().unwrap_or_default();
                value.parse().doing(|| format!("reading {answer}"))
            })
            .collect()
    }
}
