//! Follows the log of a Job, to show that it makes progress. A log that cannot be read, for example without permission,
//! is left out.

use std::convert::Infallible;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::api::{ListParams, LogParams};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::report::Reporter;
use crate::cluster::request::{List, Request};
use crate::cluster::resource::PODS;
use crate::cluster::{Cluster, StoreName};
use crate::feast::secrets::redaction::Redaction;

const INTERVAL: Duration = Duration::from_secs(5);
/// The time without lines after which a report says that the Job still runs.
const QUIET: Duration = Duration::from_mins(1);
/// The number of lines that are read, and the number of those that are shown at once.
const LINES: usize = 50;
const SHOWN: usize = 3;
const BYTES: i64 = 65_536;

/// Reads the log of a Job, and reports new lines.
pub(super) struct LogFollower<'a> {
    pub cluster: &'a Cluster,
    pub store: &'a StoreName,
    pub job: &'a str,
    /// The values that a line must not show, without those that only the pod uses.
    pub secrets: &'a Redaction,
    pub reporter: &'a Reporter,
    pod: Option<FollowedPod>,
}

/// A pod whose secrets are known.
struct FollowedPod {
    name: String,
    /// `None` if a Secret cannot be read: a line could show its values.
    secrets: Option<Redaction>,
    /// The lines of the last read.
    lines: Vec<String>,
}

impl<'a> LogFollower<'a> {
    pub fn new(
        cluster: &'a Cluster,
        store: &'a StoreName,
        job: &'a str,
        secrets: &'a Redaction,
        reporter: &'a Reporter,
    ) -> Self {
        Self {
            cluster,
            store,
            job,
            secrets,
            reporter,
            pod: None,
        }
    }

    /// Reports the newest lines at intervals, and the time now and then while there are none. Does not return.
    pub async fn follow(&mut self) -> Infallible {
        let started = Instant::now();
        let mut last_report = started;
        loop {
            tokio::time::sleep(INTERVAL).await;
            if self.report().await {
                last_report = Instant::now();
            } else if last_report.elapsed() >= QUIET {
                last_report = Instant::now();
                let minutes = started.elapsed().as_secs() / 60;
                self.reporter.status(format!(
                    "Job/{} has been running for {minutes} min",
                    self.job
                ));
            }
        }
    }

    /// Reports the newest lines of the running container, or of the last one that has ended. Returns whether there were
    /// any.
    pub async fn report(&mut self) -> bool {
        let Some((pod, container)) = self.container().await else {
            return false;
        };
        let mut is_reported = false;
        let name = pod.metadata.name.clone().unwrap_or_default();
        if self.pod.as_ref().is_none_or(|known| known.name != name) {
            self.pod = Some(FollowedPod {
                secrets: self.secrets_of(&pod).await,
                name: name.clone(),
                lines: Vec::new(),
            });
        }
        // Nothing is taken out before an await: the caller can drop this future there, and report again.
        let lines = self.tail(&name, &container).await;
        if let Some(followed) = &mut self.pod
            && let Some(secrets) = &followed.secrets
        {
            let new = new_lines(&followed.lines, &lines);
            let end = new[new.len().saturating_sub(SHOWN)..].join("\n");
            if !end.is_empty() {
                // The text is redacted as a whole, because a value can have several lines.
                let text = secrets.redact(&end);
                self.reporter.log(text.lines().map(str::to_owned).collect());
                is_reported = true;
            }
            followed.lines = lines;
        }
        is_reported
    }

    /// Returns the newest pod of the Job with a container that has a log, and the name of the container.
    async fn container(&self) -> Option<(Pod, String)> {
        let params = ListParams::default().labels(&format!("job-name={}", self.job));
        let request = Request::list(PODS, &self.store.namespace, params);
        let cancel = CancellationToken::new();
        let pods: List<Pod> = self.cluster.send_for(request, &cancel).await.ok()?;
        let mut pods = pods.items.unwrap_or_default();
        pods.sort_by_key(|pod| pod.metadata.creation_timestamp.clone());
        pods.into_iter().rev().find_map(|pod| {
            let container = container_with_log(&pod)?;
            Some((pod, container))
        })
    }

    async fn secrets_of(&self, pod: &Pod) -> Option<Redaction> {
        let mut secrets = self.secrets.clone();
        let is_complete = self.cluster.learn_secrets(self.store, pod, &mut secrets);
        is_complete.await.then_some(secrets)
    }

    async fn tail(&self, pod: &str, container: &str) -> Vec<String> {
        let params = LogParams {
            container: Some(container.to_owned()),
            tail_lines: i64::try_from(LINES).ok(),
            limit_bytes: Some(BYTES),
            ..LogParams::default()
        };
        let read = self
            .cluster
            .read_log(&self.store.namespace, pod, &params)
            .await;
        match read {
            Ok(text) => lines(&text),
            Err(reason) => {
                tracing::info!("cannot read the log of pod {pod}: {reason}");
                Vec::new()
            }
        }
    }
}

/// Returns the running container of a Job's pod, or else the one that has ended last. Containers of the pod come before
/// init containers, because an injected init container runs as long as the pod.
fn container_with_log(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    let main = status.container_statuses.iter().flatten();
    let all: Vec<&ContainerStatus> = main.chain(init.rev()).collect();
    let with = |is_wanted: fn(&ContainerState) -> bool| {
        let found = (all.iter()).find(|it| it.state.as_ref().is_some_and(is_wanted));
        found.map(|container| container.name.clone())
    };
    with(|state| state.running.is_some()).or_else(|| with(|state| state.terminated.is_some()))
}

/// Returns the lines of a log without blank ones and without the colors of a terminal. Of a progress bar, which
/// overwrites its line, only the last state counts.
fn lines(text: &str) -> Vec<String> {
    let text = without_escapes(text);
    let shown = |line: &str| {
        let mut states = line.split('\r').map(str::trim_end);
        states.rfind(|state| !state.is_empty()).map(str::to_owned)
    };
    text.lines().filter_map(shown).collect()
}

/// Removes the control sequences of terminals (ECMA-48): ESC, `[`, parameters, and a letter.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        plain.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    plain
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
        assert_eq!(lines("a \u{1b}[1m\u{1b}[32m1\u{1b}[0m view"), ["a 1 view"]);
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
            container_with_log(&pod(running.clone())).as_deref(),
            Some("feast-apply")
        );
        assert_eq!(
            container_with_log(&pod(json!({"waiting": {}}))).as_deref(),
            Some("mesh")
        );
        assert_eq!(
            container_with_log(&pod(json!({"terminated": {"exitCode": 1}}))).as_deref(),
            Some("mesh")
        );
        assert_eq!(container_with_log(&Pod::default()), None);
    }
}
