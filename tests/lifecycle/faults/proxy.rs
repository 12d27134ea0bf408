//! A proxy in front of the real API server that breaks one chosen request.
//!
//! It speaks TLS and, as an API server does, HTTP/2 where the client can. It adds the credentials of the kubeconfig
//! that it was made from, so its clients need none. A request that is to be carried out is carried out even if the
//! client leaves meanwhile.

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
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use terraform_provider_feast::cluster::CancellationToken;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::fault::{Effect, Fault, INJECTED};
use super::request::{RequestName, target};
use crate::lifecycle::store::StoreUnderTest;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// All proxies run here.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// The request to break, how, and whom to signal.
pub struct Injection {
    pub request: RequestName,
    pub fault: Fault,
    /// Kills or interrupts a process, for the faults that do; blocks until that is done.
    pub signal: Signal,
    /// How many attempts to connect are turned away after it.
    pub then_away_for: usize,
}

pub type Signal = Arc<dyn Fn(Effect) + Send + Sync>;

impl Injection {
    /// For a fault that no process is signalled for.
    pub fn of(request: RequestName, fault: Fault) -> Self {
        Self {
            request,
            fault,
            signal: Arc::new(|_| ()),
            then_away_for: 0,
        }
    }
}

pub struct Proxy {
    address: SocketAddr,
    /// The certificate that it presents, which is its own authority.
    certificate: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    upstream: kube::Client,
    script: Mutex<Script>,
    /// The connections that are open.
    connections: Mutex<CancellationToken>,
    /// Closes the connections of clients that wait for an answer that never comes.
    stop: CancellationToken,
}

/// What has been asked, and what is to be broken.
#[derive(Default)]
struct Script {
    counts: BTreeMap<String, usize>,
    requests: Vec<RequestName>,
    injection: Option<Injection>,
    outage: bool,
    /// How many more attempts to connect are turned away.
    away_for: usize,
    turned_away: usize,
    was_hit: bool,
}

impl Proxy {
    /// Listens on a port of 127.0.0.1, in front of the cluster of this kubeconfig.
    pub fn before(kubeconfig: &Path) -> Self {
        RUNTIME.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            let upstream = kube::Client::try_from(config.expect("a configuration"));
            let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
            let rcgen::CertifiedKey { cert, signing_key } = key.expect("a certificate");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let stop = CancellationToken::new();
            let proxy = Self {
                address: listener.local_addr().expect("an address"),
                certificate: cert.pem(),
                shared: Arc::new(Shared {
                    upstream: upstream.expect("a client"),
                    script: Mutex::default(),
                    connections: Mutex::default(),
                    stop: stop.clone(),
                }),
                stop,
            };
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let private = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
            let mut tls = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("protocol versions")
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], private.into())
                .expect("a server's configuration");
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let accept = accept(
                listener,
                TlsAcceptor::from(Arc::new(tls)),
                proxy.shared.clone(),
            );
            tokio::spawn(proxy.stop.clone().run_until_cancelled_owned(accept));
            proxy
        })
    }

    /// Returns a kubeconfig that leads here.
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

    /// Begins to count requests anew, and ends every fault of before.
    pub fn begin(&self, injection: Option<Injection>) {
        *self.shared.script() = Script {
            injection,
            ..Script::default()
        };
    }

    /// Returns the requests since [`Proxy::begin`], in the order in which they arrived.
    pub fn requests(&self) -> Vec<RequestName> {
        self.shared.script().requests.clone()
    }

    /// Returns whether the request to break has arrived since [`Proxy::begin`].
    pub fn was_hit(&self) -> bool {
        self.shared.script().was_hit
    }

    /// Returns how many attempts to connect have been turned away since [`Proxy::begin`].
    pub fn turned_away(&self) -> usize {
        self.shared.script().turned_away
    }

    /// Puts a proxy between a feature store's provider and its API server.
    pub fn between(test: &mut StoreUnderTest) -> Self {
        let proxy = Self::before(test.namespace.cluster().kubeconfig());
        let file = "proxy.kubeconfig";
        (test.terraform.write(file, &proxy.kubeconfig())).expect("a file");
        let path = test.terraform.folder().join(file).display().to_string();
        test.terraform.environment("TF_VAR_kubeconfig", &path);
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
        if !shared.turns_away() {
            tokio::spawn(serve(stream, tls.clone(), shared.clone()));
        }
    }
}

