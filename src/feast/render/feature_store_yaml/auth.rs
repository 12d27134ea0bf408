//! The section `auth`.

use super::leaf;
use crate::feast::feature_store_yaml::{Mapping, Node, Placeholder, Purpose, Section};
use crate::feast::names;
use crate::feast::spec::{Authorization, Oidc};

/// Returns the section for servers.
pub(super) fn server(authorization: &Authorization) -> Section {
    let mut lines = vec![leaf("type", authorization.as_str())];
    let Authorization::Oidc(oidc) = authorization else {
        return section(lines);
    };
    let Oidc {
        discovery_url,
        secret,
        token_env_var: _,
        verify_ssl,
        ca_cert,
        jwks_cache_lifespan_seconds,
        jwks_request_timeout_seconds,
    } = &**oidc;
    if let Some(url) = discovery_url {
        lines.push(leaf("auth_discovery_url", url.as_str()));
    }
    if ca_cert.is_some() {
        lines.push(leaf("ca_cert_path", names::CA_CERT_FILE));
    }
    if let Some(seconds) = jwks_cache_lifespan_seconds {
        lines.push(leaf("jwks_cache_lifespan_seconds", *seconds));
    }
    if let Some(seconds) = jwks_request_timeout_seconds {
        lines.push(leaf("jwks_request_timeout_seconds", *seconds));
    }
    if let Some(verify) = verify_ssl {
        lines.push(leaf("verify_ssl", *verify));
    }
    match secret {
        None => section(lines),
        Some(source) => Section::Merged(
            Mapping(lines),
            Placeholder {
                purpose: Purpose::Oidc {
                    needs_discovery_url: discovery_url.is_none(),
                },
                source: source.clone(),
            },
        ),
    }
}

/// Returns the section for clients.
pub(super) fn client(authorization: &Authorization) -> Section {
    let mut lines = vec![leaf("type", authorization.as_str())];
    if let Authorization::Oidc(oidc) = authorization
        && let Some(variable) = &oidc.token_env_var
    {
        lines.push(leaf("token_env_var", variable.as_str()));
    }
    section(lines)
}

fn section(lines: Vec<(std::borrow::Cow<'static, str>, Node)>) -> Section {
    super::section("auth", lines)
}
