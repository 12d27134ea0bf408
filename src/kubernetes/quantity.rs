//! Kubernetes resource quantities, compared by value: `1`, `1000m` and `1e0` are equal.
//!
//! Quantities are exact: a whole number of billionths, which is the smallest unit of Kubernetes.

use std::fmt;

const NANO: i128 = 1_000_000_000;

/// A quantity in billionths. Quantities are equal if Kubernetes considers them equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

impl Quantity {
    pub const ZERO: Self = Self(0);
    pub const ONE: Self = Self(NANO);

    /// Parses `<sign><digits>.<digits><suffix>` with a suffix of `n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei` or
    /// `e<exponent>`. Returns `None` for any other text, and for a number that is too large. Fractions of a billionth
    /// are rounded up, as Kubernetes does.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse::<i128>().ok()?;
        let (binary, decimal) = scale(suffix)?;
        let exponent = 9 + decimal - i32::try_from(fraction.len()).ok()?;
        let scaled = digits.checked_mul(1_i128.checked_shl(binary)?)?;
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        let magnitude = match (exponent >= 0, power) {
            (true, power) => scaled.checked_mul(power?)?,
            (false, Some(power)) => scaled / power + i128::from(scaled % power != 0),
            (false, None) => i128::from(scaled != 0),
        };
        Some(Self(if negative { -magnitude } else { magnitude }))
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self(self.0.saturating_mul(factor.into()))
    }

    /// Returns whether it is a whole number.
    pub fn is_whole(self) -> bool {
        self.0 % NANO == 0
    }

    /// Returns whether it is a multiple of `unit`; false if `unit` is zero.
    pub fn is_multiple_of(self, unit: Self) -> bool {
        unit != Self::ZERO && self.0 % unit.0 == 0
    }
}

/// Shows a decimal number without a suffix, such as `0.5`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, billionths) = (
            self.0.unsigned_abs() / 1_000_000_000,
            self.0.unsigned_abs() % 1_000_000_000,
        );
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}")?;
        match billionths {
            0 => Ok(()),
            _ => write!(f, ".{}", format!("{billionths:09}").trim_end_matches('0')),
        }
    }
}

/// Returns the powers of 2 and of 10 of a suffix.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        other => {
            let exponent = other.strip_prefix(['e', 'E'])?;
            let exponent = exponent.parse::<i32>().ok()?;
            (-99..=99).contains(&exponent).then_some((0, exponent))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_quantities_compare_equal() {
        for same in [
            &["1", "1000m", "1.0", "1e0", "+1", "1."][..],
            &["1Gi", "1024Mi", "1073741824"],
            &["0.5", ".5", "500m", "5e-1"],
            &["10k", "10e3", "10000"],
            &["1n", "0.1n", "0.0000000001"],
            &["7Ei", "8070450532247928832"],
        ] {
            let parsed: Vec<_> = same.iter().map(|text| Quantity::parse(text)).collect();
            assert!(parsed[0].is_some(), "{same:?}");
            assert!(parsed.iter().all(|other| *other == parsed[0]), "{same:?}");
        }
        assert!(Quantity::parse("999m") < Quantity::parse("1"));
        assert!(Quantity::parse("-1") < Some(Quantity::ZERO));
        assert!(Quantity::parse("1500m").is_some_and(|q| !q.is_whole()));
        for (text, shown) in [
            ("1500m", "1.5"),
            ("-2", "-2"),
            ("1Ki", "1024"),
            ("10n", "0.00000001"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), shown);
        }
        let is_multiple = |text: &str, unit: &str| {
            Some(Quantity::parse(text)?.is_multiple_of(Quantity::parse(unit)?))
        };
        assert_eq!(is_multiple("4Mi", "2Mi"), Some(true));
        assert_eq!(is_multiple("3Mi", "2Mi"), Some(false));
        assert_eq!(is_multiple("3Mi", "0"), Some(false));
    }

    #[test]
    fn rejects_other_texts() {
        for wrong in [
            "", "lots", "1 Gi", "1gi", "1KB", ".", "--1", "1.2.3", "1e", "e3", "1e999",
        ] {
            assert_eq!(Quantity::parse(wrong), None, "{wrong:?}");
        }
    }
}
