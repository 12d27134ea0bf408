//! References to environment variables in a text. Feast replaces them before it parses the text as YAML.
//!
//! Feast calls Python's `os.path.expandvars`: `$NAME` and `${NAME}` anywhere in the text, in quotes, keys and comments
//! too. A reference to a variable that is not set stays in the text. The values are known only in the pod, so a text is
//! checked with a plain word in place of each reference.

use serde_json::Value as Json;

/// A text with a word in place of each reference. Line numbers do not change.
pub(super) struct Masked {
    pub text: String,
    /// Each word, with the reference that it replaces.
    words: Vec<(String, String)>,
}

impl Masked {
    pub fn new(text: &str) -> Self {
        let mut stem = "Reference".to_owned();
        while text.contains(&stem) {
            stem.push('X');
        }
        let mut words: Vec<(String, String)> = Vec::new();
        let mut masked = String::new();
        let mut rest = text;
        while let Some(position) = rest.find('$') {
            let (before, after) = rest.split_at(position);
            masked.push_str(before);
            let (reference, remainder) = after.split_at(length(after));
            if is_reference(reference) {
                let word = match words.iter().find(|(_, it)| it == reference) {
                    Some((word, _)) => word.clone(),
                    None => {
                        let word = format!("{stem}{}Z", words.len());
                        words.push((word.clone(), reference.to_owned()));
                        word
                    }
                };
                masked.push_str(&word);
            } else {
                masked.push_str(reference);
            }
            rest = remainder;
        }
        masked.push_str(rest);
        Self {
            text: masked,
            words,
        }
    }

    /// Replaces the words in a text with their references.
    pub fn restore(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, reference) in &self.words {
            text = text.replace(word, reference);
        }
        text
    }

    /// Replaces the words in every string and key of a parsed text.
    pub fn restore_json(&self, json: Json) -> Json {
        match json {
            Json::String(text) => Json::String(self.restore(&text)),
            Json::Array(items) => items.into_iter().map(|it| self.restore_json(it)).collect(),
            Json::Object(members) => (members.into_iter())
                .map(|(key, value)| (self.restore(&key), self.restore_json(value)))
                .collect(),
            other => other,
        }
    }
}

/// Returns whether the text is one reference and nothing else.
pub(in crate::feast) fn is_environment_reference(text: &str) -> bool {
    text.starts_with('$') && length(text) == text.len() && is_reference(text)
}

/// Returns whether the value depends on an environment variable.
pub(in crate::feast) fn has_environment_reference(text: &str) -> bool {
    !Masked::new(text).words.is_empty()
}

/// Returns the text without the lines that are a reference and nothing else; `None` if there is no such line.
pub(super) fn without_environment_reference_lines(text: &str) -> Option<String> {
    let lines = text.lines();
    let kept: Vec<&str> = lines
        .filter(|line| !is_environment_reference(line.trim()))
        .collect();
    (kept.len() < text.lines().count()).then(|| kept.join("\n"))
}

/// Returns the length of the reference that Python finds at the start of `text`, which starts with `$`; 1 for a `$`
/// alone.
fn length(text: &str) -> usize {
    if text.starts_with("${") {
        return text.find('}').map_or(1, |end| end + 1);
    }
    let name = text[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    name.map_or(text.len(), |end| 1 + end)
}

/// Returns whether the name in a reference can be the name of a container's environment variable.
fn is_reference(text: &str) -> bool {
    let inner = text.strip_prefix("${").and_then(|it| it.strip_suffix('}'));
    let name = inner.unwrap_or(&text[1..]);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_expandvars_replaces() {
        let found = |text: &str| -> Vec<String> {
            let words = Masked::new(text).words.into_iter();
            words.map(|(_, reference)| reference).collect()
        };
        for (text, expected) in [
            ("a: $A", vec!["$A"]),
            ("a: ${A}${B}x$C-", vec!["${A}", "${B}", "$C"]),
            ("'${A}' \"$A_1\" # $B", vec!["${A}", "$A_1", "$B"]),
            ("${a.b-c}", vec!["${a.b-c}"]),
            // Python does not replace these, because no environment variable of a container can have such a name.
            ("${A:-x} ${} ${A B} $ $. $$ ${", vec![]),
            ("${ $A } $B", vec!["$B"]),
            ("pa$5w", vec!["$5w"]),
            ("é$é", vec![]),
        ] {
            assert_eq!(found(text), expected, "{text}");
            let masked = Masked::new(text);
            assert_eq!(masked.restore(&masked.text), text);
        }
    }

    #[test]
    fn words_differ_from_everything_in_the_text() {
        let masked = Masked::new("Reference0Z: ${A}");
        assert_eq!(masked.text, "Reference0Z: ReferenceX0Z");
        let many: String = (0..12).map(|number| format!("${{A{number}}}")).collect();
        let masked = Masked::new(&many);
        assert_eq!(masked.restore(&masked.text), many);
    }
}
