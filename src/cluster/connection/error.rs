//! Errors in the configuration of a connection. No message quotes a credential or the content of a file.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::environment::VARIABLES;
use crate::cluster::task::TaskError;

/// An error in the configuration of a connection, worded as a clause without a period.
#[derive(Debug, Error)]
pub enum ConnectionError {
    #[error(
        "no Kubernetes cluster is configured: set host, config_path, config_paths or in_cluster_config in the provider block, or one of the environment variables {}; ~/.kube/config, KUBECONFIG and a pod's own account are not used unless they are named",
        naming_variables()
    )]
    NothingConfigured,

    #[error("the environment variable {variable} must be \"true\" or \"false\"")]
    NotABoolean { variable: &'static str },

    /// `problem` is a main clause.
    #[error("{origin} is not valid: {problem}")]
    Invalid { origin: String, problem: String },

    #[error("the kubeconfig {} ({origin}) could not be read", path.display())]
    Unreadable {
        path: PathBuf,
        origin: String,
        #[source]
        source: std::io::Error,
    },

    #[error("the kubeconfig {} ({origin}) is not valid{place}", path.display())]
    Malformed {
        path: PathBuf,
        origin: String,
        /// The position in the file. Its text can contain credentials and is not quoted.
        place: String,
    },

    /// A file that a kubeconfig names. The origin has its path.
    #[error("{what} could not be read: {origin}")]
    File {
        what: String,
        origin: String,
        #[source]
        source: std::io::Error,
    },

    #[error("the connection cannot be configured ({origin})")]
    Unusable {
        origin: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// An `auth-provider` that cannot be used. kubectl has removed them.
    #[error(
        "the auth-provider {name:?} cannot be used ({origin}): {problem}. Terraform does not renew tokens of an auth-provider. {instead}"
    )]
    AuthProvider {
        origin: String,
        name: String,
        problem: String,
        instead: &'static str,
    },

    #[error("the credential plugin `{command}` could not be started{}", hinted(.hint))]
    ExecStart {
        command: String,
        /// The kubeconfig's text on how to install the program.
        hint: Option<String>,
        #[source]
        source: std::io::Error,
    },

    /// Has the last part of stderr, and never stdout, which contains credentials.
    #[error("the credential plugin `{command}` failed ({status}): {stderr}")]
    ExecFailed {
        command: String,
        status: String,
        stderr: String,
    },

    #[error("the credential plugin `{command}` printed no valid credentials")]
    ExecOutput { command: String },

    #[error("the HTTP client could not be created")]
    Client(#[source] Box<kube::Error>),

    #[error("the HTTP client could not be created")]
    Task(#[source] TaskError),
}

fn naming_variables() -> String {
    let names: Vec<&str> = VARIABLES
        .into_iter()
        .filter(|(attribute, _)| {
            ["host", "config_path", "config_paths", "in_cluster_config"].contains(attribute)
        })
        .map(|(_, variable)| variable)
        .collect();
    names.join(", ")
}

fn hinted(hint: &Option<String>) -> String {
    let hint = hint.as_deref().map(str::trim).unwrap_or_default();
    match hint.is_empty() {
        true => String::new(),
        false => format!("; the kubeconfig says how to install it: {hint}"),
    }
}

impl ConnectionError {
    /// `problem` is a main clause.
    pub(super) fn invalid(origin: String, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::Invalid { origin, problem }
    }

    /// Returns why credentials could not be obtained or renewed, or the error itself if the request failed otherwise.
    pub(in crate::cluster) fn of_credentials(error: kube::Error) -> Result<Arc<Self>, kube::Error> {
        match error {
            kube::Error::Service(source) => match source.downcast::<Arc<Self>>() {
                Ok(error) => Ok(*error),
                Err(source) => Err(kube::Error::Service(source)),
            },
            other => Err(other),
        }
    }

    /// Returns whether the error is about the credentials, and not about the connection to the API server.
    pub(in crate::cluster) fn is_about_credentials(&self) -> bool {
        match self {
            Self::NothingConfigured
            | Self::NotABoolean { .. }
            | Self::Unreadable { .. }
            | Self::Malformed { .. }
            | Self::Unusable { .. }
            | Self::Client(_)
            | Self::Task(_) => false,
            // A request that fails with these has an invalid token.
            Self::Invalid { .. }
            | Self::File { .. }
            | Self::AuthProvider { .. }
            | Self::ExecStart { .. }
            | Self::ExecFailed { .. }
            | Self::ExecOutput { .. } => true,
        }
    }
}
