//! A proxy in front of the real API server that injects a fault into one request.
//!
//! The proxy uses TLS, and HTTP/2 if the client supports it, as an API server does. It adds the credentials of its
//! kubeconfig, so its clients need none. A request that the API server is to process is sent even if the client
//! disconnects meanwhile.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use terraform_provider_feast::cluster::CancellationToken;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::fault::{Effect, Fault, INJECTED};
use super::request::{RequestName, target};
use crate::lifecycle::store::StoreUnderTest;
use crate::support::testbed::pki;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type ProxyResponse = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// The runtime of all proxies.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// The request to fail, the fault, and the process to signal.
pub struct Injection {
    pub request: RequestName,
    pub fault: Fault,
    /// Kills or interrupts a process, for the faults that do so. Blocks until that is done.
    pub signal: Signal,
    /// The number of connection attempts that are refused afterwards.
    pub then_refuses: usize,
}

pub type Signal = Arc<dyn Fn(Effect) + Send + Sync>;

impl Injection {
    /// Creates an injection for a fault that signals no process.
    pub fn of(request: RequestName, fault: Fault) -> Self {
        Self {
            request,
            fault,
            signal: Arc::new(|_| ()),
            then_refuses: 0,
        }
    }
}

pub struct Proxy {
    address: SocketAddr,
    /// The certificate of the proxy, which is its own authority.
    certificate: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    upstream: kube::Client,
    state: Mutex<ProxyState>,
    /// Cancelled to close all open connections.
    connections: Mutex<CancellationToken>,
    /// Closes the connections of clients that wait for a response that never arrives.
    stop: CancellationToken,
}

/// The received requests, and the fault to inject.
#[derive(Default)]
struct ProxyState {
    counts: BTreeMap<String, usize>,
    requests: Vec<RequestName>,
    injection: Option<Injection>,
    outage: bool,
    /// The number of further connection attempts to refuse.
    connections_to_refuse: usize,
    refused_connections: usize,
    was_injected: bool,
}

impl Proxy {
    /// Listens on a port of 127.0.0.1, in front of the cluster of this kubeconfig.
    pub fn new(kubeconfig: &Path) -> Self {
        RUNTIME.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            let upstream = kube::Client::try_from(config.expect("a configuration"));
            let (mut tls, certificate) = pki::self_signed("127.0.0.1").expect("a certificate");
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let stop = CancellationToken::new();
            let proxy = Self {
                address: listener.local_addr().expect("an address"),
                certificate,
                shared: Arc::new(Shared {
                    upstream: upstream.expect("a client"),
                    state: Mutex::default(),
                    connections: Mutex::default(),
                    stop: stop.clone(),
                }),
                stop,
            };
            let accept = accept(
                listener,
                TlsAcceptor::from(Arc::new(tls)),
                proxy.shared.clone(),
            );
            tokio::spawn(proxy.stop.clone().run_until_cancelled_owned(accept));
            proxy
        })
    }

    /// Returns a kubeconfig for the proxy.
    pub fn kubeconfig(&self) -> String {
        use base64::Engine as _;
        let certificate = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        let server = format!("https://{}", self.address);
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "clusters": [{
                "name": "proxy",
                "cluster": {"server": server, "certificate-authority-data": certificate},
            }],
            "users": [{"name": "proxy", "user": {}}],
        })
        .to_string()
    }

    /// Resets the counts of requests, and ends every previous fault.
    pub fn reset(&self, injection: Option<Injection>) {
        *self.shared.state() = ProxyState {
            injection,
            ..ProxyState::default()
        };
    }

    /// Returns the requests since [`Proxy::reset`], in the order of their arrival.
    pub fn requests(&self) -> Vec<RequestName> {
        self.shared.state().requests.clone()
    }

    /// Returns whether the fault has been injected since [`Proxy::reset`].
    pub fn was_injected(&self) -> bool {
        self.shared.state().was_injected
    }

    /// Returns the number of refused connection attempts since [`Proxy::reset`].
    pub fn refused_connections(&self) -> usize {
        self.shared.state().refused_connections
    }

    /// Starts a proxy between the provider of a feature store and its API server.
    pub fn in_front_of(test: &mut StoreUnderTest) -> Self {
        let proxy = Self::new(test.namespace.cluster().kubeconfig());
        test.use_kubeconfig(&proxy.kubeconfig());
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if !shared.refuses_connection() {
            tokio::spawn(serve(stream, tls.clone(), shared.clone()));
        }
    }
}

