//! Label selectors in their text form, as `kubectl --selector` and the query of a list request have them.

use super::validation::metadata::{
    LABEL_VALUE_SYNTAX, QUALIFIED_NAME_SYNTAX, is_label_value, is_qualified_name,
};

/// Returns what is wrong with a label selector; `None` if the API server accepts it.
///
/// The syntax is that of `labels.Parse` in Kubernetes: requirements that are separated by commas, each `key`, `!key`,
/// `key=value`, `key==value`, `key!=value`, `key in (a, b)`, `key notin (a, b)`, `key>1` or `key<1`.
pub fn problem(selector: &str) -> Option<String> {
    split(selector).into_iter().find_map(requirement)
}

/// Splits a selector at the commas that are not inside of parentheses.
fn split(selector: &str) -> Vec<&str> {
    let mut inside = false;
    let at_comma = |c: char| {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    };
    selector.split(at_comma).map(str::trim).collect()
}

fn requirement(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("a requirement is empty".to_owned());
    }
    let (key, values) = match parse(text) {
        Ok(parsed) => parsed,
        Err(problem) => return Some(problem),
    };
    if !is_qualified_name(key) {
        return Some(format!(
            "{key:?} is not a valid label key. {QUALIFIED_NAME_SYNTAX}"
        ));
    }
    let invalid = values.into_iter().find(|value| !is_label_value(value))?;
    Some(format!(
        "{invalid:?} is not a valid label value. {LABEL_VALUE_SYNTAX}"
    ))
}

/// Returns the key and the values of a requirement.
fn parse(text: &str) -> Result<(&str, Vec<&str>), String> {
    if let Some(key) = text.strip_prefix('!') {
        return Ok((key.trim(), Vec::new()));
    }
    if let Some((head, rest)) = text.split_once('(') {
        let values = rest
            .strip_suffix(')')
            .ok_or_else(|| format!("{text:?} has no closing parenthesis"))?;
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in" | "notin"), None) => {
                Ok((key, values.split(',').map(str::trim).collect()))
            }
            _ => Err(format!(
                "{text:?} must have the form `key in (a, b)` or `key notin (a, b)`"
            )),
        };
    }
    for operator in ["!=", "==", "=", ">", "<"] {
        if let Some((key, value)) = text.split_once(operator) {
            let value = value.trim();
            if matches!(operator, ">" | "<") && value.parse::<i64>().is_err() {
                return Err(format!(
                    "{value:?} is not a whole number, which the operators > and < need"
                ));
            }
            return Ok((key.trim(), vec![value]));
        }
    }
    Ok((text, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_every_form_of_requirement() {
        for selector in [
            "team",
            "!team",
            "team=ml",
            "team==ml",
            "team != ml",
            "team=",
            "team in (ml, ops),example.com/tier notin (a)",
            "team,level>3, level<7",
        ] {
            assert_eq!(problem(selector), None, "{selector}");
        }
    }

    #[test]
    fn names_the_invalid_part() {
        for (selector, expected) in [
            ("team=ml,", "a requirement is empty"),
            ("te am=ml", "\"te am\" is not a valid label key"),
            ("team=m l", "\"m l\" is not a valid label value"),
            ("team in (a, b c)", "\"b c\" is not a valid label value"),
            ("team in (a", "\"team in (a\" has no closing parenthesis"),
            ("team within (a)", "\"team within (a)\" must have the form"),
            ("=ml", "\"\" is not a valid label key"),
            ("level>abc", "\"abc\" is not a whole number"),
            ("level<", "\"\" is not a whole number"),
            ("level>1.5", "\"1.5\" is not a whole number"),
        ] {
            let found = problem(selector).unwrap_or_default();
            assert!(found.starts_with(expected), "{selector}: {found}");
        }
    }
}
