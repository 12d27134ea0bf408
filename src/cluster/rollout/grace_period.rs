//! Decides how long a wait continues in spite of issues. See decision 013.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::pod_issue::{Cause, PodIssue, Recoverability};

/// The time for issues that can be temporary. The kubelet tries three times to pull an image within it: at once, after
/// 10 s and after another 20 s.
pub const GRACE: Duration = Duration::from_secs(40);

/// The time for which an issue that never ends must last. The pods of an older ReplicaSet still exist for a moment
/// after a change that corrects it.
const CONFIRMATION: Duration = Duration::from_secs(5);

/// The time for an injected container to end after the containers of the Job.
const SIDECAR_GRACE: Duration = Duration::from_secs(10);

/// The time for a node that cannot prepare a pod. On a new node, the network plugin and the drivers of volumes can
/// start minutes after the node.
const NODE_GRACE: Duration = Duration::from_secs(300);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Continue, and decide again at this time even if nothing changes until then.
    Continue(Option<Instant>),
    GiveUp,
    /// The progress deadline of the Deployment is exceeded, and its containers could run in that time.
    Overdue,
}

/// The times since when issues have lasted without interruption.
pub(super) struct GracePeriod {
    grace: Duration,
    since: BTreeMap<(Cause, Option<String>), Instant>,
    /// The last time at which pods waited for the cluster or were unknown; at first the start of the wait.
    awaited_cluster: Instant,
}

impl GracePeriod {
    pub fn new(grace: Duration, now: Instant) -> Self {
        Self {
            grace,
            since: BTreeMap::new(),
            awaited_cluster: now,
        }
    }

    /// Decides whether to wait on. `exceeded` is the progress deadline if the Deployment controller reports that it is
    /// exceeded. It ends the wait only after the containers could run for that long: until then, nodes, images and
    /// volumes can still become available.
    pub fn verdict(
        &mut self,
        issues: &[PodIssue],
        exceeded: Option<Duration>,
        now: Instant,
    ) -> Verdict {
        if issues.is_empty() || issues.iter().any(PodIssue::waits_for_cluster) {
            self.awaited_cluster = now;
        }
        let overdue = exceeded.map(|deadline| self.awaited_cluster + deadline);
        let mut all_since = BTreeMap::new();
        let mut end: Option<Instant> = None;
        for issue in issues {
            let Some(grace) = self.grace_of(issue) else {
                continue;
            };
            let key = (issue.cause, issue.container.clone());
            let since = self.since.get(&key).copied().unwrap_or(now);
            all_since.insert(key, since);
            end = Some(end.map_or(since + grace, |end| end.min(since + grace)));
        }
        self.since = all_since;
        match (end, overdue) {
            (Some(end), _) if end <= now => Verdict::GiveUp,
            (_, Some(overdue)) if overdue <= now => Verdict::Overdue,
            (end, overdue) => Verdict::Continue(end.into_iter().chain(overdue).min()),
        }
    }

