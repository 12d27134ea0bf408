//! The Kubernetes Services of the servers.

use k8s_openapi::api::core::v1::ServicePort;

use super::Violation;
use super::accessors::exposures;
use crate::feast::config::FeatureStore;
use crate::feast::spec::kubernetes_service;
use crate::kubernetes::validation::below;
use crate::kubernetes::validation::service::service_spec;
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut node_ports: Vec<(i32, Path)> = Vec::new();
    for exposure in exposures(store) {
        let Some(settings) = exposure.service else {
            continue;
        };
        let path = exposure.service_path;
        let mut spec = kubernetes_service(settings);
        spec.ports = Some(vec![ServicePort {
            node_port: settings.node_port,
            ..ServicePort::default()
        }]);
        let found = service_spec(&spec);
        let is_valid = found.is_empty();
        violations.extend(below(&path, found));
        for (name, number) in [
            ("node_port", settings.node_port),
            ("health_check_node_port", settings.health_check_node_port),
        ] {
            let (Some(number), true) = (number, is_valid) else {
                continue;
            };
            let path = path.attribute(name);
            match node_ports.iter().find(|(other, _)| *other == number) {
                Some((_, first)) => violations.push(Violation::new(
                    path.clone(),
                    [path, first.clone()],
                    format!("The port {number} of the nodes is used twice"),
                    format!(
                        "It is also that of `{first}`. Set another port, or remove one of them."
                    ),
                )),
                None => node_ports.push((number, path)),
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{accepts, rejects};

    #[test]
    fn violations_are_at_the_settings_of_their_service() {
        let node_port = |port: i32| json!({"type": "NodePort", "nodePort": port});
        accepts(json!({
            "onlineStore": {"server": {"service": node_port(30_000)}},
            "ui": {"service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]}},
        }));
        rejects(
            "services",
            json!({
                "onlineStore": {"server": {"service": {"nodePort": 30_000}}},
                "ui": {"service": node_port(30_001)},
                "registry": {"local": {"server": {
                    "restAPI": true,
                    "service": node_port(30_002),
                    "restService": node_port(30_002),
                }}},
            }),
            &[
                (
                    "services.registry.local.server.rest_service.node_port",
                    "The port 30002 of the nodes is used twice",
                ),
                (
                    "services.online_store.server.service.node_port",
                    "`node_port` requires the `type` `NodePort` or `LoadBalancer`",
                ),
            ],
        );
    }
}
