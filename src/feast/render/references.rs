//! Variable references in a container's `command`, `args` and `env`: Kubernetes replaces `$(NAME)` with an environment
//! variable and `$$` with `$`.

/// Escapes text that Kubernetes must pass to the container unchanged.
pub(super) fn escape(text: &str) -> String {
    escape_dollars(text, |rest| rest.starts_with(['$', '(']))
}

/// Escapes only what Kubernetes would replace: `$$`, and `$(NAME)` with a valid variable name. A command such as
/// `$(date -u)` stays readable.
pub(super) fn escape_references(text: &str) -> String {
    escape_dollars(text, |rest| rest.starts_with('$') || is_reference(rest))
}

/// Doubles each `$` for which `is_special` returns true for the text after it.
fn escape_dollars(text: &str, is_special: impl Fn(&str) -> bool) -> String {
    let mut escaped = String::new();
    for (position, c) in text.char_indices() {
        if c == '$' && is_special(&text[position + 1..]) {
            escaped.push('$');
        }
        escaped.push(c);
    }
    escaped
}

/// Returns whether the text after a `$` begins with a variable name in parentheses.
fn is_reference(rest: &str) -> bool {
    let inner = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    inner.is_some_and(|(name, _)| {
        let is_first = |c: char| c.is_ascii_alphabetic() || "_.-".contains(c);
        name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
    })
}

/// Expands the references as Kubernetes does, with `replaced` as the value of every variable.
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
    fn escapes_only_variable_references() {
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
            assert_eq!(escape_references(text), expected);
        }
    }

    #[test]
    fn escaped_text_expands_to_the_original() {
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
