//! The handshake of go-plugin: the environment variables that Terraform and OpenTofu start a provider with, and the
//! line on stdout that they wait for.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The major version of Terraform's plugin protocol that is served.
pub(super) const PROTOCOL: u32 = 6;

/// The version of the handshake itself.
const CORE_PROTOCOL: u32 = 1;

const MAGIC_COOKIE_KEY: &str = "TF_PLUGIN_MAGIC_COOKIE";
const MAGIC_COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// The environment variables of the handshake.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `TF_PLUGIN_MAGIC_COOKIE`: shows that a host starts the plugin, and not a user.
    pub magic_cookie: Option<String>,
    /// `PLUGIN_PROTOCOL_VERSIONS`: the major versions that the host supports, separated by commas.
    pub protocol_versions: Option<String>,
    /// `PLUGIN_CLIENT_CERT`: the certificate that the host will present, PEM.
    pub client_certificate: Option<String>,
    /// `PLUGIN_UNIX_SOCKET_DIR`: the directory for the socket. Default: the temporary directory of the system.
    pub socket_directory: Option<PathBuf>,
    /// `PLUGIN_MIN_PORT` and `PLUGIN_MAX_PORT`: the port range for TCP, on systems without Unix sockets.
    pub ports: Option<(u16, u16)>,
}

/// The reason why the handshake fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    #[error("it was not started by Terraform or OpenTofu")]
    NoCookie,
    #[error(
        "the host supports version {offered:?} of the plugin protocol, this provider version 6; use \
         Terraform 1.0 or later, or OpenTofu"
    )]
    Protocol { offered: String },
    #[error(
        "the host offers no client certificate (PLUGIN_CLIENT_CERT), without which every process on this \
         machine could use the provider's credentials; Terraform and OpenTofu always offer one, \
         and -debug serves a debugger without one"
    )]
    NoClientCertificate,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn of_this_process() -> Self {
        Self::read(|name| std::env::var_os(name))
    }

    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let non_empty = |name| variable(name).filter(|value| !value.is_empty());
        let text = |name| non_empty(name)?.into_string().ok();
        let port = |name| text(name)?.parse().ok();
        Self {
            magic_cookie: text(MAGIC_COOKIE_KEY),
            protocol_versions: text("PLUGIN_PROTOCOL_VERSIONS"),
            client_certificate: text("PLUGIN_CLIENT_CERT"),
            socket_directory: non_empty("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            ports: port("PLUGIN_MIN_PORT").zip(port("PLUGIN_MAX_PORT")),
        }
    }

    /// Returns the certificate (PEM) of a host that can be served.
    ///
    /// # Errors
    /// The host is missing or cannot be served. Each error says what to do.
    pub(super) fn check(&self) -> Result<&str, HandshakeError> {
        if self.magic_cookie.as_deref() != Some(MAGIC_COOKIE) {
            return Err(HandshakeError::NoCookie);
        }
        let offered = self.protocol_versions.as_deref().unwrap_or_default();
        let mut versions = offered.split(',').map(|version| version.trim().parse());
        if !versions.any(|version| version == Ok(PROTOCOL)) {
            return Err(HandshakeError::Protocol {
                offered: offered.to_owned(),
            });
        }
        self.client_certificate
            .as_deref()
            .ok_or(HandshakeError::NoClientCertificate)
    }
}

/// Returns the handshake line: the address to connect to, and the certificate (DER) to expect there.
pub(super) fn line(network: &str, address: &str, certificate: &[u8]) -> String {
    let certificate = STANDARD_NO_PAD.encode(certificate);
    format!("{CORE_PROTOCOL}|{PROTOCOL}|{network}|{address}|grpc|{certificate}")
}

/// Writes `line` to the host. Nothing else can be written to stdout.
pub(super) fn write(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let variable = variables.iter().find(|(key, _)| *key == name);
            variable.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn rejects_incomplete_environments() {
        let cookie = (MAGIC_COOKIE_KEY, MAGIC_COOKIE);
        let certificate = ("PLUGIN_CLIENT_CERT", "PEM");
        for (variables, expected) in [
            (vec![certificate], Err(HandshakeError::NoCookie)),
            (
                vec![(MAGIC_COOKIE_KEY, "another"), certificate],
                Err(HandshakeError::NoCookie),
            ),
            (
                vec![cookie, certificate],
                Err(HandshakeError::Protocol {
                    offered: String::new(),
                }),
            ),
            (
                vec![cookie, certificate, ("PLUGIN_PROTOCOL_VERSIONS", "5,x,66")],
                Err(HandshakeError::Protocol {
                    offered: "5,x,66".to_owned(),
                }),
            ),
            (
                vec![
                    cookie,
                    ("PLUGIN_PROTOCOL_VERSIONS", "6"),
                    ("PLUGIN_CLIENT_CERT", ""),
                ],
                Err(HandshakeError::NoClientCertificate),
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
    fn line_has_the_fields_of_go_plugin() {
        assert_eq!(
            line("unix", "/tmp/a/b", b"\xff\xfe"),
            "1|6|unix|/tmp/a/b|grpc|//4"
        );
    }
}
