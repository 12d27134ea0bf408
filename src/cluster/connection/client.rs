//! The HTTP client: one HTTP/2 connection for all requests, and more connections for many watches.
//!
//! kube's own client uses HTTP/1.1 and opens a connection, with a TLS handshake, for each request in flight. A refresh
//! of ten feature stores would open dozens. See decision 025 for the number of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Client;
use kube::client::{Body, ClientBuilder, ConfigExt};
use rustls::ClientConfig;
use secrecy::SecretString;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use super::credentials::ClientIdentity;
use super::proxy::Proxy;
use super::{ConnectionError, Endpoint, tls};

/// The interval of pings. A connection without an answer is closed, and its requests are sent again on another one.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of watches that share a connection. kube-apiserver permits 100 concurrent requests on a connection, and a
/// watch is one of them as long as it lasts: with too many watches, all other requests would have to wait.
const WATCHES_PER_CONNECTION: usize = 40;
/// The largest number of connections. A connection is opened when it is needed.
const CONNECTIONS: usize = 8;

/// Sends a request to the API server.
type Transport = BoxCloneSyncService<Request<Body>, Answer, BoxError>;

/// The response; its type is the same for every connector.
type Answer = <legacy::Client<HttpConnector, Body> as Service<Request<Body>>>::Response;

/// Creates the client. Blocks if it has to run a program that prints credentials.
///
/// # Errors
///
/// The credentials could not be obtained, or the TLS settings are invalid.
pub fn client(endpoint: Endpoint) -> Result<Client, ConnectionError> {
    let Endpoint {
        mut config,
        credentials,
        proxy,
        ..
    } = endpoint;
    if let Some(ClientIdentity { certificate, key }) = credentials.client_identity()? {
        config.auth_info.client_certificate_data = Some(STANDARD.encode(certificate));
        config.auth_info.client_key_data = Some(SecretString::from(STANDARD.encode(key)));
    }
    let unusable = |error| ConnectionError::Client(Box::new(error));
    let tls = tls::client_config(&config).map_err(unusable)?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    let name = config.tls_server_name.as_deref();
    let transport = match &proxy {
        None => transport(tcp, tls, name),
        Some(proxy) if proxy.is_socks() => transport(socks(proxy, tcp), tls, name),
        Some(proxy) if proxy.is_https() => {
            let to_proxy = HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http()
                .enable_http1()
                .wrap_connector(tcp);
            transport(tunnel(proxy, to_proxy), tls, name)
        }
        Some(proxy) => transport(tunnel(proxy, tcp), tls, name),
    };
    let authorized = service_fn(move |mut request: Request<Body>| {
        let (credentials, transport) = (credentials.clone(), transport.clone());
        async move {
            credentials.authorize(&mut request).await?;
            transport.oneshot(request).await
        }
    });
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(config.extra_headers_layer().map_err(unusable)?)
        .service(authorized);
    Ok(ClientBuilder::new(service, config.default_namespace).build())
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
fn transport<C>(connect: C, tls: ClientConfig, name: Option<&str>) -> Transport
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

    #[test]
    fn the_query_identifies_watches() {
        let of = |path: &str| is_watch(&path.parse().unwrap());
        assert!(of("/api/v1/pods?&watch=true&resourceVersion=0"));
        assert!(!of("/api/v1/pods?&limit=500"));
        assert!(!of("/api/v1/pods"));
    }
}
