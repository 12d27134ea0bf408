//! The registry: local or remote.

use super::{CaCert, Location, RegistryServer, RegistryStorage};
use crate::feast::config;
use crate::feast::names::{self, Endpoint};

/// The registry of `services.registry`: exactly one alternative.
#[derive(Debug, Clone, PartialEq)]
pub enum Registry {
    Local(Box<LocalRegistry>),
    Remote(RemoteRegistry),
}

/// A registry whose storage the servers in the pods open directly. Its own server is for other clients.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalRegistry {
    pub storage: RegistryStorage,
    pub server: Option<RegistryServer>,
    pub purge_feast_metadata: Option<bool>,
}

/// The settings of every registry, for servers and clients. `None` for a default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    pub serve_while_materializing: Option<bool>,
    pub feature_view_versions: Option<bool>,
}

/// The registry server of another feature store, or one at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRegistry {
    /// `host:port`.
    pub address: String,
    /// The CA certificate, if it is in a ConfigMap.
    pub ca_cert: Option<CaCert>,
    /// True if clients use TLS; `None` if the CA certificate decides.
    pub is_tls: Option<bool>,
    /// The paths of the client certificate and of its private key.
    pub client_cert: Option<String>,
    pub client_key: Option<String>,
    /// The host name in the certificate of the server, if it is not that of the address.
    pub authority: Option<String>,
    /// The feature store that serves it, if the configuration refers to one.
    pub store: Option<RemoteStore>,
}

/// Another feature store in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteStore {
    pub name: String,
    pub namespace: String,
    /// True if its registry server must have TLS.
    pub tls: bool,
}

impl Registry {
    /// Returns whether several pods can use it.
    pub(super) fn is_shared(&self) -> bool {
        match self {
            Self::Remote(_) => true,
            Self::Local(local) => match &local.storage {
                RegistryStorage::Database(_) => true,
                RegistryStorage::File(file) => Location::of(&file.path) == Location::Object,
            },
        }
    }

    /// `namespace` is that of this feature store.
    pub(super) fn new(registry: Option<&config::Registry>, namespace: &str, image: &str) -> Self {
        let config::Registry {
            local,
            remote,
            // `RegistryOptions` has these.
            serve_features_while_materializing: _,
            enable_online_feature_view_versioning: _,
        } = registry.cloned().unwrap_or_default();
        match (local, remote) {
            (None, Some(remote)) => Self::Remote(RemoteRegistry::new(remote, namespace)),
            (local, _) => {
                let config::LocalRegistry {
                    persistence,
                    server,
                    purge_feast_metadata,
                } = local.unwrap_or_default();
                Self::Local(Box::new(LocalRegistry {
                    storage: RegistryStorage::new(persistence.as_ref()),
                    server: server
                        .as_ref()
                        .map(|server| RegistryServer::new(server, image)),
                    purge_feast_metadata,
                }))
            }
        }
    }
}

impl RegistryOptions {
    pub(super) fn new(registry: Option<&config::Registry>) -> Self {
        Self {
            serve_while_materializing: registry
                .and_then(|it| it.serve_features_while_materializing),
            feature_view_versions: registry.and_then(|it| it.enable_online_feature_view_versioning),
        }
    }
}

impl RemoteRegistry {
    fn new(remote: config::RemoteRegistry, namespace: &str) -> Self {
        let config::RemoteRegistry {
            hostname,
            feast_ref,
            tls,
            is_tls,
            client_cert,
            client_key,
            authority,
        } = remote;
        let remote_store = feast_ref.map(|feast_ref| {
            let config::FeastRef {
                name,
                namespace: other,
            } = feast_ref;
            RemoteStore {
                name,
                namespace: other.unwrap_or_else(|| namespace.to_owned()),
                tls: tls.is_some() || is_tls == Some(true),
            }
        });
        Self {
            address: match (hostname, &remote_store) {
                (Some(hostname), _) => hostname,
                (None, Some(store)) => store.address(),
                (None, None) => String::new(),
            },
            ca_cert: tls.map(|tls| {
                let config::RemoteTls {
                    config_map_ref: config::LocalObjectReference { name },
                    cert_name,
                } = tls;
                CaCert {
                    config_map: name,
                    key: cert_name,
                }
            }),
            store: remote_store,
            is_tls,
            client_cert,
            client_key,
            authority,
        }
    }
}

impl RemoteStore {
    /// Returns the name of the Service of its registry server.
    pub fn service(&self) -> String {
        names::service(&self.name, Endpoint::RegistryGrpc)
    }

    /// Returns the port of that Service.
    pub fn port(&self) -> i32 {
        names::service_port(self.tls)
    }

    fn address(&self) -> String {
        let host = names::host(&self.name, &self.namespace, Endpoint::RegistryGrpc);
        format!("{host}:{}", self.port())
    }
}
