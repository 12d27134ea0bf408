//! TLS certificates of servers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalObjectReference;

/// TLS settings of a server, with a certificate from a Secret in the namespace of the feature store. Pods mount the
/// Secret. Feast reads the certificate when it starts, so when it changes, the next plan shows it, and the apply
/// replaces the pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// Whether to disable TLS. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disable: Option<bool>,

    /// Secret with the certificate and its private key in PEM format, such as a Secret of cert-manager. Required unless
    /// `disable` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,

    /// Keys of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_names: Option<SecretKeyNames>,
}

/// Keys of a Secret with a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyNames {
    /// Key in the Secret that contains the certificate. Default: `tls.crt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"),
        extend("default" = "tls.crt")
    )]
    pub tls_crt: Option<String>,

    /// Key in the Secret that contains the private key. Default: `tls.key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"),
        extend("default" = "tls.key")
    )]
    pub tls_key: Option<String>,
}
