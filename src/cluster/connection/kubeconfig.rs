//! Reads and merges kubeconfig files, and selects one cluster and one user.

use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, KubeconfigError};
use secrecy::{ExposeSecret, SecretString};

use super::{Connection, ConnectionError};

/// The largest number of contexts in a message.
const LISTED: usize = 10;

/// The cluster and the user of a connection.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub cluster: Cluster,
    pub user: AuthInfo,
    /// Their names in the kubeconfig, for error messages; `None` without a kubeconfig.
    pub names: Option<SelectedNames>,
}

#[derive(Debug)]
pub(super) struct SelectedNames {
    /// The current context, if the kubeconfig alone selects it.
    pub current_context: Option<String>,
    pub cluster: String,
    pub user: String,
}

/// Reads the files that the connection names, and selects from them.
pub(super) fn select(connection: &Connection) -> Result<Selected, ConnectionError> {
    let paths = connection.paths();
    if paths.is_empty() {
        return Ok(Selected::default());
    }
    let origin = connection.origin_of_paths();
    let mut kubeconfig = Kubeconfig::default();
    for path in &paths {
        let mut next = read(path, &origin)?;
        next.current_context.take_if(|name| name.is_empty());
        kubeconfig = kubeconfig
            .merge(next)
            .map_err(|source| ConnectionError::Unusable {
                origin: connection.describe().to_string(),
                source: Box::new(source),
            })?;
    }
    let current = kubeconfig.current_context;
    let chosen = connection.config_context.as_ref();
    let Some(context_name) = chosen.or(current.as_ref()) else {
        return Err(ConnectionError::invalid(
            origin,
            "it has no current context; set config_context (KUBE_CTX)",
        ));
    };
    let mut contexts: Vec<(String, Context)> = (kubeconfig.contexts.into_iter())
        .filter_map(|known| Some((known.name, known.context?)))
        .collect();
    let Some(at) = contexts.iter().position(|(name, _)| name == context_name) else {
        let problem = format!("the kubeconfig has no context \"{context_name}\"");
        let others = listed(contexts.iter().map(|(name, _)| name.as_str()));
        return Err(match chosen {
            Some(_) => ConnectionError::invalid(
                connection.origin_of("config_context"),
                format!("{problem} ({others})"),
            ),
            None => ConnectionError::invalid(
                origin,
                format!("{problem}, which is its current context ({others})"),
            ),
        });
    };
    let (_, Context { cluster, user, .. }) = contexts.swap_remove(at);
    let cluster_name = (connection.config_context_cluster.clone()).unwrap_or(cluster);
    let user_name = (connection.config_context_auth_info.clone()).or(user);
    let user_name = user_name.unwrap_or_default();
    let cluster = (kubeconfig.clusters.into_iter())
        .find(|known| known.name == cluster_name)
        .and_then(|known| known.cluster);
    if cluster.is_none() && connection.host.is_none() {
        let origin = match connection.config_context_cluster {
            Some(_) => connection.origin_of("config_context_cluster"),
            None => origin,
        };
        return Err(ConnectionError::invalid(
            origin,
            format!("the kubeconfig has no cluster \"{cluster_name}\""),
        ));
    }
    let user = (kubeconfig.auth_infos.into_iter())
        .find(|known| known.name == user_name)
        .and_then(|known| known.auth_info);
    // As in kubectl, a context without an existing user is anonymous.
    if user.is_none() && connection.config_context_auth_info.is_some() {
        return Err(ConnectionError::invalid(
            connection.origin_of("config_context_auth_info"),
            format!("the kubeconfig has no user \"{user_name}\""),
        ));
    }
    let mut selected = Selected {
        cluster: cluster.unwrap_or_default(),
        user: user.unwrap_or_default(),
        names: Some(SelectedNames {
            current_context: current.filter(|_| chosen.is_none()),
            cluster: cluster_name,
            user: user_name,
        }),
    };
    selected.unset_empty();
    Ok(selected)
}

/// Returns the names of the contexts that there are, as the rest of a sentence about the kubeconfig.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let others = names.len().saturating_sub(LISTED);
    let names: Vec<&str> = names.take(LISTED).collect();
    match (names.as_slice(), others) {
        ([], _) => "it has none".to_owned(),
        (names, 0) => format!("it has: {}", names.join(", ")),
        (names, others) => format!("it has: {} and {others} more", names.join(", ")),
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

impl Selected {
    /// Removes empty strings, and line breaks in base64, as Go does.
    fn unset_empty(&mut self) {
        let Self { cluster, user, .. } = self;
        let folded = |text: &str| -> String {
            let letters = text.chars().filter(|letter| !letter.is_whitespace());
            letters.collect()
        };
        for data in [
            &mut cluster.certificate_authority_data,
            &mut user.client_certificate_data,
        ]
        .into_iter()
        .flatten()
        {
            *data = folded(data);
        }
        if let Some(key) = &mut user.client_key_data {
            *key = SecretString::from(folded(key.expose_secret()));
        }
        for text in [
            &mut cluster.server,
            &mut cluster.certificate_authority_data,
            &mut cluster.proxy_url,
            &mut cluster.tls_server_name,
            &mut user.username,
            &mut user.client_certificate_data,
            &mut user.impersonate,
            &mut user.impersonate_uid,
        ] {
            text.take_if(|text| text.is_empty());
        }
        // kube has resolved the paths against the folder of the kubeconfig.
        for path in [
            &mut cluster.certificate_authority,
            &mut user.token_file,
            &mut user.client_certificate,
            &mut user.client_key,
        ] {
            path.take_if(|path| path.is_empty() || path.ends_with(std::path::MAIN_SEPARATOR));
        }
        for secret in [
            &mut user.password,
            &mut user.token,
            &mut user.client_key_data,
        ] {
            secret.take_if(|secret| secret.expose_secret().is_empty());
        }
    }
}

impl Connection {
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let single = self.config_path.iter();
        let several = self.config_paths.iter().flatten();
        single.chain(several).map(|path| expand(path)).collect()
    }

    pub(super) fn origin_of_paths(&self) -> String {
        let attribute = if self.config_path.is_some() {
            "config_path"
        } else {
            "config_paths"
        };
        self.origin_of(attribute)
    }
}

/// Replaces a leading `~` by the home directory.
pub(super) fn expand(path: &str) -> PathBuf {
    let home = || std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    match (path.strip_prefix('~'), home()) {
        (Some(""), Some(home)) => home,
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => PathBuf::from(path),
    }
}
