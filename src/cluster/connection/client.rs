//! The HTTP client: one HTTP/2 connection for all requests, and more connections for many watches.
//!
//! kube's own client uses HTTP/1.1 and opens a connection, with a TLS handshake, for each request in flight. A refresh
//! of ten feature stores would open dozens. See decision 025 for the number of connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Client, Config};
use rustls::ClientConfig;
use secrecy::SecretString;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use super::credentials::{ClientIdentity, Credentials, PluginCredentials};
use super::proxy::Proxy;
use super::{ConnectionError, Endpoint, tls};
use crate::cluster::task;

/// The interval of pings. A connection without an answer is closed, and its requests are sent again on another one.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of watches that share a connection. kube-apiserver permits 100 concurrent requests on a connection, and a
/// watch is one of them as long as it lasts: with too many watches, all other requests would have to wait.
const WATCHES_PER_CONNECTION: usize = 40;
/// The largest number of connections. A connection is opened when it is needed.
const CONNECTIONS: usize = 8;

/// Sends a request to the API server.
type Transport = BoxCloneSyncService<Request<Body>, HttpResponse, BoxError>;

/// The response; its type is the same for every connector.
type HttpResponse = <legacy::Client<HttpConnector, Body> as Service<Request<Body>>>::Response;

/// Creates the client. Runs the program that prints the credentials, if there is one.
///
/// # Errors
///
/// The credentials could not be obtained, or the TLS settings are invalid.
pub async fn client(endpoint: Endpoint) -> Result<Client, Arc<ConnectionError>> {
    let Endpoint {
        config,
        credentials,
        proxy,
        ..
    } = endpoint;
    let printed = credentials.plugin_credentials().await?;
    let identity = printed.and_then(|printed| printed.identity.clone());
    let headers = config.extra_headers_layer().map_err(unusable)?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(headers);
    let namespace = config.default_namespace.clone();
    // Certificates are read from files.
    let connections = task::blocking(move || Connections::new(config, proxy, identity)).await;
    let connections = connections.map_err(|error| Arc::new(ConnectionError::Task(error)))??;
    let connections = Arc::new(connections);
    let service = service.service(service_fn(move |request: Request<Body>| {
        let (credentials, connections) = (credentials.clone(), Arc::clone(&connections));
        async move { send(&credentials, &connections, request).await }
    }));
    Ok(ClientBuilder::new(service, namespace).build())
}

fn unusable(error: kube::Error) -> Arc<ConnectionError> {
    Arc::new(ConnectionError::Client(Box::new(error)))
}

/// Sends a request. If the API server rejects credentials that a program has printed, runs the program again, and sends
/// the request once more.
async fn send(
    credentials: &Credentials,
    connections: &Connections,
    request: Request<Body>,
) -> Result<HttpResponse, BoxError> {
    let (head, body) = request.into_parts();
    let again = match credentials {
        Credentials::Plugin(_) => body.try_clone(),
        Credentials::None | Credentials::Header(_) | Credentials::TokenFile(_) => None,
    };
    let again = again.map(|body| Request::from_parts(head.clone(), body));
    let request = Request::from_parts(head, body);
    let (answer, printed) = send_once(credentials, connections, request).await?;
    match (again, printed) {
        (Some(again), Some(printed))
            if answer.status() == StatusCode::UNAUTHORIZED && credentials.discard(&printed) =>
        {
            tracing::info!("renewing the credentials, which the API server rejects");
            let (answer, _) = send_once(credentials, connections, again).await?;
            Ok(answer)
        }
        _ => Ok(answer),
    }
}

/// Sends a request with the current credentials, and returns what a program has printed of them.
async fn send_once(
    credentials: &Credentials,
    connections: &Connections,
    mut request: Request<Body>,
) -> Result<(HttpResponse, Option<Arc<PluginCredentials>>), BoxError> {
    let printed = credentials.authorize(&mut request).await?;
    let identity = printed.as_ref().and_then(|it| it.identity.as_ref());
    let transport = connections.transport(identity)?;
    Ok((transport.oneshot(request).await?, printed))
}

/// The connections to the API server. A program can print another client certificate, which needs new ones.
struct Connections {
    config: Config,
    proxy: Option<Proxy>,
    /// The printed client certificate of the connections, and the connections.
    current: Mutex<(Option<ClientIdentity>, Transport)>,
}

impl Connections {
    fn new(
        config: Config,
        proxy: Option<Proxy>,
        identity: Option<ClientIdentity>,
    ) -> Result<Self, Arc<ConnectionError>> {
        let transport = build_transport(&config, proxy.as_ref(), identity.as_ref())?;
        Ok(Self {
            config,
            proxy,
            current: Mutex::new((identity, transport)),
        })
    }

