//! The real Prometheus, as the tests configure it.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::components::flag;
use super::error::{Doing, Result};

/// Writes the configuration into `folder`, and returns the flags of a Prometheus that has it, listens on 127.0.0.1, and
/// keeps its data in the folder.
pub fn flags(folder: &Path, configuration: &Json, port: impl Display) -> Result<[String; 3]> {
    let file = folder.join("prometheus.yml");
    let text = configuration.to_string();
    fs::write(&file, text).doing(|| format!("writing {}", file.display()))?;
    Ok([
        flag("--config.file", &file),
        flag("--storage.tsdb.path", &folder.join("data")),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ])
}
