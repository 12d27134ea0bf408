//! The credentials of requests: the header `Authorization`, and where it was configured.
//!
//! Client certificates are part of the TLS settings; a program can return them, too.

mod auth_provider;
mod credential_plugin;

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
use credential_plugin::CredentialPlugin;

pub(super) use credential_plugin::{ClientIdentity, PluginCredentials};

/// The time after which a token file is read again, as in kubectl.
const TOKEN_FILE_AGE: Duration = Duration::from_secs(60);

/// The authorization of the requests of a connection.
#[derive(Clone)]
pub(super) enum Credentials {
    /// Requests have no header.
    None,
    Header(HeaderValue),
    TokenFile(Arc<TokenFile>),
    Plugin(Arc<CredentialPlugin>),
}

/// The credentials of a connection, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsInfo {
    /// No credentials are configured, so that requests are anonymous.
    Anonymous,
    Configured {
        /// Where the credentials were configured: ``the environment variable KUBE_TOKEN``.
        origin: String,
        /// The expiration time of a token that contains it and that nothing renews.
        expires: Option<Timestamp>,
        /// True if a credential plugin prints them, which is run again when they expire.
        from_plugin: bool,
    },
}

impl CredentialsInfo {
    /// Adds credentials from another place.
    fn with(self, origin: String, expires: Option<Timestamp>) -> Self {
        match self {
            Self::Anonymous => Self::Configured {
                origin,
                expires,
                from_plugin: false,
            },
            Self::Configured {
                origin: first,
                expires: first_expires,
                from_plugin,
            } => Self::Configured {
                origin: format!("{first} and {origin}"),
                expires: first_expires.or(expires),
                from_plugin,
            },
        }
    }

    /// Adds the credentials that a program prints.
    fn with_plugin(self, origin: String) -> Self {
        let mut info = self.with(origin, None);
        if let Self::Configured { from_plugin, .. } = &mut info {
            *from_plugin = true;
        }
        info
    }
}

impl Credentials {
    /// Takes the credentials for the header out of `user`. `origin_of` returns where a field of a kubeconfig was
    /// configured.
    ///
    /// # Errors
    ///
    /// The credentials cannot be sent, or have expired and cannot be renewed.
    pub fn take(
        user: &mut AuthInfo,
        origin_of: impl Fn(&str) -> String,
    ) -> Result<(Self, CredentialsInfo), ConnectionError> {
        let mut info = CredentialsInfo::Anonymous;
        if user.client_certificate_data.is_some() || user.client_certificate.is_some() {
            info = info.with(origin_of("client-certificate"), None);
        }
        // The same order as in kube, except that a token file takes precedence over a token, as in client-go.
        if let Some(provider) = user.auth_provider.take() {
            let origin = origin_of("auth-provider");
            let (credentials, expires) = auth_provider::credentials(&provider, &origin)?;
            let info = match credentials {
                Self::Plugin(_) => info.with_plugin(origin),
                _ => info.with(origin, expires),
            };
            return Ok((credentials, info));
        }
        if let Some(username) = user.username.take() {
            // As in client-go, the password can be absent.
            let password = user.password.take();
            let password = password.as_ref().map_or("", |text| text.expose_secret());
            for (field, text) in [("username", username.as_str()), ("password", password)] {
                if let Some(problem) = line_problem(text) {
                    return Err(ConnectionError::invalid(origin_of(field), problem));
                }
            }
            let pair = STANDARD.encode(format!("{username}:{password}"));
            let header = header(&format!("Basic {pair}"), || origin_of("username"))?;
            return Ok((Self::Header(header), info.with(origin_of("username"), None)));
        }
        let token = user.token.take();
        let token = token.as_ref().map(|token| token.expose_secret());
        if let Some(path) = user.token_file.take() {
            let origin = format!("{} (file {path})", origin_of("tokenFile"));
            let fallback = token.map(|token| bearer(token, || origin_of("token")));
            let file = TokenFile {
                path: path.into(),
                origin: origin.clone(),
                last: Mutex::new(None),
                fallback: fallback.transpose()?,
            };
            return Ok((Self::TokenFile(Arc::new(file)), info.with(origin, None)));
        }
        if let Some(token) = token {
            let origin = origin_of("token");
            let credentials = Self::of_token(token, || origin.clone())?;
            return Ok((credentials, info.with(origin, expiry(token))));
        }
        if let Some(exec) = user.exec.take() {
            let origin = origin_of("exec");
            let plugin = CredentialPlugin::exec(exec);
            return Ok((Self::Plugin(Arc::new(plugin)), info.with_plugin(origin)));
        }
        Ok((Self::None, info))
    }