    /// Returns the connections with this client certificate.
    fn transport(
        &self,
        identity: Option<&ClientIdentity>,
    ) -> Result<Transport, Arc<ConnectionError>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0.as_ref() != identity {
            let transport = build_transport(&self.config, self.proxy.as_ref(), identity)?;
            *current = (identity.cloned(), transport);
        }
        Ok(current.1.clone())
    }
}

/// Returns a transport with its own connections, which are opened when they are needed.
fn build_transport(
    config: &Config,
    proxy: Option<&Proxy>,
    identity: Option<&ClientIdentity>,
) -> Result<Transport, Arc<ConnectionError>> {
    let mut config = config.clone();
    if let Some(ClientIdentity { certificate, key }) = identity {
        config.auth_info.client_certificate_data = Some(STANDARD.encode(certificate));
        config.auth_info.client_key_data = Some(SecretString::from(STANDARD.encode(key)));
    }
    let tls = tls::client_config(&config).map_err(unusable)?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    let name = config.tls_server_name.as_deref();
    Ok(match proxy {
        None => build_transport_over(tcp, tls, name),
        Some(proxy) if proxy.is_socks() => build_transport_over(socks(proxy, tcp), tls, name),
        Some(proxy) if proxy.is_https() => {
            let to_proxy = HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http()
                .enable_http1()
                .wrap_connector(tcp);
            build_transport_over(tunnel(proxy, to_proxy), tls, name)
        }
        Some(proxy) => build_transport_over(tunnel(proxy, tcp), tls, name),
    })
}

fn tunnel<C>(proxy: &Proxy, to_proxy: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
    match proxy.basic_auth() {
        Some(value) => tunnel.with_auth(value.clone()),
        None => tunnel,
    }
}

fn socks(proxy: &Proxy, tcp: HttpConnector) -> SocksV5<HttpConnector> {
    let socks = SocksV5::new(proxy.uri().clone(), tcp);
    match proxy.socks_auth() {
        Some((user, password)) => socks.with_auth(user.to_owned(), password.to_owned()),
        None => socks,
    }
}

/// Returns HTTP and TLS over the connections of `connect`, which are direct or go through a proxy. `name` is the name
/// in the server's certificate if it is not that of the URL.
fn build_transport_over<C>(connect: C, tls: ClientConfig, name: Option<&str>) -> Transport
where
    HttpsConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = name.and_then(|name| name.to_owned().try_into().ok()) {
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    // ALPN selects HTTP/1.1 for a server without HTTP/2.
    let connector: HttpsConnector<C> = builder.enable_all_versions().wrap_connector(connect);
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_adaptive_window(true);
    let connections = [(); CONNECTIONS].map(|()| builder.build::<_, Body>(connector.clone()));
    let (connections, watches) = (Arc::new(connections), Arc::new(AtomicUsize::new(0)));
    BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let chosen = match is_watch(request.uri()) {
            true => connection_of_watch(watches.fetch_add(1, Ordering::Relaxed)),
            false => 0,
        };
        let answer = connections[chosen].request(request);
        async move { answer.await.map_err(BoxError::from) }
    }))
}

fn is_watch(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair == "watch=true")
}

/// Returns the connection of the `nth` watch since the start. The first watches share the connection of the requests.
fn connection_of_watch(nth: usize) -> usize {
    nth / WATCHES_PER_CONNECTION % CONNECTIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_divided_among_connections() {
        let mut watches = [0; CONNECTIONS];
        for nth in 0..CONNECTIONS * WATCHES_PER_CONNECTION {
            watches[connection_of_watch(nth)] += 1;
        }
        assert_eq!(watches, [WATCHES_PER_CONNECTION; CONNECTIONS]);
        assert_eq!([0, 39, 40].map(connection_of_watch), [0, 0, 1]);
    }

    #[tokio::test]
    async fn a_new_client_certificate_gets_new_connections() {
        let identity = || {
            let key = rcgen::KeyPair::generate().unwrap();
            let parameters = rcgen::CertificateParams::new(["feast".to_owned()]).unwrap();
            ClientIdentity {
                certificate: parameters.self_signed(&key).unwrap().pem(),
                key: key.serialize_pem(),
            }
        };
        let mut config = Config::new("https://192.0.2.1".parse().unwrap());
        config.accept_invalid_certs = true;
        let (first, second) = (identity(), identity());
        let connections = Connections::new(config, None, Some(first)).unwrap();
        connections.transport(Some(&second)).unwrap();
        let current = connections.current.lock().unwrap();
        assert!(current.0 == Some(second));
    }

    #[test]
    fn the_query_identifies_watches() {
        let of = |path: &str| is_watch(&path.parse().unwrap());
        assert!(of("/api/v1/pods?&watch=true&resourceVersion=0"));
        assert!(!of("/api/v1/pods?&limit=500"));
        assert!(!of("/api/v1/pods"));
    }
}
