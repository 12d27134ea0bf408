//! Authentication and authorization of requests.

use crate::feast::config::{self, Authz, CaCertConfigMap, KubernetesAuthz, LocalObjectReference};
use crate::feast::names;
use crate::feast::secrets::source::{Keys, Source};
use crate::kubernetes::Kind;

/// The `auth` of `feature_store.yaml`. Kubernetes and OIDC also need permissions in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    None,
    Kubernetes {
        /// The Roles to create, without rules.
        roles: Vec<String>,
    },
    Oidc(Box<Oidc>),
}

/// An OpenID Connect provider, whose tokens the servers verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// `None` if the Secret has it.
    pub discovery_url: Option<String>,
    /// One key with a mapping of the properties, or a key for each property.
    pub secret: Option<Source>,
    pub token_env_var: Option<String>,
    pub verify_ssl: Option<bool>,
    pub ca_cert: Option<CaCert>,
    pub jwks_cache_lifespan_seconds: Option<i32>,
    pub jwks_request_timeout_seconds: Option<i32>,
}

/// A CA certificate under a key of a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCert {
    pub config_map: String,
    pub key: String,
}

impl CaCert {
    pub(super) fn new(CaCertConfigMap { name, key }: CaCertConfigMap) -> Self {
        Self {
            config_map: name,
            key: key.unwrap_or_else(|| names::CA_CERT_KEY.to_owned()),
        }
    }
}

impl Authorization {
    pub(super) fn new(authz: Option<&Authz>) -> Self {
        let Authz {
            kubernetes,
            oidc,
            no_auth: _,
        } = authz.cloned().unwrap_or_default();
        match (kubernetes, oidc) {
            (Some(KubernetesAuthz { roles }), _) => Self::Kubernetes {
                roles: roles.unwrap_or_default(),
            },
            (None, Some(oidc)) => Self::Oidc(Box::new(Oidc::new(oidc))),
            (None, None) => Self::None,
        }
    }

    /// Returns the name in Feast.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "no_auth",
            Self::Kubernetes { .. } => "kubernetes",
            Self::Oidc(_) => "oidc",
        }
    }

    pub fn ca_cert(&self) -> Option<&CaCert> {
        match self {
            Self::Oidc(oidc) => oidc.ca_cert.as_ref(),
            Self::None | Self::Kubernetes { .. } => None,
        }
    }
}

impl Oidc {
    fn new(oidc: config::OidcAuthz) -> Self {
        let config::OidcAuthz {
            issuer_url,
            secret_ref,
            secret_key_name,
            token_env_var,
            verify_ssl,
            ca_cert_config_map,
            jwks_cache_lifespan_seconds,
            jwks_request_timeout_seconds,
        } = oidc;
        // The issuer URL replaces the property of the Secret.
        let properties = match issuer_url {
            Some(_) => &names::OIDC_PROPERTIES[1..],
            None => &names::OIDC_PROPERTIES,
        };
        Self {
            discovery_url: issuer_url.map(|issuer| {
                let issuer = issuer.trim_end_matches('/');
                format!("{issuer}/.well-known/openid-configuration")
            }),
            secret: secret_ref.map(|LocalObjectReference { name }| Source {
                kind: Kind::Secret,
                name,
                keys: secret_key_name.map_or(Keys::Any(properties), Keys::One),
            }),
            token_env_var,
            verify_ssl,
            ca_cert: ca_cert_config_map.map(CaCert::new),
            jwks_cache_lifespan_seconds,
            jwks_request_timeout_seconds,
        }
    }
}