    fn of_token(token: &str, origin: impl Fn() -> String) -> Result<Self, ConnectionError> {
        bearer(token, origin).map(Self::Header)
    }

    /// Returns the valid output of the program that prints the credentials, if there is one. Runs it if needed.
    ///
    /// # Errors
    ///
    /// The credentials could not be obtained.
    pub async fn plugin_credentials(
        &self,
    ) -> Result<Option<Arc<PluginCredentials>>, Arc<ConnectionError>> {
        match self {
            Self::Plugin(plugin) => plugin.credentials().await.map(Some),
            Self::None | Self::Header(_) | Self::TokenFile(_) => Ok(None),
        }
    }

    /// Forgets output of the program that the API server has rejected. Returns whether another run can help.
    pub fn discard(&self, rejected: &Arc<PluginCredentials>) -> bool {
        match self {
            Self::Plugin(plugin) => plugin.discard(rejected),
            Self::None | Self::Header(_) | Self::TokenFile(_) => false,
        }
    }

    /// Adds the header to a request. Renews expired credentials before. Returns [`Credentials::plugin_credentials`].
    ///
    /// # Errors
    ///
    /// The credentials could not be obtained.
    pub async fn authorize<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<Option<Arc<PluginCredentials>>, Arc<ConnectionError>> {
        let printed = self.plugin_credentials().await?;
        let value = match self {
            Self::None => None,
            Self::Header(value) => Some(value.clone()),
            Self::TokenFile(file) => Some(file.header().await.map_err(Arc::new)?),
            Self::Plugin(_) => printed.as_ref().and_then(|printed| printed.header.clone()),
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
    /// Used while the file has no valid token, as in client-go.
    fallback: Option<HeaderValue>,
}

impl TokenFile {
    async fn header(&self) -> Result<HeaderValue, ConnectionError> {
        let read = self.read().await;
        read.or_else(|error| self.fallback.clone().ok_or(error))
    }

    async fn read(&self) -> Result<HeaderValue, ConnectionError> {
        let mut last = self.last.lock().await;
        if let Some((value, read_at)) = &*last
            && read_at.elapsed() < TOKEN_FILE_AGE
        {
            return Ok(value.clone());
        }
        let text = tokio::fs::read_to_string(&self.path).await;
        let text = text.map_err(|source| ConnectionError::File {
            what: "the token file".to_owned(),
            origin: self.origin.clone(),
            source,
        });
        let token = text.and_then(|text| bearer(text.trim(), || self.origin.clone()));
        let value = match (token, &*last) {
            (Ok(value), _) => value,
            // Some tools remove the file once the process has read it, or are writing it.
            (Err(_), Some((value, _))) => value.clone(),
            (Err(error), None) => return Err(error),
        };
        *last = Some((value.clone(), Instant::now()));
        Ok(value)
    }
}

fn bearer(token: &str, origin: impl Fn() -> String) -> Result<HeaderValue, ConnectionError> {
    if let Some(problem) = token_problem(token) {
        return Err(ConnectionError::invalid(origin(), problem));
    }
    header(&format!("Bearer {token}"), origin)
}

fn header(text: &str, origin: impl Fn() -> String) -> Result<HeaderValue, ConnectionError> {
    let mut value = HeaderValue::from_str(text)
        .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
        .map_err(|_| ConnectionError::invalid(origin(), "it cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
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
