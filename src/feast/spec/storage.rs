//! The persistence of each service.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::VolumeResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::feast::config::{
    self, AccessMode, DatabaseStore, LocalObjectReference, OfflineFile, OfflineFileType,
    OfflineStoreType, OnlineFile, OnlineStoreType, Persistence, PvcConfig, PvcCreate,
    RegistryStoreType, StoreType,
};
use crate::feast::names::{self, FeastService};

/// The place where the online store keeps its data: exactly one alternative.
#[derive(Debug, Clone, PartialEq)]
pub enum OnlineStorage {
    /// A SQLite file at an absolute path.
    File {
        path: String,
        pvc: Option<Pvc>,
        options: SqliteOptions,
    },
    Database(Database),
}

/// The settings of a SQLite file for searches. `None` for a default of Feast.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqliteOptions {
    pub vector_enabled: Option<bool>,
    pub similarity: Option<String>,
    pub text_search_enabled: Option<bool>,
    pub enable_openai_compatible_store: Option<bool>,
}

/// The place where the offline store keeps its data: exactly one alternative.
#[derive(Debug, Clone, PartialEq)]
pub enum OfflineStorage {
    /// Files, read by an engine with this name in Feast.
    File {
        engine: &'static str,
        pvc: Option<Pvc>,
        staging_location: Option<String>,
        staging_location_endpoint_override: Option<String>,
    },
    Database(Database),
}

/// The place where a local registry keeps its data: exactly one alternative.
#[derive(Debug, Clone, PartialEq)]
pub enum RegistryStorage {
    File(RegistryFile),
    Database(Database),
}

/// A registry file in the pod, on a PVC or in an object store.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryFile {
    /// An absolute path, or the URI of an object.
    pub path: String,
    pub pvc: Option<Pvc>,
    pub s3_additional_kwargs: Option<BTreeMap<String, String>>,
    pub cache_ttl_seconds: Option<i32>,
    pub cache_mode: Option<&'static str>,
}

/// A database, whose connection parameters are the YAML mapping under a key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub store_type: String,
    /// True if several pods can use it, as far as its type tells.
    pub shared: bool,
    pub secret_name: String,
    pub secret_key: String,
}

/// A mounted PersistentVolumeClaim. `mount_path` is absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Pvc {
    pub source: PvcSource,
    pub mount_path: String,
}

/// A PVC of the user, or one that the provider creates and can delete.
#[derive(Debug, Clone, PartialEq)]
pub enum PvcSource {
    /// The name of an existing PVC.
    Existing(String),
    Created {
        access_modes: Vec<AccessMode>,
        storage_class_name: Option<String>,
        resources: VolumeResourceRequirements,
    },
}

impl OnlineStorage {
    pub(super) fn new(persistence: Option<&Persistence<OnlineFile, OnlineStoreType>>) -> Self {
        match choose(persistence) {
            Choice::Database(store) => Self::Database(Database::new(store)),
            Choice::File(file) => {
                let OnlineFile {
                    path,
                    pvc,
                    vector_enabled,
                    similarity,
                    text_search_enabled,
                    enable_openai_compatible_store,
                } = file.cloned().unwrap_or_default();
                let pvc = Pvc::new(pvc, FeastService::Online);
                Self::File {
                    path: absolute(path, pvc.as_ref(), FeastService::Online),
                    pvc,
                    options: SqliteOptions {
                        vector_enabled,
                        similarity,
                        text_search_enabled,
                        enable_openai_compatible_store,
                    },
                }
            }
        }
    }

    pub fn pvc(&self) -> Option<&Pvc> {
        match self {
            Self::File { pvc, .. } => pvc.as_ref(),
            Self::Database(_) => None,
        }
    }
}

impl OfflineStorage {
    pub(super) fn new(persistence: Option<&Persistence<OfflineFile, OfflineStoreType>>) -> Self {
        match choose(persistence) {
            Choice::Database(store) => Self::Database(Database::new(store)),
            Choice::File(file) => {
                let OfflineFile {
                    r#type,
                    pvc,
                    staging_location,
                    staging_location_endpoint_override,
                } = file.cloned().unwrap_or_default();
                Self::File {
                    engine: r#type.unwrap_or(OfflineFileType::Dask).as_str(),
                    pvc: Pvc::new(pvc, FeastService::Offline),
                    staging_location,
                    staging_location_endpoint_override,
                }
            }
        }
    }

