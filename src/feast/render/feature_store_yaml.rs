//! `feature_store.yaml`, the configuration of Feast, for servers and clients.

use serde_json::{Value as Json, json};

use crate::feast::feature_store_yaml::{
    FeatureStoreYaml, KeyValue, Mapping, Node, Placeholder, Section,
};
use crate::feast::names::{self, Endpoint, ServerKind, Service};
use crate::feast::spec::{
    OfflineStorage, OnlineStorage, Registry, RegistryFile, RegistryStorage, RemoteRegistry, Store,
};
mod auth;
mod sections;
#[cfg(test)]
mod tests;

/// Returns the document for the servers.
pub(super) fn servers(store: &Store) -> FeatureStoreYaml {
    let mut parts = vec![Section::Plain(head(store))];
    if let Some(offline) = &store.offline {
        parts.push(match &offline.storage {
            OfflineStorage::File { engine, claim: _ } => {
                section("offline_store", vec![leaf("type", *engine)])
            }
            OfflineStorage::Database(database) => {
                Section::Placeholder(Placeholder::store(Service::Offline, database))
            }
        });
    }
    parts.push(match &store.online.storage {
        OnlineStorage::File { path, claim: _ } => section(
            "online_store",
            vec![leaf("type", "sqlite"), leaf("path", path.as_str())],
        ),
        OnlineStorage::Database(database) => {
            Section::Placeholder(Placeholder::store(Service::Online, database))
        }
    });
    parts.push(registry(store));
    parts.push(auth::server(&store.authorization));
    parts.push(Section::Plain(tail()));
    parts.extend(sections::server(store));
    FeatureStoreYaml(parts)
}

/// Returns the document for the lineage server, which stores events in the database of the consumer, or else in that of
/// the registry.
pub(super) fn lineage(store: &Store) -> FeatureStoreYaml {
    let consumer = (store.openlineage.as_ref()).and_then(|it| it.consumer.as_ref());
    let own = consumer.is_some_and(|it| it.connection_string_secret_ref.is_some());
    // Feast requires a registry, but does not use it unless it stores the events.
    let registry = match &store.registry {
        Registry::Local(_) if own && store.endpoints().contains(&Endpoint::RegistryGrpc) => {
            registry_server(&store.address(Endpoint::RegistryGrpc), None)
        }
        _ => registry(store),
    };
    let mut parts = vec![Section::Plain(head(store)), registry];
    parts.extend(sections::lineage(store));
    FeatureStoreYaml(parts)
}

/// Returns the document for clients inside the cluster, with the Service of every server.
pub(super) fn client(store: &Store) -> String {
    let mut parts = vec![Section::Plain(head(store))];
    let served = store.endpoints();
    if served.contains(&Endpoint::Offline) {
        let host = names::host(&store.name, &store.namespace, Endpoint::Offline);
        let certificate = store.certificate(ServerKind::Offline);
        let mut lines = vec![
            leaf("type", "remote"),
            leaf("host", host),
            leaf("port", names::service_port(certificate.is_some())),
        ];
        if let Some(certificate) = certificate {
            lines.extend([leaf("scheme", "https"), leaf("cert", certificate)]);
        }
        parts.push(section("offline_store", lines));
    }
    if served.contains(&Endpoint::Online) {
        let certificate = store.certificate(ServerKind::Online);
        let scheme = names::service_port_name(certificate.is_some());
        let url = format!("{scheme}://{}", store.address(Endpoint::Online));
        let mut lines = vec![leaf("type", "remote"), leaf("path", url)];
        lines.extend(certificate.map(|certificate| leaf("cert", certificate)));
        parts.push(section("online_store", lines));
    }
    match &store.registry {
        Registry::Remote(remote) => parts.push(remote_registry(remote)),
        Registry::Local(_) if served.contains(&Endpoint::RegistryGrpc) => {
            parts.push(registry_server(
                &store.address(Endpoint::RegistryGrpc),
                store.certificate(ServerKind::Registry),
            ));
        }
        Registry::Local(_) => {}
    }
    parts.push(auth::client(&store.authorization));
    parts.push(Section::Plain(tail()));
    parts.extend(sections::client(store));
    FeatureStoreYaml(parts).preview()
}

fn head(store: &Store) -> Mapping {
    Mapping(vec![
        leaf("project", store.project.name.as_str()),
        leaf("provider", "local"),
    ])
}

fn tail() -> Mapping {
    Mapping(vec![leaf("entity_key_serialization_version", 3)])
}

/// Returns the registry section for the servers.
fn registry(store: &Store) -> Section {
    match &store.registry {
        Registry::Remote(remote) => remote_registry(remote),
        Registry::Local(local) => {
            let mcp = local.server.as_ref().filter(|server| server.mcp);
            let mcp = mcp.map(|_| {
                let enabled = Node::Branch(Mapping(vec![leaf("enabled", true)]));
                ("mcp".into(), enabled)
            });
            match (&local.storage, mcp) {
                (RegistryStorage::File(file), mcp) => {
                    let lines = registry_file(file).into_iter().chain(mcp);
                    section("registry", lines.collect())
                }
                (RegistryStorage::Database(database), None) => {
                    Section::Placeholder(Placeholder::store(Service::Registry, database))
                }
                (RegistryStorage::Database(database), Some(mcp)) => Section::Merged(
                    Mapping(vec![mcp]),
                    Placeholder::store(Service::Registry, database),
                ),
            }
        }
    }
}

fn remote_registry(remote: &RemoteRegistry) -> Section {
    let RemoteRegistry {
        address,
        authority,
        store: _,
    } = remote;
    let certificate = authority.as_ref().map(|it| &it.key);
    let certificate = certificate.map(|key| ServerKind::Registry.tls_file(key));
    registry_server(address, certificate)
}

fn registry_server(address: &str, certificate: Option<String>) -> Section {
    let mut lines = vec![leaf("registry_type", "remote"), leaf("path", address)];
    lines.extend(certificate.map(|certificate| leaf("cert", certificate)));
    section("registry", lines)
}

fn registry_file(file: &RegistryFile) -> Vec<KeyValue> {
    let RegistryFile {
        path,
        claim: _,
        s3_additional_kwargs,
        cache_ttl_seconds,
        cache_mode,
    } = file;
    let mut lines = vec![leaf("registry_type", "file"), leaf("path", path.as_str())];
    if let Some(kwargs) = s3_additional_kwargs {
        lines.push(leaf("s3_additional_kwargs", json!(kwargs)));
    }
    if let Some(seconds) = cache_ttl_seconds {
        lines.push(leaf("cache_ttl_seconds", *seconds));
    }
    if let Some(mode) = cache_mode {
        lines.push(leaf("cache_mode", *mode));
    }
    lines
}

fn section(name: &'static str, lines: Vec<KeyValue>) -> Section {
    Section::Plain(Mapping(vec![(name.into(), Node::Branch(Mapping(lines)))]))
}

fn leaf(key: &'static str, value: impl Into<Json>) -> KeyValue {
    (key.into(), Node::Leaf(value.into()))
}
