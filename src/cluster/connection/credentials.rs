//! The credentials of requests: the header `Authorization`, and where it was configured.
//!
//! Client certificates are part of the TLS settings; a program can return them, too.

mod legacy;
mod program;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use jiff::Timestamp;
use kube::config::AuthInfo;
use secrecy::ExposeSecret;
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ConnectionError;
use super::check::{line_problem, token_problem};
use program::Program;

pub(in crate::cluster) use legacy::shown;
pub(super) use program::{ClientIdentity, Printed};

/// The time after which a token file is read again, as in kubectl.
const TOKEN_FILE_AGE: Duration = Duration::from_secs(60);

/// The authorization of the requests of a connection.
#[derive(Clone)]
pub(super) enum Credentials {
    /// Requests have no header.
    None,
    Header(HeaderValue),
    TokenFile(Arc<TokenFile>),
    Program(Arc<Program>),
}

/// The credentials of a connection, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// No credentials are configured, so that requests are anonymous.
    Anonymous,
    Configured {
        /// Where the credentials were configured: ``the environment variable KUBE_TOKEN``.
        source: String,
        /// The expiration time of a token that contains it and that nothing renews.
        expires: Option<Timestamp>,
        /// True if a program prints them, which is run again when they expire.
        is_printed: bool,
    },
}

impl Identity {
    /// Adds credentials from another source.
    fn with(self, source: String, expires: Option<Timestamp>) -> Self {
        match self {
            Self::Anonymous => Self::Configured {
                source,
                expires,
                is_printed: false,
            },
            Self::Configured {
                source: first,
                expires: first_expires,
                is_printed,
            } => Self::Configured {
                source: format!("{first} and {source}"),
                expires: first_expires.or(expires),
                is_printed,
            },
        }
    }

    /// Adds the credentials that a program prints.
    fn with_program(self, source: String) -> Self {
        let mut identity = self.with(source, None);
        if let Self::Configured { is_printed, .. } = &mut identity {
            *is_printed = true;
        }
        identity
    }
}

impl Credentials {
    /// Takes the credentials for the header out of `user`. `source` returns the place where a field of a kubeconfig was
    /// configured.
    ///
    /// # Errors
    ///
    /// The credentials cannot be sent, or have expired and cannot be renewed.
    pub fn take(
        user: &mut AuthInfo,
        source: impl Fn(&str) -> String,
    ) -> Result<(Self, Identity), ConnectionError> {
        let mut identity = Identity::Anonymous;
        if user.client_certificate_data.is_some() || user.client_certificate.is_some() {
            identity = identity.with(source("client-certificate"), None);
        }
        // The same order as in kube.
        if let Some(provider) = user.auth_provider.take() {
            let origin = source("auth-provider");
            let (credentials, expires) = legacy::credentials(&provider, &origin)?;
            let identity = match credentials {
                Self::Program(_) => identity.with_program(origin),
                _ => identity.with(origin, expires),
            };
            return Ok((credentials, identity));
        }
        if let Some(username) = user.username.take() {
            // As in client-go, the password can be absent.
            let password = user.password.take();
            let password = password.as_ref().map_or("", |text| text.expose_secret());
            for (field, text) in [("username", username.as_str()), ("password", password)] {
                if let Some(problem) = line_problem(text) {
                    return Err(invalid(source(field), problem));
                }
            }
            let pair = STANDARD.encode(format!("{username}:{password}"));
            let header = header(&format!("Basic {pair}"), || source("username"))?;
            return Ok((
                Self::Header(header),
                identity.with(source("username"), None),
            ));
        }
        if let Some(token) = user.token.take() {
            let origin = source("token");
            let token = token.expose_secret();
            let credentials = Self::of_token(token, || origin.clone())?;
            return Ok((credentials, identity.with(origin, expiry(token))));
        }
        if let Some(path) = user.token_file.take() {
            let origin = format!("{} (file {path})", source("tokenFile"));
            let file = TokenFile {
                path: path.into(),
                origin: origin.clone(),
                last: Mutex::new(None),
            };
            return Ok((Self::TokenFile(Arc::new(file)), identity.with(origin, None)));
        }
        if let Some(exec) = user.exec.take() {
            let origin = source("exec");
            let program = Program::exec(exec);
            return Ok((
                Self::Program(Arc::new(program)),
                identity.with_program(origin),
            ));
        }
        Ok((Self::None, identity))
    }

