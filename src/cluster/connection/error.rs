//! What can be wrong with the configuration of a connection. No message quotes a credential or a file.

use std::path::PathBuf;

use kube::client::AuthError;
use thiserror::Error;

use super::environment::VARIABLES;

#[derive(Debug, Error)]
pub enum ConnectionError {
    #[error(
        "no Kubernetes cluster is configured: set host, config_path, config_paths or in_cluster_config in the provider block, or one of the environment variables {}; ~/.kube/config, KUBECONFIG and a pod's own account are not used unless they are named",
        naming_variables()
    )]
    NothingConfigured,

    #[error("the environment variable {variable} must be \"true\" or \"false\"")]
    NotABoolean { variable: &'static str },

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
        /// Where in the file; its text is not quoted, because it holds credentials.
        place: String,
    },

    #[error("the configuration does not make a connection ({origin})")]
    Unusable {
        origin: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    #[error("the credentials program could not be started")]
    ExecStart(#[source] std::io::Error),

    /// With the end of what it printed on stderr; never its stdout, where credentials are.
    #[error("the credentials program failed ({status}): {stderr}")]
    ExecFailed { status: String, stderr: String },

    #[error("the credentials program did not print a valid ExecCredential")]
    ExecOutput,

    #[error("the client could not be made")]
    Client(#[source] Box<kube::Error>),
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

impl ConnectionError {
    /// What making a client can fail with.
    pub(in crate::cluster) fn from_client(error: kube::Error) -> Self {
        Self::of_credentials(error).unwrap_or_else(|other| Self::Client(Box::new(other)))
    }

    /// What obtaining or renewing credentials has failed with; `Err` is the error itself where it is about something
    /// else. Credential programs print their secrets on stdout, so kube's own message, which quotes it, is not passed
    /// on.
    pub(in crate::cluster) fn of_credentials(error: kube::Error) -> Result<Self, kube::Error> {
        match error {
            kube::Error::Auth(error) => Ok(Self::from_auth(error)),
            // Renewed in the course of a request.
            kube::Error::Service(source) => match source.downcast::<AuthError>() {
                Ok(error) => Ok(Self::from_auth(*error)),
                Err(source) => Err(kube::Error::Service(source)),
            },
            other => Err(other),
        }
    }

    fn from_auth(error: AuthError) -> Self {
        match error {
            AuthError::AuthExecStart(source) => Self::ExecStart(source),
            AuthError::AuthExecRun { out, .. } => {
                let stderr = String::from_utf8_lossy(&out.stderr);
                let skip = stderr.chars().count().saturating_sub(500);
                Self::ExecFailed {
                    status: out.status.to_string(),
                    stderr: stderr
                        .chars()
                        .skip(skip)
                        .collect::<String>()
                        .trim()
                        .to_owned(),
                }
            }
            AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => Self::ExecOutput,
            other => Self::Client(Box::new(kube::Error::Auth(other))),
        }
    }
}
