//! The endpoints of a feature store: their Services, addresses and issued certificates.

use super::{Registry, Store, Tls};
use crate::feast::config::{self, RouteTermination};
use crate::feast::names::{self, Endpoint, ServerKind};

impl Store {
    /// Returns the endpoints that are served, in a stable order.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let registry = self.registry_server();
        [
            (Endpoint::Online, self.online.server.is_some()),
            (Endpoint::Offline, self.offline_server().is_some()),
            (
                Endpoint::RegistryGrpc,
                registry.is_some_and(|server| server.grpc),
            ),
            (
                Endpoint::RegistryRest,
                registry.is_some_and(|server| server.rest),
            ),
            (Endpoint::Ui, self.ui.is_some()),
            (Endpoint::Lineage, self.lineage.is_some()),
        ]
        .into_iter()
        .filter_map(|(endpoint, served)| served.then_some(endpoint))
        .collect()
    }

    /// Returns whether the Service of the registry's gRPC API also has the port of its REST API, because the
    /// certificate is issued for this Service.
    pub fn shares_rest_port(&self) -> bool {
        let issued_for = self.tls(ServerKind::Registry).and_then(|it| it.issued_for);
        let rest = self.registry_server().is_some_and(|server| server.rest);
        rest && issued_for == Some(Endpoint::RegistryGrpc)
    }

    /// Returns the settings of the Service of an endpoint. `None` if the endpoint is not served.
    pub fn service(&self, endpoint: Endpoint) -> Option<&config::ServiceSettings> {
        let server = match endpoint {
            Endpoint::Online => &self.online.server.as_ref()?.common,
            Endpoint::Offline => self.offline_server()?,
            Endpoint::RegistryGrpc => &self.registry_server()?.common,
            Endpoint::RegistryRest => {
                return Some(&self.registry_server()?.rest_service);
            }
            Endpoint::Ui => self.ui.as_ref()?,
            Endpoint::Lineage => &self.lineage.as_ref()?.common,
        };
        Some(&server.service)
    }

    /// Returns `host:port` of an endpoint inside the cluster.
    pub fn address(&self, endpoint: Endpoint) -> String {
        if endpoint == Endpoint::RegistryRest && self.shares_rest_port() {
            let host = names::host(&self.name, &self.namespace, Endpoint::RegistryGrpc);
            return format!("{host}:{}", names::SHARED_REST_PORT);
        }
        format!(
            "{}:{}",
            names::host(&self.name, &self.namespace, endpoint),
            names::service_port(self.tls(endpoint.server()).is_some())
        )
    }

    /// Sets the certificates that OpenShift issues. A certificate has the name of one Service only, so the REST API of
    /// the registry is also served on the Service of the gRPC API ([`Store::shares_rest_port`]).
    pub(super) fn issue_certificates(&mut self) {
        let grpc = self.registry_server().is_none_or(|server| server.grpc);
        let name = self.name.clone();
        let lineage = self.lineage.as_mut().map(|it| &mut it.common);
        let online = self.online.server.as_mut().map(|it| &mut it.common);
        let offline = self.offline.as_mut().and_then(|it| it.server.as_mut());
        let registry = match &mut self.registry {
            Registry::Local(local) => local.server.as_mut().map(|it| &mut it.common),
            Registry::Remote(_) => None,
        };
        let registry_endpoint = match grpc {
            true => Endpoint::RegistryGrpc,
            false => Endpoint::RegistryRest,
        };
        for (endpoint, server) in [
            (Endpoint::Online, online),
            (Endpoint::Offline, offline),
            (registry_endpoint, registry),
            (Endpoint::Ui, self.ui.as_mut()),
            (Endpoint::Lineage, lineage),
        ] {
            if let Some(server) = server.filter(|server| !server.tls_disabled) {
                (server.tls).get_or_insert_with(|| Tls::issued(&name, endpoint));
            }
        }
    }
}

/// Returns the termination of a Route that sets none. `is_issued` is whether OpenShift issues the certificate of the
/// server, so that routers trust it.
pub(in crate::feast) fn default_termination(
    endpoint: Endpoint,
    has_tls: bool,
    is_issued: bool,
) -> RouteTermination {
    match has_tls {
        false => RouteTermination::Edge,
        true if is_issued && !endpoint.is_grpc() => RouteTermination::Reencrypt,
        true => RouteTermination::Passthrough,
    }
}

/// Returns the addresses of the servers, for the state.
pub fn endpoints(store: &Store) -> config::Endpoints {
    let served = store.endpoints();
    let address = |endpoint| served.contains(&endpoint).then(|| store.address(endpoint));
    config::Endpoints {
        online_store: address(Endpoint::Online),
        offline_store: address(Endpoint::Offline),
        registry: match &store.registry {
            Registry::Remote(remote) => Some(remote.address.clone()),
            Registry::Local(_) => address(Endpoint::RegistryGrpc),
        },
        registry_rest: address(Endpoint::RegistryRest),
        ui: address(Endpoint::Ui),
        lineage: address(Endpoint::Lineage),
    }
}
