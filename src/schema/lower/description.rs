//! The description of an attribute, as the registry shows it.

use serde_json::Value as Json;

use crate::schema::Check;

/// Returns the description with a sentence for each check and for the default, unless it mentions them itself.
pub(super) fn describe(description: &str, checks: &[Check], default: Option<&Json>) -> String {
    let mut text = description.trim().to_owned();
    let has_default = text.contains("Default:");
    let mut add = |sentence: String| {
        text.push(' ');
        text.push_str(&sentence);
    };
    for check in checks {
        match check {
            Check::OneOf(words) | Check::OneOfOrPattern(words, _)
                if words.iter().all(|word| description.contains(word)) => {}
            Check::OneOf(words) | Check::OneOfOrPattern(words, _) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                add(format!("One of {}.", words.join(", ")));
            }
            check if check.is_integer_range() => {}
            // Every unsigned number has a minimum of 0, which needs no mention.
            Check::AtLeast(bound) if *bound != 0.0 => add(format!("At least {bound}.")),
            Check::AtMost(bound) if *bound < 1e6 => add(format!("At most {bound}.")),
            _ => {}
        }
    }
    match default {
        None | Some(Json::Null) => {}
        Some(_) if has_default => {}
        Some(Json::String(word)) => add(format!("Default: `{word}`.")),
        Some(other) => add(format!("Default: `{other}`.")),
    }
    text
}
