//! Connections: accepted, proved by TLS, counted.

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

/// How long a connection may take to show its certificate.
const PROOF: Duration = Duration::from_secs(10);

/// How long to wait for the host: at first, and after its last connection broke.
const FIRST: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(5);

/// A connection that may call the provider.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    _open: Open,
}

/// Accepts connections until `end`, and hands on those that prove who they are.
pub(super) async fn accept(
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    accepted: mpsc::Sender<io::Result<Connection>>,
    count: watch::Sender<Count>,
    end: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            () = end.cancelled() => return,
            stream = listener.accept() => stream,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Such as too many open files: it does not help to try at once.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // On its own, so that a slow or hostile one holds nobody up.
        let (tls, accepted, count) = (tls.clone(), accepted.clone(), count.clone());
        tokio::spawn(async move {
            match prove(stream, tls).await {
                Ok(stream) => {
                    let connection = Connection {
                        stream,
                        _open: Open::new(count),
                    };
                    // The server has ended meanwhile.
                    accepted.send(Ok(connection)).await.ok();
                }
                Err(error) => tracing::warn!(%error, "refused a connection"),
            }
        });
    }
}

async fn prove(
    stream: Box<dyn Stream>,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<Box<dyn Stream>> {
    match tls {
        None => Ok(stream),
        Some(config) => {
            let handshake = TlsAcceptor::from(config).accept(stream);
            Ok(Box::new(tokio::time::timeout(PROOF, handshake).await??))
        }
    }
}

/// Ends when the host is gone: it does not come, or its last connection broke and no other followed.
pub(super) async fn abandoned(count: watch::Receiver<Count>) {
    abandoned_after(count, FIRST, AGAIN).await;
}

async fn abandoned_after(mut count: watch::Receiver<Count>, first: Duration, again: Duration) {
    let (mut patience, mut known) = (first, 0);
    loop {
        // By their number: one may have come and gone before anybody looks.
        let another = count.wait_for(|count| count.accepted > known);
        if !matches!(tokio::time::timeout(patience, another).await, Ok(Ok(_))) {
            return;
        }
        match count.wait_for(|count| count.open == 0).await {
            Ok(count) => known = count.accepted,
            Err(_) => return,
        }
        patience = again;
    }
}

/// The connections of a server.
#[derive(Default)]
pub(super) struct Count {
    /// Those that are open.
    open: usize,
    /// All that ever were.
    accepted: usize,
}

/// Counts a connection for as long as it is open.
struct Open(watch::Sender<Count>);

impl Open {
    fn new(count: watch::Sender<Count>) -> Self {
        count.send_modify(|count| {
            count.open += 1;
            count.accepted += 1;
        });
        Self(count)
    }
}

impl Drop for Open {
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

    const MOMENT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_host_that_does_not_come_is_gone() {
        let (_open, watched) = watch::channel(Count::default());
        abandoned_after(watched, MOMENT, LONG).await;
    }

    #[tokio::test]
    async fn a_host_that_left_before_anybody_looked_is_gone() {
        let (open, watched) = watch::channel(Count::default());
        drop(Open::new(open.clone()));
        let gone = abandoned_after(watched, LONG * 10, MOMENT);
        tokio::time::timeout(LONG, gone).await.unwrap();
    }

    #[tokio::test]
    async fn a_host_is_there_while_a_connection_is_open_and_may_come_back() {
        let (open, watched) = watch::channel(Count::default());
        let gone = tokio::spawn(abandoned_after(watched.clone(), LONG, MOMENT));
        let patient = tokio::spawn(abandoned_after(watched, LONG, LONG));
        let [first, second] = [Open::new(open.clone()), Open::new(open.clone())];
        drop(first);
        tokio::time::sleep(MOMENT * 4).await;
        assert!(!gone.is_finished());
        drop(second);
        tokio::time::timeout(LONG, gone).await.unwrap().unwrap();
        assert!(!patient.is_finished());
    }
}
