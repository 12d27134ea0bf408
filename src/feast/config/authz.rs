//! Authentication and authorization of requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DNS_SUBDOMAIN_PATTERN, LocalObjectReference};

/// How servers authenticate requests, and the roles on which the permissions of Feast are based: exactly one of
/// `kubernetes`, `oidc` and `no_auth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authz {
    /// Requests have a Kubernetes token. The roles of a ServiceAccount are those of its RoleBindings in the namespace of
    /// the feature store; the roles of a user are those of all RoleBindings and ClusterRoleBindings. Servers need the
    /// cluster-wide permission to review tokens, so the feature store has a ClusterRole and a ClusterRoleBinding
    /// (`feast:<namespace>:<name>:token-review`). Feast 0.66 and 0.67 accept the token of a ServiceAccount even if the
    /// review fails: restrict who can reach the servers, such as with `services.network_policy`, or use `oidc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesAuthz>,

    /// Requests have a token of an OpenID Connect provider, which contains the roles. Feast verifies its signature and
    /// its expiry. Verified ServiceAccount tokens are accepted too, without roles, so the ClusterRole and
    /// ClusterRoleBinding for reviewing tokens are created as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcAuthz>,

    /// Disables authentication: everyone who can reach a server has full access. Must be `true`. The same as omitting
    /// `authz`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_auth: Option<bool>,
}

/// Roles of Kubernetes RBAC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesAuthz {
    /// Names of Roles to create in the namespace of the feature store, for use in Feast's
    /// [permissions](https://docs.feast.dev/getting-started/concepts/permission) (`RoleBasedPolicy`). Bind them to
    /// users with RoleBindings. They are created without rules, and rules that others add are kept. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
}

/// An OpenID Connect provider. Requires `issuer_url`, or a `secret_ref` whose Secret has `auth_discovery_url`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcAuthz {
    /// URL of the issuer, with `https://`. The discovery document is at
    /// `<issuer_url>/.well-known/openid-configuration`. Takes precedence over `auth_discovery_url` of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https://\S+$"))]
    pub issuer_url: Option<String>,

    /// Secret with properties of the provider: `auth_discovery_url`, `client_id`, `client_secret`, `username`,
    /// `password`, `audience` and `issuer`. Others are ignored. Set `audience`: without it, Feast accepts tokens that the
    /// provider has issued for other applications. `issuer` is verified only if it is set. The Secret is read during
    /// apply, and its content is written only to the Secret of the feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,

    /// Key of the Secret whose value is a YAML mapping of the properties. Default: each property is a separate key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")
    )]
    pub secret_key_name: Option<String>,

    /// Environment variable from which clients read their token (`token_env_var` of the client configuration). Default:
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub token_env_var: Option<String>,

    /// Whether the certificate of the provider is verified. Default: `true`, set by Feast.
    #[serde(rename = "verifySSL", skip_serializing_if = "Option::is_none")]
    pub verify_ssl: Option<bool>,

    /// ConfigMap with the CA certificate of the provider, which every container mounts at
    /// `/etc/pki/tls/oidc-ca/ca.crt`. It must exist when the feature store is applied. When the certificate changes,
    /// the next plan shows it, and the apply replaces the pods. Default: the CA certificates of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert_config_map: Option<CaCertConfigMap>,

    /// Seconds for which servers cache the keys of the provider. During this time, a revoked key can still be accepted.
    /// Default: 300, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub jwks_cache_lifespan_seconds: Option<i32>,

    /// Timeout in seconds for fetching the keys of the provider. Requests wait for it. Default: 10, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub jwks_request_timeout_seconds: Option<i32>,
}

/// A certificate in a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaCertConfigMap {
    /// Name of the ConfigMap, in the namespace of the feature store.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = DNS_SUBDOMAIN_PATTERN)
    )]
    pub name: String,

    /// Key of the ConfigMap with the certificate in PEM format. Default: `ca-bundle.crt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")
    )]
    #[schemars(extend("default" = "ca-bundle.crt"))]
    pub key: Option<String>,
}
