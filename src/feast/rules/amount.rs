//! A number of pods, or a percentage of them.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::feast::spec::int_or_percent;

#[derive(Clone, Copy)]
pub(super) enum Amount {
    Pods(i64),
    Percent(i64),
}

impl Amount {
    /// `None` for anything that Kubernetes would refuse.
    pub fn read(value: &IntOrString) -> Option<Self> {
        match int_or_percent(value.clone()) {
            IntOrString::Int(number) => (number >= 0).then_some(Self::Pods(number.into())),
            IntOrString::String(text) => {
                let digits = text.strip_suffix('%')?;
                let plain = digits.chars().all(|c| c.is_ascii_digit());
                digits.parse().ok().filter(|_| plain).map(Self::Percent)
            }
        }
    }

    /// No more than all pods, as far as the amount itself tells.
    pub fn of_all(self) -> Option<Self> {
        match self {
            Self::Percent(share) if share > 100 => None,
            Self::Pods(_) | Self::Percent(_) => Some(self),
        }
    }

    /// Of so many pods, rounded up as Kubernetes does it.
    pub fn of(self, pods: i32) -> i64 {
        match self {
            Self::Pods(number) => number,
            Self::Percent(share) => (share * i64::from(pods) + 99) / 100,
        }
    }
}
