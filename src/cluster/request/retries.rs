//! Retries of temporary failures.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::error::Reason;

/// The time for retries of a temporary failure: a restart of the API server, an election of etcd.
pub(super) const RETRY_BUDGET: Duration = Duration::from_secs(30);
/// The time for retries before the first response of the API server, and after an internal error (500), which can be
/// permanent (a broken webhook).
pub(super) const SHORT_RETRY_BUDGET: Duration = Duration::from_secs(6);

/// The time for retries of a request that the API server limits (429). Its priority and fairness asks for pauses of up
/// to 32 s.
pub(super) const THROTTLED_RETRY_BUDGET: Duration = Duration::from_secs(120);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// A failed attempt.
pub(in crate::cluster) struct Failure {
    pub reason: Reason,
    /// The time for retries; `None` for a permanent failure.
    pub budget: Option<Duration>,
    /// The pause that the server has requested.
    pub pause: Option<Duration>,
    /// True if the API server can have carried out the request.
    pub maybe_done: bool,
}

impl Failure {
    /// Returns a permanent failure of a request that was not carried out.
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
    /// The start of the retry budget.
    since: Option<Instant>,
    pause: Duration,
}

impl Retries {
    /// Starts the retry budget at the first failure, because a dead connection is detected late and the next attempt
    /// uses a new one. Starts it `now` if the API server has never responded.
    pub fn begin(now: Instant, reached: bool) -> Self {
        Self {
            since: (!reached).then_some(now),
            pause: FIRST_PAUSE,
        }
    }

    /// Returns the pause before the next attempt. Pauses grow, and are not shorter than the server requests. `None`
    /// means no more attempts.
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

    /// Returns the pauses of a request whose attempts have this duration.
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
    fn pauses_grow_until_the_budget_is_used_up() {
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
    fn a_slow_failure_is_retried_once() {
        let silent = failure(Some(RETRY_BUDGET), None);
        let slow = RETRY_BUDGET * 2;
        assert_eq!(pauses(true, slow, &silent), milliseconds([100]));
        assert_eq!(pauses(false, slow, &silent), milliseconds([]));
    }

    #[test]
    fn requested_pauses_have_a_minimum_and_an_end() {
        let requested =
            |seconds| failure(Some(SHORT_RETRY_BUDGET), Some(Duration::from_secs(seconds)));
        let of = |seconds| pauses(true, Duration::ZERO, &requested(seconds));
        assert_eq!(of(0), milliseconds([100, 200, 400, 800, 1600]));
        assert_eq!(of(2), milliseconds([2000, 2000, 2000]));
        assert_eq!(of(7), milliseconds([]));
        assert_eq!(of(u64::MAX), milliseconds([]));
    }

    #[test]
    fn the_pauses_of_priority_and_fairness_are_kept() {
        let throttled = |seconds| {
            failure(
                Some(THROTTLED_RETRY_BUDGET),
                Some(Duration::from_secs(seconds)),
            )
        };
        let of = |seconds| pauses(true, Duration::ZERO, &throttled(seconds));
        assert_eq!(of(32), milliseconds([32_000, 32_000, 32_000]));
        assert_eq!(of(120), milliseconds([120_000]));
        assert_eq!(of(121), milliseconds([]));
    }
}
