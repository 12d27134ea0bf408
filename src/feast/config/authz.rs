//! Authentication and authorization of requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reference;

/// How the servers authenticate requests and what Feast's permissions are judged by: exactly one of
/// `kubernetes`, `oidc` and `no_auth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authz {
    /// Requests carry a Kubernetes token (of a ServiceAccount or a user), and roles are those that
    /// RoleBindings in the feature store's namespace give to it. The servers may then review tokens, which
    /// is a right on the whole cluster: a ClusterRole and a ClusterRoleBinding
    /// (`feast:<namespace>:<name>:token-review`) come and go with the feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesAuthz>,

    /// Requests carry a token of an OpenID Connect provider, with the roles in it. ServiceAccount tokens
    /// are accepted too, so the ClusterRole and ClusterRoleBinding for reviewing tokens are made here as
    /// well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcAuthz>,

    /// `true`: nobody is asked who they are, and everybody who reaches a server may do everything. The
    /// only value; what leaving `authz` out means too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_auth: Option<bool>,
}

/// Roles by Kubernetes RBAC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesAuthz {
    /// Names of Roles to make in the feature store's namespace, for use in Feast's
    /// [permissions](https://docs.feast.dev/getting-started/concepts/permission) (`RoleBasedPolicy`); bind
    /// them to users with RoleBindings. They are made without rules, and rules that somebody puts into
    /// them stay. Default: none are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
}

/// An OpenID Connect provider. Needs `issuer_url`, or a `secret_ref` whose Secret holds
/// `auth_discovery_url`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcAuthz {
    /// URL of the issuer, with `https://`. The discovery document is looked for at
    /// `<issuer_url>/.well-known/openid-configuration`. It wins over the Secret's `auth_discovery_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https://\S+$"))]
    pub issuer_url: Option<String>,

    /// A Secret with properties of the provider: `auth_discovery_url`, `client_id`, `client_secret`,
    /// `username`, `password`, `audience`, `issuer`; others are ignored. It is read during apply and its
    /// content goes into the feature store's own Secret and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<Reference>,

    /// Key of the Secret whose value is a YAML mapping of the properties. Default: each property is a key
    /// of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub secret_key_name: Option<String>,

    /// Environment variable from which clients take their token (`token_env_var` of the client
    /// configuration). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub token_env_var: Option<String>,

    /// Whether the provider's certificate is verified. Default: Feast's own, `true`.
    #[serde(rename = "verifySSL", skip_serializing_if = "Option::is_none")]
    pub verify_ssl: Option<bool>,

    /// A ConfigMap with the certificate of the authority that signed the provider's certificate, mounted
    /// in every container at `/etc/pki/tls/oidc-ca/ca.crt`. It must be there when the feature store is
    /// applied; when the certificate changes, the next plan shows it and the apply rolls the pods. Default:
    /// the authorities of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert_config_map: Option<CaCertConfigMap>,

    /// How long the servers use the provider's keys before they fetch them again, in seconds: during this time
    /// a revoked key may still be accepted. Default: Feast's own, 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub jwks_cache_lifespan_seconds: Option<i32>,

    /// How long fetching the keys may take, in seconds; requests wait for it. Default: Feast's own, 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub jwks_request_timeout_seconds: Option<i32>,
}

/// A certificate in a ConfigMap of the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaCertConfigMap {
    /// Name of the ConfigMap, in the feature store's namespace.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Key of the ConfigMap that holds the certificate, as PEM. Default: `ca-bundle.crt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    #[schemars(extend("default" = "ca-bundle.crt"))]
    pub key: Option<String>,
}
