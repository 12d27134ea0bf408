//! Names, labels and annotations (`ObjectMeta`; `k8s.io/apimachinery/pkg/util/validation`).

use super::Violation;
use crate::schema::Path;

/// The maximum length of a DNS label, such as the name of a Service, and of a label value.
pub const DNS_LABEL_LENGTH: usize = 63;
/// The maximum length of a DNS subdomain, such as the prefix of a label key.
pub const DNS_SUBDOMAIN_LENGTH: usize = 253;
/// The maximum length of a CronJob's name: the names of its Jobs are 11 characters longer.
pub const CRON_JOB_NAME_LENGTH: usize = 52;

/// The syntax of [`is_qualified_name`], as a sentence of a message.
pub const QUALIFIED_NAME_SYNTAX: &str = "A key has at most 63 letters, digits, `-`, `_` and `.`, and begins and ends \
    with a letter or digit. It can have a DNS name and `/` as a prefix.";

/// Returns a violation unless `name` is the name of an object, a DNS subdomain (`NameIsDNSSubdomain`).
pub fn object_name(path: Path, name: &str) -> Option<Violation> {
    (!is_dns_subdomain(name)).then(|| {
        Violation::at(
            path,
            format!("{name:?} is not a valid object name"),
            format!(
                "A name has at most {DNS_SUBDOMAIN_LENGTH} lower-case letters, digits, `-` and `.`. Each part between \
                 dots begins and ends with a letter or digit."
            ),
        )
    })
}

/// Returns a violation unless `name` is a DNS label (`IsDNS1123Label`).
pub fn dns_label(path: Path, name: &str) -> Option<Violation> {
    (!is_dns_label(name)).then(|| {
        Violation::at(
            path,
            format!("{name:?} is not a valid name"),
            format!(
                "The name has at most {DNS_LABEL_LENGTH} lower-case letters, digits and `-`, and begins and ends with \
                 a letter or digit."
            ),
        )
    })
}

/// Returns a violation unless `key` is a qualified name. `noun` says what it is: "label key".
pub fn qualified_name(path: Path, key: &str, noun: &str) -> Option<Violation> {
    (!is_qualified_name(key)).then(|| {
        let summary = format!("{key:?} is not a valid {noun}");
        Violation::at(path, summary, QUALIFIED_NAME_SYNTAX)
    })
}

/// Returns a violation unless `value` is a valid value of a label.
pub fn label_value(path: Path, value: &str) -> Option<Violation> {
    (!is_label_value(value)).then(|| {
        Violation::at(
            path,
            format!("{value:?} is not a valid label value"),
            LABEL_VALUE_SYNTAX,
        )
    })
}

/// Returns a violation unless `key` is a valid key of a ConfigMap or Secret (`IsConfigMapKey`).
pub fn config_map_key(path: Path, key: &str) -> Option<Violation> {
    let is_valid = (1..=DNS_SUBDOMAIN_LENGTH).contains(&key.len())
        && (key.chars()).all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && key != "."
        && !key.starts_with("..");
    (!is_valid).then(|| {
        Violation::at(
            path,
            format!("{key:?} is not a valid key of a Secret or ConfigMap"),
            format!(
                "A key has at most {DNS_SUBDOMAIN_LENGTH} letters, digits, `-`, `_` and `.`, and is neither `.` nor \
                 begins with `..`."
            ),
        )
    })
}

/// Returns a violation unless `name` can be a part of a URL (`IsPathSegmentName`).
pub fn path_segment(path: Path, name: &str) -> Option<Violation> {
    let is_valid = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%']);
    (!is_valid).then(|| {
        Violation::at(
            path,
            format!("{name:?} is not a valid name"),
            "The name is not empty, contains neither `/` nor `%`, and is not `.` or `..`.",
        )
    })
}

/// The syntax of [`is_label_value`], as a sentence of a message.
pub const LABEL_VALUE_SYNTAX: &str = "A value is empty, or has at most 63 letters, digits, `-`, `_` and `.`, and begins \
    and ends with a letter or digit.";

/// Returns whether `key` is a valid key of a label, an annotation or a taint: `[prefix/]name`.
pub fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_name(key),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_label_name(name),
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

/// Returns whether `name` is a DNS subdomain (`IsDNS1123Subdomain`).
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= DNS_SUBDOMAIN_LENGTH && name.split('.').all(is_dns_part)
}

/// Returns whether `name` is a DNS label (`IsDNS1123Label`).
pub fn is_dns_label(name: &str) -> bool {
    name.len() <= DNS_LABEL_LENGTH && is_dns_part(name)
}

fn is_dns_part(label: &str) -> bool {
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
    fn names_of_objects() {
        let summary = |found: Option<Violation>| found.map(|it| it.summary);
        let longest = [&*"a".repeat(61); 4].join(".") + ".abcde";
        for name in ["a", "a-b.c1", "1", &longest] {
            assert_eq!(object_name(Path::root(), name), None, "{name}");
        }
        let too_long = format!("{longest}a");
        for name in ["", "X_y", "a..b", "-a", "a-", "a.", "é", &too_long] {
            let expected = format!("{name:?} is not a valid object name");
            assert_eq!(summary(object_name(Path::root(), name)), Some(expected));
        }
        assert_eq!(dns_label(Path::root(), &"a".repeat(63)), None);
        for name in ["", "a.b", &"a".repeat(64)] {
            let expected = format!("{name:?} is not a valid name");
            assert_eq!(summary(dns_label(Path::root(), name)), Some(expected));
        }
        assert_eq!(path_segment(Path::root(), "A b:c"), None);
        for name in ["", ".", "..", "a/b", "50%"] {
            let expected = format!("{name:?} is not a valid name");
            assert_eq!(summary(path_segment(Path::root(), name)), Some(expected));
        }
    }

    #[test]
    fn keys_of_config_maps() {
        for key in ["a", "A_b-c.1", "_", ".a", "a..b"] {
            assert_eq!(config_map_key(Path::root(), key), None, "{key}");
        }
        for key in ["", ".", "..", "..a", "a/b", "a b", &"a".repeat(254)] {
            let found = config_map_key(Path::root(), key).map(|it| it.summary);
            let expected = format!("{key:?} is not a valid key of a Secret or ConfigMap");
            assert_eq!(found, Some(expected));
        }
    }

    #[test]
    fn a_label_value_may_be_empty() {
        for (value, valid) in [("", true), ("gold", true), ("a b", false), ("a/b", false)] {
            assert_eq!(is_label_value(value), valid, "{value:?}");
        }
    }
}
