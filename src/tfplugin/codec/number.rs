//! Lossless conversion between numbers and the three forms that they have in msgpack.

use crate::schema::Number;

/// A number in one of the three forms that it can have in msgpack.
#[derive(Debug, PartialEq)]
pub(super) enum Wire {
    Integer(i64),
    Float(f64),
    Text(String),
}

/// Reads the exact value of `float`; `None` if it is not finite.
pub(super) fn read_float(float: f64) -> Option<Number> {
    float.is_finite().then(|| Number::parse(&exact(float)))?
}

/// Returns the form in which go-cty writes `number`: the first of integer, float and text that is exact.
pub(super) fn to_wire(number: &Number) -> Option<Wire> {
    let text = number.plain_text()?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
