//! Certificates in the pods: those of the servers, and the CA certificates of a remote registry and of an OpenID
//! Connect provider.

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, SecretVolumeSource, Volume, VolumeMount};

use crate::feast::names::{SERVING_CERTIFICATES, ServerKind};
use crate::feast::secrets::source::{Mounted, Source};
use crate::feast::spec::{CaCert, Registry, Store, Tls};
use crate::schema::Path;

pub(super) fn volumes(store: &Store) -> Vec<Volume> {
    let ca_cert = registry_ca_cert(store).map(|ca_cert| Volume {
        name: ServerKind::Registry.tls_volume(),
        config_map: Some(ConfigMapVolumeSource {
            name: ca_cert.config_map.clone(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
    let own = own(store).into_iter();
    let own = own.map(|(kind, tls)| volume(kind, tls));
    ca_cert.into_iter().chain(own).collect()
}

/// Returns the volume with the certificate of a server.
pub(super) fn volume(kind: ServerKind, tls: &Tls) -> Volume {
    Volume {
        name: kind.tls_volume(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(tls.secret.clone()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Returns the mounts of a container. A server mounts its own certificate, and init containers (`None`) mount all.
/// Every container mounts the CA certificate.
pub(super) fn mounts(store: &Store, container: Option<ServerKind>) -> Vec<VolumeMount> {
    let ca_cert = registry_ca_cert(store).map(|_| ServerKind::Registry);
    let own = own(store).into_iter().map(|(kind, _)| kind);
    let own = own.filter(|kind| container.is_none_or(|container| container == *kind));
    ca_cert.into_iter().chain(own).map(mount).collect()
}

pub(super) fn mount(kind: ServerKind) -> VolumeMount {
    VolumeMount {
        name: kind.tls_volume(),
        mount_path: kind.tls_directory(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// Returns the arguments of the command.
pub(super) fn arguments(kind: ServerKind, tls: Option<&Tls>) -> Vec<String> {
    let Some(tls) = tls else {
        return Vec::new();
    };
    vec![
        "--key".to_owned(),
        kind.tls_file(&tls.private_key),
        "--cert".to_owned(),
        kind.tls_file(&tls.certificate),
    ]
}

/// Returns the files that must exist for the servers' pods to start.
pub(super) fn files(store: &Store) -> Vec<Mounted> {
    let config_map = |name: &str, key: &str, path| Mounted {
        source: Source::config_map(name, key),
        path: Path::of(path),
        rolls_pods: true,
    };
    let registry = registry_ca_cert(store).map(
        |CaCert {
             config_map: name,
             key,
         }| { config_map(name, key, "services.registry.remote.tls.config_map_ref") },
    );
    let provider = store.authorization.ca_cert();
    let provider = provider.map(
        |CaCert {
             config_map: name,
             key,
         }| { config_map(name, key, "authz.oidc.ca_cert_config_map") },
    );
    let own = own(store).into_iter();
    let own = own.flat_map(|(kind, tls)| mounted(kind, tls));
    registry.into_iter().chain(provider).chain(own).collect()
}

/// Returns the files of a server's certificate.
pub(super) fn mounted(kind: ServerKind, tls: &Tls) -> [Mounted; 2] {
    let path = match tls.issued_for {
        Some(_) => Path::of(SERVING_CERTIFICATES),
        None => Path::of(kind.attribute()).attribute("tls.secret_ref"),
    };
    [&tls.certificate, &tls.private_key].map(|key| Mounted {
        source: Source::secret(&tls.secret, key),
        path: path.clone(),
        rolls_pods: true,
    })
}

fn own(store: &Store) -> Vec<(ServerKind, &Tls)> {
    let servers = store.servers().into_iter();
    servers
        .filter_map(|(kind, server)| Some((kind, server.tls.as_ref()?)))
        .collect()
}

fn registry_ca_cert(store: &Store) -> Option<&CaCert> {
    match &store.registry {
        Registry::Local(_) => None,
        Registry::Remote(remote) => remote.ca_cert.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feast::spec::Defaults;

    #[test]
    fn ca_certificates_are_read_before_the_first_write() {
        let ca_cert = |name: &str, key: &str| Source::config_map(name, key);
        let store = json!({
            "name": "demo",
            "feastProject": "demo",
            "authz": {"oidc": {"issuerUrl": "https://idp", "caCertConfigMap": {"name": "idp"}}},
            "services": {"registry": {"remote": {
                "hostname": "shared:443",
                "tls": {"configMapRef": {"name": "registry"}, "certName": "ca.pem"},
            }}},
        });
        let store = Store::new(
            &serde_json::from_value(store).unwrap(),
            &Defaults::default(),
        );
        assert_eq!(
            files(&store),
            [
                Mounted {
                    source: ca_cert("registry", "ca.pem"),
                    path: Path::of("services.registry.remote.tls.config_map_ref"),
                    rolls_pods: true,
                },
                Mounted {
                    source: ca_cert("idp", "ca-bundle.crt"),
                    path: Path::of("authz.oidc.ca_cert_config_map"),
                    rolls_pods: true,
                },
            ]
        );
    }
}
