//! The Routes of OpenShift.

use super::Violation;
use super::accessors::{Exposure, exposures, local, openshift, serving_certificates};
use crate::feast::config::{FeatureStore, InsecureEdgeTerminationPolicy, Route, RouteTermination};
use crate::feast::names::{self, Endpoint, SERVING_CERTIFICATES};
use crate::feast::spec::default_termination;
use crate::kubernetes::validation::metadata::DNS_LABEL_LENGTH;
use crate::kubernetes::validation::quoted;
use crate::schema::Path;

pub(super) const ROUTES: &str = "services.openshift.routes";

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let issued = serving_certificates(store);
    let exposures = exposures(store);
    let routes = openshift(store).and_then(|it| it.routes.as_ref());
    let routes = routes.into_iter().flatten();
    routes
        .flat_map(|(name, route)| {
            let path = Path::of(ROUTES).key(name);
            let endpoint = Endpoint::of_attribute(name);
            let endpoint = endpoint.filter(|endpoint| is_served(store, *endpoint));
            let exposure = exposures.iter().find(|it| Some(it.endpoint) == endpoint);
            let Some(exposure) = exposure else {
                return vec![not_served(path, name)];
            };
            let mut found = termination(exposure, &path, route, issued);
            found.extend(host(store, exposure, &path, route));
            found
        })
        .collect()
}

/// Returns whether a registry server serves the protocol of the endpoint. True for other endpoints.
fn is_served(store: &FeatureStore, endpoint: Endpoint) -> bool {
    let server = local(store).and_then(|it| it.server.as_ref());
    match endpoint {
        Endpoint::RegistryGrpc => server.is_none_or(|it| it.grpc != Some(false)),
        Endpoint::RegistryRest => server.is_none_or(|it| it.rest_api == Some(true)),
        _ => true,
    }
}

fn not_served(path: Path, name: &str) -> Violation {
    let names = Endpoint::ALL.map(Endpoint::attribute);
    let reads = ["services", "openlineage"].map(Path::of);
    Violation::new(
        path.clone(),
        [path].into_iter().chain(reads),
        format!("There is no endpoint {name:?} for a Route"),
        format!(
            "The endpoints are {}. Enable the server of this one, or remove the Route.",
            quoted(&names, ", ")
        ),
    )
}

/// Validates what depends on the TLS of the server.
fn termination(
    exposure: &Exposure<'_>,
    path: &Path,
    route: &Route,
    issued: bool,
) -> Vec<Violation> {
    use RouteTermination::{Edge, Passthrough, Reencrypt};
    let tls = exposure.tls.filter(|tls| tls.disable != Some(true));
    let is_disabled = exposure.tls.is_some() && tls.is_none();
    let is_issued = issued && exposure.tls.is_none();
    let has_tls = tls.is_some() || (issued && !is_disabled);
    let is_grpc = exposure.endpoint.is_grpc();
    let effective = (route.termination)
        .unwrap_or_else(|| default_termination(exposure.endpoint, has_tls, is_issued));
    let at = |name: &str| path.attribute(name);
    let reads = [
        exposure.tls_path.clone(),
        Path::of(SERVING_CERTIFICATES),
        at("termination"),
    ];
    let mut violations = Vec::new();
    let mut reject = |path: Path, summary: &str, detail: &str| {
        let reads = reads.iter().cloned().chain([path.clone()]);
        violations.push(Violation::new(path, reads, summary, detail));
    };
    match effective {
        Edge | Reencrypt if is_grpc && !has_tls => reject(
            path.clone(),
            "A Route to a gRPC server requires TLS of the server",
            "Routers pass gRPC through only with the termination `passthrough`. Set `tls`, or \
             `services.openshift.serving_certificates = true`, or remove the Route.",
        ),
        Edge if has_tls => reject(
            at("termination"),
            "The termination `edge` requires a server without TLS",
            if is_grpc {
                "The router would send plain requests to a server with TLS. Set `passthrough`."
            } else {
                "The router would send plain requests to a server with TLS. Set `reencrypt` or `passthrough`, or \
                 `tls = { disable = true }` for the server."
            },
        ),
        Reencrypt | Passthrough if !has_tls => reject(
            at("termination"),
            "This termination requires TLS of the server",
            if is_grpc {
                "Set `tls`, or `services.openshift.serving_certificates = true`, or remove the Route."
            } else {
                "Set `tls`, or `services.openshift.serving_certificates = true`, or the termination `edge`."
            },
        ),
        _ => {}
    }
    if effective == Reencrypt && tls.is_some() && route.destination_ca_certificate.is_none() {
        reject(
            at("destination_ca_certificate"),
            "The router does not trust the certificate of the server",
            "The router trusts the service CA of OpenShift only. Set `destination_ca_certificate` to the certificate of \
             the CA, or the termination `passthrough`.",
        );
    }
    if effective != Reencrypt && route.destination_ca_certificate.is_some() {
        reject(
            at("destination_ca_certificate"),
            "`destination_ca_certificate` requires the termination `reencrypt`",
            "Set `termination = \"reencrypt\"`, or remove `destination_ca_certificate`.",
        );
    }
    if effective == Passthrough && route.external_certificate.is_some() {
        reject(
            at("external_certificate"),
            "`external_certificate` conflicts with the termination `passthrough`",
            "With `passthrough`, clients see the certificate of the server. Set the termination `reencrypt`, or remove \
             `external_certificate`.",
        );
    }
    let insecure = route.insecure_edge_termination_policy;
    if effective == Passthrough && insecure == Some(InsecureEdgeTerminationPolicy::Allow) {
        reject(
            at("insecure_edge_termination_policy"),
            "`Allow` conflicts with the termination `passthrough`",
            "Set `Redirect` or `None`.",
        );
    }
    violations
}

