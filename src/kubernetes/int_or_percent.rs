//! A number of pods or a percentage of them (`IntOrString`).

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// An `IntOrString` that Kubernetes accepts for a number of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOrPercent {
    Int(i64),
    Percent(i64),
}

impl IntOrPercent {
    /// Parses a number that is not negative, or a percentage.
    pub fn parse(value: &IntOrString) -> Option<Self> {
        match normalize(value.clone()) {
            IntOrString::Int(number) => (number >= 0).then_some(Self::Int(number.into())),
            IntOrString::String(text) => {
                let digits = text.strip_suffix('%')?;
                let is_plain = digits.chars().all(|c| c.is_ascii_digit());
                let percent = digits.parse().ok().filter(|_| is_plain)?;
                Some(Self::Percent(percent))
            }
        }
    }

    /// As [`IntOrPercent::parse`], with a percentage of at most 100.
    pub fn parse_share(value: &IntOrString) -> Option<Self> {
        Self::parse(value).filter(|it| !matches!(it, Self::Percent(percent) if *percent > 100))
    }

    /// Returns the number for this many pods, rounded up as Kubernetes does.
    pub fn scaled(self, pods: i32) -> i64 {
        match self {
            Self::Int(number) => number,
            Self::Percent(percent) => (percent * i64::from(pods) + 99) / 100,
        }
    }
}

/// Returns the value as Kubernetes has it: Terraform has one type where Kubernetes has two, so a whole number in a
/// string is a number.
pub fn normalize(value: IntOrString) -> IntOrString {
    match &value {
        IntOrString::String(text) => text.parse().map_or(value, IntOrString::Int),
        IntOrString::Int(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_numbers_and_percentages() {
        let text = |text: &str| IntOrString::String(text.to_owned());
        for (value, expected) in [
            (IntOrString::Int(2), Some(IntOrPercent::Int(2))),
            (text("2"), Some(IntOrPercent::Int(2))),
            (text("25%"), Some(IntOrPercent::Percent(25))),
            (text("150%"), Some(IntOrPercent::Percent(150))),
            (IntOrString::Int(-1), None),
            (text("-5%"), None),
            (text("+25%"), None),
            (text("%"), None),
            (text("abc"), None),
        ] {
            assert_eq!(IntOrPercent::parse(&value), expected, "{value:?}");
        }
        assert_eq!(IntOrPercent::parse_share(&text("101%")), None);
        assert_eq!(
            IntOrPercent::parse_share(&text("100%")),
            Some(IntOrPercent::Percent(100))
        );
    }

    #[test]
    fn a_percentage_is_rounded_up() {
        assert_eq!(IntOrPercent::Percent(1).scaled(3), 1);
        assert_eq!(IntOrPercent::Percent(67).scaled(3), 3);
        assert_eq!(IntOrPercent::Percent(0).scaled(3), 0);
        assert_eq!(IntOrPercent::Int(7).scaled(3), 7);
    }
}
