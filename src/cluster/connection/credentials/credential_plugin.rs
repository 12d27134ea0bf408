//! Credential plugins: programs that print credentials. Errors never quote their stdout.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use kube::config::ExecConfig;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::bearer;
use crate::cluster::connection::ConnectionError;
use crate::cluster::task;

/// The remaining lifetime at which credentials are renewed.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// The time after a run within which another one would have the same result.
pub(super) const PAUSE: Duration = Duration::from_secs(10);

/// The largest part of stderr that an error quotes, from the end.
const LONGEST_STDERR: usize = 500;

/// A credential plugin, and its last output.
pub struct CredentialPlugin {
    command: PluginCommand,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<Arc<PluginCredentials>>,
    /// The run in progress.
    run: Option<Run>,
    /// The end of the last run.
    ran_at: Option<Instant>,
}

type Run = Shared<BoxFuture<'static, Result<Arc<PluginCredentials>, Arc<ConnectionError>>>>;

impl State {
    /// Returns the last output unless it has expired.
    fn valid(&self) -> Option<Arc<PluginCredentials>> {
        let now = Timestamp::now();
        let last = self.last.clone();
        last.filter(|last| last.expires.is_none_or(|expires| expires > now))
    }

    /// Returns whether valid credentials expire soon, and can be renewed.
    fn is_due(&self, valid: &PluginCredentials) -> bool {
        let soon = Timestamp::now() + MARGIN;
        valid.expires.is_some_and(|expires| expires <= soon) && !self.has_just_run()
    }

    fn has_just_run(&self) -> bool {
        self.ran_at.is_some_and(|ran_at| ran_at.elapsed() < PAUSE)
    }
}

/// The program to run, and the format of its output.
enum PluginCommand {
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
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    pub certificate: String,
    pub key: String,
}

/// The output of a credential plugin: a token, a client certificate, or both.
pub struct PluginCredentials {
    pub header: Option<HeaderValue>,
    pub identity: Option<ClientIdentity>,
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

impl CredentialPlugin {
    pub fn exec(config: ExecConfig) -> Self {
        Self::new(PluginCommand::Exec(Box::new(config)))
    }

    pub fn gcp(
        command: String,
        arguments: Vec<String>,
        token_key: Option<String>,
        expiry_key: Option<String>,
    ) -> Self {
        Self::new(PluginCommand::Gcp {
            command,
            arguments,
            token_key,
            expiry_key,
        })
    }