/// Validates the length of the host name that OpenShift chooses: `<name>-<namespace>.<domain>`.
fn host(
    store: &FeatureStore,
    exposure: &Exposure<'_>,
    path: &Path,
    route: &Route,
) -> Option<Violation> {
    let namespace = store.namespace.as_ref()?;
    let name = names::service(&store.name, exposure.endpoint);
    let label = format!("{name}-{namespace}");
    let path = path.attribute("host");
    (route.host.is_none() && label.len() > DNS_LABEL_LENGTH).then(|| {
        Violation::new(
            path.clone(),
            [path, Path::of("name"), Path::of("namespace")],
            format!("The host name that OpenShift would choose is too long ({} characters)", label.len()),
            format!(
                "It would begin with `{label}`, and a part of a host name has at most {DNS_LABEL_LENGTH} characters. \
                 Set `host`, or a shorter `name`."
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{accepts, rejects, rejects_store};

    fn ui(tls: Json, route: Json) -> Json {
        json!({"ui": {"tls": tls}, "openshift": {"routes": {"ui": route}}})
    }

    fn offline(tls: Json) -> Json {
        let server = json!({"tls": tls});
        json!({"offlineStore": {"server": server}, "openshift": {"routes": {"offline_store": {}}}})
    }

    fn issued(mut services: Json) -> Json {
        services["openshift"]["servingCertificates"] = json!(true);
        services
    }

    #[test]
    fn the_defaults_fit_every_server() {
        let tls = json!({"secretRef": {"name": "s"}});
        for services in [
            ui(Json::Null, json!({})),
            ui(tls.clone(), json!({})),
            issued(ui(Json::Null, json!({}))),
            issued(ui(json!({"disable": true}), json!({}))),
            issued(offline(Json::Null)),
            offline(tls.clone()),
            json!({"openshift": {"routes": {"online_store": {}}}}),
        ] {
            accepts(services);
        }
        accepts(ui(
            tls,
            json!({"termination": "reencrypt", "destinationCaCertificate": "PEM",
                "externalCertificate": {"name": "s"}, "insecureEdgeTerminationPolicy": "Allow"}),
        ));
    }

    #[test]
    fn the_termination_fits_the_server() {
        let tls = json!({"secretRef": {"name": "s"}});
        let at = |name: &str| format!("services.openshift.routes[\"ui\"].{name}");
        for (services, path, summary) in [
            (
                ui(tls.clone(), json!({"termination": "edge"})),
                "termination",
                "The termination `edge` requires a server without TLS",
            ),
            (
                issued(ui(Json::Null, json!({"termination": "edge"}))),
                "termination",
                "The termination `edge` requires a server without TLS",
            ),
            (
                ui(Json::Null, json!({"termination": "passthrough"})),
                "termination",
                "This termination requires TLS of the server",
            ),
            (
                ui(tls.clone(), json!({"termination": "reencrypt"})),
                "destination_ca_certificate",
                "The router does not trust the certificate of the server",
            ),
            (
                ui(Json::Null, json!({"destinationCaCertificate": "PEM"})),
                "destination_ca_certificate",
                "`destination_ca_certificate` requires the termination `reencrypt`",
            ),
            (
                ui(tls.clone(), json!({"externalCertificate": {"name": "s"}})),
                "external_certificate",
                "`external_certificate` conflicts with the termination `passthrough`",
            ),
            (
                ui(
                    tls.clone(),
                    json!({"insecureEdgeTerminationPolicy": "Allow"}),
                ),
                "insecure_edge_termination_policy",
                "`Allow` conflicts with the termination `passthrough`",
            ),
        ] {
            rejects("routes", services, &[(&at(path), summary)]);
        }
        rejects(
            "routes",
            json!({
                "registry": {"local": {"server": {"restAPI": true}}},
                "openshift": {"routes": {"registry": {}, "registry_rest": {}}},
            }),
            &[(
                "services.openshift.routes[\"registry\"]",
                "A Route to a gRPC server requires TLS of the server",
            )],
        );
    }

    #[test]
    fn a_route_has_a_served_endpoint() {
        let at = |name: &str| format!("services.openshift.routes[{name:?}]");
        let summary = |name: &str| format!("There is no endpoint {name:?} for a Route");
        for name in ["ui", "registry_rest", "metrics"] {
            let services = json!({
                "registry": {"local": {"server": {}}}, "openshift": {"routes": {name: {}}},
            });
            rejects("routes", services, &[(&at(name), &summary(name))]);
        }
    }

    #[test]
    fn the_default_host_is_not_too_long() {
        rejects_store(
            "routes",
            json!({"name": "a".repeat(30), "namespace": "b".repeat(30), "feastProject": "p",
                "services": ui(Json::Null, json!({}))}),
            &[(
                "services.openshift.routes[\"ui\"].host",
                "The host name that OpenShift would choose is too long (70 characters)",
            )],
        );
    }
}
