//! Connections: accepted, authenticated by TLS, counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::listen::{Listener, Stream};

/// The time limit of a TLS handshake.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit of the host's first connection.
const FIRST_CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// The time limit of another connection after the last one broke.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is allowed to call the provider.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    _open: OpenConnection,
}

/// Accepts connections until `shutdown`, and forwards those of an authenticated client. Without `tls` that is every
/// client.
pub(super) async fn accept(
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    accepted: mpsc::Sender<io::Result<Connection>>,
    count: watch::Sender<ConnectionCounts>,
    shutdown: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => return,
            stream = listener.accept() => stream,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // A lack of resources, such as open files, does not end at once.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // A task of its own, so that a slow client does not block others.
        let (tls, accepted, count) = (tls.clone(), accepted.clone(), count.clone());
        tokio::spawn(async move {
            match authenticate(stream, tls).await {
                Ok(stream) => {
                    let connection = Connection {
                        stream,
                        _open: OpenConnection::new(count),
                    };
                    // Fails only if the server has shut down in the meantime.
                    accepted.send(Ok(connection)).await.ok();
                }
                Err(error) => tracing::warn!(%error, "rejected a connection"),
            }
        });
    }
}

async fn authenticate(
    stream: Box<dyn Stream>,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<Box<dyn Stream>> {
    match tls {
        None => Ok(stream),
        Some(config) => {
            let handshake = TlsAcceptor::from(config).accept(stream);
            Ok(Box::new(
                tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, handshake).await??,
            ))
        }
    }
}

/// Returns when the host has left: it never connected, or its last connection broke and no other followed.
pub(super) async fn abandoned(count: watch::Receiver<ConnectionCounts>) {
    abandoned_after(count, FIRST_CONNECTION_TIMEOUT, RECONNECT_TIMEOUT).await;
}

async fn abandoned_after(
    mut count: watch::Receiver<ConnectionCounts>,
    first: Duration,
    reconnect: Duration,
) {
    let (mut limit, mut accepted) = (first, 0);
    loop {
        // The total, because a connection can open and close between two looks.
        let another = count.wait_for(|count| count.accepted > accepted);
        if !matches!(tokio::time::timeout(limit, another).await, Ok(Ok(_))) {
            return;
        }
        match count.wait_for(|count| count.open == 0).await {
            Ok(count) => accepted = count.accepted,
            Err(_) => return,
        }
        limit = reconnect;
    }
}

/// The number of a server's connections.
#[derive(Default)]
pub(super) struct ConnectionCounts {
    /// The connections that are open.
    open: usize,
    /// The connections since the start.
    accepted: usize,
}

/// Counts a connection for as long as it is open.
struct OpenConnection(watch::Sender<ConnectionCounts>);

impl OpenConnection {
    fn new(count: watch::Sender<ConnectionCounts>) -> Self {
        count.send_modify(|count| {
            count.open += 1;
            count.accepted += 1;
        });
        Self(count)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.send_modify(|count| count.open -= 1);
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn reports_a_host_that_never_connects() {
        let (_open, watched) = watch::channel(ConnectionCounts::default());
        abandoned_after(watched, SHORT, LONG).await;
    }

    #[tokio::test]
    async fn reports_a_host_that_left_between_two_looks() {
        let (open, watched) = watch::channel(ConnectionCounts::default());
        drop(OpenConnection::new(open.clone()));
        let abandoned = abandoned_after(watched, LONG * 10, SHORT);
        tokio::time::timeout(LONG, abandoned).await.unwrap();
    }

    #[tokio::test]
    async fn waits_while_a_connection_is_open_and_for_a_reconnect() {
        let (open, watched) = watch::channel(ConnectionCounts::default());
        let abandoned = tokio::spawn(abandoned_after(watched.clone(), LONG, SHORT));
        let waiting = tokio::spawn(abandoned_after(watched, LONG, LONG));
        let [first, second] = [
            OpenConnection::new(open.clone()),
            OpenConnection::new(open.clone()),
        ];
        drop(first);
        tokio::time::sleep(SHORT * 4).await;
        assert!(!abandoned.is_finished());
        drop(second);
        tokio::time::timeout(LONG, abandoned)
            .await
            .unwrap()
            .unwrap();
        assert!(!waiting.is_finished());
    }
}