    fn new(command: PluginCommand) -> Self {
        Self {
            command,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the credentials. Runs the program if there are none, and before they expire. Callers share a run, which
    /// continues when they are dropped: it can wait for a login.
    ///
    /// # Errors
    ///
    /// The run has failed, and there are no valid credentials.
    pub async fn credentials(
        self: &Arc<Self>,
    ) -> Result<Arc<PluginCredentials>, Arc<ConnectionError>> {
        let (valid, run) = {
            let mut state = self.lock();
            let valid = state.valid();
            if let Some(valid) = &valid
                && !state.is_due(valid)
            {
                return Ok(Arc::clone(valid));
            }
            let run = state.run.get_or_insert_with(|| self.begin_run()).clone();
            (valid, run)
        };
        match (run.await, valid) {
            (Err(error), Some(valid)) => {
                tracing::info!("using the last credentials until they expire: {error}");
                Ok(valid)
            }
            (run, _) => run,
        }
    }

    fn begin_run(self: &Arc<Self>) -> Run {
        let plugin = Arc::clone(self);
        let run = async move {
            let called = Arc::clone(&plugin);
            let run = match task::blocking(move || called.run()).await {
                Ok(run) => run.map(Arc::new).map_err(Arc::new),
                Err(error) => Err(Arc::new(ConnectionError::Task(error))),
            };
            let mut state = plugin.lock();
            state.run = None;
            state.ran_at = Some(Instant::now());
            if let Ok(printed) = &run {
                state.last = Some(Arc::clone(printed));
            }
            run
        };
        let run = run.boxed().shared();
        tokio::spawn(run.clone());
        run
    }

    /// Forgets credentials that the API server has rejected. Returns false if the program has just printed them: it
    /// would print the same ones again.
    pub fn discard(&self, rejected: &Arc<PluginCredentials>) -> bool {
        let mut state = self.lock();
        let is_last = (state.last.as_ref()).is_some_and(|last| Arc::ptr_eq(last, rejected));
        if is_last && state.has_just_run() {
            return false;
        }
        if is_last {
            state.last = None;
        }
        true
    }

    fn name(&self) -> &str {
        match &self.command {
            PluginCommand::Exec(config) => config.command.as_deref().unwrap_or_default(),
            PluginCommand::Gcp { command, .. } => command,
        }
    }

    fn invalid_output(&self) -> ConnectionError {
        ConnectionError::ExecOutput {
            command: self.name().to_owned(),
        }
    }

    fn run(&self) -> Result<PluginCredentials, ConnectionError> {
        let mut command = Command::new(self.name());
        match &self.command {
            PluginCommand::Exec(config) => prepare(&mut command, config),
            PluginCommand::Gcp { arguments, .. } => {
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
                command: self.name().to_owned(),
                status: output.status.to_string(),
                stderr: end.trim().to_owned(),
            });
        }
        match &self.command {
            PluginCommand::Exec(_) => self.read_credential(&output.stdout),
            PluginCommand::Gcp {
                token_key,
                expiry_key,
                ..
            } => self.read_gcp(&output.stdout, token_key.as_deref(), expiry_key.as_deref()),
        }
    }

    fn install_hint(&self) -> Option<String> {
        match &self.command {
            PluginCommand::Exec(config) => config.install_hint.clone(),
            PluginCommand::Gcp { .. } => None,
        }
    }

    fn read_credential(&self, stdout: &[u8]) -> Result<PluginCredentials, ConnectionError> {
        // As in client-go, YAML is accepted.
        let credential: ExecCredential =
            serde_saphyr::from_slice(stdout).map_err(|_| self.invalid_output())?;
        let status = credential.status.ok_or_else(|| self.invalid_output())?;
        let identity = match (status.client_certificate_data, status.client_key_data) {
            (Some(certificate), Some(key)) => Some(ClientIdentity { certificate, key }),
            _ => None,
        };
        // An empty token counts as absent.
        let token = status.token.filter(|token| !token.is_empty());
        if token.is_none() && identity.is_none() {
            return Err(self.invalid_output());
        }
        let header = token.map(|token| self.bearer(&token)).transpose()?;
        let expires = self.expiry(status.expiration_timestamp.as_deref())?;
        Ok(PluginCredentials {
            header,
            identity,
            expires,
        })
    }

    fn read_gcp(
        &self,
        stdout: &[u8],
        token_key: Option<&str>,
        expiry_key: Option<&str>,
    ) -> Result<PluginCredentials, ConnectionError> {
        let text = std::str::from_utf8(stdout).map_err(|_| self.invalid_output())?;
        let Some(token_key) = token_key else {
            return Ok(PluginCredentials {
                header: Some(self.bearer(text.trim())?),
                identity: None,
                expires: None,
            });
        };
        let json: Json = serde_json::from_str(text).map_err(|_| self.invalid_output())?;
        let token = at(&json, token_key).ok_or_else(|| self.invalid_output())?;
        Ok(PluginCredentials {
            header: Some(self.bearer(token)?),
            identity: None,
            expires: self.expiry(expiry_key.and_then(|key| at(&json, key)))?,
        })
    }

    fn expiry(&self, text: Option<&str>) -> Result<Option<Timestamp>, ConnectionError> {
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|_| self.invalid_output()))
            .transpose()
    }

    fn bearer(&self, token: &str) -> Result<HeaderValue, ConnectionError> {
        bearer(token, || {
            format!(
                "the token that the credential plugin `{}` printed",
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

/// Returns the text at a path such as `{.credential.access_token}`.
fn at<'a>(json: &'a Json, path: &str) -> Option<&'a str> {
    let path = path.trim_matches(['{', '}', '"', '$']);
    let names = path.split('.').filter(|name| !name.is_empty());
    names.fold(json, |inner, name| &inner[name]).as_str()
}
