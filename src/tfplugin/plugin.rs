//! The plugin process: from the socket to the shutdown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::go_plugin_services::GoPluginServices;
use super::handshake::{self, Environment};
use super::incoming::{ConnectionCounts, abandoned, accept};
use super::listen::Listener;
use super::proto::go_plugin::{
    grpc_broker_server::GrpcBrokerServer, grpc_controller_server::GrpcControllerServer,
    grpc_stdio_server::GrpcStdioServer,
};
use super::proto::tfplugin6::provider_server::ProviderServer;
use super::server::ProviderService;
use super::session::Session;
use super::signals::{Signal, Signals};
use super::{Error, tls};
use crate::schema::provider::Provider;

/// The largest message that is read, in bytes. It is Terraform's own limit.
const MAX_MESSAGE: usize = 256 << 20;

/// The time limit of calls that continue after the server has shut down, when no host can read their responses.
const ABANDONED_CALLS_TIMEOUT: Duration = Duration::from_secs(30);

/// The service name in go-plugin's health check.
const HEALTH: &str = "plugin";

/// A plugin that listens, but does not serve yet.
pub struct Plugin {
    listener: Listener,
    client: Client,
    /// Handled since before the handshake, because the host can send them from then on.
    signals: Signals,
}

/// The client that may connect. It determines what a signal means.
enum Client {
    /// The host that started the process, authenticated by its certificate. The host decides when the process ends.
    Host(Arc<ServerConfig>),
    /// Every process of this user, because only this user can enter the socket's directory. There is no such directory
    /// on Windows, and hosts use no TLS with a provider that they did not start. The process ends on Ctrl-C.
    Debugger,
}

impl Plugin {
    /// Listens for the host that `environment` describes. Needs a Tokio runtime. Returns also the line that the host
    /// waits for on stdout.
    ///
    /// # Errors
    /// No host can be served, or the plugin cannot listen.
    pub fn for_host(environment: &Environment) -> Result<(Self, String), Error> {
        let certificate = environment.check().map_err(Error::Handshake)?;
        let tls = tls::for_client(certificate).map_err(Error::Tls)?;
        let plugin = Self::new(environment, Client::Host(tls.config))?;
        let (network, address) = plugin.address();
        let line = handshake::line(network, &address, &tls.certificate);
        Ok((plugin, line))
    }

    /// Listens for the hosts that `TF_REATTACH_PROVIDERS` directs to this process. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The plugin cannot listen, or would listen for every user of the machine.
    pub fn for_debugger(environment: &Environment) -> Result<Self, Error> {
        if cfg!(not(unix)) {
            return Err(Error::DebugWithoutSockets);
        }
        Self::new(environment, Client::Debugger)
    }

    fn new(environment: &Environment, client: Client) -> Result<Self, Error> {
        let signals = Signals::new().map_err(Error::Signals)?;
        let listener = Listener::bind(environment).map_err(Error::Listen)?;
        Ok(Self {
            listener,
            client,
            signals,
        })
    }

    /// Returns the network (`unix` or `tcp`) and the address.
    pub fn address(&self) -> (&'static str, String) {
        self.listener.address()
    }

    /// Serves `provider` until the host shuts it down or leaves, or until SIGTERM or SIGHUP. Calls in progress are
    /// completed first. `issues` is the address that users report bugs to.
    ///
    /// # Errors
    /// The server fails. An error of a call is part of its response.
    pub async fn serve(self, provider: impl Provider, issues: &'static str) -> Result<(), Error> {
        let session = Session::new(Arc::new(provider), issues);
        let (count, watched) = watch::channel(ConnectionCounts::default());
        let (config, started_by_host) = match self.client {
            Client::Host(config) => (Some(config), true),
            Client::Debugger => (None, false),
        };
        let (sender, accepted) = mpsc::channel(1);
        let shutdown = session.shutdown.clone();
        let acceptor = tokio::spawn(accept(self.listener, config, sender, count, shutdown));
        let signals = tokio::spawn(handle_signals(
            Arc::clone(&session),
            self.signals,
            started_by_host,
        ));
        if started_by_host {
            tokio::spawn(watch_host(Arc::clone(&session), watched));
        }

        let (reporter, health) = tonic_health::server::health_reporter();
        reporter
            .set_service_status(HEALTH, tonic_health::ServingStatus::Serving)
            .await;
        let services = GoPluginServices {
            shutdown: session.shutdown.clone(),
        };
        let served = tonic::transport::Server::builder()
            .add_service(
                ProviderServer::new(ProviderService(Arc::clone(&session)))
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(health)
            .add_service(GrpcBrokerServer::new(services.clone()))
            .add_service(GrpcControllerServer::new(services.clone()))
            .add_service(GrpcStdioServer::new(services))
            .serve_with_incoming_shutdown(
                ReceiverStream::new(accepted),
                session.shutdown.clone().cancelled_owned(),
            )
            .await;

        session.shutdown.cancel();
        session.calls.close();
        if (tokio::time::timeout(ABANDONED_CALLS_TIMEOUT, session.calls.wait()).await).is_err() {
            tracing::error!("calls are still in progress; abandoning them");
        }
        signals.abort();
        // The acceptor removes the socket.
        if let Err(error) = acceptor.await {
            tracing::error!(%error, "the acceptor panicked");
        }
        served.map_err(Error::Serve)
    }
}

/// Stops the calls in progress and shuts the server down when the host has left.
async fn watch_host(session: Arc<Session>, count: watch::Receiver<ConnectionCounts>) {
    tokio::select! {
        // The count of connections ends at the shutdown as well.
        biased;
        () = session.shutdown.cancelled() => return,
        () = abandoned(count) => {}
    }
    tracing::warn!("Terraform has left; shutting down");
    stop(&session);
    session.shutdown.cancel();
}

/// Handles signals. Ctrl-C reaches the plugin as well as the host. The host then calls `StopProvider` and waits for the
/// responses of the calls in progress, to save them. So the plugin continues until the host shuts it down.
async fn handle_signals(session: Arc<Session>, mut signals: Signals, started_by_host: bool) {
    loop {
        let signal = signals.next().await;
        tracing::info!(?signal, "stopping the calls in progress");
        stop(&session);
        if signal == Signal::Terminate || !started_by_host {
            session.shutdown.cancel();
        }
    }
}

fn stop(session: &Session) {
    // The panic hook logs a panic.
    catch_unwind(AssertUnwindSafe(|| session.provider.stop())).ok();
}
