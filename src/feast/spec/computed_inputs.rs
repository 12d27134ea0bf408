//! What of the configuration decides about what the state says beside it. While nothing at these places or above them
//! is unknown, neither is that; what is unknown below them (an image) changes nothing of it.

use crate::feast::names::ServerKind;
use crate::schema::Path;

/// Of where the feature store is, and under which names.
pub fn of_identity() -> Vec<Path> {
    vec![Path::of("name"), Path::of("namespace")]
}

/// Of who sets the number of pods.
pub fn of_replicas_owner() -> Vec<Path> {
    let scaling = Path::of("services.scaling");
    ["replicas", "autoscaling", "keda"]
        .map(|name| scaling.attribute(name))
        .into()
}

/// Of how pods are replaced.
pub fn of_strategy() -> Vec<Path> {
    let strategy = Path::of("services.deployment_strategy");
    let written = ["type", "rolling_update"].map(|name| strategy.attribute(name));
    [of_replicas_owner(), written.into()].concat()
}

/// Of where the servers are reached.
pub fn of_endpoints() -> Vec<Path> {
    let registry = Path::of("services.registry");
    let mut paths = of_identity();
    paths.push(Path::of("services.online_store.disabled"));
    for kind in ServerKind::ALL {
        let server = Path::of(kind.attribute());
        paths.push(server.attribute("tls.disable"));
        paths.push(server.attribute("tls.secret_ref"));
    }
    for name in ["local.server.grpc", "local.server.rest_api"] {
        paths.push(registry.attribute(name));
    }
    for name in ["hostname", "feast_ref.name", "feast_ref.namespace", "tls"] {
        paths.push(registry.attribute("remote").attribute(name));
    }
    paths
}
