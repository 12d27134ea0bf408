//! The Services, one for each endpoint.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names::{self, Endpoint};
use crate::feast::spec::{Metrics, Store};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    store
        .endpoints()
        .into_iter()
        .map(|endpoint| {
            let name = names::service(&store.name, endpoint);
            object(Kind::Service, &service(store, name, endpoint))
        })
        .collect()
}

fn service(store: &Store, name: String, endpoint: Endpoint) -> Service {
    let tls = store.tls(endpoint.server()).is_some();
    let mut ports = vec![ServicePort {
        name: Some(names::service_port_name(tls).to_owned()),
        port: names::service_port(tls),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(endpoint.target_port(tls))),
        app_protocol: endpoint.app_protocol().map(str::to_owned),
        ..ServicePort::default()
    }];
    let online = store.online.server.as_ref();
    if endpoint == Endpoint::Online && online.is_some_and(|it| it.metrics != Metrics::Off) {
        ports.push(ServicePort {
            name: Some(names::METRICS_PORT_NAME.to_owned()),
            port: names::METRICS_PORT,
            protocol: Some("TCP".to_owned()),
            target_port: Some(IntOrString::Int(names::METRICS_PORT)),
            ..ServicePort::default()
        });
    }
    Service {
        metadata: metadata::object(store, name, Some(endpoint.server().as_str())),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(match endpoint {
                Endpoint::Lineage => metadata::lineage_selector(store),
                _ => metadata::selector(store),
            }),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
