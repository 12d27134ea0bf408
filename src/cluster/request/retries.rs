//! How long failures that may pass by themselves are endured.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::error::Reason;

/// How long a failure that may pass by itself is endured: an API server restart, an etcd election.
pub(super) const RETRY_BUDGET: Duration = Duration::from_secs(30);
/// How long a failure is endured while the API server has never answered, and a plain internal error (500), which is
/// as often permanent (a broken webhook).
pub(super) const SHORT_RETRY_BUDGET: Duration = Duration::from_secs(6);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// A failed attempt.
pub(super) struct Failure {
    pub reason: Reason,
    /// How long it is worth trying again; `None`: not at all.
    pub budget: Option<Duration>,
    /// What the server asked for.
    pub pause: Option<Duration>,
    /// Whether the API server may have done what was asked all the same.
    pub maybe_done: bool,
}

impl Failure {
    /// One that will be the same the next time, of a request that was not carried out.
    pub fn permanent(reason: Reason) -> Self {
        Self {
            reason,
            budget: None,
            pause: None,
            maybe_done: false,
        }
    }
}

/// The attempts of one request.
pub(super) struct Retries {
    /// Since when budget counts.
    since: Option<Instant>,
    pause: Duration,
}

impl Retries {
    /// Patience counts from the first failure, because a connection that has died in silence takes long to show it,
    /// and the next attempt has a new one. For an API server that has never answered it counts from `now` on.
    pub fn begin(now: Instant, reached: bool) -> Self {
        Self {
            since: (!reached).then_some(now),
            pause: FIRST_PAUSE,
        }
    }

    /// How long to wait before the next attempt: longer each time, and no less than the server asks for. `None`: no
    /// more attempts.
    pub fn pause_after(&mut self, failure: &Failure, now: Instant) -> Option<Duration> {
        let budget = failure.budget?;
        let since = *self.since.get_or_insert(now);
        let pause = failure.pause.unwrap_or_default().max(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        let ends = now.duration_since(since).saturating_add(pause);
        (ends <= budget).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(budget: Option<Duration>, pause: Option<Duration>) -> Failure {
        Failure {
            budget,
            pause,
            ..Failure::permanent(Reason::NotFound)
        }
    }

    /// The pauses of a request whose attempts each take that long.
    fn pauses(reached: bool, attempt: Duration, failure: &Failure) -> Vec<Duration> {
        let mut now = Instant::now();
        let mut retries = Retries::begin(now, reached);
        let mut pauses = Vec::new();
        loop {
            now += attempt;
            match retries.pause_after(failure, now) {
                None => return pauses,
                Some(pause) => {
                    now += pause;
                    pauses.push(pause);
                }
            }
        }
    }

    fn milliseconds<const N: usize>(of: [u64; N]) -> Vec<Duration> {
        of.map(Duration::from_millis).into()
    }

    #[test]
    fn pauses_grow_until_patience_is_over() {
        assert_eq!(
            pauses(true, Duration::ZERO, &failure(None, None)),
            milliseconds([])
        );
        let restart = failure(Some(RETRY_BUDGET), None);
        assert_eq!(
            pauses(true, Duration::ZERO, &restart),
            milliseconds([100, 200, 400, 800, 1600, 3200, 4000, 4000, 4000, 4000, 4000])
        );
        let internal = failure(Some(SHORT_RETRY_BUDGET), None);
        assert_eq!(
            pauses(true, Duration::ZERO, &internal),
            milliseconds([100, 200, 400, 800, 1600])
        );
    }

    #[test]
    fn what_is_slow_to_fail_is_tried_on_a_new_connection_all_the_same() {
        let silent = failure(Some(RETRY_BUDGET), None);
        let slow = RETRY_BUDGET * 2;
        assert_eq!(pauses(true, slow, &silent), milliseconds([100]));
        assert_eq!(pauses(false, slow, &silent), milliseconds([]));
    }

    #[test]
    fn whatever_the_server_asks_for_there_is_a_pause_and_an_end() {
        let asked = |seconds| failure(Some(SHORT_RETRY_BUDGET), Some(Duration::from_secs(seconds)));
        let of = |seconds| pauses(true, Duration::ZERO, &asked(seconds));
        assert_eq!(of(0), milliseconds([100, 200, 400, 800, 1600]));
        assert_eq!(of(2), milliseconds([2000, 2000, 2000]));
        assert_eq!(of(7), milliseconds([]));
        assert_eq!(of(u64::MAX), milliseconds([]));
    }
}
