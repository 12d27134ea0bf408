//! Programs that print credentials. Errors never quote their stdout.

use std::process::{Command, Stdio};
use std::sync::Arc;

use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use kube::config::ExecConfig;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

use super::bearer;
use crate::cluster::connection::ConnectionError;
use crate::cluster::task;

/// The remaining lifetime at which a token is renewed.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// The largest part of stderr that an error quotes, from the end.
const LONGEST_STDERR: usize = 500;

/// A program, and its last output.
pub struct Program {
    call: Call,
    last: Mutex<Option<Printed>>,
}

enum Call {
    /// A program that prints an `ExecCredential`.
    Exec(Box<ExecConfig>),
    /// The command of the `auth-provider` gcp.
    Gcp {
        command: String,
        arguments: Vec<String>,
        token_key: Option<String>,
        expiry_key: Option<String>,
    },
}

/// A client certificate and its key, PEM.
pub struct ClientIdentity {
    pub certificate: String,
    pub key: String,
}

struct Printed {
    header: Option<HeaderValue>,
    expires: Option<Timestamp>,
}

/// The used fields of an `ExecCredential`.
#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Program {
    pub fn exec(config: ExecConfig) -> Self {
        Self::new(Call::Exec(Box::new(config)))
    }

    pub fn gcp(
        command: String,
        arguments: Vec<String>,
        token_key: Option<String>,
        expiry_key: Option<String>,
    ) -> Self {
        Self::new(Call::Gcp {
            command,
            arguments,
            token_key,
            expiry_key,
        })
    }

    fn new(call: Call) -> Self {
        Self {
            call,
            last: Mutex::new(None),
        }
    }

    /// Runs the program for the first time, and caches the token. Blocks.
    pub fn start(&self) -> Result<Option<ClientIdentity>, ConnectionError> {
        let (printed, identity) = self.run()?;
        *self.last.blocking_lock() = Some(printed);
        Ok(identity)
    }

    /// Returns the header with the token. Renews an expired token. `None` if the program returned only a client
    /// certificate.
    pub async fn header(self: Arc<Self>) -> Result<Option<HeaderValue>, ConnectionError> {
        let mut last = self.last.lock().await;
        let soon = Timestamp::now() + MARGIN;
        if let Some(Printed { header, expires }) = &*last
            && (header.is_none() || expires.is_none_or(|expires| expires > soon))
        {
            return Ok(header.clone());
        }
        let program = Arc::clone(&self);
        let run = task::blocking(move || program.run()).await;
        let (printed, _) = run.map_err(ConnectionError::Task)??;
        let header = printed.header.clone();
        *last = Some(printed);
        Ok(header)
    }

    fn name(&self) -> &str {
        match &self.call {
            Call::Exec(config) => config.command.as_deref().unwrap_or_default(),
            Call::Gcp { command, .. } => command,
        }
    }

    fn run(&self) -> Result<(Printed, Option<ClientIdentity>), ConnectionError> {
        let mut command = Command::new(self.name());
        match &self.call {
            Call::Exec(config) => prepare(&mut command, config),
            Call::Gcp { arguments, .. } => {
                command.args(arguments);
            }
        }
        // The program must not read the stdin of the provider.
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|source| ConnectionError::ExecStart {
            command: self.name().to_owned(),
            hint: self.install_hint(),
            source,
        })?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let skipped = stderr.chars().count().saturating_sub(LONGEST_STDERR);
            let end: String = stderr.chars().skip(skipped).collect();
            return Err(ConnectionError::ExecFailed {
                status: output.status.to_string(),
                stderr: end.trim().to_owned(),
            });
        }
        match &self.call {
            Call::Exec(_) => self.read_credential(&output.stdout),
            Call::Gcp {
                token_key,
                expiry_key,
                ..
            } => self.read_gcp(&output.stdout, token_key.as_deref(), expiry_key.as_deref()),
        }
    }

    fn install_hint(&self) -> Option<String> {
        match &self.call {
            Call::Exec(config) => config.install_hint.clone(),
            Call::Gcp { .. } => None,
        }
    }

    fn read_credential(
        &self,
        stdout: &[u8],
    ) -> Result<(Printed, Option<ClientIdentity>), ConnectionError> {
        // As in client-go, YAML is accepted.
        let credential: ExecCredential =
            serde_saphyr::from_slice(stdout).map_err(|_| ConnectionError::ExecOutput)?;
        let status = credential.status.ok_or(ConnectionError::ExecOutput)?;
        let identity = match (status.client_certificate_data, status.client_key_data) {
            (Some(certificate), Some(key)) => Some(ClientIdentity { certificate, key }),
            _ => None,
        };
        // An empty token counts as absent.
        let token = status.token.filter(|token| !token.is_empty());
        if token.is_none() && identity.is_none() {
            return Err(ConnectionError::ExecOutput);
        }
        let header = token.map(|token| self.bearer(&token)).transpose()?;
        let expires = expiry(status.expiration_timestamp.as_deref())?;
        Ok((Printed { header, expires }, identity))
    }

    fn read_gcp(
        &self,
        stdout: &[u8],
        token_key: Option<&str>,
        expiry_key: Option<&str>,
    ) -> Result<(Printed, Option<ClientIdentity>), ConnectionError> {
        let text = std::str::from_utf8(stdout).map_err(|_| ConnectionError::ExecOutput)?;
        let Some(token_key) = token_key else {
            let header = Some(self.bearer(text.trim())?);
            return Ok((
                Printed {
                    header,
                    expires: None,
                },
                None,
            ));
        };
        let json: Json = serde_json::from_str(text).map_err(|_| ConnectionError::ExecOutput)?;
        let token = at(&json, token_key).ok_or(ConnectionError::ExecOutput)?;
        let header = Some(self.bearer(token)?);
        let expires = expiry(expiry_key.and_then(|key| at(&json, key)))?;
        Ok((Printed { header, expires }, None))
    }

    fn bearer(&self, token: &str) -> Result<HeaderValue, ConnectionError> {
        bearer(token, || {
            format!(
                "the token that the credentials program `{}` printed",
                self.name()
            )
        })
    }
}

fn prepare(command: &mut Command, config: &ExecConfig) {
    command.args(config.args.iter().flatten());
    for variable in config.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value"))
            && !name.is_empty()
        {
            command.env(name, value);
        }
    }
    let mut info = json!({
        "apiVersion": config.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": false},
    });
    if config.provide_cluster_info
        && let Ok(cluster) = serde_json::to_value(&config.cluster)
    {
        info["spec"]["cluster"] = cluster;
    }
    command.env("KUBERNETES_EXEC_INFO", info.to_string());
}

fn expiry(text: Option<&str>) -> Result<Option<Timestamp>, ConnectionError> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|_| ConnectionError::ExecOutput))
        .transpose()
}

/// Returns the text at a path such as `{.credential.access_token}`.
fn at<'a>(json: &'a Json, path: &str) -> Option<&'a str> {
    let path = path.trim_matches(['{', '}', '"', '$']);
    let names = path.split('.').filter(|name| !name.is_empty());
    names.fold(json, |inner, name| &inner[name]).as_str()
}
