//! From a [`Connection`] to a `kube::Config`.

mod overrides;

use std::path::{Path, PathBuf};

use http::HeaderValue;
use kube::config::{
    AuthInfo, Cluster, Config, Context, KubeConfigOptions, Kubeconfig, KubeconfigError,
    NamedAuthInfo, NamedCluster, NamedContext,
};

use super::environment::variable;
use super::{Connection, ConnectionError, Origin, proxy};

/// The name of everything in the kubeconfig that stands for a block without one.
const OWN: &str = "provider";

const USER_AGENT: &str = concat!("terraform-provider-feast/", env!("CARGO_PKG_VERSION"));

/// Reads the files that the connection names. What the block or the environment sets overrides what a
/// kubeconfig says.
pub async fn configure(connection: &Connection) -> Result<(Config, Origin), ConnectionError> {
    if !connection.names_cluster() {
        return Err(ConnectionError::NothingConfigured);
    }
    let origin = connection.describe();
    if connection.in_cluster_config == Some(true) {
        return in_cluster(connection, origin);
    }
    let mut kubeconfig = Kubeconfig::default();
    let paths = connection.paths();
    for path in &paths {
        let next = read(path, &connection.source_of_paths())?;
        kubeconfig = kubeconfig
            .merge(next)
            .map_err(|source| unusable(&origin, source))?;
    }
    let options = if paths.is_empty() {
        kubeconfig.contexts = vec![NamedContext {
            name: OWN.into(),
            context: Some(Context {
                cluster: OWN.into(),
                user: Some(OWN.into()),
                ..Context::default()
            }),
            ..NamedContext::default()
        }];
        KubeConfigOptions {
            context: Some(OWN.into()),
            cluster: None,
            user: None,
        }
    } else {
        KubeConfigOptions {
            context: connection.config_context.clone(),
            cluster: connection.config_context_cluster.clone(),
            user: connection.config_context_auth_info.clone(),
        }
    };
    let origin = match &kubeconfig.current_context {
        Some(context) if connection.config_context.is_none() && !paths.is_empty() => {
            origin.and(format!("its current context {context}"))
        }
        _ => origin,
    };
    let (cluster, user) = selected(&kubeconfig, &options).ok_or_else(|| {
        ConnectionError::Invalid {
            origin: connection.source_of_paths(),
            problem: "it has no current context, and no config_context (KUBE_CTX) is set, or the context that is set does not exist in it".into(),
        }
    })?;
    let selected_cluster = named_cluster(&mut kubeconfig, &cluster);
    connection.override_cluster(selected_cluster)?;
    let names_proxy = selected_cluster.proxy_url.is_some();
    let own_credentials = connection.override_user(named_user(&mut kubeconfig, &user))?;
    let options = KubeConfigOptions {
        user: own_credentials.then_some(user).or(options.user),
        ..options
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|source| unusable(&origin, source))?;
    if !names_proxy && goes_past_proxy(&config) {
        config.proxy_url = None;
    }
    Ok((with_our_manners(config), origin))
}

fn with_our_manners(mut config: Config) -> Config {
    // Retries are ours: they are bounded, logged, and stop when the user cancels.
    config.default_retry = false;
    // Audit logs should say who it was.
    config.headers.push((
        http::header::USER_AGENT,
        HeaderValue::from_static(USER_AGENT),
    ));
    config
}

