//! The configuration of the provider block. Attributes and environment variables have the names of the
//! hashicorp/kubernetes provider, so that an existing block can be copied.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::feast::config::{DNS_LABEL_PATTERN, NAMESPACE_LENGTH};

/// Manages [Feast](https://feast.dev) feature stores on Kubernetes.
///
/// The provider uses a cluster only if it is named here or in the environment. It does not fall back to
/// `~/.kube/config`, to `localhost` or to the ServiceAccount of the pod that Terraform runs in. `terraform validate`
/// and a plan that creates a feature store need no cluster. An empty string counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Address of the Kubernetes API server, such as `https://10.0.0.1:6443`. Without a scheme, the provider uses
    /// `https` only if `cluster_ca_certificate`, `client_certificate` or `insecure` is set, and otherwise `http`, which
    /// does not encrypt the credentials. Environment: `KUBE_HOST`.
    pub host: Option<String>,
    /// User name for HTTP basic authentication. Environment: `KUBE_USER`.
    pub username: Option<String>,
    /// Password for HTTP basic authentication. Environment: `KUBE_PASSWORD`.
    #[schemars(extend("x-terraform" = {"sensitive": true}))]
    pub password: Option<String>,
    /// Bearer token of a service account. Environment: `KUBE_TOKEN`.
    #[schemars(extend("x-terraform" = {"sensitive": true}))]
    pub token: Option<String>,
    /// Whether to skip the verification of the API server's certificate. Environment: `KUBE_INSECURE`.
    #[schemars(extend("default" = false))]
    pub insecure: Option<bool>,
    /// Name to expect in the API server's certificate, where it differs from the host.
    /// Environment: `KUBE_TLS_SERVER_NAME`.
    pub tls_server_name: Option<String>,
    /// Client certificate for TLS authentication, PEM. Environment: `KUBE_CLIENT_CERT_DATA`.
    pub client_certificate: Option<String>,
    /// Key of the client certificate, PEM. Environment: `KUBE_CLIENT_KEY_DATA`.
    #[schemars(extend("x-terraform" = {"sensitive": true}))]
    pub client_key: Option<String>,
    /// Root certificates that the API server's certificate is checked with, PEM.
    /// Environment: `KUBE_CLUSTER_CA_CERT_DATA`.
    pub cluster_ca_certificate: Option<String>,
    /// Path of a kubeconfig file. Environment: `KUBE_CONFIG_PATH`.
    pub config_path: Option<String>,
    /// Paths of several kubeconfig files, merged as `kubectl` merges them.
    /// Environment: `KUBE_CONFIG_PATHS`, separated by `:` (on Windows `;`).
    pub config_paths: Option<Vec<String>>,
    /// Context of the kubeconfig to use instead of the current one. Environment: `KUBE_CTX`.
    pub config_context: Option<String>,
    /// User of the kubeconfig to use instead of the context's. Environment: `KUBE_CTX_AUTH_INFO`.
    pub config_context_auth_info: Option<String>,
    /// Cluster of the kubeconfig to use instead of the context's. Environment: `KUBE_CTX_CLUSTER`.
    pub config_context_cluster: Option<String>,
    /// Whether to use the service account of the pod that Terraform runs in.
    /// Environment: `KUBE_IN_CLUSTER_CONFIG`.
    #[schemars(extend("default" = false))]
    pub in_cluster_config: Option<bool>,
    /// Proxy for all requests to the API server, e.g. `http://proxy:3128`. Environment: `KUBE_PROXY_URL`.
    pub proxy_url: Option<String>,
    /// UID of the cluster that the provider is restricted to: the output of `kubectl get namespace kube-system -o
    /// jsonpath={.metadata.uid}`. With any other cluster, refresh, import, apply, destroy and data sources fail before
    /// they read or write anything. Needs the verb `get` on that namespace, and one request for each run. Default: any
    /// cluster. Environment: `KUBE_EXPECTED_CLUSTER_UID`.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"))]
    pub expected_cluster_uid: Option<String>,
    /// Whether a plan checks what the cluster would refuse: missing permissions, values and pods that the API server or
    /// a policy rejects, missing Secrets and APIs, exceeded quota, and names that are in use. Nothing is written; see
    /// the guide "Preflight". A cluster that cannot be reached is a warning. Environment: `FEAST_PREFLIGHT`.
    #[schemars(extend("default" = false))]
    pub preflight: Option<bool>,
    /// Whether the plan of a new feature store shows the manifest of each of its objects (`objects`), about 350 lines.
    /// With `false`, they are known after apply, and plans show objects only where they change.
    #[schemars(extend("default" = true))]
    pub show_new_objects: Option<bool>,
    /// A command that prints credentials, such as `aws eks get-token` or `gke-gcloud-auth-plugin`.
    #[schemars(extend("x-terraform" = {"block": true}))]
    pub exec: Option<Exec>,
    /// Namespace of feature stores that name none.
    #[schemars(
        length(min = 1, max = NAMESPACE_LENGTH),
        regex(pattern = DNS_LABEL_PATTERN),
        extend("default" = "default")
    )]
    pub namespace: Option<String>,
    /// Name under which the fields that this provider owns are recorded in `metadata.managedFields`
    /// (server-side apply).
    // The API server allows 128 characters; replicas_field_manager appends "-replicas".
    #[schemars(length(min = 1, max = 119), extend("default" = "terraform-provider-feast"))]
    pub field_manager: Option<String>,
    /// Whether to take over fields that another server-side-apply manager owns, instead of stopping
    /// with an error that names it.
    #[schemars(extend("default" = false))]
    pub force_conflicts: Option<bool>,
}

/// A command that prints an `ExecCredential` (`client.authentication.k8s.io`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Version of the credential that the command prints, e.g. `client.authentication.k8s.io/v1`.
    pub api_version: String,
    /// Command to run.
    pub command: String,
    /// Arguments of the command.
    pub args: Option<Vec<String>>,
    /// Environment variables of the command, in addition to those of the provider.
    pub env: Option<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::lower;

    #[test]
    fn lowers_exec_to_a_block() {
        let block = lower::<ProviderConfig>().unwrap();
        let attributes: Vec<&str> = block.attributes.keys().map(String::as_str).collect();
        assert_eq!(
            attributes,
            [
                "client_certificate",
                "client_key",
                "cluster_ca_certificate",
                "config_context",
                "config_context_auth_info",
                "config_context_cluster",
                "config_path",
                "config_paths",
                "expected_cluster_uid",
                "field_manager",
                "force_conflicts",
                "host",
                "in_cluster_config",
                "insecure",
                "namespace",
                "password",
                "preflight",
                "proxy_url",
                "show_new_objects",
                "tls_server_name",
                "token",
                "username",
            ]
        );
        let exec: Vec<(&str, bool)> = block.blocks["exec"]
            .attributes
            .iter()
            .map(|(name, attribute)| (name.as_str(), attribute.required))
            .collect();
        assert_eq!(
            exec,
            [
                ("api_version", true),
                ("args", false),
                ("command", true),
                ("env", false)
            ]
        );
        assert!(block.attributes["token"].sensitive);
    }
}
