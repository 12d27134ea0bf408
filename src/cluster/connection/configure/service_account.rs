//! The connection of a pod to its own cluster (`in_cluster_config`).

use std::path::Path;

use kube::config::Config;

use super::super::credentials::Credentials;
use super::super::{Connection, ConnectionError, Origin};
use super::{Endpoint, with_user_agent};

/// The variable with the address of the API server, which the kubelet sets in every container.
const HOST_VARIABLE: &str = "KUBERNETES_SERVICE_HOST";

/// The token of the pod's service account.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The attributes that identify a user.
const CREDENTIALS: [&str; 6] = [
    "username",
    "password",
    "token",
    "client_certificate",
    "client_key",
    "exec",
];

/// Returns the connection with the service account of the pod.
///
/// # Errors
///
/// The block also names another cluster or other credentials, or the provider does not run in a pod with a token.
pub(super) fn in_cluster(
    connection: &Connection,
    origin: Origin,
) -> Result<Endpoint, ConnectionError> {
    if connection.host.is_some() || !connection.paths().is_empty() {
        return Err(ConnectionError::invalid(
            origin.to_string(),
            "in_cluster_config excludes host, config_path and config_paths",
        ));
    }
    if let Some(attribute) = connection.ineffective_in_cluster() {
        return Err(ConnectionError::invalid(
            connection.origin_of(attribute),
            format!(
                "{} uses the service account of the pod, so this attribute has no effect; remove one of the two",
                connection.origin_of("in_cluster_config")
            ),
        ));
    }
    let has_host = std::env::var_os(HOST_VARIABLE).is_some_and(|host| !host.is_empty());
    check_pod(&origin, has_host, Path::new(TOKEN))?;
    let mut config = Config::incluster().map_err(|source| ConnectionError::Unusable {
        origin: origin.to_string(),
        source: Box::new(source),
    })?;
    let origin_of = |_: &str| "the service account of the pod".to_owned();
    let (credentials, credentials_info) = Credentials::take(&mut config.auth_info, origin_of)?;
    Ok(Endpoint {
        config: with_user_agent(config),
        credentials,
        proxy: None,
        credentials_info,
        origin,
    })
}

/// Checks that there is a service account to use. `has_host` is true if the variable with the address is set.
fn check_pod(origin: &Origin, has_host: bool, token: &Path) -> Result<(), ConnectionError> {
    let problem = if !has_host {
        format!(
            "the provider does not run in a pod: {HOST_VARIABLE} is not set; set config_path or host instead"
        )
    } else if !token.exists() {
        format!(
            "{} does not exist; set automountServiceAccountToken: true in the pod",
            token.display()
        )
    } else {
        return Ok(());
    };
    Err(ConnectionError::invalid(origin.to_string(), problem))
}

impl Connection {
    /// Returns the first attribute of the block that has no effect because of `in_cluster_config`. Variables of the
    /// environment do not count: they can be set for another provider. If `in_cluster_config` is one itself, only
    /// credentials count: the same block can be used outside of a cluster, too.
    pub(super) fn ineffective_in_cluster(&self) -> Option<&'static str> {
        let attributes = [
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
            ("token", self.token.is_some()),
            ("insecure", self.insecure == Some(true)),
            ("tls_server_name", self.tls_server_name.is_some()),
            ("client_certificate", self.client_certificate.is_some()),
            ("client_key", self.client_key.is_some()),
            (
                "cluster_ca_certificate",
                self.cluster_ca_certificate.is_some(),
            ),
            ("config_context", self.config_context.is_some()),
            (
                "config_context_auth_info",
                self.config_context_auth_info.is_some(),
            ),
            (
                "config_context_cluster",
                self.config_context_cluster.is_some(),
            ),
            ("proxy_url", self.proxy_url.is_some()),
            ("exec", self.exec.is_some()),
        ];
        let mut set = attributes.into_iter().filter(|(_, is_set)| *is_set);
        let is_variable = self.from_environment.contains("in_cluster_config");
        let found = set.find(|(attribute, _)| {
            let counts = !is_variable || CREDENTIALS.contains(attribute);
            counts && !self.from_environment.contains(attribute)
        });
        found.map(|(attribute, _)| attribute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_must_run_in_a_pod_with_a_token() {
        let block = Connection {
            in_cluster_config: Some(true),
            ..Connection::default()
        };
        let check = |has_host, token: &str| {
            let checked = check_pod(&block.describe(), has_host, Path::new(token));
            checked.err().map(|error| error.to_string())
        };
        let missing = "/does/not/exist/token";
        assert_eq!(
            check(false, missing).as_deref(),
            Some(
                "`in_cluster_config` in the provider block is not valid: the provider does not run in a pod: KUBERNETES_SERVICE_HOST is not set; set config_path or host instead"
            )
        );
        assert_eq!(
            check(true, missing).as_deref(),
            Some(
                "`in_cluster_config` in the provider block is not valid: /does/not/exist/token does not exist; set automountServiceAccountToken: true in the pod"
            )
        );
        assert_eq!(check(true, env!("CARGO_MANIFEST_DIR")), None);
    }

    /// The machine of the tests can be a pod, whose account must then be used.
    #[test]
    fn a_connection_outside_a_pod_is_refused() {
        let block = Connection {
            in_cluster_config: Some(true),
            ..Connection::default()
        };
        let is_pod = std::env::var_os(HOST_VARIABLE).is_some() && Path::new(TOKEN).exists();
        let error = in_cluster(&block, block.describe()).err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(
            is_pod,
            !text.starts_with("`in_cluster_config` in the provider block is not valid: "),
            "{text}"
        );
    }
}