/// kube takes `HTTPS_PROXY` for a kubeconfig without a proxy, but looks up the proxy's own name in
/// `NO_PROXY`, and not the API server's.
fn goes_past_proxy(config: &Config) -> bool {
    let no_proxy = ["NO_PROXY", "no_proxy"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_default();
    let host = config.cluster_url.host().unwrap_or_default();
    proxy::is_bypassed(host, &no_proxy)
}

fn in_cluster(
    connection: &Connection,
    origin: Origin,
) -> Result<(Config, Origin), ConnectionError> {
    if connection.host.is_some() || !connection.paths().is_empty() {
        return Err(ConnectionError::Invalid {
            origin: origin.to_string(),
            problem: "in_cluster_config excludes host, config_path and config_paths".into(),
        });
    }
    let config = Config::incluster().map_err(|source| ConnectionError::Unusable {
        origin: origin.to_string(),
        source: Box::new(source),
    })?;
    Ok((with_our_manners(config), origin))
}

fn unusable(origin: &Origin, source: KubeconfigError) -> ConnectionError {
    ConnectionError::Unusable {
        origin: origin.to_string(),
        source: Box::new(source),
    }
}

fn read(path: &Path, origin: &str) -> Result<Kubeconfig, ConnectionError> {
    Kubeconfig::read_from(path).map_err(|error| match error {
        KubeconfigError::ReadConfig(source, path) => ConnectionError::Unreadable {
            path,
            origin: origin.to_owned(),
            source,
        },
        other => ConnectionError::Malformed {
            path: path.to_owned(),
            origin: origin.to_owned(),
            place: match other {
                KubeconfigError::Parse(error) => error.location().map_or_else(String::new, |at| {
                    format!(" at line {}, column {}", at.line(), at.column())
                }),
                _ => String::new(),
            },
        },
    })
}

/// The names of the cluster and the user that the options select.
fn selected(kubeconfig: &Kubeconfig, options: &KubeConfigOptions) -> Option<(String, String)> {
    let name = options
        .context
        .as_ref()
        .or(kubeconfig.current_context.as_ref())?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|known| known.name == *name)?
        .context
        .as_ref()?;
    let cluster = options
        .cluster
        .clone()
        .unwrap_or_else(|| context.cluster.clone());
    let user = options
        .user
        .clone()
        .or_else(|| context.user.clone())
        .unwrap_or_else(|| OWN.into());
    Some((cluster, user))
}

fn named_cluster<'a>(kubeconfig: &'a mut Kubeconfig, name: &str) -> &'a mut Cluster {
    let known = kubeconfig
        .clusters
        .iter()
        .position(|known| known.name == name);
    let position = known.unwrap_or_else(|| {
        kubeconfig.clusters.push(NamedCluster {
            name: name.into(),
            ..NamedCluster::default()
        });
        kubeconfig.clusters.len() - 1
    });
    kubeconfig.clusters[position]
        .cluster
        .get_or_insert_default()
}

fn named_user<'a>(kubeconfig: &'a mut Kubeconfig, name: &str) -> &'a mut AuthInfo {
    let known = kubeconfig
        .auth_infos
        .iter()
        .position(|known| known.name == name);
    let position = known.unwrap_or_else(|| {
        kubeconfig.auth_infos.push(NamedAuthInfo {
            name: name.into(),
            ..NamedAuthInfo::default()
        });
        kubeconfig.auth_infos.len() - 1
    });
    kubeconfig.auth_infos[position]
        .auth_info
        .get_or_insert_default()
}

impl Connection {
    fn paths(&self) -> Vec<PathBuf> {
        let single = self.config_path.iter();
        let several = self.config_paths.iter().flatten();
        single.chain(several).map(|path| expand(path)).collect()
    }

    fn source_of_paths(&self) -> String {
        let attribute = if self.config_path.is_some() {
            "config_path"
        } else {
            "config_paths"
        };
        self.source(attribute)
    }

    /// `config_path in the provider block`, or `the environment variable KUBE_CONFIG_PATH`.
    fn source(&self, attribute: &'static str) -> String {
        if self.from_environment.contains(attribute) {
            format!("the environment variable {}", variable(attribute))
        } else {
            format!("{attribute} in the provider block")
        }
    }

    /// Where every part comes from, without its value unless it is a path, a URL or a context.
    fn describe(&self) -> Origin {
        let mut parts = Vec::new();
        if let Some(host) = &self.host {
            parts.push(format!("{} (host {host})", self.source("host")));
        }
        for path in self
            .config_path
            .iter()
            .chain(self.config_paths.iter().flatten())
        {
            parts.push(format!("{} (file {path})", self.source_of_paths()));
        }
        if let Some(context) = &self.config_context {
            parts.push(format!(
                "{} (context {context})",
                self.source("config_context")
            ));
        }
        if self.in_cluster_config == Some(true) {
            parts.push(self.source("in_cluster_config"));
        }
        let credentials = [
            ("token", self.token.is_some()),
            ("username", self.username.is_some()),
            ("client_certificate", self.client_certificate.is_some()),
            ("exec", self.exec.is_some()),
        ];
        for (attribute, _) in credentials.into_iter().filter(|(_, set)| *set) {
            parts.push(self.source(attribute));
        }
        Origin(parts)
    }
}

/// `~` and `~/…` are the home directory.
fn expand(path: &str) -> PathBuf {
    let home = || std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    match (path.strip_prefix('~'), home()) {
        (Some(""), Some(home)) => home,
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests;