    fn of_token(token: &str, origin: impl Fn() -> String) -> Result<Self, ConnectionError> {
        bearer(token, origin).map(Self::Header)
    }

    /// Returns the valid output of the program that prints the credentials, if there is one. Runs it if needed.
    ///
    /// # Errors
    ///
    /// The credentials could not be obtained.
    pub async fn printed(&self) -> Result<Option<Arc<Printed>>, Arc<ConnectionError>> {
        match self {
            Self::Program(program) => program.credentials().await.map(Some),
            Self::None | Self::Header(_) | Self::TokenFile(_) => Ok(None),
        }
    }

    /// Forgets output of the program that the API server has rejected. Returns whether another run can help.
    pub fn discard(&self, rejected: &Arc<Printed>) -> bool {
        match self {
            Self::Program(program) => program.discard(rejected),
            Self::None | Self::Header(_) | Self::TokenFile(_) => false,
        }
    }

    /// Adds the header to a request. Renews expired credentials before. Returns [`Credentials::printed`].
    ///
    /// # Errors
    ///
    /// The credentials could not be obtained.
    pub async fn authorize<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<Option<Arc<Printed>>, Arc<ConnectionError>> {
        let printed = self.printed().await?;
        let value = match self {
            Self::None => None,
            Self::Header(value) => Some(value.clone()),
            Self::TokenFile(file) => Some(file.header().await.map_err(Arc::new)?),
            Self::Program(_) => printed.as_ref().and_then(|printed| printed.header.clone()),
        };
        if let Some(value) = value {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(printed)
    }
}

/// A file with a bearer token, which another program renews.
pub(super) struct TokenFile {
    path: PathBuf,
    /// With the path.
    origin: String,
    last: Mutex<Option<(HeaderValue, Instant)>>,
}

impl TokenFile {
    async fn header(&self) -> Result<HeaderValue, ConnectionError> {
        let mut last = self.last.lock().await;
        if let Some((value, read_at)) = &*last
            && read_at.elapsed() < TOKEN_FILE_AGE
        {
            return Ok(value.clone());
        }
        let value = match (tokio::fs::read_to_string(&self.path).await, &*last) {
            (Ok(text), _) => bearer(text.trim(), || self.origin.clone())?,
            // Some tools remove the file once the process has read it.
            (Err(_), Some((value, _))) => value.clone(),
            (Err(source), None) => {
                return Err(ConnectionError::File {
                    what: "the token file".to_owned(),
                    origin: self.origin.clone(),
                    source,
                });
            }
        };
        *last = Some((value.clone(), Instant::now()));
        Ok(value)
    }
}

fn bearer(token: &str, origin: impl Fn() -> String) -> Result<HeaderValue, ConnectionError> {
    if let Some(problem) = token_problem(token) {
        return Err(invalid(origin(), problem));
    }
    header(&format!("Bearer {token}"), origin)
}

fn header(text: &str, origin: impl Fn() -> String) -> Result<HeaderValue, ConnectionError> {
    let mut value = HeaderValue::from_str(text)
        .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
        .map_err(|_| invalid(origin(), "it cannot be sent in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn invalid(origin: String, problem: String) -> ConnectionError {
    ConnectionError::Invalid { origin, problem }
}

/// Returns the expiration time of a JSON Web Token; `None` for any other token, and for one that does not expire.
fn expiry(token: &str) -> Option<Timestamp> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Json = serde_json::from_slice(&payload).ok()?;
    let seconds = claims["exp"].as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "from_second checks the range"
    )]
    Timestamp::from_second(seconds as i64).ok()
}

#[cfg(test)]
mod tests;
