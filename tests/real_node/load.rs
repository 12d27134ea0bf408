//! Clients that ask for features all the time, and count the requests that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::support::feast::features::{expected_response, features_request, values};

/// Longer than any response of a running server.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How much the clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    Low,
    High,
}

impl Rate {
    /// Returns the number of clients of each kind, and the pause between two requests of a client.
    fn clients(self) -> (usize, Duration) {
        match self {
            Self::Low => (4, Duration::from_millis(100)),
            Self::High => (8, Duration::from_millis(20)),
        }
    }
}

/// The outcome of the requests.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub answered: usize,
    /// Requests that were sent again, because the server closed a kept connection before it answered. HTTP allows this
    /// for requests without side effects (RFC 9112, section 9.3.1), and a server may close an idle connection at any
    /// time.
    pub repeated: usize,
    /// Each failure, with the time since the load began.
    pub failures: Vec<(Duration, String)>,
    pub slowest: Duration,
    /// The time of each response since the load began, and how long it took.
    pub latencies: Vec<(Duration, Duration)>,
}

impl Report {
    pub fn add(mut self, other: Self) -> Self {
        self.answered += other.answered;
        self.repeated += other.repeated;
        self.failures.extend(other.failures);
        self.slowest = self.slowest.max(other.slowest);
        self.latencies.extend(other.latencies);
        self
    }
}

/// An online server.
#[derive(Clone)]
pub struct Target {
    /// Host and port.
    pub address: String,
    /// The certificates to trust, if the server has TLS.
    pub tls: Option<TlsConnector>,
}

impl Target {
    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let failed = |error: std::io::Error| format!("cannot connect: {error}");
        let stream = TcpStream::connect(&self.address).await.map_err(failed)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(SERVER_NAME).expect("a valid name");
        let stream = tls.connect(name, stream).await;
        stream
            .map(|stream| Box::new(stream) as Box<dyn Stream>)
            .map_err(|error| format!("no TLS connection: {error}"))
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The name in the certificates.
pub const SERVER_NAME: &str = "features.test";

/// Clients that open a connection for each request, and as many that keep their connections.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Report>>,
}

impl Load {
    /// Starts to send requests.
    pub fn on(target: &Target, rate: Rate) -> Self {
        let (count, pause) = rate.clients();
        Self::start(target, &[false, true], count, pause)
    }

    /// Starts clients with new connections, each of which waits for the response and then for `pause`.
    pub fn closed(target: &Target, count: usize, pause: Duration) -> Self {
        Self::start(target, &[false], count, pause)
    }

    fn start(target: &Target, keeps: &[bool], count: usize, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = keeps.iter().map(|keeps| {
            let (target, stop, keeps) = (target.clone(), Arc::clone(&stop), *keeps);
            std::thread::spawn(move || send(&target, count, pause, keeps, &stop))
        });
        let clients = clients.collect();
        Self { stop, clients }
    }

    /// Ends the load. Returns the report of the clients with new connections, and that of those that keep theirs.
    pub fn end(self) -> [Report; 2] {
        self.reports().try_into().expect("two reports")
    }

    /// Ends the load. Returns the report of all clients.
    pub fn end_all(self) -> Report {
        let reports = self.reports().into_iter();
        reports.fold(Report::default(), Report::add)
    }

    fn reports(self) -> Vec<Report> {
        self.stop.store(true, Ordering::Relaxed);
        let clients = self.clients.into_iter();
        clients
            .map(|client| client.join().expect("a report"))
            .collect()
    }
}

fn send(target: &Target, count: usize, pause: Duration, keeps: bool, stop: &AtomicBool) -> Report {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let start = Instant::now();
    runtime.block_on(async {
        let clients = (0..count).map(|_| async {
            let mut client = Client::new(target, keeps);
            let mut report = Report::default();
            while !stop.load(Ordering::Relaxed) {
                client.measure(start, &mut report).await;
                tokio::time::sleep(pause).await;
            }
            report
        });
        let reports = futures::future::join_all(clients).await;
        reports.into_iter().fold(Report::default(), Report::add)
    })
}

/// One client, with at most one connection.
struct Client<'a> {
    target: &'a Target,
    keeps: bool,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl<'a> Client<'a> {
    fn new(target: &'a Target, keeps: bool) -> Self {
        Self {
            target,
            keeps,
            connection: None,
        }
    }

    async fn measure(&mut self, start: Instant, report: &mut Report) {
        let sent = Instant::now();
        let outcome = tokio::time::timeout(TIMEOUT, self.request(&mut report.repeated)).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(format!("no response in {} s", TIMEOUT.as_secs())));
        match outcome {
            Ok(()) => {
                report.answered += 1;
                report.latencies.push((start.elapsed(), sent.elapsed()));
            }
            Err(failure) => {
                self.connection = None;
                report.failures.push((start.elapsed(), failure));
            }
        }
        report.slowest = report.slowest.max(sent.elapsed());
    }

    /// Asks for the features. Sends the request again if a kept connection ends before the response begins.
    async fn request(&mut self, repeated: &mut usize) -> Result<(), String> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            match connection.send_request(self.features()).await {
                Ok(response) => return self.finish(connection, response).await,
                Err(_) => *repeated += 1,
            }
        }
        let connection = handshake(TokioIo::new(self.target.connect().await?)).await;
        let (mut sender, connection) = connection.map_err(|error| describe(&error))?;
        tokio::spawn(connection);
        let response = sender.send_request(self.features()).await;
        let response = response.map_err(|error| describe(&error))?;
        self.finish(sender, response).await
    }

    /// Checks a response, and keeps the connection.
    async fn finish(
        &mut self,
        connection: SendRequest<Full<Bytes>>,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<(), String> {
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| describe(&error))?.to_bytes();
        if self.keeps {
            self.connection = Some(connection);
        }
        let text = String::from_utf8_lossy(&body);
        let found = serde_json::from_str::<Json>(&text).map(|json| values(&json));
        match found {
            Ok(found) if status.is_success() && found == expected_response() => Ok(()),
            _ => Err(format!("{status}: {text}")),
        }
    }

    fn features(&self) -> Request<Full<Bytes>> {
        let request = Request::post("/get-online-features")
            .header("host", &self.target.address)
            .header("content-type", "application/json");
        let request = match self.keeps {
            true => request,
            false => request.header("connection", "close"),
        };
        let body = Full::from(features_request().to_string());
        request.body(body).expect("a request")
    }
}

/// Returns an error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
