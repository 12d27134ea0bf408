//! Variable references in a container's `command`, `args` and `env`: Kubernetes replaces `$(NAME)` with an environment
//! variable and `$$` with `$`.

/// Escapes text that Kubernetes must pass to the container unchanged.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for (position, c) in text.char_indices() {
        if c == '$' && text[position + 1..].starts_with(['$', '(']) {
            escaped.push('$');
        }
        escaped.push(c);
    }
    escaped
}

/// Escapes only what Kubernetes would replace: `$$`, and `$(NAME)` with a valid variable name. A command such as
/// `$(date -u)` stays readable: Kubernetes reads it up to the first `)` as the name of a variable that does not exist,
/// and leaves it unchanged.
pub(super) fn escape_references(text: &str) -> String {
    let mut escaped = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        escaped.push_str(before);
        escaped.push('$');
        rest = after;
        if after.starts_with('$') || is_reference(after) {
            escaped.push('$');
        } else if after.starts_with('(')
            && let Some(end) = after.find(')')
        {
            let (unknown, after) = after.split_at(end + 1);
            escaped.push_str(unknown);
            rest = after;
        }
    }
    escaped + rest
}

/// Returns whether the text after a `$` begins with a variable name in parentheses.
fn is_reference(rest: &str) -> bool {
    let inner = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    inner.is_some_and(|(name, _)| {
        let is_first = |c: char| c.is_ascii_alphabetic() || "_.-".contains(c);
        name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
    })
}

/// Expands the references as Kubernetes does, with `value` as the value of a variable.
#[cfg(test)]
fn expand(text: &str, value: impl Fn(&str) -> String) -> String {
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
                Some((name, after)) => {
                    expanded.push_str(&value(name));
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
    use proptest::prelude::*;

    use super::*;

    /// Returns the value of a variable if every valid name is one. Kubernetes leaves other references unchanged.
    fn value(name: &str) -> String {
        let reference = format!("({name})");
        match is_reference(&reference) {
            true => "replaced".to_owned(),
            false => format!("${reference}"),
        }
    }

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
            ("cd $(basename $(pwd))", "cd $(basename $(pwd))"),
            ("kill $(cat $$.pid) $$", "kill $(cat $$.pid) $$$"),
        ] {
            assert_eq!(escape_references(text), expected);
            assert_eq!(expand(expected, value), text);
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
            assert_eq!(expand(&escape(text), value), text);
        }
        assert_eq!(expand("$(START) $$ $(x", value), "replaced $ $(x");
    }

    proptest! {
        #[test]
        fn every_escaped_text_expands_to_the_original(text in "[$()A -]{0,12}") {
            prop_assert_eq!(expand(&escape(&text), value), text.clone());
            prop_assert_eq!(expand(&escape_references(&text), value), text);
        }
    }
}
