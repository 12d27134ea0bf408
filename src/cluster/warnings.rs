//! Warnings that the API server attaches to its responses: deprecated APIs, Pod Security, admission policies and
//! webhooks.
//!
//! The header `Warning` has them (RFC 7234, section 5.5) with the code 299. `kubectl` prints them, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::header::WARNING;

use super::error::Target;
use crate::kubernetes::kind::Kind;

/// The code of a persistent warning. The API server sends no other.
const CODE: &str = "299";

/// Replaces the part of a warning about a Secret that a policy of the cluster has written.
const WITHHELD: &str = "(the text is withheld, because it may quote the Secret)";

/// The texts of warnings, by the object that the request was about (`Kind/name`).
pub type WarningTexts = BTreeMap<String, BTreeSet<String>>;

/// The warnings of one operation. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<WarningTexts>>);

impl Warnings {
    /// Returns the warnings since the last call.
    pub fn take(&self) -> WarningTexts {
        std::mem::take(&mut lock(&self.0))
    }

    fn add(&self, target: &Target, text: String) {
        let mut warnings = lock(&self.0);
        warnings.entry(target.to_string()).or_default().insert(text);
    }
}

/// The texts that any operation has received.
#[derive(Default)]
pub(super) struct KnownWarnings(Mutex<BTreeSet<String>>);

impl KnownWarnings {
    /// Adds the warnings of a response to those of its operation. A text that another operation has received is left
    /// out, so that a warning about ten feature stores is shown once.
    pub fn note(&self, headers: &HeaderMap, target: &Target, warnings: &Warnings) {
        for text in headers.get_all(WARNING).iter().flat_map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            parse(&text)
        }) {
            let text = match target.kind == Kind::Secret.as_str() {
                true => withheld(&text),
                false => text,
            };
            if lock(&self.0).insert(text.clone()) {
                tracing::info!("the API server warns about {target}: {text}");
                warnings.add(target, text);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the texts of a header's warnings with the code 299: `299 agent "text" "date"`, separated by commas. What is
/// not of this form is left out.
fn parse(header: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = header;
    while let Some((agent, quoted)) = rest.split_once('"') {
        let Some((text, after)) = unquote(quoted) else {
            break;
        };
        let is_persistent = agent.trim_start_matches([',', ' ']).split(' ').next() == Some(CODE);
        if is_persistent && !text.is_empty() {
            texts.push(text);
        }
        // An optional date follows in quotes.
        rest = match after.trim_start().strip_prefix('"').and_then(unquote) {
            Some((_, after)) => after,
            None => after,
        };
    }
    texts
}

/// Reads a quoted string after its opening quote. Returns its text and the rest behind the closing quote.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((position, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[position + 1..])),
            '\\' => text.push(letters.next()?.1),
            letter => text.push(letter),
        }
    }
    None
}

/// Returns the text without what a policy of the cluster has written: `Validation failed for ValidatingAdmissionPolicy
/// 'p' with binding 'b': …`.
fn withheld(text: &str) -> String {
    let policy = (text.starts_with("Validation failed for ValidatingAdmissionPolicy '"))
        .then(|| text.split_once("': "))
        .flatten();
    match policy {
        Some((policy, _)) => format!("{policy}': {WITHHELD}"),
        None => WITHHELD.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::kubernetes::kind::Scope;

    #[test]
    fn parses_warnings_with_code_299() {
        for (header, expected) in [
            (r#"299 - "a""#, vec!["a"]),
            (r#"299 - "say \"a\" \\ b""#, vec![r#"say "a" \ b"#]),
            (r#"299 - "a, b", 299 kube-apiserver "c""#, vec!["a, b", "c"]),
            (
                r#"299 - "a" "Sun, 29 Nov 2026 11:00:00 GMT",299 - "b""#,
                vec!["a", "b"],
            ),
            (r#"110 proxy "stale", 299 - "a""#, vec!["a"]),
            (r#"299 - """#, vec![]),
            (r#"299 - "open"#, vec![]),
            ("299 - a", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }

    fn target(kind: Kind, name: &str) -> Target {
        Target {
            kind: kind.as_str(),
            resource: kind.plural(),
            group: kind.info().group,
            scope: Scope::Namespace,
            name: Some(name.to_owned()),
        }
    }

    fn headers(warnings: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for warning in warnings {
            let value = format!("299 - \"{warning}\"");
            headers.append(WARNING, HeaderValue::from_str(&value).unwrap());
        }
        headers
    }

    #[test]
    fn a_warning_is_reported_once() {
        let known = KnownWarnings::default();
        let [first, second] = [Warnings::default(), Warnings::default()];
        let [a, b] = ["feast-a", "feast-b"].map(|name| target(Kind::Deployment, name));
        known.note(&headers(&["x", "y", "x"]), &a, &first);
        known.note(&headers(&["y", "z"]), &b, &first);
        known.note(&headers(&["x", "w"]), &b, &second);
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let expected = WarningTexts::from([
            ("Deployment/feast-a".to_owned(), texts(&["x", "y"])),
            ("Deployment/feast-b".to_owned(), texts(&["z"])),
        ]);
        assert_eq!(first.take(), expected);
        assert_eq!(first.take(), WarningTexts::new());
        let expected = WarningTexts::from([("Deployment/feast-b".to_owned(), texts(&["w"]))]);
        assert_eq!(second.take(), expected);
    }

    #[test]
    fn a_warning_about_a_secret_does_not_quote_it() {
        let known = KnownWarnings::default();
        let warnings = Warnings::default();
        let policy = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b'";
        let texts = [format!("{policy}: is 'x': hunter2"), "hunter2".to_owned()];
        let headers = headers(&texts.each_ref().map(String::as_str));
        known.note(&headers, &target(Kind::Secret, "feast-x"), &warnings);
        let expected = [format!("{policy}: {WITHHELD}"), WITHHELD.to_owned()];
        let found = warnings.take().remove("Secret/feast-x").unwrap();
        assert_eq!(found, BTreeSet::from(expected));
    }
}
