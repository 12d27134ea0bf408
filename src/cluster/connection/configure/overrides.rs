//! Overrides a kubeconfig by the block and the environment.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, ExecConfig};
use secrecy::SecretString;

use super::super::kubeconfig::expand;
use super::super::{Connection, ConnectionError, Exec};

impl Connection {
    pub(super) fn override_cluster(&self, cluster: &mut Cluster) {
        if let Some(host) = &self.host {
            cluster.server = Some(self.server_url(host));
        }
        if let Some(insecure) = self.insecure {
            cluster.insecure_skip_tls_verify = Some(insecure);
        }
        if let Some(name) = &self.tls_server_name {
            cluster.tls_server_name = Some(name.clone());
        }
        if let Some(certificate) = &self.cluster_ca_certificate {
            cluster.certificate_authority = None;
            cluster.certificate_authority_data = Some(STANDARD.encode(certificate));
        }
        if let Some(url) = &self.proxy_url {
            cluster.proxy_url = Some(url.clone());
        }
    }

    /// A host without a scheme uses TLS if a TLS attribute is configured.
    fn server_url(&self, host: &str) -> String {
        if host.contains("://") {
            return host.to_owned();
        }
        let tls = self.cluster_ca_certificate.is_some()
            || self.client_certificate.is_some()
            || self.insecure == Some(true);
        format!("{}://{host}", if tls { "https" } else { "http" })
    }

    /// Returns whether it has set credentials. Those of the block replace all credentials of a kubeconfig: an API
    /// server prefers a client certificate to a token, so that a certificate of the kubeconfig would make a token of
    /// the block ineffective.
    pub(super) fn override_user(&self, user: &mut AuthInfo) -> Result<bool, ConnectionError> {
        let own = self.has_credentials();
        if own {
            *user = AuthInfo::default();
        }
        match (&self.client_certificate, &self.client_key) {
            (Some(certificate), Some(key)) => {
                user.client_certificate_data = Some(STANDARD.encode(certificate));
                user.client_key_data = Some(SecretString::from(STANDARD.encode(key)));
            }
            (None, None) => {}
            (Some(_), None) => {
                return Err(ConnectionError::invalid(
                    self.origin_of("client_certificate"),
                    "client_key is not set; set both or neither",
                ));
            }
            (None, Some(_)) => {
                return Err(ConnectionError::invalid(
                    self.origin_of("client_key"),
                    "client_certificate is not set; set both or neither",
                ));
            }
        }
        if let Some(token) = &self.token {
            user.token = Some(SecretString::from(token.clone()));
        } else if let Some(exec) = &self.exec {
            user.exec = Some(exec_config(exec));
        } else if let Some(username) = &self.username {
            user.username = Some(username.clone());
            user.password = self.password.clone().map(SecretString::from);
        }
        Ok(own)
    }
}

fn exec_config(exec: &Exec) -> ExecConfig {
    let env = exec
        .env
        .iter()
        .map(|(name, value)| {
            HashMap::from([
                ("name".to_owned(), name.clone()),
                ("value".to_owned(), value.clone()),
            ])
        })
        .collect();
    ExecConfig {
        api_version: Some(exec.api_version.clone()),
        command: Some(expand(&exec.command).to_string_lossy().into_owned()),
        args: Some(exec.args.clone()),
        env: Some(env),
        ..ExecConfig::default()
    }
}
