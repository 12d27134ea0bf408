//! The client: one HTTP/2 connection that carries all requests at once, and more for many watches.
//!
//! kube's own client speaks HTTP/1.1 and opens a connection, with its TLS handshake, for each request
//! that is under way; ten feature stores that are refreshed together would make dozens. Authentication
//! stays kube's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Client;
use kube::client::{Body, ClientBuilder, ConfigExt};
use tower::util::BoxService;
use tower::{BoxError, ServiceBuilder, service_fn};

/// A connection that answers no ping is dead, and the watches on it with it: what is under way is tried again on
/// another.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// kube-apiserver lets 100 requests be under way on one connection, and a watch is one for as long as it lasts: many
/// rollouts that are waited for would keep everything else waiting.
const WATCHES_AT_ONE: usize = 40;
/// A connection is opened when it is needed.
const CONNECTIONS: usize = 8;

/// Makes the client. May run an `exec` credential plugin, and blocks then.
pub fn client(config: kube::Config) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        // Through a proxy, kube's own tunnel.
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = (name.clone().try_into())
            .map_err(|error| kube::Error::Service(BoxError::from(error)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    // A server that knows no HTTP/2 is spoken to in HTTP/1.1.
    let connector = builder.enable_all_versions().wrap_connector(tcp);
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_ANSWERED_WITHIN)
        .http2_adaptive_window(true);
    let connections = [(); CONNECTIONS].map(|()| builder.build::<_, Body>(connector.clone()));
    let (connections, watches) = (Arc::new(connections), Arc::new(AtomicUsize::new(0)));
    let http = service_fn(move |request: Request<Body>| {
        let chosen = match is_watch(request.uri()) {
            true => connection_of_watch(watches.fetch_add(1, Ordering::Relaxed)),
            false => 0,
        };
        connections[chosen].request(request)
    });
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(BoxService::new(service), config.default_namespace).build())
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
