//! Follows the log of a Job, to show that it makes progress. A log that cannot be read, for example without permission, is
//! left out.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use tokio_util::sync::CancellationToken;

use crate::cluster::report::Reporter;
use crate::cluster::request::{List, Request};
use crate::cluster::resource::PODS;
use crate::cluster::{Cluster, StoreName};
use crate::feast::secrets::redaction::Redaction;

const INTERVAL: Duration = Duration::from_secs(5);
/// The number of lines that are read, and the number of those that are shown at once.
const LINES: usize = 50;
const SHOWN: usize = 3;
const BYTES: i64 = 65_536;

/// A pod whose secrets are known.
struct Followed {
    pod: String,
    secrets: Redaction,
    /// The lines of the last read.
    lines: Vec<String>,
}

impl Cluster {
    /// Reports the newest lines of the running container of a Job, at intervals. Does not return.
    pub(super) async fn follow_log(
        &self,
        store: &StoreName,
        job: &str,
        secrets: &Redaction,
        reporter: &Reporter,
    ) {
        let mut followed: Option<Followed> = None;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Some((pod, container)) = self.running(store, job).await else {
                continue;
            };
            let name = pod.metadata.name.clone().unwrap_or_default();
            if followed.as_ref().is_none_or(|known| known.pod != name) {
                let mut secrets = secrets.clone();
                // Without all secrets, a line could show one of them.
                if !self.learn_secrets(store, &pod, &mut secrets).await {
                    std::future::pending::<()>().await;
                }
                followed = Some(Followed {
                    pod: name,
                    secrets,
                    lines: Vec::new(),
                });
            }
            let Some(known) = &mut followed else { continue };
            let lines = self.tail(store, &known.pod, &container).await;
            let new = new_lines(&known.lines, &lines);
            let end = new[new.len().saturating_sub(SHOWN)..].join("\n");
            if !end.is_empty() {
                let text = known.secrets.redact(&end);
                reporter.log(text.lines().map(str::to_owned).collect());
            }
            known.lines = lines;
        }
    }

    /// Returns the pod of the Job with a running container, and the name of the container.
    async fn running(&self, store: &StoreName, job: &str) -> Option<(Pod, String)> {
        let params = ListParams::default().labels(&format!("job-name={job}"));
        let request = Request::list(PODS, &store.namespace, params);
        let cancel = CancellationToken::new();
        let pods: List<Pod> = self.send_for(request, &cancel).await.ok()?;
        let mut pods = pods.items.unwrap_or_default().into_iter();
        pods.find_map(|pod| {
            let container = running_container(&pod)?;
            Some((pod, container))
        })
    }

    async fn tail(&self, store: &StoreName, pod: &str, container: &str) -> Vec<String> {
        let params = LogParams {
            container: Some(container.to_owned()),
            tail_lines: i64::try_from(LINES).ok(),
            limit_bytes: Some(BYTES),
            ..LogParams::default()
        };
        match self.read_log(&store.namespace, pod, &params).await {
            Ok(text) => lines(&text),
            Err(reason) => {
                tracing::info!("cannot read the log of pod {pod}: {reason}");
                Vec::new()
            }
        }
    }
}

/// Returns the first running container of the pod: of those of a Job, one runs after another. A container of others, such
/// as a sidecar, comes last.
fn running_container(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    let main = status.container_statuses.iter().flatten();
    let mut running = main.chain(init).filter(|container| {
        let state = container.state.as_ref();
        state.is_some_and(|state| state.running.is_some())
    });
    running.next().map(|container| container.name.clone())
}

/// Returns the lines of a log without blank ones. Of a progress bar, which overwrites its line, only the last state counts.
fn lines(text: &str) -> Vec<String> {
    let shown = |line: &str| {
        let mut states = line.split('\r').map(str::trim_end);
        states.rfind(|state| !state.is_empty()).map(str::to_owned)
    };
    text.lines().filter_map(shown).collect()
}

/// Returns the lines that follow the last known one. If it is not there any more, all lines are new.
fn new_lines<'a>(known: &[String], lines: &'a [String]) -> &'a [String] {
    let last = known.last();
    let position = lines.iter().rposition(|line| Some(line) == last);
    &lines[position.map_or(0, |position| position + 1)..]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_bars_count_as_one_line() {
        let text = "Materializing 2 views\n\n  0%|  | 0/9\r 50%|# | 5/9\r100%|##| 9/9\r\nDone\n";
        assert_eq!(
            lines(text),
            ["Materializing 2 views", "100%|##| 9/9", "Done"]
        );
    }

    #[test]
    fn lines_after_the_last_known_one_are_new() {
        let lines = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        for (known, now, expected) in [
            ("", "a b", "a b"),
            ("a b", "a b", ""),
            ("a b", "a b c", "c"),
            ("a a", "a a", ""),
            ("a b", "x y", "x y"),
        ] {
            assert_eq!(
                new_lines(&lines(known), &lines(now)),
                lines(expected),
                "{now}"
            );
        }
    }

    #[test]
    fn a_main_container_precedes_injected_ones() {
        let running = json!({"running": {}});
        let status = |name: &str, state: serde_json::Value| json!({"name": name, "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state});
        let pod = |main: serde_json::Value| -> Pod {
            serde_json::from_value(json!({"metadata": {}, "status": {
                "initContainerStatuses": [
                    status("feast-init", json!({"terminated": {"exitCode": 0}})),
                    status("mesh", running.clone()),
                ],
                "containerStatuses": [status("feast-apply", main)],
            }}))
            .unwrap()
        };
        assert_eq!(
            running_container(&pod(running.clone())).as_deref(),
            Some("feast-apply")
        );
        assert_eq!(
            running_container(&pod(json!({"waiting": {}}))).as_deref(),
            Some("mesh")
        );
        assert_eq!(running_container(&Pod::default()), None);
    }
}
