//! TLS: certificates of servers, and the authority of a remote one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reference;

/// TLS of a server, with a certificate from a Secret in the feature store's namespace. The pods mount the Secret;
/// when the certificate changes, the next plan shows it and the apply rolls the pods, because Feast reads it when
/// it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// Whether the server is left without TLS all the same. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disable: Option<bool>,

    /// The Secret with the certificate and its private key, both in PEM, such as cert-manager makes them.
    /// Required unless `disable` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<Reference>,

    /// Where they are in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_names: Option<SecretKeyNames>,
}

/// Keys of a Secret with a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyNames {
    /// Key of the certificate. Default: `tls.crt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[-._a-zA-Z0-9]+$"),
        extend("default" = "tls.crt")
    )]
    pub tls_crt: Option<String>,

    /// Key of the private key. Default: `tls.key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[-._a-zA-Z0-9]+$"),
        extend("default" = "tls.key")
    )]
    pub tls_key: Option<String>,
}
