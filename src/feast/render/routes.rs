//! The Routes of OpenShift, each to the Service of an endpoint.

use serde_json::{Value as Json, json};

use super::{metadata, object};
use crate::feast::config::{self, InsecureEdgeTerminationPolicy};
use crate::feast::names::{self, Endpoint};
use crate::feast::spec::{Store, default_termination};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    (store.endpoints().into_iter())
        .filter_map(|endpoint| Some(route(store, endpoint, store.routes.get(&endpoint)?)))
        .collect()
}

fn route(store: &Store, endpoint: Endpoint, settings: &config::Route) -> (Key, Json) {
    let config::Route {
        host,
        termination,
        insecure_edge_termination_policy,
        destination_ca_certificate,
        external_certificate,
        labels,
        annotations,
    } = settings;
    let name = names::service(&store.name, endpoint);
    let metadata = metadata::object(store, name.clone(), Some(endpoint.server().as_str()));
    let tls = store.tls(endpoint.server());
    let is_issued = tls.is_some_and(|tls| tls.issued_for.is_some());
    let termination =
        termination.unwrap_or_else(|| default_termination(endpoint, tls.is_some(), is_issued));
    let insecure =
        insecure_edge_termination_policy.unwrap_or(InsecureEdgeTerminationPolicy::Redirect);
    // The router checks that the certificate of the server has the name of this Service.
    let (service, port) = match endpoint == Endpoint::RegistryRest && store.shares_rest_port() {
        true => (
            names::service(&store.name, Endpoint::RegistryGrpc),
            names::SHARED_REST_PORT_NAME,
        ),
        false => (name, names::service_port_name(tls.is_some())),
    };
    let mut spec = json!({
        "to": {"kind": "Service", "name": service},
        "port": {"targetPort": port},
        "tls": {
            "termination": termination.as_str(),
            "insecureEdgeTerminationPolicy": insecure.as_str(),
        },
    });
    if let Some(host) = host {
        spec["host"] = json!(host);
    }
    if let Some(certificate) = destination_ca_certificate {
        spec["tls"]["destinationCACertificate"] = json!(certificate);
    }
    if let Some(config::LocalObjectReference { name }) = external_certificate {
        spec["tls"]["externalCertificate"] = json!({"name": name});
    }
    let route = json!({
        "apiVersion": Kind::Route.api_version(),
        "kind": Kind::Route.as_str(),
        "metadata": metadata::with_own(metadata, labels.as_ref(), annotations.as_ref()),
        "spec": spec,
    });
    object(Kind::Route, &route)
}
