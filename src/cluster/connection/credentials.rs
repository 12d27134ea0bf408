//! Who is asking: what goes into the header `Authorization` of each request, and where that was configured.
//!
//! Client certificates belong to the TLS settings; a program may return them too.

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
pub(super) use program::ClientIdentity;

/// A token file is read again after this time, as kubectl does it.
const TOKEN_FILE_AGE: Duration = Duration::from_secs(60);

/// How the requests of a connection are authorized.
#[derive(Clone)]
pub(super) enum Credentials {
    /// Nothing goes into the header.
    None,
    Header(HeaderValue),
    TokenFile(Arc<TokenFile>),
    Program(Arc<Program>),
}

/// The credentials of a connection, as far as error messages name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// No credentials are configured: the API server takes the requests for anonymous ones.
    Anonymous,
    Configured {
        /// Where the credentials were configured: ``the environment variable KUBE_TOKEN``.
        source: String,
        /// When the token expires, for a token that says so and that nobody renews.
        expires: Option<Timestamp>,
    },
}

impl Identity {
    /// Adds credentials that another source has configured.
    fn with(self, source: String, expires: Option<Timestamp>) -> Self {
        match self {
            Self::Anonymous => Self::Configured { source, expires },
            Self::Configured {
                source: first,
                expires: first_expires,
            } => Self::Configured {
                source: format!("{first} and {source}"),
                expires: first_expires.or(expires),
            },
        }
    }
}

impl Credentials {
    /// Takes what goes into the header out of `user`. `source` says where a field of it was configured, given the
    /// field's name in a kubeconfig.
    ///
    /// # Errors
    /// Credentials that cannot be sent, or that have expired and cannot be renewed here.
    pub fn take(
        user: &mut AuthInfo,
        source: impl Fn(&str) -> String,
    ) -> Result<(Self, Identity), ConnectionError> {
        let mut identity = Identity::Anonymous;
        if user.client_certificate_data.is_some() || user.client_certificate.is_some() {
            identity = identity.with(source("client-certificate"), None);
        }
        // The order is kube's.
        if let Some(provider) = user.auth_provider.take() {
            let origin = source("auth-provider");
            let (credentials, expires) = legacy::credentials(&provider, &origin)?;
            return Ok((credentials, identity.with(origin, expires)));
        }
        if let Some(username) = user.username.take() {
            // As with client-go, the password may be absent.
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
                identity.with(origin, None),
            ));
        }
        Ok((Self::None, identity))
    }

    fn of_token(token: &str, origin: impl Fn() -> String) -> Result<Self, ConnectionError> {
        bearer(token, origin).map(Self::Header)
    }

    /// Returns the client certificate and key that a program returns in place of a token. Runs the program, and
    /// blocks.
    pub fn client_identity(&self) -> Result<Option<ClientIdentity>, ConnectionError> {
        match self {
            Self::Program(program) => program.start(),
            Self::None | Self::Header(_) | Self::TokenFile(_) => Ok(None),
        }
    }

    /// Adds the header to a request; renews it first where it has expired.
    ///
    /// # Errors
    /// Why the credentials could not be obtained.
    pub async fn authorize<B>(&self, request: &mut Request<B>) -> Result<(), ConnectionError> {
        let value = match self {
            Self::None => return Ok(()),
            Self::Header(value) => value.clone(),
            Self::TokenFile(file) => file.header().await?,
            Self::Program(program) => match Arc::clone(program).header().await? {
                Some(value) => value,
                None => return Ok(()),
            },
        };
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }
}

/// A file with a bearer token, which somebody else renews.
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
            // Some remove the file once the process has read it.
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

/// When a JSON Web Token expires; `None` for any other token, and for one that does not expire.
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
