//! The registry: local or remote, its address and its protocols.

use super::Violation;
use super::accessors::{LOCAL, REGISTRY, REMOTE, local, registry};
use crate::feast::config::FeatureStore;
use crate::kubernetes::validation::exactly_one;
use crate::schema::Path;

pub(super) fn one_registry(store: &FeatureStore) -> Vec<Violation> {
    let violation = registry(store).and_then(|registry| {
        let fields = [
            ("local", registry.local.is_some()),
            ("remote", registry.remote.is_some()),
        ];
        let hint = "Remove `registry` to use the default, a registry file in the pod.";
        exactly_one(&Path::of(REGISTRY), &fields, hint)
    });
    violation.into_iter().collect()
}

pub(super) fn remote_address(store: &FeatureStore) -> Vec<Violation> {
    let Some(remote) = registry(store).and_then(|registry| registry.remote.as_ref()) else {
        return Vec::new();
    };
    let path = Path::of(REMOTE);
    let fields = [
        ("hostname", remote.hostname.is_some()),
        ("feast_ref", remote.feast_ref.is_some()),
    ];
    let hint = "Set `hostname = \"host:port\"` to the address of a gRPC registry server, or `feast_ref` to another \
                feature store.";
    let mut violations = Vec::from_iter(exactly_one(&path, &fields, hint));
    let hostname = remote.hostname.as_deref();
    if let Some(address) = hostname.filter(|it| remote.feast_ref.is_none() && !is_address(it)) {
        violations.push(Violation::at(
            path.attribute("hostname"),
            format!("{address:?} is not a valid address of a registry server"),
            "Set `host` or `host:port` of a gRPC server, without a scheme or path, such as \
             `feast-shared-registry.feast.svc.cluster.local:80`.",
        ));
    }
    violations
}

/// A feature store with a remote registry has no registry server, so it cannot be its own remote.
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
        "The feature store references itself as its remote registry",
        "Set the name of another feature store, or replace `remote` with `local = {}`.",
    )]
}

/// Returns whether the text is `host` or `host:port`, where the host is a DNS name or an IP address (IPv6 in brackets).
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
        "The registry server must serve gRPC, REST or both",
        "Set `rest_api = true`, or remove `grpc = false` or `server`.",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{rejects, rejects_store};

    #[test]
    fn local_or_remote() {
        let one = |registry: Json, message: &str| {
            rejects(
                "one-registry",
                json!({"registry": registry}),
                &[("services.registry", message)],
            );
        };
        one(json!({}), "Exactly one of `local`, `remote` must be set");
        one(
            json!({"local": {}, "remote": {"hostname": "r:80"}}),
            "Exactly one of `local`, `remote` must be set",
        );
    }

    #[test]
    fn addresses() {
        let remote = |hostname: &str| json!({"registry": {"remote": {"hostname": hostname}}});
        for good in ["r", "r.example.com:443", "10.0.0.1:80", "[fd00::1]:80"] {
            rejects("remote-address", remote(good), &[]);
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
            let message = format!("{wrong:?} is not a valid address of a registry server");
            rejects(
                "remote-address",
                remote(wrong),
                &[("services.registry.remote.hostname", &message)],
            );
        }
        rejects(
            "remote-address",
            json!({"registry": {"remote": {}}}),
            &[(
                "services.registry.remote",
                "Exactly one of `hostname`, `feast_ref` must be set",
            )],
        );
    }

    #[test]
    fn one_address() {
        rejects(
            "remote-address",
            json!({"registry": {"remote": {"hostname": "r:80", "feastRef": {"name": "other"}}}}),
            &[(
                "services.registry.remote",
                "Exactly one of `hostname`, `feast_ref` must be set",
            )],
        );
        rejects(
            "remote-address",
            json!({"registry": {"remote": {"feastRef": {"name": "other"}}}}),
            &[],
        );
    }

    #[test]
    fn rejects_its_own_registry() {
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
            rejects_store("remote-other", store, expected);
        };
        let itself = [(
            "services.registry.remote.feast_ref.name",
            "The feature store references itself as its remote registry",
        )];
        check(json!(null), json!(null), &itself);
        check(json!("here"), json!(null), &itself);
        check(json!("here"), json!("here"), &itself);
        check(json!("here"), json!("there"), &[]);
        // The namespace of the provider block is not known here.
        check(json!(null), json!("there"), &[]);
        let other = json!({"registry": {"remote": {"feastRef": {"name": "other"}}}});
        rejects("remote-other", other, &[]);
    }

    #[test]
    fn at_least_one_protocol() {
        let server = |server: Json| json!({"registry": {"local": {"server": server}}});
        let neither = [(
            "services.registry.local.server.grpc",
            "The registry server must serve gRPC, REST or both",
        )];
        rejects("registry-protocol", server(json!({})), &[]);
        rejects(
            "registry-protocol",
            server(json!({"grpc": false, "restAPI": true})),
            &[],
        );
        rejects(
            "registry-protocol",
            server(json!({"grpc": false})),
            &neither,
        );
        rejects(
            "registry-protocol",
            server(json!({"grpc": false, "restAPI": false})),
            &neither,
        );
    }
}
