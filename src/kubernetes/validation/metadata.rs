//! Names, labels and annotations (`ObjectMeta`).

/// The maximum length of a DNS label, such as the name of a Service, and of a label value.
pub const DNS_LABEL_LENGTH: usize = 63;
/// The maximum length of a DNS subdomain, such as the prefix of a label key.
pub const DNS_SUBDOMAIN_LENGTH: usize = 253;
/// The maximum length of a CronJob's name: the names of its Jobs are 11 characters longer.
pub const CRON_JOB_NAME_LENGTH: usize = 52;

/// The syntax of [`is_qualified_name`], as a sentence of a message.
pub const QUALIFIED_NAME_SYNTAX: &str = "A key has at most 63 letters, digits, `-`, `_` and `.`, and begins and ends \
    with a letter or digit. It can have a DNS name and `/` as a prefix.";

/// Returns whether `key` is a valid key of a label, an annotation or a taint: `[prefix/]name`.
pub fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_name(key),
        Some((prefix, name)) => {
            prefix.len() <= DNS_SUBDOMAIN_LENGTH
                && prefix.split('.').all(is_dns_label)
                && is_label_name(name)
        }
    }
}

/// Returns whether `value` is a valid value of a label.
pub fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_name(value)
}

fn is_label_name(name: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    name.len() <= DNS_LABEL_LENGTH
        && name.chars().all(|c| is_end(c) || "-_.".contains(c))
        && name.starts_with(is_end)
        && name.ends_with(is_end)
}

fn is_dns_label(label: &str) -> bool {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    label.chars().all(|c| is_end(c) || c == '-')
        && label.starts_with(is_end)
        && label.ends_with(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_name_and_may_have_a_prefix() {
        let long = "a".repeat(63);
        for key in ["team", "example.com/tier", "A_b.c-1", "a/b", &long] {
            assert!(is_qualified_name(key), "{key}");
        }
        let too_long = "a".repeat(64);
        for key in [
            "",
            "-",
            "-bad",
            "Upper.com/x",
            "/x",
            "a/",
            "a b",
            "é",
            &too_long,
        ] {
            assert!(!is_qualified_name(key), "{key}");
        }
    }

    #[test]
    fn a_label_value_may_be_empty() {
        for (value, valid) in [("", true), ("gold", true), ("a b", false), ("a/b", false)] {
            assert_eq!(is_label_value(value), valid, "{value:?}");
        }
    }
}
