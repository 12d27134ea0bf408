//! Numbers as decimal text. Terraform's numbers have 512 bits, and users write them in decimal, so they are converted
//! without loss by way of their plain decimal text. `Number::Float` stands for the shortest decimal text that parses as
//! that `f64`. A text that no `f64` is printed as is a `Number::Decimal`.

/// The largest number of digits that is read. It keeps a large exponent from using up the memory.
const MAX_DIGITS: usize = 4096;

/// A number. Terraform's numbers have a higher precision than Rust's: a number that is neither an `i64` nor an `f64`
/// without loss keeps its decimal text.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    Integer(i64),
    Float(f64),
    Decimal(String),
}

impl Number {
    /// Reads decimal text, with or without an exponent; `None` if it is not a number or has too many digits.
    pub fn parse(text: &str) -> Option<Self> {
        let text = plain(text)?;
        if let Ok(integer) = text.parse() {
            return Some(Self::Integer(integer));
        }
        Some(match text.parse::<f64>() {
            Ok(float) if float.to_string() == text => Self::Float(float),
            _ => Self::Decimal(text),
        })
    }

    /// Returns the plain decimal text of the number; `None` if it is not a finite number.
    pub fn plain_text(&self) -> Option<String> {
        match self {
            Self::Integer(integer) => Some(integer.to_string()),
            Self::Float(float) => plain(&float.to_string()),
            Self::Decimal(text) => plain(text),
        }
    }

    /// Returns the nearest `f64`.
    pub fn as_f64(&self) -> f64 {
        match self {
            // Bounds are small. A number that loses precision here is far outside them.
            #[expect(clippy::cast_precision_loss)]
            Self::Integer(integer) => *integer as f64,
            Self::Float(float) => *float,
            Self::Decimal(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    /// Returns the number as an `i64`; `None` if it is not a whole number of 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        /// The smallest positive number that is too large for an `i64`.
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        match self {
            Self::Integer(integer) => Some(*integer),
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
            Self::Float(float) if float.fract() == 0.0 && (-LIMIT..LIMIT).contains(float) => {
                Some(*float as i64)
            }
            Self::Float(_) | Self::Decimal(_) => None,
        }
    }
}

impl From<f64> for Number {
    fn from(float: f64) -> Self {
        Self::Float(float)
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Float(float) => write!(f, "{float}"),
            Self::Decimal(text) => f.write_str(text),
        }
    }
}

/// Returns the canonical text of a number: without an exponent, superfluous zeros, or the sign of zero.
fn plain(text: &str) -> Option<String> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // 0.digits × 10^point
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let digits = digits.trim_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
    let point = point.checked_add(exponent)?;
    let distance = usize::try_from(point.unsigned_abs()).ok()?;
    if distance > MAX_DIGITS || digits.len() > MAX_DIGITS {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    Some(if point <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(distance))
    } else if distance >= digits.len() {
        format!("{sign}{digits}{}", "0".repeat(distance - digits.len()))
    } else {
        let (whole, fraction) = digits.split_at(distance);
        format!("{sign}{whole}.{fraction}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_canonical() {
        for (written, expected) in [
            ("0", Some("0")),
            ("-0.00", Some("0")),
            ("+7", Some("7")),
            ("007.50", Some("7.5")),
            ("1e3", Some("1000")),
            ("12.5E-4", Some("0.00125")),
            ("-0.1", Some("-0.1")),
            ("18446744073709551616", Some("18446744073709551616")),
            ("1e999999999999", None),
            ("1e99999999999999999999", None),
            ("NaN", None),
            ("+Inf", None),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("0x10", None),
        ] {
            assert_eq!(plain(written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn reads_a_float_only_if_it_prints_as_the_text() {
        assert_eq!(Number::parse("0.1"), Some(Number::Float(0.1)));
        assert_eq!(Number::parse("2.0"), Some(Number::Integer(2)));
        assert_eq!(
            Number::parse("0.1000000000000000055511151231257827"),
            Some(Number::Decimal(
                "0.1000000000000000055511151231257827".to_owned()
            ))
        );
        assert_eq!(
            Number::parse("18446744073709551615"),
            Some(Number::Decimal("18446744073709551615".to_owned()))
        );
    }
}
