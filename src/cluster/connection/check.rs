//! Checks of single attributes of a [`Connection`]. They read no files, run no programs and send no requests, so that
//! `terraform validate` can run them.

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::{self, SectionKind};

use super::Connection;
use super::proxy::Proxy;

/// An invalid value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub attribute: &'static str,
    /// A main clause about the value: `it ends with a line break`.
    pub problem: String,
    /// True if there is white space around the value, as in what `file()` returns.
    pub is_untrimmed: bool,
}

impl Problem {
    fn of(attribute: &'static str, value: &str, check: Check) -> Option<Self> {
        Some(Self {
            attribute,
            problem: check(value)?,
            is_untrimmed: value.trim() != value,
        })
    }
}

/// Returns the problem of a value.
type Check = fn(&str) -> Option<String>;

impl Connection {
    /// Returns the problems of all attributes, each independent of the other attributes.
    pub fn problems(&self) -> Vec<Problem> {
        let checks: [(&'static str, &Option<String>, Check); 14] = [
            ("host", &self.host, host_problem),
            ("username", &self.username, line_problem),
            ("password", &self.password, line_problem),
            ("token", &self.token, token_problem),
            (
                "tls_server_name",
                &self.tls_server_name,
                server_name_problem,
            ),
            (
                "client_certificate",
                &self.client_certificate,
                certificate_problem,
            ),
            ("client_key", &self.client_key, key_problem),
            (
                "cluster_ca_certificate",
                &self.cluster_ca_certificate,
                certificate_problem,
            ),
            ("config_path", &self.config_path, line_problem),
            ("config_context", &self.config_context, line_problem),
            (
                "config_context_auth_info",
                &self.config_context_auth_info,
                line_problem,
            ),
            (
                "config_context_cluster",
                &self.config_context_cluster,
                line_problem,
            ),
            ("proxy_url", &self.proxy_url, proxy_problem),
            (
                "expected_cluster_uid",
                &self.expected_cluster_uid,
                line_problem,
            ),
        ];
        let single = (checks.into_iter()).filter_map(|(attribute, value, check)| {
            Problem::of(attribute, value.as_deref()?, check)
        });
        let paths = self.config_paths.iter().flatten();
        let paths = paths.filter_map(|path| Problem::of("config_paths", path, line_problem));
        single.chain(paths).collect()
    }
}

/// Returns why the text cannot be a bearer token. kubectl trims the content of a token file and nothing else.
pub(super) fn token_problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty".into());
    }
    if let Some(problem) = line_problem(text) {
        return Some(problem);
    }
    let blank = |letter: char| letter.is_whitespace();
    if text.starts_with(blank) || text.ends_with(blank) {
        return Some("it begins or ends with white space".into());
    }
    (text.contains(blank))
        .then(|| "it contains white space; write the token alone, without \"Bearer\"".into())
}

/// Returns why the text cannot be one line, as a header of a request, a name or a path must be.
pub(super) fn line_problem(text: &str) -> Option<String> {
    let is_break = |letter: char| matches!(letter, '\n' | '\r');
    if text.ends_with(is_break) {
        return Some("it ends with a line break".into());
    }
    if text.contains(is_break) {
        return Some("it contains a line break".into());
    }
    (text.contains(|letter: char| letter.is_control() && letter != '\t'))
        .then(|| "it contains a control character".into())
}

fn host_problem(text: &str) -> Option<String> {
    line_problem(text).or_else(|| {
        let url = match text.contains("://") {
            true => text.to_owned(),
            false => format!("https://{text}"),
        };
        let valid = url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        (!valid).then(|| "it must be a URL such as https://192.0.2.1:6443".into())
    })
}

pub(super) fn server_name_problem(text: &str) -> Option<String> {
    line_problem(text).or_else(|| {
        let valid = ServerName::try_from(text).is_ok();
        (!valid).then(|| "it must be a DNS name or an IP address".into())
    })
}

pub(super) fn proxy_problem(text: &str) -> Option<String> {
    line_problem(text).or_else(|| Proxy::parse(text, String::new()).err())
}

pub(super) fn certificate_problem(text: &str) -> Option<String> {
    pem_problem(text, "certificate", |kind| {
        matches!(kind, SectionKind::Certificate)
    })
}

