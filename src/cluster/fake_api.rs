//! A scripted API server for unit tests, for behavior that a real one does not have on demand, such as losing a
//! response.

use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Cluster, Connection, Options, StoreName};

/// A received request.
pub struct Received {
    /// Method and path, without the query: `GET /api/v1/namespaces/ns/secrets/feast-x`.
    pub line: String,
    /// True for a write that stores nothing.
    pub dry_run: bool,
    pub body: Json,
}

/// The reply to a request.
pub enum Reply {
    Answer(u16, Json),
    /// Closes the connection without a response.
    Lose,
    /// Sends no response and keeps the connection open.
    Hang,
}

/// Returns a client of an API server with the replies of `script`.
pub async fn cluster(script: impl FnMut(&Received) -> Reply + Send + 'static) -> Cluster {
    let connection = Connection {
        host: Some(server(script).await),
        ..Connection::default()
    };
    Cluster::new(&connection, Options::default()).unwrap()
}

/// Starts an API server with the replies of `script`, and returns its address.
pub async fn server(script: impl FnMut(&Received) -> Reply + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let script = Arc::new(Mutex::new(script));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let script = script.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Ok(request) = read(&mut stream).await {
                    let reply = (script.lock().unwrap())(&request);
                    match reply {
                        Reply::Answer(code, body) => write(&mut stream, code, &body).await,
                        Reply::Lose => return,
                        Reply::Hang => std::future::pending().await,
                    }
                }
            });
        }
    });
    address
}

/// Waits until the server has received a request, and pauses the clock, which then advances whenever all tasks wait.
pub async fn time_passes(receiver: &mut UnboundedReceiver<()>) {
    receiver.recv().await.unwrap();
    tokio::time::pause();
}

pub fn store(name: &str) -> StoreName {
    StoreName {
        namespace: "ns".to_owned(),
        name: name.to_owned(),
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Received> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.to_lowercase());
    }
    let length = (head.iter())
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let mut words = head[0].split([' ', '?']);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    Ok(Received {
        line: format!("{} {path}", method.to_uppercase()),
        // The head is in lower case.
        dry_run: head[0].contains("dryrun=all"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

async fn write(stream: &mut BufReader<TcpStream>, code: u16, body: &Json) {
    let body = body.to_string();
    let length = body.len();
    let text = format!("HTTP/1.1 {code} OK\r\ncontent-length: {length}\r\n\r\n{body}");
    // The client can have closed the connection.
    stream.write_all(text.as_bytes()).await.ok();
}
