//! The `auth-provider` of old kubeconfigs. Its tokens are used, but not renewed.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::config::AuthProviderConfig;

use super::program::Program;
use super::{Credentials, expiry};
use crate::cluster::connection::ConnectionError;

/// Returns the credentials in the configuration of the `auth-provider`, and their expiration time.
///
/// # Errors
///
/// A token is missing or has expired, or the `auth-provider` is unknown.
pub(super) fn credentials(
    provider: &AuthProviderConfig,
    origin: &str,
) -> Result<(Credentials, Option<Timestamp>), ConnectionError> {
    let config = &provider.config;
    let value = |key: &str| config.get(key).filter(|text| !text.is_empty());
    let failed = |problem: String| ConnectionError::LegacyProvider {
        origin: origin.to_owned(),
        name: provider.name.clone(),
        problem,
        instead: instead(&provider.name),
    };
    let (token, expires, what) = match provider.name.as_str() {
        "oidc" => {
            let token = value("id-token");
            (token, token.and_then(|token| expiry(token)), "id-token")
        }
        "gcp" => {
            let token = value("id-token").or(value("access-token"));
            let expires = match value("id-token") {
                Some(token) => expiry(token),
                None => value("expiry").and_then(|text| text.parse().ok()),
            };
            if !token.is_some_and(|_| is_ahead(expires))
                && let Some(program) = command(config)
            {
                return Ok((Credentials::Program(Arc::new(program)), None));
            }
            (token, expires, "access-token")
        }
        "azure" => {
            let seconds = value("expires-on").and_then(|text| text.parse().ok());
            let expires = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            (value("access-token"), expires, "access-token")
        }
        _ => return Err(failed("this provider does not know it".to_owned())),
    };
    let token = token.ok_or_else(|| failed(format!("it holds no {what}")))?;
    match expires {
        Some(time) if !is_ahead(expires) => {
            Err(failed(format!("its {what} expired at {}", shown(time))))
        }
        _ => {
            let source = || format!("the {what} in {origin}");
            Ok((Credentials::of_token(token, source)?, expires))
        }
    }
}

fn is_ahead(expires: Option<Timestamp>) -> bool {
    expires.is_none_or(|time| time > Timestamp::now())
}

/// Writes a time with a precision of one second.
pub(in crate::cluster) fn shown(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .map_or_else(|_| time.to_string(), |time| time.to_string())
}

fn instead(name: &str) -> &'static str {
    match name {
        "oidc" => {
            "Log in again with the program that wrote the kubeconfig, or replace the auth-provider by an exec section, for example with `kubectl oidc-login get-token`."
        }
        "gcp" => {
            "Write the kubeconfig anew with `gcloud container clusters get-credentials`, which uses the program gke-gcloud-auth-plugin."
        }
        "azure" => {
            "Convert the kubeconfig with `kubelogin convert-kubeconfig`, which uses the program kubelogin."
        }
        _ => "Replace it by an exec section, or set `exec` or `token` in the provider block.",
    }
}

/// Returns the command of the `auth-provider` gcp that prints a token.
fn command(config: &HashMap<String, String>) -> Option<Program> {
    let value = |key: &str| config.get(key).filter(|text| !text.is_empty()).cloned();
    let arguments = value("cmd-args").unwrap_or_default();
    Some(Program::gcp(
        value("cmd-path")?,
        arguments.split_whitespace().map(str::to_owned).collect(),
        value("token-key"),
        value("expiry-key"),
    ))
}