fn key_problem(text: &str) -> Option<String> {
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return Some(
            "the key is encrypted; decrypt it first, for example with openssl pkey".into(),
        );
    }
    pem_problem(text, "private key", |kind| {
        matches!(
            kind,
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
        )
    })
}

fn pem_problem(text: &str, what: &str, is_wanted: fn(SectionKind) -> bool) -> Option<String> {
    if !text.contains("-----BEGIN ") {
        return Some("it must be PEM text (\"-----BEGIN …\"); decode it with base64decode() if it comes from a kubeconfig or a cloud API".into());
    }
    let mut reader = std::io::Cursor::new(text.as_bytes());
    let problem = loop {
        match pem::from_buf(&mut reader) {
            Ok(Some((kind, _))) if is_wanted(kind) => return None,
            Ok(Some(_)) => {}
            Ok(None) => break format!("it is PEM text without a {what}"),
            Err(_) => break "it is not well-formed PEM text".to_owned(),
        }
    };
    Some(match text.contains("\\n") {
        true => format!("{problem}; it contains \\n as text where it must have line breaks"),
        false => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(attribute: &str, value: &str) -> String {
        let mut connection = Connection::default();
        let slot = match attribute {
            "host" => &mut connection.host,
            "username" => &mut connection.username,
            "password" => &mut connection.password,
            "token" => &mut connection.token,
            "tls_server_name" => &mut connection.tls_server_name,
            "client_key" => &mut connection.client_key,
            "cluster_ca_certificate" => &mut connection.cluster_ca_certificate,
            "proxy_url" => &mut connection.proxy_url,
            "config_context" => &mut connection.config_context,
            other => unreachable!("{other}"),
        };
        *slot = Some(value.to_owned());
        let problems = connection.problems();
        assert!(
            (problems.iter()).all(|problem| problem.attribute == attribute),
            "{problems:?}"
        );
        let texts = problems.into_iter().map(|problem| problem.problem);
        texts.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn rejects_values_that_are_not_one_line() {
        let trim = "it ends with a line break";
        let blank = "it begins or ends with white space";
        for (attribute, value, expected) in [
            ("token", "abc\n", trim),
            ("token", "abc\r\n", trim),
            ("token", "a\nb", "it contains a line break"),
            ("token", " abc", blank),
            ("token", "abc\t", blank),
            (
                "token",
                "Bearer abc",
                "it contains white space; write the token alone, without \"Bearer\"",
            ),
            ("token", "a\u{7f}b", "it contains a control character"),
            ("token", "abc.def-_~+/=", ""),
            ("username", "admin\n", trim),
            ("password", "pass word", ""),
            ("password", "secret\r\n", trim),
            ("host", "https://192.0.2.1:6443\n", trim),
            ("tls_server_name", "kubernetes\n", trim),
            (
                "tls_server_name",
                "a b",
                "it must be a DNS name or an IP address",
            ),
            ("tls_server_name", "192.0.2.1", ""),
            ("config_context", "one\n", trim),
            ("proxy_url", "http://proxy:3128\n", trim),
            (
                "proxy_url",
                "ftp://proxy",
                "it must be a URL such as http://proxy.example.com:3128, with the scheme http, https or socks5",
            ),
        ] {
            assert_eq!(problem(attribute, value), expected, "{attribute} {value:?}");
        }
    }

    #[test]
    fn rejects_pem_without_the_wanted_section() {
        let certificate = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n";
        for (attribute, value, expected) in [
            ("cluster_ca_certificate", certificate, ""),
            (
                "cluster_ca_certificate",
                "LS0tLS1CRUdJTg==",
                "it must be PEM text (\"-----BEGIN …\"); decode it with base64decode() if it comes from a kubeconfig or a cloud API",
            ),
            (
                "cluster_ca_certificate",
                "-----BEGIN CERTIFICATE-----\\nTUlJ\\n-----END CERTIFICATE-----\\n",
                "it is not well-formed PEM text; it contains \\n as text where it must have line breaks",
            ),
            (
                "client_key",
                certificate,
                "it is PEM text without a private key",
            ),
            (
                "client_key",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nTUlJ\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "the key is encrypted; decrypt it first, for example with openssl pkey",
            ),
        ] {
            assert_eq!(problem(attribute, value), expected, "{attribute} {value:?}");
        }
    }
}
