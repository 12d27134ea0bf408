//! The address and the credentials of the API server, from the provider block and the environment variables of the
//! hashicorp/kubernetes provider.
//!
//! There are no fallbacks. A kubeconfig is read only if the block or a variable names it, and the service account of
//! the pod is used only if `in_cluster_config` is set: a plan in a CI pod must not use the cluster of the pod by
//! accident.

mod check;
mod client;
mod configure;
mod credentials;
mod environment;
mod error;
mod kubeconfig;
mod proxy;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use check::Problem;
pub use client::client;
pub use configure::{Endpoint, configure};
pub use credentials::CredentialsInfo;
pub use environment::parse_boolean;
pub use error::ConnectionError;
pub(super) use tls::is_of_an_authority;

/// The attributes of the provider block for the connection. `Default` is an empty block.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connection {
    pub host: Option<String>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub token: Option<String>,
    pub insecure: Option<bool>,
    pub tls_server_name: Option<String>,
    /// PEM.
    pub client_certificate: Option<String>,
    /// PEM.
    pub client_key: Option<String>,
    /// PEM.
    pub cluster_ca_certificate: Option<String>,
    pub config_path: Option<String>,
    pub config_paths: Option<Vec<String>>,
    pub config_context: Option<String>,
    pub config_context_auth_info: Option<String>,
    pub config_context_cluster: Option<String>,
    pub proxy_url: Option<String>,
    pub exec: Option<Exec>,
    pub in_cluster_config: Option<bool>,
    /// The UID of the namespace `kube-system` of the only permitted cluster.
    pub expected_cluster_uid: Option<String>,
    /// The attributes that come from an environment variable, for error messages.
    pub from_environment: BTreeSet<&'static str>,
}

/// A program that prints credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Exec {
    pub api_version: String,
    pub command: String,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
}

/// The API server and how the provider connects to it, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiServer {
    pub url: String,
    pub origin: Origin,
    /// The proxy and where it was configured, without credentials.
    pub proxy: Option<String>,
    /// The credentials that requests carry.
    pub credentials_info: CredentialsInfo,
}

impl From<&Endpoint> for ApiServer {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            url: endpoint.config.cluster_url.to_string(),
            origin: endpoint.origin.clone(),
            proxy: endpoint.proxy.as_ref().map(ToString::to_string),
            credentials_info: endpoint.credentials_info.clone(),
        }
    }
}

impl fmt::Display for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// The places where the connection was configured, one phrase for each, such as `the environment variable KUBE_HOST`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin(pub Vec<String>);

impl Origin {
    fn and(mut self, part: String) -> Self {
        self.0.push(part);
        self
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Leaves out credentials, so that no log can show them.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("host", &self.host)
            .field("config_path", &self.config_path)
            .field("config_paths", &self.config_paths)
            .field("config_context", &self.config_context)
            .field("in_cluster_config", &self.in_cluster_config)
            .field("from_environment", &self.from_environment)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}