/// One connection, from the side of the requests on it.
#[derive(Clone)]
struct Connection {
    close: CancellationToken,
    with_reset: Arc<AtomicBool>,
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>) {
    stream.set_nodelay(true).ok();
    // A second handle of the same socket, for its options.
    let (stream, socket) = {
        let stream = stream.into_std().expect("a stream");
        let second = stream.try_clone().expect("a handle");
        let stream = TcpStream::from_std(stream).expect("a stream");
        (stream, TcpStream::from_std(second).expect("a handle"))
    };
    // The client may leave before the handshake is done.
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
        async move { Ok::<_, Infallible>(answer(&shared, &connection, request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error means that the client has left.
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
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_connections(&self) -> MutexGuard<'_, CancellationToken> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an attempt to connect, and returns whether it fails.
    fn turns_away(&self) -> bool {
        let mut script = self.script();
        let away = script.away_for > 0;
        script.away_for = script.away_for.saturating_sub(1);
        script.turned_away += usize::from(away);
        away
    }

    /// Closes every connection, as an API server does that ends.
    fn leave(&self) {
        std::mem::take(&mut *self.open_connections()).cancel();
    }

    /// Notes the request, and returns what is to go wrong with it.
    fn strike(&self, target: String) -> Option<Strike> {
        let mut script = self.script();
        let nth = script.counts.entry(target.clone()).or_insert(0);
        *nth += 1;
        let name = RequestName { target, nth: *nth };
        script.requests.push(name.clone());
        if script.outage {
            return Some(Strike {
                effect: Fault::OUTAGE,
                is_carried_out: false,
                signal: None,
                then_leaves: false,
            });
        }
        let injection = script.injection.take_if(|it| it.request == name)?;
        script.was_hit = true;
        script.outage = injection.fault.begins_outage();
        script.away_for = injection.then_away_for;
        Some(Strike {
            effect: injection.fault.effect(),
            is_carried_out: injection.fault.is_carried_out(),
            signal: Some(injection.signal),
            then_leaves: injection.then_away_for > 0,
        })
    }

    /// Carries the request out, whatever becomes of the client.
    async fn forward(&self, request: Request<Bytes>) -> Answer {
        let upstream = self.upstream.clone();
        let sent = tokio::spawn(async move {
            let (parts, body) = request.into_parts();
            upstream
                .send(Request::from_parts(parts, Body::from(body)))
                .await
        });
        match sent.await.expect("no panic") {
            Ok(answer) => answer.map(|body| body.map_err(BoxError::from).boxed_unsync()),
            Err(error) => {
                let message = format!("the proxy of the test cannot reach the API server: {error}");
                status(StatusCode::BAD_GATEWAY, None, &message)
            }
        }
    }
}

/// A fault that happens to a request.
struct Strike {
    effect: Effect,
    is_carried_out: bool,
    signal: Option<Signal>,
    then_leaves: bool,
}

impl Strike {
    async fn signal(&self) {
        let Some(signal) = self.signal.clone() else {
            return;
        };
        let effect = self.effect;
        let done = tokio::task::spawn_blocking(move || signal(effect));
        done.await.expect("no panic");
    }
}

async fn answer(shared: &Shared, connection: &Connection, request: Request<Incoming>) -> Answer {
    let strike = shared.strike(target(request.method().as_str(), request.uri()));
    let request = match whole(request).await {
        Ok(request) => request,
        // The client has left; nobody reads this.
        Err(error) => return status(StatusCode::BAD_REQUEST, None, &error.to_string()),
    };
    let Some(strike) = strike else {
        return shared.forward(request).await;
    };
    match strike.effect {
        Effect::Delay(delay) => {
            tokio::time::sleep(delay).await;
            shared.forward(request).await
        }
        Effect::InterruptTerraform { answers: true } => {
            strike.signal().await;
            shared.forward(request).await
        }
        Effect::EndBody { cleanly } => half(shared.forward(request).await, cleanly).await,
        effect => {
            if strike.is_carried_out {
                drop(shared.forward(request).await);
            }
            match effect {
                Effect::Status { code, retry_after } => {
                    let code = StatusCode::from_u16(code).expect("a status code");
                    status(code, retry_after, INJECTED)
                }
                Effect::Page { code } => page(StatusCode::from_u16(code).expect("a status code")),
                Effect::CloseConnection { reset } => {
                    connection.with_reset.store(reset, Ordering::Relaxed);
                    connection.close.cancel();
                    if strike.then_leaves {
                        shared.leave();
                    }
                    std::future::pending().await
                }
                _ => {
                    strike.signal().await;
                    std::future::pending().await
                }
            }
        }
    }
}

/// Reads the body of a request, and leaves out what belongs to the connection that it came on.
async fn whole(request: Request<Incoming>) -> Result<Request<Bytes>, hyper::Error> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map_or_else(Default::default, Into::into);
    parts.version = hyper::Version::HTTP_11;
    parts.headers.remove(header::HOST);
    let body = body.collect().await?.to_bytes();
    Ok(Request::from_parts(parts, body))
}

/// Passes on the first half of the first piece of the body, and nothing after it.
async fn half(answer: Answer, cleanly: bool) -> Answer {
    let (mut parts, mut body) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let first = body.frame().await.and_then(Result::ok);
    let first = first.and_then(|frame| frame.into_data().ok());
    let first = first.unwrap_or_default();
    let half = first.slice(..first.len() / 2);
    let end = (!cleanly).then(|| Err(BoxError::from("cut by the test")));
    let frames = stream::iter([Ok(Frame::data(half))]).chain(stream::iter(end));
    Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
}

/// An answer as the API server gives it when it refuses something.
fn status(code: StatusCode, retry_after: Option<u32>, message: &str) -> Answer {
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
    let mut answer = with_body(code, "application/json", body.to_string());
    if let Some(seconds) = retry_after {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

/// An answer of somebody between the provider and the API server.
fn page(code: StatusCode) -> Answer {
    let text = format!("<!DOCTYPE html><html><body>Please log in: {INJECTED}</body></html>\n");
    with_body(code, "text/html; charset=utf-8", text)
}

fn with_body(code: StatusCode, kind: &'static str, text: String) -> Answer {
    let body = Full::from(text).map_err(BoxError::from).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    let kind = header::HeaderValue::from_static(kind);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
