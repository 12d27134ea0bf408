//! The attributes on which computed attributes and warnings about data depend. They are known if none of these
//! attributes, and nothing above them, is unknown. Unknown attributes elsewhere, such as an image, do not affect them.

use crate::feast::names::{SERVING_CERTIFICATES, ServerKind};
use crate::schema::Path;

/// Returns the inputs of names and of the namespace.
pub fn of_identity() -> Vec<Path> {
    vec![Path::of("name"), Path::of("namespace")]
}

/// Returns the inputs of `replicas_owner`.
pub fn of_replicas_owner() -> Vec<Path> {
    let scaling = Path::of("services.scaling");
    ["replicas", "autoscaling", "keda"]
        .map(|name| scaling.attribute(name))
        .into()
}

/// Returns the inputs of `strategy`.
pub fn of_strategy() -> Vec<Path> {
    let strategy = Path::of("services.deployment_strategy");
    let configured = ["type", "rolling_update"].map(|name| strategy.attribute(name));
    [of_replicas_owner(), configured.into()].concat()
}

/// Returns the inputs of the PersistentVolumeClaims that the feature store uses, of the files on them, and of whether
/// unused ones are deleted.
pub fn of_pvcs() -> Vec<Path> {
    let services = [
        "services.online_store",
        "services.offline_store",
        "services.registry.local",
    ];
    let persistence = services.map(|service| Path::of(service).attribute("persistence"));
    let mut paths: Vec<Path> = [
        "name",
        "delete_data",
        "services.online_store.disabled",
        "services.registry.remote",
    ]
    .map(Path::of)
    .into();
    for name in [
        "store",
        "file.path",
        "file.pvc.create",
        "file.pvc.ref.name",
        "file.pvc.mount_path",
    ] {
        paths.extend(persistence.iter().map(|it| it.attribute(name)));
    }
    paths
}

/// Returns the inputs of `endpoints`.
pub fn of_endpoints() -> Vec<Path> {
    let registry = Path::of("services.registry");
    let mut paths = of_identity();
    paths.push(Path::of("services.online_store.disabled"));
    paths.push(Path::of(SERVING_CERTIFICATES));
    for kind in ServerKind::ALL {
        let server = Path::of(kind.attribute());
        paths.push(server.attribute("tls.disable"));
        paths.push(server.attribute("tls.secret_ref"));
    }
    for name in ["local.server.grpc", "local.server.rest_api"] {
        paths.push(registry.attribute(name));
    }
    for name in [
        "hostname",
        "feast_ref.name",
        "feast_ref.namespace",
        "tls",
        "is_tls",
    ] {
        paths.push(registry.attribute("remote").attribute(name));
    }
    paths
}
