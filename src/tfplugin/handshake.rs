//! How Terraform and OpenTofu start a provider (go-plugin): what they say in the environment, and the
//! one line on stdout that answers.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The protocol's major version that is spoken here.
pub(super) const PROTOCOL: u32 = 6;

/// go-plugin's own version.
const CORE_PROTOCOL: u32 = 1;

const MAGIC_COOKIE_KEY: &str = "TF_PLUGIN_MAGIC_COOKIE";
const MAGIC_COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// What the host says by environment variables.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `TF_PLUGIN_MAGIC_COOKIE`: proof that a host starts the plugin, and not a user by hand.
    pub magic_cookie: Option<String>,
    /// `PLUGIN_PROTOCOL_VERSIONS`: major versions with commas between.
    pub protocol_versions: Option<String>,
    /// `PLUGIN_CLIENT_CERT`: the certificate, in PEM, that the host will show.
    pub client_certificate: Option<String>,
    /// `PLUGIN_UNIX_SOCKET_DIR`: where to put the socket; the system's temporary directory otherwise.
    pub socket_directory: Option<PathBuf>,
    /// `PLUGIN_MIN_PORT` and `PLUGIN_MAX_PORT`: for TCP, where there are no Unix sockets.
    pub ports: Option<(u16, u16)>,
}

/// Why the handshake cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it was not started by Terraform or OpenTofu")]
    NoCookie,
    #[error(
        "the host speaks the plugin protocol in version {offered:?}, this provider in version 6: \
         Terraform 1.0 or later and every OpenTofu do"
    )]
    Protocol { offered: String },
    #[error(
        "the host offers no client certificate (PLUGIN_CLIENT_CERT), and without one anybody on this \
         machine could use the provider's credentials; Terraform and OpenTofu offer it by themselves, \
         and for a debugger there is -debug"
    )]
    NoClientCertificate,
}

impl Environment {
    /// What the host of this process says.
    pub fn of_this_process() -> Self {
        Self::read(|name| std::env::var_os(name))
    }

    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let filled = |name| variable(name).filter(|value| !value.is_empty());
        let text = |name| filled(name)?.into_string().ok();
        let port = |name| text(name)?.parse().ok();
        Self {
            magic_cookie: text(MAGIC_COOKIE_KEY),
            protocol_versions: text("PLUGIN_PROTOCOL_VERSIONS"),
            client_certificate: text("PLUGIN_CLIENT_CERT"),
            socket_directory: filled("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            ports: port("PLUGIN_MIN_PORT").zip(port("PLUGIN_MAX_PORT")),
        }
    }

    /// Checks that a host is there that can be served, and gives its certificate (PEM).
    ///
    /// # Errors
    /// Where it is not; each says what to do.
    pub(super) fn check(&self) -> Result<&str, Refusal> {
        if self.magic_cookie.as_deref() != Some(MAGIC_COOKIE) {
            return Err(Refusal::NoCookie);
        }
        let offered = self.protocol_versions.as_deref().unwrap_or_default();
        let mut versions = offered.split(',').map(|version| version.trim().parse());
        if !versions.any(|version| version == Ok(PROTOCOL)) {
            return Err(Refusal::Protocol {
                offered: offered.to_owned(),
            });
        }
        self.client_certificate
            .as_deref()
            .ok_or(Refusal::NoClientCertificate)
    }
}

/// The answer: where to connect, and which certificate (DER) will be there.
pub(super) fn line(network: &str, address: &str, certificate: &[u8]) -> String {
    let certificate = STANDARD_NO_PAD.encode(certificate);
    format!("{CORE_PROTOCOL}|{PROTOCOL}|{network}|{address}|grpc|{certificate}")
}

/// Says `line` to the host. Nothing else may ever be written to stdout.
pub(super) fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn is_refused_without_what_a_host_says() {
        let cookie = (MAGIC_COOKIE_KEY, MAGIC_COOKIE);
        let certificate = ("PLUGIN_CLIENT_CERT", "PEM");
        for (variables, expected) in [
            (vec![certificate], Err(Refusal::NoCookie)),
            (
                vec![(MAGIC_COOKIE_KEY, "another"), certificate],
                Err(Refusal::NoCookie),
            ),
            (
                vec![cookie, certificate],
                Err(Refusal::Protocol {
                    offered: String::new(),
                }),
            ),
            (
                vec![cookie, certificate, ("PLUGIN_PROTOCOL_VERSIONS", "5,x,66")],
                Err(Refusal::Protocol {
                    offered: "5,x,66".to_owned(),
                }),
            ),
            (
                vec![
                    cookie,
                    ("PLUGIN_PROTOCOL_VERSIONS", "6"),
                    ("PLUGIN_CLIENT_CERT", ""),
                ],
                Err(Refusal::NoClientCertificate),
            ),
            (
                vec![cookie, certificate, ("PLUGIN_PROTOCOL_VERSIONS", "5, 6")],
                Ok("PEM"),
            ),
        ] {
            assert_eq!(environment(&variables).check(), expected, "{variables:?}");
        }
    }

    #[test]
    fn answers_in_one_line() {
        assert_eq!(
            line("unix", "/tmp/a/b", b"\xff\xfe"),
            "1|6|unix|/tmp/a/b|grpc|//4"
        );
    }
}