    pub fn pvc(&self) -> Option<&Pvc> {
        match self {
            Self::File { pvc, .. } => pvc.as_ref(),
            Self::Database(_) => None,
        }
    }
}

impl RegistryStorage {
    pub(super) fn new(
        persistence: Option<&Persistence<config::RegistryFile, RegistryStoreType>>,
    ) -> Self {
        match choose(persistence) {
            Choice::Database(store) => Self::Database(Database::new(store)),
            Choice::File(file) => {
                let config::RegistryFile {
                    path,
                    pvc,
                    s3_additional_kwargs,
                    cache_ttl_seconds,
                    cache_mode,
                } = file.cloned().unwrap_or_default();
                let pvc = Pvc::new(pvc, FeastService::Registry);
                Self::File(RegistryFile {
                    path: absolute(path, pvc.as_ref(), FeastService::Registry),
                    pvc,
                    s3_additional_kwargs,
                    cache_ttl_seconds,
                    cache_mode: cache_mode.map(config::CacheMode::as_str),
                })
            }
        }
    }

    pub fn pvc(&self) -> Option<&Pvc> {
        match self {
            Self::File(file) => file.pvc.as_ref(),
            Self::Database(_) => None,
        }
    }
}

/// The configured alternative of `persistence`; by default a file.
enum Choice<'a, File, StoreType> {
    File(Option<&'a File>),
    Database(&'a DatabaseStore<StoreType>),
}

fn choose<File, StoreType>(
    persistence: Option<&Persistence<File, StoreType>>,
) -> Choice<'_, File, StoreType> {
    match persistence {
        Some(Persistence {
            file: None,
            store: Some(store),
        }) => Choice::Database(store),
        Some(Persistence { file, store: _ }) => Choice::File(file.as_ref()),
        None => Choice::File(None),
    }
}

impl Database {
    fn new(store: &DatabaseStore<impl StoreType>) -> Self {
        let DatabaseStore {
            r#type,
            shared: _,
            secret_ref: LocalObjectReference { name },
            secret_key_name,
        } = store;
        let store_type = r#type.as_str().to_owned();
        Self {
            shared: store.is_shared(),
            secret_name: name.clone(),
            secret_key: secret_key_name
                .clone()
                .unwrap_or_else(|| store_type.clone()),
            store_type,
        }
    }
}

impl Pvc {
    /// Returns the name of the PVC, for a service of a feature store.
    pub fn name(&self, store: &str, service: FeastService) -> String {
        match &self.source {
            PvcSource::Existing(name) => name.clone(),
            PvcSource::Created { .. } => names::pvc(store, service),
        }
    }

    fn new(pvc: Option<PvcConfig>, service: FeastService) -> Option<Self> {
        let PvcConfig {
            r#ref,
            create,
            mount_path,
        } = pvc?;
        let source = match (r#ref, create) {
            (Some(LocalObjectReference { name }), _) => PvcSource::Existing(name),
            (None, template) => {
                let PvcCreate {
                    access_modes,
                    storage_class_name,
                    resources,
                } = template.unwrap_or_default();
                let mut resources = resources.unwrap_or_default();
                resources
                    .requests
                    .get_or_insert_default()
                    .entry("storage".to_owned())
                    .or_insert_with(|| Quantity(service.default_storage().to_owned()));
                PvcSource::Created {
                    access_modes: access_modes
                        .filter(|modes| !modes.is_empty())
                        .unwrap_or_else(|| vec![AccessMode::ReadWriteOnce]),
                    storage_class_name,
                    resources,
                }
            }
        };
        Some(Self { source, mount_path })
    }
}

/// Returns the absolute path of a file: the configured path or the default, below the PVC if there is one.
fn absolute(path: Option<String>, pvc: Option<&Pvc>, service: FeastService) -> String {
    match (path, pvc) {
        (Some(path), None) => path,
        (path, pvc) => join(
            pvc.map_or(names::DATA_DIRECTORY, |pvc| &pvc.mount_path),
            path.as_deref().unwrap_or(service.default_file()),
        ),
    }
}

/// Returns `directory/path` without double slashes, `.` and `..`.
pub(crate) fn join(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
