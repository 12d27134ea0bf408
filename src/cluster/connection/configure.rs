//! Turns a [`Connection`] into an [`Endpoint`].

mod overrides;
mod service_account;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use kube::config::{AuthInfo, Cluster, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::check::{certificate_problem, line_problem, server_name_problem};
use super::credentials::{Credentials, CredentialsInfo};
use super::environment::variable;
use super::kubeconfig::{self, Selected, SelectedNames};
use super::proxy::Proxy;
use super::{Connection, ConnectionError, Origin};
use service_account::in_cluster;

const USER_AGENT: &str = concat!("terraform-provider-feast/", env!("CARGO_PKG_VERSION"));

/// The settings for opening a connection.
#[derive(Clone)]
pub struct Endpoint {
    /// The address, the TLS settings and extra headers, but neither a proxy nor credentials for the header
    /// `Authorization`.
    pub(super) config: Config,
    pub(super) credentials: Credentials,
    pub(super) proxy: Option<Proxy>,
    pub(super) credentials_info: CredentialsInfo,
    pub(super) origin: Origin,
}

impl Endpoint {
    /// Runs the program that prints the credentials, if there is one and it has to be run. It can wait for a login.
    ///
    /// # Errors
    ///
    /// The credentials could not be obtained.
    pub async fn renew_credentials(&self) -> Result<(), Arc<ConnectionError>> {
        self.credentials.plugin_credentials().await.map(drop)
    }
}

/// Reads the files that the connection names. The block and the environment override a kubeconfig. Sends no request and
/// runs no program.
///
/// # Errors
///
/// The connection or one of its files is missing a value or has an invalid one.
pub fn configure(connection: &Connection) -> Result<Endpoint, ConnectionError> {
    if !connection.names_cluster() {
        return Err(ConnectionError::NothingConfigured);
    }
    if let Some(problem) = connection.problems().into_iter().next() {
        let origin = connection.origin_of(problem.attribute);
        return Err(ConnectionError::invalid(origin, problem.problem));
    }
    let origin = connection.describe();
    if connection.in_cluster_config == Some(true) {
        return in_cluster(connection, origin);
    }
    let Selected {
        mut cluster,
        mut user,
        names,
    } = kubeconfig::select(connection)?;
    let origin = match names
        .as_ref()
        .and_then(|names| names.current_context.as_ref())
    {
        Some(context) => origin.and(format!("its current context {context}")),
        None => origin,
    };
    connection.override_cluster(&mut cluster);
    let is_own = connection.override_user(&mut user)?;
    let origins = Origins {
        connection,
        names: names.as_ref(),
        is_own,
    };
    if let Some(exec) = &mut user.exec
        && exec.provide_cluster_info
    {
        let cluster = (&cluster).try_into();
        exec.cluster = Some(cluster.map_err(|error| ConnectionError::Unusable {
            origin: origin.to_string(),
            source: Box::new(error),
        })?);
    }
    let mut config = Config::new(address(&cluster, &origins)?);
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.root_cert = roots(&cluster, &origins)?;
    config.tls_server_name = server_name(&cluster, &origins)?;
    let proxy = proxy(&cluster, &origins, &config.cluster_url)?;
    check_impersonation(&user, &origins)?;
    let (credentials, credentials_info) =
        Credentials::take(&mut user, |field| origins.of_user(field))?;
    config.auth_info = user;
    Ok(Endpoint {
        config: with_user_agent(config),
        credentials,
        proxy,
        credentials_info,
        origin,
    })
}

fn with_user_agent(mut config: Config) -> Config {
    // Audit logs show the user agent.
    config.headers.push((
        http::header::USER_AGENT,
        HeaderValue::from_static(USER_AGENT),
    ));
    config
}

/// Names the place where a part of the connection was configured.
struct Origins<'a> {
    connection: &'a Connection,
    names: Option<&'a SelectedNames>,
    /// True if the credentials come from the block or the environment, not from the kubeconfig.
    is_own: bool,
}

impl Origins<'_> {
    /// `field` is a field name of a kubeconfig.
    fn of_cluster(&self, field: &str) -> String {
        let attribute = match field {
            "server" => Some(("host", self.connection.host.is_some())),
            "certificate-authority-data" => Some((
                "cluster_ca_certificate",
                self.connection.cluster_ca_certificate.is_some(),
            )),
            "tls-server-name" => {
                Some(("tls_server_name", self.connection.tls_server_name.is_some()))
            }
            "proxy-url" => Some(("proxy_url", self.connection.proxy_url.is_some())),
            _ => None,
        };
        match (attribute, self.names) {
            (Some((attribute, true)), _) => self.connection.origin_of(attribute),
            (_, Some(SelectedNames { cluster, .. })) => {
                format!("`{field}` of the cluster \"{cluster}\" in the kubeconfig")
            }
            (_, None) => field.to_owned(),
        }
    }

    fn of_user(&self, field: &str) -> String {
        let attribute = match field {
            "client-certificate" => "client_certificate",
            "username" => "username",
            "password" => "password",
            "token" => "token",
            _ => "exec",
        };
        match (self.is_own, self.names) {
            (false, Some(SelectedNames { user, .. })) => {
                format!("`{field}` of the user \"{user}\" in the kubeconfig")
            }
            _ => self.connection.origin_of(attribute),
        }
    }
}

