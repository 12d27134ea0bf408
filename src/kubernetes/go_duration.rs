//! Durations as Go's `time.ParseDuration` reads them: `90s`, `1h30m`, `1.5h`. Terraform and Kubernetes use this format.

/// Nanoseconds of each unit. `ms` comes before `m`, of which it begins with the letters.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5, the micro sign
    ("μs", 1_000), // U+03BC, the Greek letter mu
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses `[-+]?([0-9]*(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+`, or `0`, into nanoseconds. Fractions of a nanosecond are cut
/// off. Returns `None` for any other text, and for a duration that does not fit into 64 bits (about 292 years).
pub fn parse_nanoseconds(text: &str) -> Option<i64> {
    let is_negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scale(number, *nanoseconds)?)?;
        rest = next;
    }
    match is_negative {
        true => 0_i64.checked_sub_unsigned(total),
        false => i64::try_from(total).ok(),
    }
}

/// Multiplies a decimal number by the nanoseconds of a unit.
fn scale(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = match whole {
        "" => 0,
        digits => digits.parse::<u64>().ok()?,
    };
    // No unit has a digit beyond the 18th of which the product would be a nanosecond.
    let mut part = 0_u128;
    let mut divisor = 1_u128;
    for digit in fraction.bytes().take(18) {
        part = part * 10 + u128::from(digit - b'0');
        divisor *= 10;
    }
    let part = u64::try_from(part * u128::from(unit) / divisor).ok()?;
    whole.checked_mul(unit)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn parses_what_go_parses() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("90s", 90 * SECOND),
            ("+5m", 300 * SECOND),
            ("-5m", -300 * SECOND),
            ("1h30m", 5_400 * SECOND),
            ("1m30h", 108_060 * SECOND),
            ("1.5h", 5_400 * SECOND),
            ("1.5m500ms", 90 * SECOND + SECOND / 2),
            (".5s", SECOND / 2),
            ("5.s", 5 * SECOND),
            ("-.5s", -SECOND / 2),
            ("1us1µs1μs1ns", 3_001),
            ("0.000000001s", 1),
            ("0.0000000019s", 1),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("0.1000000000000000000000000000000001s", SECOND / 10),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("2562047h47m16.854775807s", i64::MAX),
        ] {
            assert_eq!(parse_nanoseconds(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn rejects_what_go_rejects() {
        for text in [
            "",
            "-",
            "+",
            "3",
            "s",
            "m",
            ".",
            ".s",
            "-.",
            "+.s",
            "1.2.3s",
            "10 m",
            " 1s",
            "1s ",
            "1d",
            "1S",
            "10m!",
            "--1s",
            "1s-1s",
            "1hour",
            "9223372036854775808ns",
            "-9223372036854775809ns",
            "3000000h",
            "999999999999999999999h",
            "９s",
        ] {
            assert_eq!(parse_nanoseconds(text), None, "{text:?}");
        }
    }
}
