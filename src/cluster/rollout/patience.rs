//! How long troubles are put up with: see decision 013.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::trouble::{Cause, Hope, Trouble};

/// In it the kubelet tries three times to pull an image: at once, after 10 s and after 20 s more.
pub const GRACE: Duration = Duration::from_secs(40);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again at that time, even if nothing changes until then.
    GoOn(Option<Instant>),
    GiveUp,
}

/// Since when there has been which trouble without a break.
pub(super) struct Patience {
    grace: Duration,
    since: BTreeMap<(Cause, Option<String>), Instant>,
}

impl Patience {
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            since: BTreeMap::new(),
        }
    }

    pub fn judge(&mut self, troubles: &[Trouble], now: Instant) -> Verdict {
        if troubles.iter().any(|trouble| trouble.hope == Hope::None) {
            return Verdict::GiveUp;
        }
        let passing = troubles
            .iter()
            .filter(|trouble| trouble.hope == Hope::Short);
        self.since = passing
            .map(|trouble| {
                let key = (trouble.cause, trouble.container.clone());
                let since = self.since.get(&key).copied().unwrap_or(now);
                (key, since)
            })
            .collect();
        let ends = self.since.values().min().map(|since| *since + self.grace);
        match ends {
            Some(end) if end <= now => Verdict::GiveUp,
            other => Verdict::GoOn(other),
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
        let pulling = [Trouble::new(Cause::Image, Hope::Short, "ErrImagePull")];
        let backing_off = [Trouble::new(Cause::Image, Hope::Short, "ImagePullBackOff")];
        let mut patience = Patience::new(Duration::from_secs(10));
        assert_eq!(patience.judge(&[], at(0)), Verdict::GoOn(None));
        assert_eq!(patience.judge(&pulling, at(1)), Verdict::GoOn(Some(at(11))));
        assert_eq!(
            patience.judge(&backing_off, at(10)),
            Verdict::GoOn(Some(at(11)))
        );
        assert_eq!(patience.judge(&[], at(10)), Verdict::GoOn(None));
        assert_eq!(
            patience.judge(&pulling, at(11)),
            Verdict::GoOn(Some(at(21)))
        );
        assert_eq!(patience.judge(&backing_off, at(21)), Verdict::GiveUp);
    }

    #[test]
    fn the_hopeless_ends_it_and_the_hopeful_does_not() {
        let now = Instant::now();
        let mut patience = Patience::new(Duration::ZERO);
        let waiting = [Trouble::new(
            Cause::Unschedulable,
            Hope::Lasting,
            "Unschedulable",
        )];
        assert_eq!(patience.judge(&waiting, now), Verdict::GoOn(None));
        let name = [Trouble::new(
            Cause::ImageName,
            Hope::None,
            "InvalidImageName",
        )];
        assert_eq!(patience.judge(&name, now), Verdict::GiveUp);
    }
}
