//! The client: one HTTP/2 connection that carries all requests at once, and more for many watches.
//!
//! kube's own client speaks HTTP/1.1 and opens a connection, with its TLS handshake, for each request
//! that is under way; ten feature stores that are refreshed together would make dozens. Authentication
//! stays kube's.

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

/// A connection that answers no ping is dead, and the watches on it with it: what is under way is tried again on
/// another.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// kube-apiserver lets 100 requests be under way on one connection, and a watch is one for as long as it lasts: many
/// rollouts that are waited for would keep everything else waiting.
const WATCHES_AT_ONE: usize = 40;
/// A connection is opened when it is needed.
const CONNECTIONS: usize = 8;

/// Carries a request to the API server.
type Transport = BoxCloneSyncService<Request<Body>, Answer, BoxError>;

/// The same for every connector.
type Answer = <legacy::Client<HttpConnector, Body> as Service<Request<Body>>>::Response;

/// Makes the client. May run a program that prints credentials, and blocks then.
///
/// # Errors
/// Credentials that could not be obtained, and TLS settings that cannot be used.
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

/// TLS and HTTP over what `connect` opens: directly, or through a proxy. `name` is the server's in its certificate,
/// where the URL has another.
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
    // A server that knows no HTTP/2 is spoken to in HTTP/1.1.
    let connector: HttpsConnector<C> = builder.enable_all_versions().wrap_connector(connect);
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_ANSWERED_WITHIN)
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

/// Where the `nth` watch since the start goes: the first ones to the requests, and those that begin together to the same
/// one.
fn connection_of_watch(nth: usize) -> usize {
    nth / WATCHES_AT_ONE % CONNECTIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_connection_has_so_many_watches_that_requests_would_wait() {
        let mut watches = [0; CONNECTIONS];
        for nth in 0..CONNECTIONS * WATCHES_AT_ONE {
            watches[connection_of_watch(nth)] += 1;
        }
        assert_eq!(watches, [WATCHES_AT_ONE; CONNECTIONS]);
        assert_eq!([0, 39, 40].map(connection_of_watch), [0, 0, 1]);
    }

    #[test]
    fn watches_are_known_by_their_query() {
        let of = |path: &str| is_watch(&path.parse().unwrap());
        assert!(of("/api/v1/pods?&watch=true&resourceVersion=0"));
        assert!(!of("/api/v1/pods?&limit=500"));
        assert!(!of("/api/v1/pods"));
    }
}
