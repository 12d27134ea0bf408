//! The registry: here or elsewhere, and how it is spoken to.

use super::Violation;
use super::accessors::{LOCAL, REGISTRY, REMOTE, local, registry};
use crate::feast::config::FeatureStore;
use crate::schema::Path;

pub(super) fn one_registry(store: &FeatureStore) -> Vec<Violation> {
    let Some(registry) = registry(store) else {
        return Vec::new();
    };
    let path = Path::of(REGISTRY);
    match (&registry.local, &registry.remote) {
        (Some(_), Some(_)) => vec![Violation::new(
            path,
            [],
            "The registry is either local or remote",
            "Write one of `local` and `remote`.",
        )],
        (None, None) => vec![Violation::new(
            path.clone(),
            [path.attribute("local"), path.attribute("remote")],
            "The registry is empty",
            "Write `local` or `remote`, or leave `registry` out for the default, a file inside the pod.",
        )],
        (Some(_), None) | (None, Some(_)) => Vec::new(),
    }
}

pub(super) fn remote_address(store: &FeatureStore) -> Vec<Violation> {
    let Some(remote) = registry(store).and_then(|registry| registry.remote.as_ref()) else {
        return Vec::new();
    };
    let path = Path::of(REMOTE);
    let at = path.attribute("hostname");
    match (&remote.hostname, &remote.feast_ref) {
        (None, None) => vec![Violation::new(
            path.clone(),
            [at, path.attribute("feast_ref")],
            "A remote registry needs an address",
            "Write `hostname = \"host:port\"`, the address of its gRPC server, or `feast_ref`, the feature store \
             that has it.",
        )],
        (Some(_), Some(_)) => vec![Violation::new(
            path,
            [],
            "A remote registry has one address",
            "Write one of `hostname` and `feast_ref`.",
        )],
        (Some(address), None) if !is_address(address) => vec![Violation::new(
            at.clone(),
            [at],
            format!("{address:?} is not the address of a registry server"),
            "Feast connects by gRPC to `host` or `host:port`. Write it without a scheme, path or spaces, such \
             as `feast-shared-registry.feast.svc.cluster.local:80`.",
        )],
        (Some(_), None) | (None, Some(_)) => Vec::new(),
    }
}

/// A feature store with a remote registry has no registry server for anybody.
pub(super) fn another_store(store: &FeatureStore) -> Vec<Violation> {
    let remote = registry(store).and_then(|registry| registry.remote.as_ref());
    let Some(other) = remote.and_then(|remote| remote.feast_ref.as_ref()) else {
        return Vec::new();
    };
    let path = Path::of(REMOTE).attribute("feast_ref");
    let here = other.namespace.is_none() || other.namespace == store.namespace;
    if other.name != store.name || !here {
        return Vec::new();
    }
    let mut reads = vec![
        path.attribute("name"),
        path.attribute("namespace"),
        Path::of("name"),
    ];
    if other.namespace.is_some() {
        reads.push(Path::of("namespace"));
    }
    vec![Violation::new(
        path.attribute("name"),
        reads,
        "The feature store names itself as its registry",
        "Write the name of another feature store, or `local = {}` in place of `remote`.",
    )]
}

/// `host` or `host:port`, the host a DNS name or an IP address (IPv6 in brackets).
fn is_address(address: &str) -> bool {
    let port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    if let Some(rest) = address.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(host, after)| {
            host.parse::<std::net::Ipv6Addr>().is_ok()
                && (after.is_empty() || after.strip_prefix(':').is_some_and(port))
        });
    }
    let (host, port_ok) = match address.split_once(':') {
        Some((host, text)) => (host, port(text)),
        None => (address, true),
    };
    let end = |c: char| c.is_ascii_alphanumeric();
    let label = |label: &str| {
        label.len() <= 63
            && label.starts_with(end)
            && label.ends_with(end)
            && label.chars().all(|c| end(c) || c == '-' || c == '_')
    };
    port_ok && host.len() <= 253 && host.split('.').all(label)
}

