//! Redacts the content of Secrets in text that is shown, such as the end of a container log or a message of Kubernetes.
//!
//! Every value of a Secret is redacted. If the value is a YAML mapping of connection parameters, each parameter is
//! redacted except those in [`PLAIN`], which are needed to understand a connection error.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::Value as Json;

use super::super::feature_store_yaml;
use super::source::Contents;

/// Connection parameters that are not secret.
const PLAIN: &[&str] = &[
    "database",
    "db_schema",
    "driver",
    "host",
    "hostname",
    "port",
    "region",
    "schema",
    "ssl",
    "sslmode",
    "type",
    "user",
    "username",
];

/// The replacement for redacted text.
const REDACTED: &str = "[redacted]";

/// Shorter values are redacted only as whole words, because `ab` is a part of many words.
const SHORT: usize = 4;

/// The minimum length of redacted lines of a key or certificate.
const MIN_LINE_LENGTH: usize = 8;

/// The values to redact.
#[derive(Clone, Default)]
pub struct Redaction {
    /// The longest first, so that a value is replaced before its parts.
    values: Vec<String>,
}

/// Does not print the values.
impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redaction of {} values", self.values.len())
    }
}

impl Redaction {
    pub fn of(contents: &Contents) -> Self {
        let mut redaction = Self::default();
        for text in contents.values().flat_map(|values| values.values()) {
            redaction.learn(text);
        }
        redaction
    }

    /// Adds a value of a Secret and its parts.
    pub fn learn(&mut self, text: &str) {
        let text = text.trim();
        match feature_store_yaml::value(text) {
            Ok(parameters @ (Json::Object(_) | Json::Array(_))) => self.learn_json(&parameters),
            _ if text.contains('\n') => self.learn_lines(text),
            _ => self.learn_text(text),
        }
        self.values
            .sort_by_key(|value| std::cmp::Reverse(value.len()));
        self.values.dedup();
    }

    fn learn_json(&mut self, parameters: &Json) {
        match parameters {
            Json::Object(members) => {
                let members = members.iter().filter(|(key, _)| !is_plain(key));
                members.for_each(|(_, value)| self.learn_json(value));
            }
            Json::Array(elements) => elements.iter().for_each(|value| self.learn_json(value)),
            Json::String(text) => {
                self.learn_text(text);
                if text.contains('\n') {
                    self.learn_lines(text);
                }
            }
            Json::Number(number) if number.to_string().len() >= SHORT => {
                self.value(&number.to_string());
            }
            Json::Number(_) | Json::Bool(_) | Json::Null => {}
        }
    }

    /// Adds the lines of a key, a certificate or another text. A message can contain some of them.
    fn learn_lines(&mut self, text: &str) {
        for line in text.lines().filter(|line| line.len() >= MIN_LINE_LENGTH) {
            self.value(line);
        }
    }

    /// Adds a text, and the secret parts of a URL or connection string.
    fn learn_text(&mut self, text: &str) {
        self.value(text);
        if let Some((_, rest)) = text.split_once("://")
            && let Some((user, _)) = rest.split('/').next().unwrap_or(rest).rsplit_once('@')
            && let Some((_, password)) = user.split_once(':')
        {
            self.value(password);
            self.value(&percent_decode_str(password).decode_utf8_lossy());
        }
        let pairs = text.split([',', ';', '&', '?', ' ']);
        for (key, value) in pairs.filter_map(|pair| pair.split_once('=')) {
            if !is_plain(key) {
                self.value(value);
            }
        }
    }

    fn value(&mut self, value: &str) {
        let value = value.trim();
        if !value.is_empty() && !["true", "false"].contains(&value) {
            self.values.push(value.to_owned());
        }
    }

    /// Returns the text without the values.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.values {
            if value.chars().count() < SHORT {
                text = without_word(&text, value);
            } else if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), REDACTED);
            }
        }
        text
    }
}

fn is_plain(key: &str) -> bool {
    PLAIN.contains(&key.to_ascii_lowercase().as_str())
}

fn without_word(text: &str, word: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let joins = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    while let Some(start) = rest.find(word) {
        let (before, after) = (&rest[..start], &rest[start + word.len()..]);
        kept.push_str(before);
        let inside = joins(kept.chars().next_back()) || joins(after.chars().next());
        kept.push_str(if inside { word } else { REDACTED });
        rest = after;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secret: &str, text: &str, shown: &str) {
        let mut redaction = Redaction::default();
        redaction.learn(secret);
        assert_eq!(redaction.redact(text), shown);
    }

    #[test]
    fn redacts_connection_parameters_except_plain_ones() {
        check(
            "host: db.example.com\nuser: feast\npassword: hunter2\nport: 5432\n",
            "feast: db.example.com:5432 refused hunter2",
            "feast: db.example.com:5432 refused [redacted]",
        );
        check(
            "password: 123456\nretries: 3",
            "123456 after 3",
            "[redacted] after 3",
        );
        check(
            "nested:\n  token: [abcdef, \"a b\"]",
            "abcdef, a b.",
            "[redacted], [redacted].",
        );
    }

    #[test]
    fn redacts_parts_of_urls_and_connection_strings() {
        check(
            "path: postgresql://feast:p%40ss@db:5432/feast",
            "p@ss, p%40ss, postgresql://feast:p%40ss@db:5432/feast at db",
            "[redacted], [redacted], [redacted] at db",
        );
        check(
            "connection_string: redis:6379,password=hunter2,ssl=true",
            "AUTH hunter2 at redis:6379",
            "AUTH [redacted] at redis:6379",
        );
        check("postgresql://feast:secret@db/x", "secret", "[redacted]");
    }

    #[test]
    fn redacts_single_values_and_lines_of_keys() {
        check("hunter2", "hunter2hunter2", "[redacted][redacted]");
        check("abc", "abc abcd (abc)", "[redacted] abcd ([redacted])");
        check(
            "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n-----END KEY-----",
            "x MIIEowIBAAKCAQEA y",
            "x [redacted] y",
        );
        check(
            "account: a\nprivate_key_content: |\n  -----BEGIN KEY-----\n  MIIEowIBAAKCAQEA\n  -----END KEY-----\n",
            "'MIIEowIBAAKCAQEA\\n-----END KEY-----'",
            "'[redacted]\\n[redacted]'",
        );
        check("", "as it is", "as it is");
    }

    #[test]
    fn longer_values_are_redacted_first() {
        let mut redaction = Redaction::default();
        redaction.learn("pass");
        redaction.learn("passphrase");
        assert_eq!(
            redaction.redact("passphrase, pass"),
            "[redacted], [redacted]"
        );
        assert_eq!(format!("{redaction:?}"), "Redaction of 2 values");
    }
}
