//! Text in a container's `command`, `args` and `env` that Kubernetes must pass on as it is.

/// Escapes `text` for Kubernetes, which replaces `$(NAME)` with an environment variable and `$$` with `$`.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '$' && matches!(letters.peek(), Some('$' | '(')) {
            escaped.push('$');
        }
        escaped.push(letter);
    }
    escaped
}

/// Escapes only what Kubernetes would replace: `$$`, and `$(NAME)` where that can be the name of a variable. A command
/// such as `$(date -u)` stays as the user wrote it.
pub(super) fn escape_names(text: &str) -> String {
    let mut escaped = String::new();
    for (position, letter) in text.char_indices() {
        let rest = &text[position + letter.len_utf8()..];
        if letter == '$' && (rest.starts_with('$') || is_reference(rest)) {
            escaped.push('$');
        }
        escaped.push(letter);
    }
    escaped
}

/// Whether the text after a `$` starts with the name of a variable in parentheses.
fn is_reference(rest: &str) -> bool {
    let inner = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    inner.is_some_and(|(name, _)| {
        let mut letters = name.chars();
        let is_first = |c: char| c.is_ascii_alphabetic() || "_.-".contains(c);
        letters.next().is_some_and(is_first) && letters.all(|c| is_first(c) || c.is_ascii_digit())
    })
}

/// The text that the container sees, where every variable is set to `replaced`: Kubernetes' own expansion.
#[cfg(test)]
pub(super) fn expand(text: &str) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = match (after.strip_prefix('$'), after.strip_prefix('(')) {
            (Some(after), _) => {
                expanded.push('$');
                after
            }
            (None, Some(inner)) => match inner.split_once(')') {
                Some((_, after)) => {
                    expanded.push_str("replaced");
                    after
                }
                None => {
                    expanded.push_str("$(");
                    inner
                }
            },
            (None, None) => {
                expanded.push('$');
                after
            }
        };
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_only_names_of_variables() {
        for (text, expected) in [
            ("echo $$ > pid", "echo $$$ > pid"),
            ("$(START) $$(START)", "$$(START) $$$$(START)"),
            (
                "feast materialize-incremental $(date -u +'%Y')",
                "feast materialize-incremental $(date -u +'%Y')",
            ),
            ("$$(date -u)", "$$$(date -u)"),
            ("$( ) $(", "$( ) $("),
        ] {
            assert_eq!(escape_names(text), expected);
        }
    }

    #[test]
    fn escaped_text_arrives_letter_by_letter() {
        for (text, expected) in [
            ("echo $$ > pid", "echo $$$ > pid"),
            ("$(START)", "$$(START)"),
            ("$$(START)", "$$$$(START)"),
            ("$$$", "$$$$$"),
            ("${A} $B $ $", "${A} $B $ $"),
            ("$(", "$$("),
        ] {
            assert_eq!(escape(text), expected);
            assert_eq!(expand(&escape(text)), text);
        }
        assert_eq!(expand("$(START) $$ $(x"), "replaced $ $(x");
    }
}
