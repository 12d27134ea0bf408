//! A host of a provider, as Terraform is one. It makes a certificate, starts the program or uses a plugin in this
//! process, reads the handshake, and connects.

#![allow(dead_code, reason = "not every test uses everything")]
#![allow(clippy::unwrap_used, reason = "a test helper")]

#[path = "user_variables.rs"]
mod user_variables;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use terraform_provider_feast::tfplugin::Environment;
use terraform_provider_feast::tfplugin::proto::go_plugin::Empty;
use terraform_provider_feast::tfplugin::proto::go_plugin::grpc_controller_client::GrpcControllerClient;
use terraform_provider_feast::tfplugin::proto::tfplugin6::provider_client::ProviderClient;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use user_variables::user_variables;

pub const COOKIE: (&str, &str) = (
    "TF_PLUGIN_MAGIC_COOKIE",
    "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
);

/// The largest message of Terraform, in bytes.
const MAX_MESSAGE: usize = 256 << 20;

/// The time limit of every wait.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// A client's key and certificate, made for one run.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    /// The certificate, for `PLUGIN_CLIENT_CERT`.
    pub fn pem(&self) -> String {
        let body = STANDARD.encode(&self.certificate);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    /// Returns the environment variables of a host with this identity.
    pub fn environment(&self) -> Environment {
        Environment {
            magic_cookie: Some(COOKIE.1.to_owned()),
            protocol_versions: Some("5,6".to_owned()),
            client_certificate: Some(self.pem()),
            ..Environment::default()
        }
    }
}

/// The handshake of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Handshake {
    pub socket: PathBuf,
    pub certificate: Vec<u8>,
}

impl Handshake {
    /// Reads the handshake line. Panics if Terraform would reject it.
    pub fn parse(line: &str) -> Self {
        let parts: Vec<_> = line.split('|').collect();
        let [core, protocol, network, socket, transport, certificate] = parts[..] else {
            panic!("not a handshake: {line:?}");
        };
        assert_eq!(
            [core, protocol, network, transport],
            ["1", "6", "unix", "grpc"]
        );
        Self {
            socket: PathBuf::from(socket),
            certificate: STANDARD_NO_PAD.decode(certificate).unwrap(),
        }
    }
}

/// Connects with the certificate of `identity`, or without one, and accepts only the plugin's certificate.
pub async fn connect(
    handshake: &Handshake,
    identity: Option<&Identity>,
) -> Result<Channel, tonic::transport::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(handshake.certificate.clone().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.clone()));
            let certificates = vec![identity.certificate.clone()];
            config.with_client_auth_cert(certificates, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tls = TlsConnector::from(Arc::new(config));
    let socket = handshake.socket.clone();
    let connector = tower::service_fn(move |_| {
        let (tls, socket) = (tls.clone(), socket.clone());
        async move {
            let stream = UnixStream::connect(socket).await?;
            let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
            tls.connect(name, stream).await.map(TokioIo::new)
        }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connector).await
}

/// Connects without TLS, as hosts do to a provider in debug mode.
pub async fn connect_without_tls(socket: &Path) -> Channel {
    let socket = socket.to_owned();
    let connector = tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connector).await.unwrap()
}

/// Returns a client of the provider service, with Terraform's limits.
pub fn provider(channel: Channel) -> ProviderClient<Channel> {
    ProviderClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

/// Shuts the plugin down, as Terraform does at the end of a command.
pub async fn shut_down(channel: Channel) {
    GrpcControllerClient::new(channel)
        .shutdown(Empty {})
        .await
        .unwrap();
}

/// A provider in a process of its own, started as Terraform does it.
pub struct Process {
    pub child: Child,
    pub handshake: Handshake,
    pub channel: Channel,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `binary` without the [`user_variables`].
    pub async fn start(binary: &str) -> Self {
        Self::spawn(command(binary)).await
    }

    /// Starts a command of [`command`].
    pub async fn spawn(mut command: Command) -> Self {
        let identity = Identity::new();
        let mut child = command
            .env(COOKIE.0, COOKIE.1)
            .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
            .env("PLUGIN_CLIENT_CERT", identity.pem())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let read = tokio::time::timeout(TIMEOUT, stdout.read_line(&mut line)).await;
        read.unwrap().unwrap();
        let handshake = Handshake::parse(line.trim_end());
        let channel = connect(&handshake, Some(&identity)).await.unwrap();
        Self {
            child,
            handshake,
            channel,
            stdout,
        }
    }

    pub fn provider(&self) -> ProviderClient<Channel> {
        provider(self.channel.clone())
    }

    /// Sends a signal by name: `INT`, `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until the process exits by itself.
    pub async fn exited(&mut self) -> ExitStatus {
        let exited = tokio::time::timeout(TIMEOUT, self.child.wait()).await;
        exited.expect("the provider has not exited").unwrap()
    }

    /// Returns everything that the process wrote to stdout after the handshake. The process must have exited.
    pub async fn stdout(&mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Returns everything that the process wrote to stderr. The process must have exited.
    pub async fn stderr(&mut self) -> String {
        let mut text = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut text).await.unwrap();
        text
    }
}

/// Returns a command for `binary` without the [`user_variables`], and without input.
pub fn command(binary: &str) -> Command {
    let mut command = Command::new(binary);
    for name in user_variables() {
        command.env_remove(name);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub fn signal(child: &Child, name: &str) {
    let process = child.id().unwrap().to_string();
    let status = std::process::Command::new("kill")
        .args(["-s", name, &process])
        .status()
        .unwrap();
    assert!(status.success());
}
