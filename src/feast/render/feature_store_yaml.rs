//! `feature_store.yaml`, the configuration of Feast, for servers and clients.

use serde_json::{Value as Json, json};

use crate::feast::config;
use crate::feast::feature_store_yaml::{
    FeatureStoreYaml, KeyValue, Mapping, Node, Placeholder, Section,
};
use crate::feast::names::{self, Endpoint, FeastService, ServerKind};
use crate::feast::spec::{
    LocalRegistry, OfflineStorage, OnlineStorage, Registry, RegistryFile, RegistryOptions,
    RegistryStorage, RemoteRegistry, SqliteOptions, Store,
};

mod auth;
mod sections;
#[cfg(test)]
mod tests;

const VERSIONING: &str = "enable_online_feature_view_versioning";

/// Returns the document for the servers.
pub(super) fn servers(store: &Store) -> FeatureStoreYaml {
    let mut parts = vec![Section::Plain(head(store))];
    if let Some(offline) = &store.offline {
        parts.push(match &offline.storage {
            OfflineStorage::File {
                engine,
                pvc: _,
                staging_location,
                staging_location_endpoint_override,
            } => {
                let mut lines = vec![leaf("type", *engine)];
                option(&mut lines, "staging_location", staging_location.as_deref());
                let key = "staging_location_endpoint_override";
                option(
                    &mut lines,
                    key,
                    staging_location_endpoint_override.as_deref(),
                );
                section("offline_store", lines)
            }
            OfflineStorage::Database(database) => {
                Section::Placeholder(Placeholder::store(FeastService::Offline, database))
            }
        });
    }
    parts.push(match &store.online.storage {
        OnlineStorage::File {
            path,
            pvc: _,
            options,
        } => {
            let lines = vec![leaf("type", "sqlite"), leaf("path", path.as_str())];
            section("online_store", with_sqlite_options(lines, options))
        }
        OnlineStorage::Database(database) => {
            Section::Placeholder(Placeholder::store(FeastService::Online, database))
        }
    });
    parts.push(registry(store));
    parts.push(auth::server(&store.authorization));
    parts.push(Section::Plain(tail(store)));
    parts.extend(sections::server(store));
    FeatureStoreYaml(parts).with_extra(&store.settings.extra_yaml)
}

/// Returns the document for the lineage server, which stores events in the database of the consumer, or else in that of
/// the registry.
pub(super) fn lineage(store: &Store) -> FeatureStoreYaml {
    let consumer = (store.openlineage.as_ref()).and_then(|it| it.consumer.as_ref());
    let own = consumer.is_some_and(|it| it.connection_string_secret_ref.is_some());
    // Feast requires a registry, but does not use it unless it stores the events.
    let registry = match &store.registry {
        Registry::Local(_) if own && store.endpoints().contains(&Endpoint::RegistryGrpc) => {
            registry_server(store, &store.address(Endpoint::RegistryGrpc), None)
        }
        _ => registry(store),
    };
    let mut parts = vec![Section::Plain(head(store)), registry];
    parts.extend(sections::lineage(store));
    FeatureStoreYaml(parts).with_extra_in_sections(&store.settings.extra_yaml)
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
        let config::ClientOfflineStore { connection_retries } =
            &store.settings.client.offline_store;
        option(&mut lines, "connection_retries", *connection_retries);
        parts.push(section("offline_store", lines));
    }
    if served.contains(&Endpoint::Online) {
        let certificate = store.certificate(ServerKind::Online);
        let scheme = names::service_port_name(certificate.is_some());
        let url = format!("{scheme}://{}", store.address(Endpoint::Online));
        let mut lines = vec![leaf("type", "remote"), leaf("path", url)];
        lines.extend(certificate.map(|certificate| leaf("cert", certificate)));
        let config::ClientOnlineStore {
            connection_pool_size,
            connection_idle_timeout,
            connection_retries,
        } = &store.settings.client.online_store;
        option(&mut lines, "connection_pool_size", *connection_pool_size);
        let key = "connection_idle_timeout";
        option(&mut lines, key, *connection_idle_timeout);
        option(&mut lines, "connection_retries", *connection_retries);
        parts.push(section("online_store", lines));
    }
    match &store.registry {
        Registry::Remote(remote) => parts.push(remote_registry(store, remote)),
        Registry::Local(_) if served.contains(&Endpoint::RegistryGrpc) => {
            parts.push(registry_server(
                store,
                &store.address(Endpoint::RegistryGrpc),
                store.certificate(ServerKind::Registry),
            ));
        }
        Registry::Local(_) => {}
    }
    parts.push(auth::client(&store.authorization));
    parts.push(Section::Plain(tail(store)));
    parts.extend(sections::client(store));
    let document = FeatureStoreYaml(parts).with_extra(&store.settings.client.extra_yaml);
    document.preview()
}

fn head(store: &Store) -> Mapping {
    let mut lines = vec![leaf("project", store.project.name.as_str())];
    let description = store.settings.project_description.as_deref();
    option(&mut lines, "project_description", description);
    lines.push(leaf("provider", "local"));
    Mapping(lines)
}