fn address(cluster: &Cluster, origins: &Origins<'_>) -> Result<Uri, ConnectionError> {
    let wrong = || {
        ConnectionError::invalid(
            origins.of_cluster("server"),
            "it must be a URL such as https://192.0.2.1:6443",
        )
    };
    let url: Uri = (cluster.server.as_deref())
        .and_then(|server| server.parse().ok())
        .ok_or_else(wrong)?;
    match url.scheme_str() {
        Some("http" | "https") => Ok(url),
        _ => Err(wrong()),
    }
}

/// Returns the root certificates for the API server; `None` for those of the system.
fn roots(
    cluster: &Cluster,
    origins: &Origins<'_>,
) -> Result<Option<Vec<Vec<u8>>>, ConnectionError> {
    let (origin, pem) = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) => {
            let origin = origins.of_cluster("certificate-authority-data");
            let pem = STANDARD.decode(data);
            let pem =
                pem.map_err(|_| ConnectionError::invalid(origin.clone(), "it is not base64"))?;
            (origin, pem)
        }
        (None, Some(path)) => {
            let origin = origins.of_cluster("certificate-authority");
            let origin = format!("{origin} (file {path})");
            let pem = std::fs::read(path).map_err(|source| ConnectionError::File {
                what: "the file of the cluster's root certificates".to_owned(),
                origin: origin.clone(),
                source,
            })?;
            (origin, pem)
        }
        (None, None) => return Ok(None),
    };
    if let Some(problem) = certificate_problem(&String::from_utf8_lossy(&pem)) {
        return Err(ConnectionError::invalid(origin, problem));
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) => Ok(Some(
            (certificates.into_iter())
                .map(|certificate| certificate.as_ref().to_vec())
                .collect(),
        )),
        Err(_) => Err(ConnectionError::invalid(
            origin,
            "it is not well-formed PEM text",
        )),
    }
}

fn server_name(
    cluster: &Cluster,
    origins: &Origins<'_>,
) -> Result<Option<String>, ConnectionError> {
    let name = cluster.tls_server_name.clone();
    match name.as_deref().and_then(server_name_problem) {
        Some(problem) => Err(ConnectionError::invalid(
            origins.of_cluster("tls-server-name"),
            problem,
        )),
        None => Ok(name),
    }
}

fn proxy(
    cluster: &Cluster,
    origins: &Origins<'_>,
    url: &Uri,
) -> Result<Option<Proxy>, ConnectionError> {
    let Some(text) = &cluster.proxy_url else {
        return Proxy::from_environment(url, |name| std::env::var(name).ok());
    };
    let origin = origins.of_cluster("proxy-url");
    match Proxy::parse(text, origin.clone()) {
        Ok(proxy) => Ok(Some(proxy)),
        Err(problem) => Err(ConnectionError::invalid(
            origin,
            line_problem(text).unwrap_or(problem),
        )),
    }
}

/// Checks the user and the groups of impersonation, which are sent as headers.
fn check_impersonation(user: &AuthInfo, origins: &Origins<'_>) -> Result<(), ConnectionError> {
    let extra = user.impersonate_user_extra.iter().flatten();
    let fields = (user.impersonate.iter().map(|text| ("as", text)))
        .chain(user.impersonate_uid.iter().map(|text| ("as-uid", text)))
        .chain((user.impersonate_groups.iter().flatten()).map(|text| ("as-groups", text)))
        .chain(extra.flat_map(|(_, values)| values.iter().map(|text| ("as-user-extra", text))));
    for (field, text) in fields {
        if let Some(problem) = line_problem(text) {
            return Err(ConnectionError::invalid(origins.of_user(field), problem));
        }
    }
    Ok(())
}

impl Connection {
    /// Returns a phrase such as `` `config_path` in the provider block`` or `the environment variable
    /// KUBE_CONFIG_PATH`.
    pub(super) fn origin_of(&self, attribute: &'static str) -> String {
        if self.from_environment.contains(attribute) {
            format!("the environment variable {}", variable(attribute))
        } else {
            format!("`{attribute}` in the provider block")
        }
    }

    /// Returns where each part was configured. Only paths, URLs and contexts are shown with their values.
    pub(super) fn describe(&self) -> Origin {
        let mut parts = Vec::new();
        if let Some(host) = &self.host {
            parts.push(format!("{} (host {host})", self.origin_of("host")));
        }
        for path in self
            .config_path
            .iter()
            .chain(self.config_paths.iter().flatten())
        {
            parts.push(format!("{} (file {path})", self.origin_of_paths()));
        }
        if let Some(context) = &self.config_context {
            parts.push(format!(
                "{} (context {context})",
                self.origin_of("config_context")
            ));
        }
        if self.in_cluster_config == Some(true) {
            parts.push(self.origin_of("in_cluster_config"));
            // The service account of the pod is used instead of all credentials.
            return Origin(parts);
        }
        let credentials = [
            ("token", self.token.is_some()),
            ("username", self.username.is_some()),
            ("client_certificate", self.client_certificate.is_some()),
            ("exec", self.exec.is_some()),
        ];
        for (attribute, _) in credentials.into_iter().filter(|(_, set)| *set) {
            parts.push(self.origin_of(attribute));
        }
        Origin(parts)
    }
}

#[cfg(test)]
mod tests;
