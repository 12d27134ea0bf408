//! The registry: local or remote, its address and its protocols.

use super::Violation;
use super::accessors::{LOCAL, PROJECT_DIR, REGISTRY, REMOTE, local, registry, services};
use crate::feast::config::FeatureStore;
use crate::feast::spec::{FeastApplyMode, configured_apply};
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

/// Without these, Feast connects without TLS, or fails to start.
pub(super) fn remote_tls(store: &FeatureStore) -> Vec<Violation> {
    let Some(remote) = registry(store).and_then(|registry| registry.remote.as_ref()) else {
        return Vec::new();
    };
    let path = Path::of(REMOTE);
    let mut violations = Vec::new();
    if remote.tls.is_some() && remote.is_tls == Some(false) {
        violations.push(Violation::at(
            path.attribute("is_tls"),
            "`is_tls = false` contradicts `tls`",
            "With a CA certificate, Feast always uses TLS. Remove `is_tls` or `tls`.",
        ));
    }
    let has_tls = remote.tls.is_some() || remote.is_tls == Some(true);
    let settings = [
        ("client_cert", remote.client_cert.is_some()),
        ("client_key", remote.client_key.is_some()),
        ("authority", remote.authority.is_some()),
    ];
    let set = settings.into_iter().filter(|(_, is_set)| *is_set);
    violations.extend(set.filter(|_| !has_tls).map(|(name, _)| {
        Violation::new(
            path.attribute(name),
            [name, "tls", "is_tls"].map(|name| path.attribute(name)),
            format!("`{name}` requires TLS"),
            "Without TLS, Feast ignores it. Set `tls`, or `is_tls = true`.",
        )
    }));
    let pair = match (&remote.client_cert, &remote.client_key) {
        (Some(_), None) => Some(("client_cert", "client_key")),
        (None, Some(_)) => Some(("client_key", "client_cert")),
        _ => None,
    };
    violations.extend(pair.map(|(set, absent)| {
        Violation::new(
            path.attribute(set),
            [set, absent].map(|name| path.attribute(name)),
            format!("`{set}` requires `{absent}`"),
            "Feast does not start with only one of them. Set both, or remove it.",
        )
    }));
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

/// Warns that `feast apply` deletes what other feature stores have defined in the registry: it deletes every definition
/// of the project that its repository does not have (`apply_total` in `feast/repo_operations.py`).
pub(super) fn sample_definitions(store: &FeatureStore) -> Vec<Violation> {
    let remote = registry(store).and_then(|registry| registry.remote.as_ref());
    let directory = store.feast_project_dir.as_ref();
    let is_new = directory.is_none_or(|it| it.git.is_none() && it.packaged.is_none());
    let applies = services(store).is_none_or(|it| {
        let configured = configured_apply(it.feast_apply, it.run_feast_apply_on_init);
        configured != Some(FeastApplyMode::None)
    });
    if remote.is_none() || !is_new || !applies {
        return Vec::new();
    }
    vec![Violation::new(
        Path::of(REMOTE),
        [
            Path::of(REMOTE),
            Path::of(PROJECT_DIR),
            Path::of("services.feast_apply"),
            Path::of("services.run_feast_apply_on_init"),
        ],
        "`feast apply` replaces the definitions in the remote registry",
        "Without `feast_project_dir.git` or `feast_project_dir.packaged`, the feature repository is a new one of `feast \
         init`. `feast apply` deletes every definition of the project that this repository does not have, with its \
         tables, also those that other feature stores with the same `feast_project` have applied. Set \
         `services.feast_apply = \"none\"`, or use the repository of the feature store to which the registry belongs.",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{rejects, rejects_store, warns_store};

    #[test]
    fn warns_about_sample_definitions_in_a_remote_registry() {
        let check = |more: Json, mut services: Json, expected: &[(&str, &str)]| {
            services["registry"] = json!({"remote": {"hostname": "r:80"}});
            let mut store = json!({"name": "demo", "feastProject": "p", "services": services});
            if let (Json::Object(store), Json::Object(more)) = (&mut store, more) {
                store.extend(more);
            }
            warns_store("remote-definitions", store, expected);
        };
        let expected = [(
            "services.registry.remote",
            "`feast apply` replaces the definitions in the remote registry",
        )];
        check(json!({}), json!({}), &expected);
        check(
            json!({}),
            json!({"feastApply": "init_container"}),
            &expected,
        );
        check(json!({}), json!({"runFeastApplyOnInit": true}), &expected);
        let init = json!({"feastProjectDir": {"init": {"minimal": true}}});
        check(init, json!({}), &expected);
        check(json!({}), json!({"feastApply": "none"}), &[]);
        check(json!({}), json!({"runFeastApplyOnInit": false}), &[]);
        let git = json!({"feastProjectDir": {"git": {"url": "https://x/y"}}});
        check(git, json!({}), &[]);
        let packaged = json!({"feastProjectDir": {"packaged": {"featureRepoPath": "/app/repo"}}});
        check(packaged, json!({}), &[]);
        let local = json!({"name": "demo", "feastProject": "p"});
        warns_store("remote-definitions", local, &[]);
    }

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
    fn client_certificates_require_tls() {
        let check = |settings: Json, expected: &[(&str, &str)]| {
            let mut remote = json!({"hostname": "r:443"});
            if let (Json::Object(remote), Json::Object(settings)) = (&mut remote, settings) {
                remote.extend(settings);
            }
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, summary)| (format!("services.registry.remote.{name}"), *summary))
                .collect();
            let expected: Vec<_> = expected.iter().map(|(p, s)| (p.as_str(), *s)).collect();
            rejects(
                "remote-tls",
                json!({"registry": {"remote": remote}}),
                &expected,
            );
        };
        let tls = json!({"configMapRef": {"name": "ca"}, "certName": "ca.crt"});
        let pair = json!({"clientCert": "/c/tls.crt", "clientKey": "/c/tls.key", "authority": "r"});
        let mut with_tls = pair.clone();
        with_tls["isTls"] = json!(true);
        check(with_tls, &[]);
        let mut with_ca = pair.clone();
        with_ca["tls"] = tls.clone();
        check(with_ca, &[]);
        check(
            pair,
            &[
                ("client_cert", "`client_cert` requires TLS"),
                ("client_key", "`client_key` requires TLS"),
                ("authority", "`authority` requires TLS"),
            ],
        );
        check(
            json!({"tls": tls, "isTls": false}),
            &[("is_tls", "`is_tls = false` contradicts `tls`")],
        );
        check(
            json!({"tls": tls, "clientKey": "/c/tls.key"}),
            &[("client_key", "`client_key` requires `client_cert`")],
        );
        check(
            json!({"tls": tls, "clientCert": "/c/tls.crt"}),
            &[("client_cert", "`client_cert` requires `client_key`")],
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
