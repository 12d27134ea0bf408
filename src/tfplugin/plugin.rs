//! One run as a plugin: from the socket to the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::connect::{Count, abandoned, accept};
use super::handshake::{self, Environment};
use super::listen::Listener;
use super::proto::go_plugin::{
    grpc_broker_server::GrpcBrokerServer, grpc_controller_server::GrpcControllerServer,
    grpc_stdio_server::GrpcStdioServer,
};
use super::proto::tfplugin6::provider_server::ProviderServer;
use super::server::Server;
use super::services::SideServices;
use super::session::Session;
use super::signals::{Signal, Signals};
use super::tls::Tls;
use super::{Error, tls};
use crate::schema::provider::Provider;

/// The largest message that is read, in bytes: as much as Terraform sends and takes.
const MAX_MESSAGE: usize = 256 << 20;

/// How long the work in hand may take to end after the host has gone, and cannot be told any more.
const ABANDONED_WORK: Duration = Duration::from_secs(30);

/// The service by whose name go-plugin asks whether the plugin is well.
const HEALTH: &str = "plugin";

/// A plugin that listens and does not serve yet.
pub struct Plugin {
    listener: Listener,
    guard: Guard,
    /// Caught before the handshake, after which the host may send them.
    signals: Signals,
}

/// Who may connect, and what a signal means.
enum Guard {
    /// The host that started the process, known by its certificate. The host decides when it ends.
    Host(Tls),
    /// Whoever may enter the socket's directory, which is this user: go-plugin's hosts speak no TLS to a
    /// provider that they did not start. It ends on Ctrl-C.
    Debugger,
}

impl Plugin {
    /// Listens for the host that `environment` tells of. Needs a Tokio runtime.
    ///
    /// # Errors
    /// Where no host can be served, or there is no place to listen.
    pub fn for_host(environment: &Environment) -> Result<Self, Error> {
        let certificate = environment.check().map_err(Error::Refusal)?;
        let guard = Guard::Host(tls::for_client(certificate).map_err(Error::Tls)?);
        Self::new(environment, guard)
    }

    /// Listens for a host that is told of this process by hand (`TF_REATTACH_PROVIDERS`).
    ///
    /// # Errors
    /// Where there is no place to listen.
    pub fn for_debugger(environment: &Environment) -> Result<Self, Error> {
        Self::new(environment, Guard::Debugger)
    }

    fn new(environment: &Environment, guard: Guard) -> Result<Self, Error> {
        let signals = Signals::new().map_err(Error::Signals)?;
        let listener = Listener::bind(environment).map_err(Error::Listen)?;
        Ok(Self {
            listener,
            guard,
            signals,
        })
    }

    /// The network (`unix` or `tcp`) and the address.
    pub fn address(&self) -> (&'static str, String) {
        self.listener.address()
    }

    /// The line on stdout for which the host waits.
    pub fn handshake(&self) -> String {
        let (network, address) = self.address();
        let certificate: &[u8] = match &self.guard {
            Guard::Host(tls) => &tls.certificate,
            Guard::Debugger => &[],
        };
        handshake::line(network, &address, certificate)
    }

    /// Serves `provider` until the end: asked for by the host, by SIGTERM, or because the host is gone.
    /// Calls in hand are answered before. `issues` is where to report a crash.
    ///
    /// # Errors
    /// Where the server breaks down; not for what goes wrong in a call.
    pub async fn serve<P: Provider>(self, provider: P, issues: &'static str) -> Result<(), Error> {
        let session = Session::new(provider, issues);
        let (count, watched) = watch::channel(Count::default());
        let (config, started_by_host) = match self.guard {
            Guard::Host(tls) => (Some(tls.config), true),
            Guard::Debugger => (None, false),
        };
        let (sender, accepted) = mpsc::channel(1);
        let end = session.end.clone();
        let acceptor = tokio::spawn(accept(self.listener, config, sender, count, end));
        let signals = tokio::spawn(heed_signals(
            Arc::clone(&session),
            self.signals,
            started_by_host,
        ));
        if started_by_host {
            tokio::spawn(heed_host(Arc::clone(&session), watched));
        }

        let (reporter, health) = tonic_health::server::health_reporter();
        reporter
            .set_service_status(HEALTH, tonic_health::ServingStatus::Serving)
            .await;
        let side = SideServices {
            end: session.end.clone(),
        };
        let served = tonic::transport::Server::builder()
            .add_service(
                ProviderServer::new(Server(Arc::clone(&session)))
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(health)
            .add_service(GrpcBrokerServer::new(side.clone()))
            .add_service(GrpcControllerServer::new(side.clone()))
            .add_service(GrpcStdioServer::new(side))
            .serve_with_incoming_shutdown(
                ReceiverStream::new(accepted),
                session.end.clone().cancelled_owned(),
            )
            .await;

        session.end.cancel();
        session.work.close();
        if (tokio::time::timeout(ABANDONED_WORK, session.work.wait()).await).is_err() {
            tracing::error!("work in hand did not end; leaving it");
        }
        signals.abort();
        // Takes the socket with it.
        if let Err(error) = acceptor.await {
            tracing::error!(%error, "the acceptor crashed");
        }
        served.map_err(Error::Serve)
    }
}

/// Ends the server when the host is gone: nobody is there to be answered, and nothing to wait for.
async fn heed_host<P: Provider>(session: Arc<Session<P>>, count: watch::Receiver<Count>) {
    tokio::select! {
        // At the end the count of connections ends as well.
        biased;
        () = session.end.cancelled() => return,
        () = abandoned(count) => {}
    }
    tracing::warn!("Terraform is gone; ending");
    stop(&session);
    session.end.cancel();
}

/// Ctrl-C reaches the plugin as well as the host. The host then asks for an early end of the work in
/// hand, and waits for its answers in order to save them: so the plugin must not go before the host says.
async fn heed_signals<P: Provider>(
    session: Arc<Session<P>>,
    mut signals: Signals,
    started_by_host: bool,
) {
    loop {
        let signal = signals.next().await;
        tracing::info!(?signal, "ending the work in hand");
        stop(&session);
        if signal == Signal::Terminate || !started_by_host {
            session.end.cancel();
        }
    }
}

fn stop<P: Provider>(session: &Session<P>) {
    // The panic hook has logged it.
    catch_unwind(AssertUnwindSafe(|| session.provider.stop())).ok();
}
