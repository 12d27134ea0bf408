//! Lossless conversion of numbers. Terraform's numbers have 512 bits, and users write them in decimal, so they are
//! converted by way of their plain decimal text. `Number::Float` stands for the shortest decimal text that parses as
//! that `f64`. A text that no `f64` is printed as is a `Number::Decimal`.

use crate::schema::Number;

/// The largest number of digits that is read. It keeps a large exponent from using up the memory.
const MAX_DIGITS: usize = 4096;

/// A number in one of the three forms that it can have in msgpack.
#[derive(Debug, PartialEq)]
pub(super) enum Wire {
    Integer(i64),
    Float(f64),
    Text(String),
}

/// Reads decimal text, with or without an exponent; `None` if it is not a number or has too many digits.
pub(super) fn read(text: &str) -> Option<Number> {
    let text = plain(text)?;
    if let Ok(integer) = text.parse() {
        return Some(Number::Integer(integer));
    }
    Some(match text.parse::<f64>() {
        Ok(float) if float.to_string() == text => Number::Float(float),
        _ => Number::Decimal(text),
    })
}

/// Reads the exact value of `float`; `None` if it is not finite.
pub(super) fn read_float(float: f64) -> Option<Number> {
    float.is_finite().then(|| read(&exact(float)))?
}

/// Returns the plain decimal text of `number`; `None` if it is not a finite number.
pub(super) fn text(number: &Number) -> Option<String> {
    match number {
        Number::Integer(integer) => Some(integer.to_string()),
        Number::Float(float) => plain(&float.to_string()),
        Number::Decimal(text) => plain(text),
    }
}

/// Returns the form in which go-cty writes `number`: the first of integer, float and text that is exact.
pub(super) fn to_wire(number: &Number) -> Option<Wire> {
    let text = text(number)?;
    if let Ok(integer) = text.parse() {
        return Some(Wire::Integer(integer));
    }
    Some(match text.parse::<f64>() {
        Ok(float) if float.is_finite() && exact(float) == text => Wire::Float(float),
        _ => Wire::Text(text),
    })
}

/// Returns all decimal digits of `float`.
fn exact(float: f64) -> String {
    // The smallest positive f64 is 2^-1074, which has that many digits after the point.
    let text = format!("{float:.1074}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
        assert_eq!(read("0.1"), Some(Number::Float(0.1)));
        assert_eq!(read("2.0"), Some(Number::Integer(2)));
        assert_eq!(
            read("0.1000000000000000055511151231257827"),
            Some(Number::Decimal(
                "0.1000000000000000055511151231257827".to_owned()
            ))
        );
        assert_eq!(
            read("18446744073709551615"),
            Some(Number::Decimal("18446744073709551615".to_owned()))
        );
    }

    #[test]
    fn writes_the_forms_of_go_cty() {
        // The decimal 0.1 is not the f64 0.1. go-cty writes such a number as text.
        assert_eq!(
            to_wire(&Number::Float(0.1)),
            Some(Wire::Text("0.1".to_owned()))
        );
        assert_eq!(to_wire(&Number::Float(0.5)), Some(Wire::Float(0.5)));
        assert_eq!(to_wire(&Number::Float(3.0)), Some(Wire::Integer(3)));
        assert_eq!(to_wire(&Number::Float(f64::NAN)), None);
        assert_eq!(
            to_wire(&read_float(0.1).unwrap()),
            Some(Wire::Float(0.1)),
            "the exact value of a float is written as that float"
        );
    }
}
