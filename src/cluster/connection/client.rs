//! The client: one HTTP/2 connection that carries all requests at once.
//!
//! kube's own client speaks HTTP/1.1 and opens a connection, with its TLS handshake, for each request
//! that is under way; ten feature stores that are refreshed together would make dozens. Authentication
//! stays kube's.

use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Client;
use kube::client::{Body, ClientBuilder, ConfigExt};
use tower::util::BoxService;
use tower::{BoxError, ServiceBuilder};

/// A connection that answers no ping is dead, and the watches on it with it: what is under way is tried again on
/// another.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(5);

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
    let http = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_ANSWERED_WITHIN)
        .http2_adaptive_window(true)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(BoxService::new(service), config.default_namespace).build())
}