fn tail(store: &Store) -> Mapping {
    let mut lines = vec![leaf("entity_key_serialization_version", 3)];
    option(
        &mut lines,
        "coerce_tz_aware",
        store.settings.coerce_tz_aware,
    );
    Mapping(lines)
}

/// Returns the registry section for the servers.
fn registry(store: &Store) -> Section {
    match &store.registry {
        Registry::Remote(remote) => remote_registry(store, remote),
        Registry::Local(local) => {
            let LocalRegistry {
                storage,
                server,
                purge_feast_metadata,
            } = &**local;
            let mut more = Vec::new();
            if server.as_ref().is_some_and(|server| server.mcp) {
                let enabled = Node::Branch(Mapping(vec![leaf("enabled", true)]));
                more.push(("mcp".into(), enabled));
            }
            option(&mut more, "purge_feast_metadata", *purge_feast_metadata);
            let RegistryOptions {
                serve_while_materializing,
                feature_view_versions,
            } = store.registry_options;
            option(&mut more, VERSIONING, feature_view_versions);
            match storage {
                RegistryStorage::File(file) => {
                    let serve = serve_while_materializing.unwrap_or(true);
                    more.push(leaf(names::SERVE_WHILE_MATERIALIZING, serve));
                    let lines = registry_file(file).into_iter().chain(more);
                    section("registry", lines.collect())
                }
                RegistryStorage::Database(database) => {
                    // The Secret can have the setting too, so its default is with the parameters.
                    let key = names::SERVE_WHILE_MATERIALIZING;
                    option(&mut more, key, serve_while_materializing);
                    let placeholder = Placeholder::store(FeastService::Registry, database);
                    if more.is_empty() {
                        Section::Placeholder(placeholder)
                    } else {
                        Section::Merged(Mapping(more), placeholder)
                    }
                }
            }
        }
    }
}

fn remote_registry(store: &Store, remote: &RemoteRegistry) -> Section {
    let RemoteRegistry {
        address,
        ca_cert,
        store: _,
        is_tls,
        client_cert,
        client_key,
        authority,
    } = remote;
    let certificate = ca_cert.as_ref().map(|it| &it.key);
    let certificate = certificate.map(|key| ServerKind::Registry.tls_file(key));
    let mut lines = registry_address(address, certificate);
    option(&mut lines, "is_tls", *is_tls);
    option(&mut lines, "client_cert", client_cert.as_deref());
    option(&mut lines, "client_key", client_key.as_deref());
    option(&mut lines, "authority", authority.as_deref());
    lines.extend(registry_options(store));
    section("registry", lines)
}

fn registry_server(store: &Store, address: &str, certificate: Option<String>) -> Section {
    let mut lines = registry_address(address, certificate);
    lines.extend(registry_options(store));
    section("registry", lines)
}

fn registry_address(address: &str, certificate: Option<String>) -> Vec<KeyValue> {
    let mut lines = vec![leaf("registry_type", "remote"), leaf("path", address)];
    lines.extend(certificate.map(|certificate| leaf("cert", certificate)));
    lines
}

/// Returns the settings of every registry, with defaults: clients check the state of a feature view too.
fn registry_options(store: &Store) -> Vec<KeyValue> {
    let RegistryOptions {
        serve_while_materializing,
        feature_view_versions,
    } = store.registry_options;
    let mut lines = Vec::new();
    option(&mut lines, VERSIONING, feature_view_versions);
    let serve = serve_while_materializing.unwrap_or(true);
    lines.push(leaf(names::SERVE_WHILE_MATERIALIZING, serve));
    lines
}

fn with_sqlite_options(mut lines: Vec<KeyValue>, options: &SqliteOptions) -> Vec<KeyValue> {
    let SqliteOptions {
        vector_enabled,
        similarity,
        text_search_enabled,
        enable_openai_compatible_store,
    } = options;
    option(&mut lines, "vector_enabled", *vector_enabled);
    option(&mut lines, "similarity", similarity.as_deref());
    option(&mut lines, "text_search_enabled", *text_search_enabled);
    let key = "enable_openai_compatible_store";
    option(&mut lines, key, *enable_openai_compatible_store);
    lines
}

fn registry_file(file: &RegistryFile) -> Vec<KeyValue> {
    let RegistryFile {
        path,
        pvc: _,
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

/// Adds a setting if it is set. Otherwise, the default of Feast applies.
fn option(lines: &mut Vec<KeyValue>, key: &'static str, value: Option<impl Into<Json>>) {
    lines.extend(value.map(|value| leaf(key, value)));
}

fn section(name: &'static str, lines: Vec<KeyValue>) -> Section {
    Section::Plain(Mapping(vec![(name.into(), Node::Branch(Mapping(lines)))]))
}

fn leaf(key: &'static str, value: impl Into<Json>) -> KeyValue {
    (key.into(), Node::Leaf(value.into()))
}
