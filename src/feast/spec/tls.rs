//! The certificate of a server.

use crate::feast::config;
use crate::feast::names;

/// A certificate and its private key, under two keys of a Secret of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub secret: String,
    pub certificate: String,
    pub private_key: String,
}

impl Tls {
    pub(super) fn new(tls: &config::Tls) -> Option<Self> {
        let config::Tls {
            disable,
            secret_ref,
            secret_key_names,
        } = tls;
        if *disable == Some(true) {
            return None;
        }
        let config::SecretKeyNames { tls_crt, tls_key } =
            secret_key_names.clone().unwrap_or_default();
        Some(Self {
            secret: secret_ref.as_ref()?.name.clone(),
            certificate: tls_crt.unwrap_or_else(|| names::TLS_CERTIFICATE_KEY.to_owned()),
            private_key: tls_key.unwrap_or_else(|| names::TLS_PRIVATE_KEY_KEY.to_owned()),
        })
    }
}
