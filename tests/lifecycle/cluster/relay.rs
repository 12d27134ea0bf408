//! A relay to the API server that counts its connections, and that can stop forwarding data.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Relay {
    /// The URL of the relay, with `https://`.
    pub url: String,
    connections: Arc<AtomicUsize>,
    silence: watch::Sender<()>,
}

impl Relay {
    /// Starts a relay to the server at this URL.
    pub async fn to(server: &str) -> Self {
        let server = server
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let connections = Arc::new(AtomicUsize::new(0));
        let (silence, silenced) = watch::channel(());
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (server, mut silenced) = (server.clone(), silenced.clone());
                silenced.mark_unchanged();
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await;
                    let mut server = server.expect("the server");
                    let silent = tokio::select! {
                        // Either side can close the connection.
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => false,
                        changed = silenced.changed() => changed.is_ok(),
                    };
                    if silent {
                        // Both sides stay open.
                        std::future::pending().await
                    }
                });
            }
        });
        Self {
            url,
            connections,
            silence,
        }
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Stops forwarding data on the existing connections. New connections work.
    pub fn fall_silent(&self) {
        self.silence.send_replace(());
    }
}
