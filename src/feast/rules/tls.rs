//! Certificates: that there is one where TLS is wanted, and where the pods have them.

use super::Violation;
use super::accessors::{REMOTE, all_containers, registry};
use crate::feast::config::{FeatureStore, SecretKeyNames, Tls};
use crate::feast::names::{ServerKind, TLS_CERTIFICATE_KEY, TLS_PRIVATE_KEY_KEY};
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (_, path, tls, running) in certificates(store) {
        let disable = path.attribute("disable");
        let secret = path.attribute("secret_ref");
        if tls.secret_ref.is_none() {
            let reads = running.iter().cloned().chain([disable.clone(), secret]);
            violations.push(Violation::new(
                path.clone(),
                reads,
                "TLS needs a certificate",
                "Write `secret_ref`, the Secret that has it, or `disable = true`.",
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
                format!("Key {certificate:?} cannot be both certificate and private key"),
                "Write two keys of the Secret.",
            ));
        }
    }
    violations
}

/// Each server's TLS that is on, with its attribute, and what its being on was concluded from.
fn certificates(store: &FeatureStore) -> Vec<(ServerKind, Path, &Tls, Vec<Path>)> {
    let servers = all_containers(store).into_iter();
    servers
        .filter_map(|container| {
            let tls = container.settings?.tls?;
            let path = container.path.attribute("tls");
            (tls.disable != Some(true)).then_some((container.kind, path, tls, container.reads))
        })
        .collect()
}

/// Directories of the pods that have certificates in them, with what that is concluded from.
pub(super) fn directories(store: &FeatureStore) -> Vec<(String, Vec<Path>)> {
    let own = certificates(store).into_iter();
    let own = own.map(|(kind, path, _, running)| {
        let mut reads = running;
        reads.push(path.attribute("disable"));
        (kind, reads)
    });
    let remote = registry(store).and_then(|registry| registry.remote.as_ref());
    let authority = remote.and_then(|remote| remote.tls.as_ref());
    let authority = authority.map(|_| (ServerKind::Registry, vec![Path::of(REMOTE)]));
    own.chain(authority)
        .map(|(kind, reads)| {
            let directory = kind.tls_directory();
            (directory.trim_end_matches('/').to_owned(), reads)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{refused, stands};

    fn online(tls: Json) -> Json {
        json!({"onlineStore": {"server": {"tls": tls}}})
    }

    #[test]
    fn a_certificate_unless_disabled() {
        let needs = [(
            "services.online_store.server.tls",
            "TLS needs a certificate",
        )];
        refused("tls", online(json!({})), &needs);
        refused("tls", online(json!({"disable": false})), &needs);
        stands(online(json!({"disable": true})));
        stands(online(json!({"secretRef": {"name": "s"}})));
        refused(
            "tls",
            json!({"ui": {"tls": {}}, "registry": {"local": {"server": {"tls": {}}}}}),
            &[
                (
                    "services.registry.local.server.tls",
                    "TLS needs a certificate",
                ),
                ("services.ui.tls", "TLS needs a certificate"),
            ],
        );
        // What does not run needs none.
        let mut disabled = online(json!({}));
        disabled["onlineStore"]["disabled"] = json!(true);
        refused("tls", disabled, &[]);
    }

    #[test]
    fn two_keys() {
        let keys = |keys: Json| online(json!({"secretRef": {"name": "s"}, "secretKeyNames": keys}));
        refused("tls", keys(json!({"tlsCrt": "a", "tlsKey": "b"})), &[]);
        refused(
            "tls",
            keys(json!({"tlsCrt": "tls.key"})),
            &[(
                "services.online_store.server.tls.secret_key_names",
                "Key \"tls.key\" cannot be both certificate and private key",
            )],
        );
    }

    #[test]
    fn nothing_hides_a_certificate() {
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
            refused(
                "volume-mounts",
                mounted(place, on.clone()),
                &[(at, &format!("A volume at {place:?} hides a certificate"))],
            );
        }
        refused("volume-mounts", mounted("/tls/other", on), &[]);
        refused(
            "volume-mounts",
            mounted("/tls", json!({"disable": true})),
            &[],
        );
    }
}