/// One connection, as seen by the requests on it.
#[derive(Clone)]
struct Connection {
    close: CancellationToken,
    with_reset: Arc<AtomicBool>,
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>) {
    stream.set_nodelay(true).ok();
    // A second handle of the socket, to set its options.
    let (stream, socket) = {
        let stream = stream.into_std().expect("a stream");
        let second = stream.try_clone().expect("a handle");
        let stream = TcpStream::from_std(stream).expect("a stream");
        (stream, TcpStream::from_std(second).expect("a handle"))
    };
    // The client may disconnect before the handshake is complete.
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let connection = Connection {
        close: shared.open_connections().child_token(),
        with_reset: Arc::default(),
    };
    let stop = shared.stop.clone();
    let service = service_fn(|request| {
        let (shared, connection) = (shared.clone(), connection.clone());
        async move { Ok::<_, Infallible>(respond(&shared, &connection, request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error means that the client has disconnected.
        _ = served => {}
        () = stop.cancelled() => {}
        () = connection.close.cancelled() => {
            if connection.with_reset.load(Ordering::Relaxed) {
                socket.set_zero_linger().expect("a socket");
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, ProxyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_connections(&self) -> MutexGuard<'_, CancellationToken> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a connection attempt, and returns whether it is refused.
    fn refuses_connection(&self) -> bool {
        let mut state = self.state();
        let refuses = state.connections_to_refuse > 0;
        state.connections_to_refuse = state.connections_to_refuse.saturating_sub(1);
        state.refused_connections += usize::from(refuses);
        refuses
    }

    /// Closes every connection, as an API server does when it stops.
    fn close_connections(&self) {
        std::mem::take(&mut *self.open_connections()).cancel();
    }

    /// Records the request, and returns the fault to inject.
    fn next_fault(&self, target: String) -> Option<InjectedFault> {
        let mut state = self.state();
        let nth = state.counts.entry(target.clone()).or_insert(0);
        *nth += 1;
        let name = RequestName { target, nth: *nth };
        state.requests.push(name.clone());
        if state.outage {
            return Some(InjectedFault {
                effect: Fault::OUTAGE,
                reaches_api_server: false,
                signal: None,
                then_closes_connections: false,
            });
        }
        let injection = state.injection.take_if(|it| it.request == name)?;
        state.was_injected = true;
        state.outage = injection.fault.begins_outage();
        state.connections_to_refuse = injection.then_refuses;
        Some(InjectedFault {
            effect: injection.fault.effect(),
            reaches_api_server: injection.fault.reaches_api_server(),
            signal: Some(injection.signal),
            then_closes_connections: injection.then_refuses > 0,
        })
    }

    /// Sends the request to the API server, even if the client disconnects.
    async fn forward(&self, request: Request<Bytes>) -> ProxyResponse {
        let upstream = self.upstream.clone();
        let sent = tokio::spawn(async move {
            let (parts, body) = request.into_parts();
            upstream
                .send(Request::from_parts(parts, Body::from(body)))
                .await
        });
        match sent.await.expect("no panic") {
            Ok(response) => response.map(|body| body.map_err(BoxError::from).boxed_unsync()),
            Err(error) => {
                let message = format!("the test proxy cannot reach the API server: {error}");
                status(StatusCode::BAD_GATEWAY, None, &message)
            }
        }
    }
}

/// A fault that is injected into a request.
struct InjectedFault {
    effect: Effect,
    reaches_api_server: bool,
    signal: Option<Signal>,
    then_closes_connections: bool,
}

impl InjectedFault {
    async fn signal(&self) {
        let Some(signal) = self.signal.clone() else {
            return;
        };
        let effect = self.effect;
        let done = tokio::task::spawn_blocking(move || signal(effect));
        done.await.expect("no panic");
    }
}

async fn respond(
    shared: &Shared,
    connection: &Connection,
    request: Request<Incoming>,
) -> ProxyResponse {
    let fault = shared.next_fault(target(request.method().as_str(), request.uri()));
    let request = match read_request(request).await {
        Ok(request) => request,
        // The client has disconnected and does not receive this response.
        Err(error) => return status(StatusCode::BAD_REQUEST, None, &error.to_string()),
    };
    let Some(fault) = fault else {
        return shared.forward(request).await;
    };
    match fault.effect {
        Effect::Delay(delay) => {
            tokio::time::sleep(delay).await;
            shared.forward(request).await
        }
        Effect::InterruptTerraform { answers: true } => {
            fault.signal().await;
            shared.forward(request).await
        }
        Effect::EndBody { cleanly } => truncate_body(shared.forward(request).await, cleanly).await,
        effect => {
            if fault.reaches_api_server {
                drop(shared.forward(request).await);
            }
            match effect {
                Effect::Status { code, retry_after } => {
                    let code = StatusCode::from_u16(code).expect("a status code");
                    status(code, retry_after, INJECTED)
                }
                Effect::Page { code } => {
                    html_page(StatusCode::from_u16(code).expect("a status code"))
                }
                Effect::CloseConnection { reset } => {
                    connection.with_reset.store(reset, Ordering::Relaxed);
                    connection.close.cancel();
                    if fault.then_closes_connections {
                        shared.close_connections();
                    }
                    std::future::pending().await
                }
                _ => {
                    fault.signal().await;
                    std::future::pending().await
                }
            }
        }
    }
}

/// Reads the body of a request, and removes the headers of its connection.
async fn read_request(request: Request<Incoming>) -> Result<Request<Bytes>, hyper::Error> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map_or_else(Default::default, Into::into);
    parts.version = hyper::Version::HTTP_11;
    parts.headers.remove(header::HOST);
    let body = body.collect().await?.to_bytes();
    Ok(Request::from_parts(parts, body))
}

/// Returns a response with the first half of the first frame of the body, which then ends or fails.
async fn truncate_body(response: ProxyResponse, cleanly: bool) -> ProxyResponse {
    let (mut parts, mut body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let first = body.frame().await.and_then(Result::ok);
    let first = first.and_then(|frame| frame.into_data().ok());
    let first = first.unwrap_or_default();
    let half = first.slice(..first.len() / 2);
    let end = (!cleanly).then(|| Err(BoxError::from("truncated by the test")));
    let frames = stream::iter([Ok(Frame::data(half))]).chain(stream::iter(end));
    Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
}

/// Returns an error response in the form of the API server.
fn status(code: StatusCode, retry_after: Option<u32>, message: &str) -> ProxyResponse {
    let reason = match code.as_u16() {
        401 => "Unauthorized",
        403 => "Forbidden",
        409 => "Conflict",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "Unknown",
    };
    let body = serde_json::json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code.as_u16(),
    });
    let mut response = with_body(code, "application/json", body.to_string());
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Returns a response of an intermediary between the provider and the API server.
fn html_page(code: StatusCode) -> ProxyResponse {
    let text = format!("<!DOCTYPE html><html><body>Please log in: {INJECTED}</body></html>\n");
    with_body(code, "text/html; charset=utf-8", text)
}

fn with_body(code: StatusCode, kind: &'static str, text: String) -> ProxyResponse {
    let body = Full::from(text).map_err(BoxError::from).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let kind = header::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
