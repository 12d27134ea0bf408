//! TLS certificates, and the directories in which pods mount them.

use super::Violation;
use super::accessors::{REMOTE, all_servers, registry, serving_certificates};
use crate::feast::config::{FeatureStore, SecretKeyNames, Tls};
use crate::feast::names::{
    SERVING_CERTIFICATES, ServerKind, TLS_CERTIFICATE_KEY, TLS_PRIVATE_KEY_KEY,
};
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, tls, running) in certificates(store) {
        let disable = path.attribute("disable");
        let secret = path.attribute("secret_ref");
        if tls.secret_ref.is_none() {
            let reads = running.iter().cloned().chain([disable.clone(), secret]);
            violations.push(Violation::new(
                path.clone(),
                reads,
                "TLS requires a certificate",
                "Set `secret_ref` to the Secret that holds the certificate, or set `disable = true`.",
            ));
        }
        let SecretKeyNames { tls_crt, tls_key } = tls.secret_key_names.clone().unwrap_or_default();
        let certificate = tls_crt.unwrap_or_else(|| TLS_CERTIFICATE_KEY.to_owned());
        let private_key = tls_key.unwrap_or_else(|| TLS_PRIVATE_KEY_KEY.to_owned());
        if certificate == private_key {
            let names = path.attribute("secret_key_names");
            let reads = ["tls_crt", "tls_key"].map(|name| names.attribute(name));
            violations.push(Violation::new(
                names,
                reads.into_iter().chain(running).chain([disable]),
                format!("Certificate and private key must be under different keys, not both under {certificate:?}"),
                "Set `tls_crt` and `tls_key` to different keys of the Secret.",
            ));
        }
    }
    violations
}

/// Returns the TLS settings of each server with TLS, with their path and the attributes that decide that the server
/// runs.
fn certificates(store: &FeatureStore) -> Vec<(Path, &Tls, Vec<Path>)> {
    let servers = all_servers(store).into_iter();
    servers
        .filter_map(|container| {
            let tls = container.settings?.tls?;
            let path = container.path.attribute("tls");
            (tls.disable != Some(true)).then_some((path, tls, container.reads))
        })
        .collect()
}

/// Returns the directories of the pods that hold certificates, each with the attributes that it depends on.
pub(super) fn directories(store: &FeatureStore) -> Vec<(String, Vec<Path>)> {
    let issues = serving_certificates(store);
    let own = all_servers(store).into_iter();
    let own = own.filter_map(|container| {
        let path = container.path.attribute("tls");
        let mut reads = container.reads;
        match container.settings.and_then(|it| it.tls) {
            Some(tls) if tls.disable != Some(true) => reads.push(path.attribute("disable")),
            None if issues => reads.extend([Path::of(SERVING_CERTIFICATES), path]),
            _ => return None,
        }
        Some((container.kind, reads))
    });
    let remote = registry(store).and_then(|registry| registry.remote.as_ref());
    let ca_cert = remote.and_then(|remote| remote.tls.as_ref());
    let ca_cert = ca_cert.map(|_| (ServerKind::Registry, vec![Path::of(REMOTE)]));
    own.chain(ca_cert)
        .map(|(kind, reads)| {
            let directory = kind.tls_directory();
            (directory.trim_end_matches('/').to_owned(), reads)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{accepts, rejects};

    fn online(tls: Json) -> Json {
        json!({"onlineStore": {"server": {"tls": tls}}})
    }

    #[test]
    fn requires_a_certificate_unless_disabled() {
        let needs = [(
            "services.online_store.server.tls",
            "TLS requires a certificate",
        )];
        rejects("tls", online(json!({})), &needs);
        rejects("tls", online(json!({"disable": false})), &needs);
        accepts(online(json!({"disable": true})));
        accepts(online(json!({"secretRef": {"name": "s"}})));
        rejects(
            "tls",
            json!({"ui": {"tls": {}}, "registry": {"local": {"server": {"tls": {}}}}}),
            &[
                (
                    "services.registry.local.server.tls",
                    "TLS requires a certificate",
                ),
                ("services.ui.tls", "TLS requires a certificate"),
            ],
        );
        // A server that does not run needs no certificate.
        let mut disabled = online(json!({}));
        disabled["onlineStore"]["disabled"] = json!(true);
        rejects("tls", disabled, &[]);
    }

    #[test]
    fn certificate_and_key_have_different_keys() {
        let keys = |keys: Json| online(json!({"secretRef": {"name": "s"}, "secretKeyNames": keys}));
        rejects("tls", keys(json!({"tlsCrt": "a", "tlsKey": "b"})), &[]);
        rejects(
            "tls",
            keys(json!({"tlsCrt": "tls.key"})),
            &[(
                "services.online_store.server.tls.secret_key_names",
                "Certificate and private key must be under different keys, not both under \"tls.key\"",
            )],
        );
    }

    #[test]
    fn rejects_mounts_that_hide_a_certificate() {
        let volume = json!([{"name": "v", "emptyDir": {}}]);
        let mounted = |place: &str, tls: Json| {
            json!({
                "volumes": volume,
                "onlineStore": {"server": {
                    "tls": tls, "volumeMounts": [{"name": "v", "mountPath": place}],
                }},
            })
        };
        let on = json!({"secretRef": {"name": "s"}});
        let at = "services.online_store.server.volume_mounts[0].mount_path";
        for place in ["/tls", "/tls/online", "/tls/online/more"] {
            rejects(
                "volume-mounts",
                mounted(place, on.clone()),
                &[(
                    at,
                    &format!("A volume at {place:?} would hide a certificate"),
                )],
            );
        }
        rejects("volume-mounts", mounted("/tls/other", on), &[]);
        rejects(
            "volume-mounts",
            mounted("/tls", json!({"disable": true})),
            &[],
        );
    }
}
