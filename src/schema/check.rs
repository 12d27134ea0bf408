//! Checks of single values: bounds, patterns, allowed words.

use super::{Block, Check, Diagnostic, Diagnostics, Path, Value};

impl Block {
    /// Checks a value against the checks of a top-level attribute.
    pub fn check(&self, name: &str, value: &Value) -> Diagnostics {
        match self.attributes.get(name) {
            Some(attribute) => check(&attribute.checks, &Path::of(name), value),
            None => Vec::new(),
        }
    }
}

/// Returns the checks that the value at `path` violates. Unknown and null values violate none.
pub fn check(checks: &[Check], path: &Path, value: &Value) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    for check in checks {
        // An empty text that must not be empty has no second problem.
        if !diagnostics.is_empty() && *value == Value::string("") {
            break;
        }
        match (check, value) {
            (Check::Each(each), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    diagnostics.extend(self::check(each, &path.index(index), item));
                }
            }
            (Check::Each(each), Value::Map(items)) => {
                for (key, item) in items {
                    diagnostics.extend(self::check(each, &path.key(key), item));
                }
            }
            _ => diagnostics.extend(violation(check, value).map(|must| {
                Diagnostic::error("Invalid value", format!("`{path}` {must}.")).at(path.clone())
            })),
        }
    }
    diagnostics
}

fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    words.join(", ")
}

/// Returns how the value violates the check, as the end of a sentence with the path as its subject.
fn violation(check: &Check, value: &Value) -> Option<String> {
    match (check, value) {
        (Check::AtLeast(bound), Value::Number(number)) if number.as_f64() < *bound => {
            Some(format!("must be at least {bound}, but is {number}"))
        }
        (Check::AtMost(bound), Value::Number(number)) if number.as_f64() > *bound => {
            Some(format!("must be at most {bound}, but is {number}"))
        }
        (Check::Whole, Value::Number(number)) if number.as_f64().fract() != 0.0 => {
            Some(format!("must be a whole number, but is {number}"))
        }
        (Check::Whole, Value::Number(number)) if number.as_i64().is_none() => Some(format!(
            "must be a whole number of 64 bits, but is {number}"
        )),
        (Check::Pattern(pattern), Value::String(text)) => {
            let matches = pattern.is_match(text);
            (!matches).then(|| format!("must match `{}`, but is {text:?}", pattern.as_str()))
        }
        (Check::OneOf(words), Value::String(text)) if !words.contains(text) => {
            Some(format!("must be one of {}, but is {text:?}", quoted(words)))
        }
        (Check::OneOfOrPattern(words, pattern), Value::String(text)) if !words.contains(text) => {
            let matches = pattern.is_match(text);
            (!matches).then(|| {
                let (words, pattern) = (quoted(words), pattern.as_str());
                format!("must be one of {words}, or match `{pattern}`, but is {text:?}")
            })
        }
        (Check::MinLength(length), Value::String(text)) if text.chars().count() < *length => {
            Some(if *length == 1 {
                "must not be empty".to_owned()
            } else {
                format!("must have at least {length} characters, but is {text:?}")
            })
        }
        (Check::MaxLength(length), Value::String(text)) if text.chars().count() > *length => {
            let actual = text.chars().count();
            Some(format!(
                "must have at most {length} characters, but has {actual}"
            ))
        }
        (Check::MinItems(count), Value::List(items)) if items.len() < *count => Some(format!(
            "must have at least {count} elements, but has {}",
            items.len()
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::types::Pattern;

    #[test]
    fn an_empty_text_violates_one_check() {
        let checks = [
            Check::MinLength(1),
            Check::MaxLength(3),
            Check::Pattern(Pattern::new("^[a-z]+$").unwrap()),
        ];
        let messages = |text: &str| -> Vec<String> {
            let found = super::check(&checks, &Path::of("name"), &Value::string(text));
            found.into_iter().map(|it| it.detail).collect()
        };
        assert_eq!(messages(""), ["`name` must not be empty."]);
        assert_eq!(
            messages("A b c"),
            [
                "`name` must have at most 3 characters, but has 5.",
                "`name` must match `^[a-z]+$`, but is \"A b c\".",
            ]
        );
    }

    #[test]
    fn an_enum_can_allow_other_values_by_a_pattern() {
        let check =
            Check::OneOfOrPattern(vec!["red".into()], Pattern::new(r"^#[0-9a-f]{6}$").unwrap());
        let messages = |text: &str| -> Vec<String> {
            let found = super::check(
                std::slice::from_ref(&check),
                &Path::of("color"),
                &Value::string(text),
            );
            found
                .into_iter()
                .map(|diagnostic| diagnostic.detail)
                .collect()
        };
        assert_eq!(messages("red"), [""; 0]);
        assert_eq!(messages("#00ff00"), [""; 0]);
        assert_eq!(
            messages("blue"),
            ["`color` must be one of \"red\", or match `^#[0-9a-f]{6}$`, but is \"blue\"."]
        );
    }
}