    /// Returns the time for which the issue may last; `None` until the timeout.
    fn grace_of(&self, issue: &PodIssue) -> Option<Duration> {
        let waits_for_sidecar = issue.cause == Cause::Sidecar || !issue.kept_running_by.is_empty();
        match (issue.recoverability, issue.cause) {
            (Recoverability::Eventually, _) => None,
            (Recoverability::Never, _) => Some(self.grace.min(CONFIRMATION)),
            (Recoverability::MaybeSoon, _) if waits_for_sidecar => {
                Some(self.grace.min(SIDECAR_GRACE))
            }
            (Recoverability::MaybeSoon, Cause::NodeSetup) => Some(self.grace.max(NODE_GRACE)),
            (Recoverability::MaybeSoon, _) => Some(self.grace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_issue_ends_the_wait_after_the_grace_period() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let pulling = [PodIssue::new(
            Cause::Image,
            Recoverability::MaybeSoon,
            "ErrImagePull",
        )];
        let backing_off = [PodIssue::new(
            Cause::Image,
            Recoverability::MaybeSoon,
            "ImagePullBackOff",
        )];
        let mut grace_period = GracePeriod::new(Duration::from_secs(10), start);
        let mut verdict = |issues: &[PodIssue], now| grace_period.verdict(issues, None, now);
        assert_eq!(verdict(&[], at(0)), Verdict::Continue(None));
        assert_eq!(verdict(&pulling, at(1)), Verdict::Continue(Some(at(11))));
        assert_eq!(
            verdict(&backing_off, at(10)),
            Verdict::Continue(Some(at(11)))
        );
        assert_eq!(verdict(&[], at(10)), Verdict::Continue(None));
        assert_eq!(verdict(&pulling, at(11)), Verdict::Continue(Some(at(21))));
        assert_eq!(verdict(&backing_off, at(21)), Verdict::GiveUp);
    }

    #[test]
    fn an_unrecoverable_issue_ends_the_wait_when_it_is_confirmed() {
        let now = Instant::now();
        let mut grace_period = GracePeriod::new(GRACE, now);
        let waiting = [PodIssue::new(
            Cause::Unschedulable,
            Recoverability::Eventually,
            "Unschedulable",
        )];
        assert_eq!(
            grace_period.verdict(&waiting, None, now),
            Verdict::Continue(None)
        );
        let name = [PodIssue::new(
            Cause::ImageName,
            Recoverability::Never,
            "InvalidImageName",
        )];
        let then = now + CONFIRMATION;
        let mut verdict = |issues: &[PodIssue], now| grace_period.verdict(issues, None, now);
        assert_eq!(verdict(&name, now), Verdict::Continue(Some(then)));
        // The pod of the older ReplicaSet is gone.
        assert_eq!(verdict(&[], then), Verdict::Continue(None));
        let again = then + CONFIRMATION;
        assert_eq!(verdict(&name, then), Verdict::Continue(Some(again)));
        assert_eq!(verdict(&name, again), Verdict::GiveUp);
    }

    #[test]
    fn the_progress_deadline_counts_from_when_containers_can_run() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let deadline = Some(Duration::from_secs(600));
        let mut grace_period = GracePeriod::new(Duration::from_secs(40), start);
        let mut verdict = |cause, now| {
            grace_period.verdict(
                &[PodIssue::new(cause, Recoverability::Eventually, "r")],
                deadline,
                now,
            )
        };
        for cause in [
            Cause::Terminating,
            Cause::Unschedulable,
            Cause::UnboundPvc,
            Cause::Starting,
            Cause::NodeSetup,
        ] {
            assert_eq!(
                verdict(cause, at(900)),
                Verdict::Continue(Some(at(1500))),
                "{cause:?}"
            );
        }
        // A node and the image are available, and the server starts.
        assert_eq!(
            verdict(Cause::NotReady, at(901)),
            Verdict::Continue(Some(at(1500)))
        );
        assert_eq!(verdict(Cause::NotReady, at(1500)), Verdict::Overdue);
        let mut unseen = GracePeriod::new(Duration::ZERO, start);
        assert_eq!(
            unseen.verdict(&[], deadline, at(900)),
            Verdict::Continue(Some(at(1500)))
        );
    }

    #[test]
    fn a_node_that_cannot_prepare_a_pod_has_more_time_than_the_grace_period() {
        let start = Instant::now();
        let sandbox = [PodIssue::new(
            Cause::NodeSetup,
            Recoverability::MaybeSoon,
            "FailedCreatePodSandBox",
        )];
        let mut grace_period = GracePeriod::new(GRACE, start);
        let then = start + NODE_GRACE;
        assert_eq!(
            grace_period.verdict(&sandbox, None, start),
            Verdict::Continue(Some(then))
        );
        assert_eq!(grace_period.verdict(&sandbox, None, then), Verdict::GiveUp);
    }

    #[test]
    fn an_injected_container_has_less_time_than_the_grace_period() {
        let start = Instant::now();
        let sidecar = [PodIssue::new(
            Cause::Sidecar,
            Recoverability::MaybeSoon,
            "still running",
        )];
        let failed = [PodIssue {
            kept_running_by: vec!["istio-proxy".to_owned()],
            ..PodIssue::new(Cause::Crash, Recoverability::MaybeSoon, "Error")
        }];
        for issues in [&sidecar, &failed] {
            for (grace, ends) in [(40, 10), (1, 1)] {
                let mut grace_period = GracePeriod::new(Duration::from_secs(grace), start);
                let then = start + Duration::from_secs(ends);
                assert_eq!(
                    grace_period.verdict(issues, None, start),
                    Verdict::Continue(Some(then))
                );
                assert_eq!(grace_period.verdict(issues, None, then), Verdict::GiveUp);
            }
        }
    }
}
