//! A real tracking server of MLflow in a pod's network.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value as Json, json};

use super::pod::Pod;
use crate::support::testbed::error::{Doing, Result};

/// The pod must have the environment with MLflow.
pub struct Mlflow;

impl Mlflow {
    pub const PORT: i32 = 5001;
    pub const URL: &str = "http://127.0.0.1:5001";

    /// Starts the server with additional arguments. It ends with the pod.
    pub fn start(pod: &mut Pod<'_>, arguments: &[&str]) -> Result<()> {
        let folder = pod.folder().join("mlflow");
        fs::create_dir(&folder).doing(|| format!("creating {}", folder.display()))?;
        let mut command = pod.enter();
        command
            .arg("env")
            .arg(format!("--chdir={}", folder.display()))
            // Jobs are for the evaluation of language models, and need seven more processes.
            .arg("MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
            .arg("MLFLOW_DISABLE_TELEMETRY=true")
            .arg(pod.python().programs().join("mlflow"))
            .args(["server", "--host=127.0.0.1", "--workers=1"])
            .arg(format!("--port={}", Self::PORT))
            .arg(format!(
                "--backend-store-uri=sqlite:///{}/mlflow.db",
                folder.display()
            ))
            .arg(format!(
                "--artifacts-destination={}/artifacts",
                folder.display()
            ))
            .args(arguments);
        pod.start_beside("mlflow", command)?;
        pod.wait_for_port("127.0.0.1", Self::PORT)
    }

    /// Returns the ids of all experiments by name.
    pub fn experiments(pod: &Pod<'_>) -> Result<BTreeMap<String, String>> {
        let answer = Self::post(pod, "experiments/search", &json!({"max_results": 100}))?;
        let experiments = answer["experiments"].as_array().cloned();
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        Ok((experiments.iter().flatten())
            .map(|it| (text(&it["name"]), text(&it["experiment_id"])))
            .collect())
    }

    /// Returns the runs of an experiment by name: `tags` without those of MLflow, `params`, the keys of `metrics`, and
    /// the paths of `artifacts`. Runs of the same name are in the order of their start.
    pub fn runs(pod: &Pod<'_>, experiment: &str) -> Result<Vec<(String, Json)>> {
        let experiments = Self::experiments(pod)?;
        let Some(id) = experiments.get(experiment) else {
            return Ok(Vec::new());
        };
        let query = json!({"experiment_ids": [id], "order_by": ["attributes.start_time ASC"]});
        let answer = Self::post(pod, "runs/search", &query)?;
        let runs = answer["runs"].as_array().cloned().unwrap_or_default();
        runs.iter().map(|run| Self::run(pod, run)).collect()
    }

    fn run(pod: &Pod<'_>, run: &Json) -> Result<(String, Json)> {
        let id = run["info"]["run_id"].as_str().unwrap_or_default();
        let name = run["info"]["run_name"].as_str().unwrap_or_default();
        let url = format!("{}/api/2.0/mlflow/artifacts/list?run_id={id}", Self::URL);
        let files = pod.get(&url)?;
        let list = |value: &Json| value.as_array().cloned().unwrap_or_default().into_iter();
        let pairs = |value: &Json| -> BTreeMap<String, Json> {
            list(value)
                .map(|it| {
                    (
                        it["key"].as_str().unwrap_or_default().to_owned(),
                        it["value"].clone(),
                    )
                })
                .collect()
        };
        let mut tags = pairs(&run["data"]["tags"]);
        tags.retain(|key, _| !key.starts_with("mlflow."));
        let metrics = pairs(&run["data"]["metrics"]);
        let run = json!({
            "tags": tags,
            "params": pairs(&run["data"]["params"]),
            "metrics": metrics.keys().collect::<Vec<_>>(),
            "artifacts": list(&files["files"]).map(|it| it["path"].clone()).collect::<Vec<_>>(),
        });
        Ok((name.to_owned(), run))
    }

    fn post(pod: &Pod<'_>, path: &str, body: &Json) -> Result<Json> {
        pod.post(&format!("{}/api/2.0/mlflow/{path}", Self::URL), body)
    }
}
