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
    open: watch::Sender<usize>,
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
        let (tls, accepted, open) = (tls.clone(), accepted.clone(), open.clone());
        tokio::spawn(async move {
            match prove(stream, tls).await {
                Ok(stream) => {
                    let connection = Connection {
                        stream,
                        _open: Open::new(open),
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
pub(super) async fn abandoned(mut open: watch::Receiver<usize>) {
    let mut patience = FIRST;
    while came(&mut open, patience).await && left(&mut open).await {
        patience = AGAIN;
    }
}

/// Waits for a connection.
async fn came(open: &mut watch::Receiver<usize>, patience: Duration) -> bool {
    let came = tokio::time::timeout(patience, open.wait_for(|count| *count > 0)).await;
    matches!(came, Ok(Ok(_)))
}

/// Waits for the last connection to break; false when the server has ended.
async fn left(open: &mut watch::Receiver<usize>) -> bool {
    open.wait_for(|count| *count == 0).await.is_ok()
}

/// Counts a connection for as long as it is open.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(count: watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
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

    #[tokio::test(start_paused = true)]
    async fn the_host_is_gone_when_no_connection_follows_the_last() {
        let (open, watched) = watch::channel(0);
        let mut gone = tokio::spawn(abandoned(watched));
        let mut is_gone_after =
            async |wait: Duration| tokio::time::timeout(wait, &mut gone).await.is_ok();
        assert!(!is_gone_after(FIRST / 2).await);
        let first = Open::new(open.clone());
        assert!(!is_gone_after(FIRST * 100).await, "a connection is open");
        drop(first);
        assert!(!is_gone_after(AGAIN / 2).await);
        let second = Open::new(open.clone());
        assert!(!is_gone_after(AGAIN * 2).await, "the host came back");
        drop(second);
        assert!(is_gone_after(AGAIN * 2).await);
    }
}