pub(super) fn protocols(store: &FeatureStore) -> Vec<Violation> {
    let Some(server) = local(store).and_then(|local| local.server.as_ref()) else {
        return Vec::new();
    };
    if server.grpc.unwrap_or(true) || server.rest_api == Some(true) {
        return Vec::new();
    }
    let path = Path::of(LOCAL).attribute("server");
    let at = path.attribute("grpc");
    vec![Violation::new(
        at.clone(),
        [at, path.attribute("rest_api")],
        "The registry server serves neither gRPC nor REST",
        "Write `rest_api = true`, remove `grpc = false`, or leave `server` out.",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{refused, refused_whole};

    #[test]
    fn here_or_elsewhere() {
        let one = |registry: Json, message: &str| {
            refused(
                "one-registry",
                json!({"registry": registry}),
                &[("services.registry", message)],
            );
        };
        one(json!({}), "The registry is empty");
        one(
            json!({"local": {}, "remote": {"hostname": "r:80"}}),
            "The registry is either local or remote",
        );
    }

    #[test]
    fn addresses() {
        let remote = |hostname: &str| json!({"registry": {"remote": {"hostname": hostname}}});
        for good in ["r", "r.example.com:443", "10.0.0.1:80", "[fd00::1]:80"] {
            refused("remote-address", remote(good), &[]);
        }
        for wrong in [
            "not a host !!",
            "http://r:80",
            "r:80/path",
            "r:",
            "r:0",
            "r:99999",
            ".r",
            "a:b:1",
        ] {
            let message = format!("{wrong:?} is not the address of a registry server");
            refused(
                "remote-address",
                remote(wrong),
                &[("services.registry.remote.hostname", &message)],
            );
        }
        refused(
            "remote-address",
            json!({"registry": {"remote": {}}}),
            &[(
                "services.registry.remote",
                "A remote registry needs an address",
            )],
        );
    }

    #[test]
    fn one_address() {
        refused(
            "remote-address",
            json!({"registry": {"remote": {"hostname": "r:80", "feastRef": {"name": "other"}}}}),
            &[(
                "services.registry.remote",
                "A remote registry has one address",
            )],
        );
        refused(
            "remote-address",
            json!({"registry": {"remote": {"feastRef": {"name": "other"}}}}),
            &[],
        );
    }

    #[test]
    fn another_than_itself() {
        let check = |own: Json, other: Json, expected: &[(&str, &str)]| {
            let mut store = json!({"name": "demo", "feastProject": "p", "services": {"registry": {"remote": {
                "feastRef": {"name": "demo"},
            }}}});
            if !own.is_null() {
                store["namespace"] = own;
            }
            if !other.is_null() {
                store["services"]["registry"]["remote"]["feastRef"]["namespace"] = other;
            }
            refused_whole("remote-other", store, expected);
        };
        let itself = [(
            "services.registry.remote.feast_ref.name",
            "The feature store names itself as its registry",
        )];
        check(json!(null), json!(null), &itself);
        check(json!("here"), json!(null), &itself);
        check(json!("here"), json!("here"), &itself);
        check(json!("here"), json!("there"), &[]);
        // The provider block's namespace may be any.
        check(json!(null), json!("there"), &[]);
        let other = json!({"registry": {"remote": {"feastRef": {"name": "other"}}}});
        refused("remote-other", other, &[]);
    }

    #[test]
    fn some_protocol() {
        let server = |server: Json| json!({"registry": {"local": {"server": server}}});
        let neither = [(
            "services.registry.local.server.grpc",
            "The registry server serves neither gRPC nor REST",
        )];
        refused("registry-protocol", server(json!({})), &[]);
        refused(
            "registry-protocol",
            server(json!({"grpc": false, "restAPI": true})),
            &[],
        );
        refused(
            "registry-protocol",
            server(json!({"grpc": false})),
            &neither,
        );
        refused(
            "registry-protocol",
            server(json!({"grpc": false, "restAPI": false})),
            &neither,
        );
    }
}
