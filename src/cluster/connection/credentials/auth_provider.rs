//! The `auth-provider` of old kubeconfigs. Its tokens are used, but not renewed.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::config::AuthProviderConfig;

use super::credential_plugin::CredentialPlugin;
use super::{Credentials, expiry};
use crate::cluster::clock::format_time;
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
    let failed = |problem: String| ConnectionError::AuthProvider {
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
                && let Some(plugin) = command(config)
            {
                return Ok((Credentials::Plugin(Arc::new(plugin)), None));
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
        Some(time) if !is_ahead(expires) => Err(failed(format!(
            "its {what} expired at {}",
            format_time(time)
        ))),
        _ => {
            let origin = || format!("the {what} in {origin}");
            Ok((Credentials::of_token(token, origin)?, expires))
        }
    }
}

fn is_ahead(expires: Option<Timestamp>) -> bool {
    expires.is_none_or(|time| time > Timestamp::now())
}

fn instead(name: &str) -> &'static str {
    match name {
        "oidc" => {
            "Log in again with the program that wrote the kubeconfig, or replace the auth-provider with an exec section, for example with `kubectl oidc-login get-token`."
        }
        "gcp" => {
            "Regenerate the kubeconfig with `gcloud container clusters get-credentials`, which uses the program gke-gcloud-auth-plugin."
        }
        "azure" => {
            "Convert the kubeconfig with `kubelogin convert-kubeconfig`, which uses the program kubelogin."
        }
        _ => "Replace it with an exec section, or set `exec` or `token` in the provider block.",
    }
}

/// Returns the command of the `auth-provider` gcp that prints a token.
fn command(config: &HashMap<String, String>) -> Option<CredentialPlugin> {
    let value = |key: &str| config.get(key).filter(|text| !text.is_empty()).cloned();
    let arguments = value("cmd-args").unwrap_or_default();
    Some(CredentialPlugin::gcp(
        value("cmd-path")?,
        arguments.split_whitespace().map(str::to_owned).collect(),
        value("token-key"),
        value("expiry-key"),
    ))
}
