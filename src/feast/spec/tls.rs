//! The certificate of a server.

use crate::feast::config;
use crate::feast::names::{self, Endpoint};

/// A certificate and its private key, under two keys of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub secret: String,
    pub certificate: String,
    pub private_key: String,
    /// The endpoint for whose Service OpenShift issues the certificate; `None` for a Secret of the user.
    pub issued_for: Option<Endpoint>,
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
            issued_for: None,
        })
    }

    /// Returns the certificate that OpenShift issues for the Service of an endpoint.
    pub(super) fn issued(store: &str, endpoint: Endpoint) -> Self {
        Self {
            secret: names::serving_certificate(store, endpoint),
            certificate: names::TLS_CERTIFICATE_KEY.to_owned(),
            private_key: names::TLS_PRIVATE_KEY_KEY.to_owned(),
            issued_for: Some(endpoint),
        }
    }

    /// Returns the key of the CA certificate in the Secret.
    pub fn ca_cert_key(&self) -> &str {
        match self.issued_for {
            Some(_) => names::SERVICE_CA_KEY,
            None => &self.certificate,
        }
    }
}
