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
