//! How pods are terminated.

/// Longer than kube-proxy needs to remove a terminating pod from the Services. `cargo test --test real_node measure`
/// measures how many requests a rollout loses with other values.
const PRE_STOP_SLEEP_SECONDS: i32 = 5;
/// gunicorn waits 30 seconds for its workers to finish their requests, and then has to end itself.
const SHUTDOWN_SECONDS: i32 = 35;

/// How pods are terminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Termination {
    /// Seconds for which the servers run on before they receive SIGTERM.
    pub pre_stop_sleep_seconds: i32,
    /// `None` for the default of Kubernetes, 30 seconds.
    pub grace_period_seconds: Option<i32>,
}

impl Termination {
    /// The arguments are as configured; `several_pods` is true if several pods can run at the same time.
    pub(super) fn new(sleep: Option<i32>, grace_period: Option<i32>, several_pods: bool) -> Self {
        let sleep = sleep.unwrap_or_else(|| match several_pods {
            // Kubernetes requires a grace period that is longer than the sleep.
            true => grace_period.map_or(PRE_STOP_SLEEP_SECONDS, |it| {
                PRE_STOP_SLEEP_SECONDS.min(it - 1)
            }),
            false => 0,
        });
        Self {
            pre_stop_sleep_seconds: sleep,
            grace_period_seconds: grace_period
                .or_else(|| (sleep > 0).then(|| sleep.saturating_add(SHUTDOWN_SECONDS))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_period_includes_the_sleep() {
        let termination = |sleep, grace_period, several_pods| {
            let termination = Termination::new(sleep, grace_period, several_pods);
            (
                termination.pre_stop_sleep_seconds,
                termination.grace_period_seconds,
            )
        };
        assert_eq!(termination(None, None, true), (5, Some(40)));
        assert_eq!(termination(None, None, false), (0, None));
        assert_eq!(termination(Some(0), None, true), (0, None));
        assert_eq!(termination(Some(20), None, false), (20, Some(55)));
        assert_eq!(termination(None, Some(90), true), (5, Some(90)));
        assert_eq!(termination(None, Some(3), true), (2, Some(3)));
        assert_eq!(termination(None, Some(1), true), (0, Some(1)));
        assert_eq!(termination(Some(0), Some(90), false), (0, Some(90)));
    }
}
