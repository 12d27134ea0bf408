//! How long issues are put up with: see decision 013.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::pod_issue::{Cause, PodIssue, Recoverability};

/// In it the kubelet tries three times to pull an image: at once, after 10 s and after 20 s more.
pub const GRACE: Duration = Duration::from_secs(40);

/// The time that an injected container gets to end by itself after the Job's own containers.
const SIDECAR_GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again at that time, even if nothing changes until then.
    GoOn(Option<Instant>),
    GiveUp,
    /// The Deployment's progress deadline has passed while its containers could run.
    Overdue,
}

/// Since when there has been which issue without a break.
pub(super) struct GracePeriod {
    grace: Duration,
    since: BTreeMap<(Cause, Option<String>), Instant>,
    /// The last time at which pods waited for the cluster, or were not known; the start of the wait at first.
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

    /// Judges what was found. `exceeded` is the progress deadline, if the Deployment's controller says that it has
    /// passed. It ends the wait only after the containers could run for that long: until then nodes, images and
    /// volumes may still come, and the time-out decides.
    pub fn judge(
        &mut self,
        issues: &[PodIssue],
        exceeded: Option<Duration>,
        now: Instant,
    ) -> Verdict {
        if issues
            .iter()
            .any(|issue| issue.recoverability == Recoverability::Never)
        {
            return Verdict::GiveUp;
        }
        if issues.is_empty() || issues.iter().any(PodIssue::awaits_cluster) {
            self.awaited_cluster = now;
        }
        let overdue = exceeded.map(|deadline| self.awaited_cluster + deadline);
        let passing = issues
            .iter()
            .filter(|issue| issue.recoverability == Recoverability::MaybeSoon);
        self.since = passing
            .map(|issue| {
                let key = (issue.cause, issue.container.clone());
                let since = self.since.get(&key).copied().unwrap_or(now);
                (key, since)
            })
            .collect();
        let ends = self
            .since
            .iter()
            .map(|((cause, _), since)| *since + self.grace_of(*cause));
        match (ends.min(), overdue) {
            (Some(end), _) if end <= now => Verdict::GiveUp,
            (_, Some(overdue)) if overdue <= now => Verdict::Overdue,
            (end, overdue) => Verdict::GoOn(end.into_iter().chain(overdue).min()),
        }
    }

    fn grace_of(&self, cause: Cause) -> Duration {
        match cause {
            Cause::Sidecar => self.grace.min(SIDECAR_GRACE),
            _ => self.grace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_given_its_time_and_a_break_gives_it_anew() {
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
        let mut judge = |issues: &[PodIssue], now| grace_period.judge(issues, None, now);
        assert_eq!(judge(&[], at(0)), Verdict::GoOn(None));
        assert_eq!(judge(&pulling, at(1)), Verdict::GoOn(Some(at(11))));
        assert_eq!(judge(&backing_off, at(10)), Verdict::GoOn(Some(at(11))));
        assert_eq!(judge(&[], at(10)), Verdict::GoOn(None));
        assert_eq!(judge(&pulling, at(11)), Verdict::GoOn(Some(at(21))));
        assert_eq!(judge(&backing_off, at(21)), Verdict::GiveUp);
    }

    #[test]
    fn the_hopeless_ends_it_and_the_hopeful_does_not() {
        let now = Instant::now();
        let mut grace_period = GracePeriod::new(Duration::ZERO, now);
        let waiting = [PodIssue::new(
            Cause::Unschedulable,
            Recoverability::Eventually,
            "Unschedulable",
        )];
        assert_eq!(grace_period.judge(&waiting, None, now), Verdict::GoOn(None));
        let name = [PodIssue::new(
            Cause::ImageName,
            Recoverability::Never,
            "InvalidImageName",
        )];
        assert_eq!(grace_period.judge(&name, None, now), Verdict::GiveUp);
    }

    #[test]
    fn a_progress_deadline_counts_from_the_moment_that_the_containers_can_run() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let deadline = Some(Duration::from_secs(600));
        let mut grace_period = GracePeriod::new(Duration::from_secs(40), start);
        let mut judge = |cause, now| {
            grace_period.judge(
                &[PodIssue::new(cause, Recoverability::Eventually, "r")],
                deadline,
                now,
            )
        };
        for cause in [
            Cause::Unschedulable,
            Cause::Claim,
            Cause::Starting,
            Cause::NodeSetup,
        ] {
            assert_eq!(
                judge(cause, at(900)),
                Verdict::GoOn(Some(at(1500))),
                "{cause:?}"
            );
        }
        // A node has come, the image is there, and the server starts.
        assert_eq!(
            judge(Cause::NotReady, at(901)),
            Verdict::GoOn(Some(at(1500)))
        );
        assert_eq!(judge(Cause::NotReady, at(1500)), Verdict::Overdue);
        let mut unseen = GracePeriod::new(Duration::ZERO, start);
        assert_eq!(
            unseen.judge(&[], deadline, at(900)),
            Verdict::GoOn(Some(at(1500)))
        );
    }

    #[test]
    fn a_sidecar_has_less_time_than_the_grace_period() {
        let start = Instant::now();
        let sidecar = [PodIssue::new(
            Cause::Sidecar,
            Recoverability::MaybeSoon,
            "still running",
        )];
        for (grace, ends) in [(40, 10), (1, 1)] {
            let mut grace_period = GracePeriod::new(Duration::from_secs(grace), start);
            let then = start + Duration::from_secs(ends);
            assert_eq!(
                grace_period.judge(&sidecar, None, start),
                Verdict::GoOn(Some(then))
            );
            assert_eq!(grace_period.judge(&sidecar, None, then), Verdict::GiveUp);
        }
    }
}
