//! `feature_store.yaml`: Feast's own configuration, for the servers and for clients.

use serde_json::{Value as Json, json};

use super::yaml::{Mapping, Node, embed, emit, parse};
use crate::feast::fill::{FillError, Problem};
use crate::feast::names::{self, Endpoint, Service};
use crate::feast::spec::{
    Database, OfflineStorage, OnlineStorage, Registry, RegistryFile, RegistryStorage, Store,
};
use crate::schema::Path;

/// A place in `feature_store.yaml` that connection parameters from the user's Secret go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub service: Service,
    /// Feast's name for the type of store.
    pub store_type: &'static str,
    pub secret_name: String,
    pub secret_key: String,
}

impl Slot {
    fn new(service: Service, database: &Database) -> Self {
        let Database {
            store_type,
            secret_name,
            secret_key,
        } = database.clone();
        Self {
            service,
            store_type,
            secret_name,
            secret_key,
        }
    }

    /// The key of the section in `feature_store.yaml`.
    pub fn section(&self) -> &'static str {
        match self.service {
            Service::Online => "online_store",
            Service::Offline => "offline_store",
            Service::Registry => "registry",
        }
    }

    /// The attribute that names the Secret.
    pub fn path(&self) -> Path {
        Path::of(match self.service {
            Service::Online => "services.online_store.persistence.store.secret_ref",
            Service::Offline => "services.offline_store.persistence.store.secret_ref",
            Service::Registry => "services.registry.local.persistence.store.secret_ref",
        })
    }

    fn type_key(&self) -> &'static str {
        match self.service {
            Service::Registry => "registry_type",
            Service::Online | Service::Offline => "type",
        }
    }

    /// The section's lines, without the parameters.
    fn prepared(&self) -> String {
        let Self {
            service: _,
            store_type,
            secret_name,
            secret_key,
        } = self;
        format!(
            "    {}: {store_type}\n    # parameters from key {secret_key:?} of Secret {secret_name:?}\n",
            self.type_key()
        )
    }

    /// The section's lines, with the parameters that the Secret holds.
    fn filled(&self, content: &str) -> Result<String, FillError> {
        let error = |problem| FillError {
            slot: self.clone(),
            problem,
        };
        let parameters = parse(content).ok_or_else(|| error(Problem::NotAMapping))?;
        let own = ["type", "registry_type"];
        for key in own {
            if parameters
                .get(key)
                .is_some_and(|word| word.as_str() != Some(self.store_type))
            {
                return Err(error(Problem::OtherType { key }));
            }
        }
        embed(content, self.type_key(), self.store_type, &own)
            .ok_or_else(|| error(Problem::NotEmbeddable))
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Plain(Mapping),
    Slot(Slot),
}

/// The servers' `feature_store.yaml`, with slots where the user's Secrets go.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(Vec<Part>);

impl Document {
    pub(super) fn new(store: &Store) -> Self {
        let mut parts = vec![Part::Plain(head(store))];
        if let Some(offline) = &store.offline {
            parts.push(match &offline.storage {
                OfflineStorage::File { engine, claim: _ } => {
                    section("offline_store", vec![leaf("type", *engine)])
                }
                OfflineStorage::Database(database) => {
                    Part::Slot(Slot::new(Service::Offline, database))
                }
            });
        }
        parts.push(match &store.online.storage {
            OnlineStorage::File { path, claim: _ } => section(
                "online_store",
                vec![leaf("type", "sqlite"), leaf("path", path.as_str())],
            ),
            OnlineStorage::Database(database) => Part::Slot(Slot::new(Service::Online, database)),
        });
        parts.push(match &store.registry {
            Registry::Remote(address) => remote_registry(address),
            Registry::Local(local) => match &local.storage {
                RegistryStorage::File(file) => section("registry", registry_file(file)),
                RegistryStorage::Database(database) => {
                    Part::Slot(Slot::new(Service::Registry, database))
                }
            },
        });
        parts.push(Part::Plain(tail()));
        Self(parts)
    }

    /// The slots, in the order of the text.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().filter_map(|part| match part {
            Part::Slot(slot) => Some(slot),
            Part::Plain(_) => None,
        })
    }

    /// The text with a comment in each slot.
    pub fn prepared(&self) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(mapping) => text.push_str(&emit(mapping)),
                Part::Slot(slot) => {
                    text.push_str(&format!("{}:\n{}", slot.section(), slot.prepared()));
                }
            }
        }
        text
    }

    /// The text with the Secrets' content in each slot, or everything that is wrong with them.
    pub(in crate::feast) fn filled<'a>(
        &self,
        content: impl Fn(&Slot) -> Option<&'a str>,
    ) -> Result<String, Vec<FillError>> {
        let mut text = String::new();
        let mut errors = Vec::new();
        for part in &self.0 {
            match part {
                Part::Plain(mapping) => text.push_str(&emit(mapping)),
                Part::Slot(slot) => {
                    let lines = content(slot)
                        .ok_or_else(|| FillError {
                            slot: slot.clone(),
                            problem: Problem::Missing,
                        })
                        .and_then(|content| slot.filled(content));
                    match lines {
                        Ok(lines) => text.push_str(&format!("{}:\n{lines}", slot.section())),
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        if errors.is_empty() {
            Ok(text)
        } else {
            Err(errors)
        }
    }
}

/// The `feature_store.yaml` for clients inside the cluster: every server at its Service, and nothing that
/// is not served.
pub(super) fn client(store: &Store) -> String {
    let mut parts = vec![Part::Plain(head(store))];
    let served = store.endpoints();
    if served.contains(&Endpoint::Offline) {
        let host = names::host(&store.name, &store.namespace, Endpoint::Offline);
        parts.push(section(
            "offline_store",
            vec![
                leaf("type", "remote"),
                leaf("host", host),
                leaf("port", names::SERVICE_PORT),
            ],
        ));
    }
    if served.contains(&Endpoint::Online) {
        let url = format!("http://{}", store.address(Endpoint::Online));
        parts.push(section(
            "online_store",
            vec![leaf("type", "remote"), leaf("path", url)],
        ));
    }
    match &store.registry {
        Registry::Remote(address) => parts.push(remote_registry(address)),
        Registry::Local(_) if served.contains(&Endpoint::RegistryGrpc) => {
            parts.push(remote_registry(&store.address(Endpoint::RegistryGrpc)));
        }
        Registry::Local(_) => {}
    }
    parts.push(Part::Plain(tail()));
    Document(parts).prepared()
}

fn head(store: &Store) -> Mapping {
    Mapping(vec![
        leaf("project", store.project.name.as_str()),
        leaf("provider", "local"),
    ])
}

fn tail() -> Mapping {
    Mapping(vec![
        ("auth", Node::Branch(Mapping(vec![leaf("type", "no_auth")]))),
        leaf("entity_key_serialization_version", 3),
    ])
}

fn remote_registry(address: &str) -> Part {
    section(
        "registry",
        vec![leaf("registry_type", "remote"), leaf("path", address)],
    )
}

fn registry_file(file: &RegistryFile) -> Vec<(&'static str, Node)> {
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

fn section(name: &'static str, lines: Vec<(&'static str, Node)>) -> Part {
    Part::Plain(Mapping(vec![(name, Node::Branch(Mapping(lines)))]))
}

fn leaf(key: &'static str, value: impl Into<Json>) -> (&'static str, Node) {
    (key, Node::Leaf(value.into()))
}
