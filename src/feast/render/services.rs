//! The Services, one for each endpoint.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::config::ServiceSettings;
use crate::feast::names::{self, Endpoint};
use crate::feast::spec::{Metrics, Store, kubernetes_service};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    (store.endpoints().into_iter())
        .filter_map(|endpoint| {
            let settings = store.service(endpoint)?;
            Some(object(Kind::Service, &service(store, endpoint, settings)))
        })
        .collect()
}

fn service(store: &Store, endpoint: Endpoint, settings: &ServiceSettings) -> Service {
    let name = names::service(&store.name, endpoint);
    let mut metadata = metadata::with_own(
        metadata::object(store, name, Some(endpoint.server().as_str())),
        settings.labels.as_ref(),
        settings.annotations.as_ref(),
    );
    if store.tls(endpoint.server()).and_then(|it| it.issued_for) == Some(endpoint) {
        metadata.annotations.get_or_insert_default().insert(
            names::SERVING_CERTIFICATE_ANNOTATION.to_owned(),
            names::serving_certificate(&store.name, endpoint),
        );
    }
    Service {
        metadata,
        spec: Some(ServiceSpec {
            selector: Some(match endpoint {
                Endpoint::Lineage => metadata::lineage_selector(store),
                _ => metadata::selector(store),
            }),
            ports: Some(ports(store, endpoint, settings.node_port)),
            ..kubernetes_service(settings)
        }),
        ..Service::default()
    }
}

fn ports(store: &Store, endpoint: Endpoint, node_port: Option<i32>) -> Vec<ServicePort> {
    let tls = store.tls(endpoint.server()).is_some();
    let mut ports = vec![ServicePort {
        app_protocol: endpoint.app_protocol().map(str::to_owned),
        node_port,
        ..port(
            names::service_port_name(tls),
            names::service_port(tls),
            endpoint.target_port(tls),
        )
    }];
    let online = store.online.server.as_ref();
    if endpoint == Endpoint::Online && online.is_some_and(|it| it.metrics != Metrics::Off) {
        let number = names::METRICS_PORT;
        ports.push(port(names::METRICS_PORT_NAME, number, number));
    }
    if endpoint == Endpoint::RegistryGrpc && store.shares_rest_port() {
        let target = Endpoint::RegistryRest.target_port(true);
        ports.push(port(
            names::SHARED_REST_PORT_NAME,
            names::SHARED_REST_PORT,
            target,
        ));
    }
    ports
}

fn port(name: &str, port: i32, target: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(target)),
        ..ServicePort::default()
    }
}
