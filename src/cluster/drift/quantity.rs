//! Kubernetes quantities, as far as needed to see that two texts mean the same number.

/// Whether both are quantities and equal.
pub(super) fn same(left: &str, right: &str) -> bool {
    matches!((nano(left), nano(right)), (Some(left), Some(right)) if left == right)
}

/// In units of 10⁻⁹, the smallest that the API server keeps; `None` when it is no quantity, or too
/// large or too fine to say exactly.
fn nano(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '+' || c == '-'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (negative, digits) = match number.as_bytes().first()? {
        b'-' => (true, &number[1..]),
        b'+' => (false, &number[1..]),
        _ => (false, number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let (power_of_two, power_of_ten) = match suffix {
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
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
        exponent => (0, exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?),
    };
    let scale = 9_i32
        .checked_add(power_of_ten)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let mut result = mantissa.checked_mul(1_i128 << power_of_two)?;
    let factor = 10_i128.checked_pow(scale.unsigned_abs())?;
    if scale >= 0 {
        result = result.checked_mul(factor)?;
    } else if result % factor == 0 {
        result /= factor;
    } else {
        return None;
    }
    Some(if negative { -result } else { result })
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn equal_in_meaning() {
        for (left, right) in [
            ("1", "1000m"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1Gi", "1024Mi"),
            ("1.5Gi", "1536Mi"),
            ("1e3", "1k"),
            ("1E", "1e18"),
            ("100u", "100000n"),
            ("+2", "2"),
            ("-1", "-1000m"),
        ] {
            assert!(same(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("1", "1001m"),
            ("1G", "1Gi"),
            ("", ""),
            ("a", "a"),
            ("1x", "1x"),
        ] {
            assert!(!same(left, right), "{left} {right}");
        }
    }
}
