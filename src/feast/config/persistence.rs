//! Where a service keeps its data: a file, on a claim or not, or a database.

use std::fmt;

use k8s_openapi::api::core::v1::VolumeResourceRequirements;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the service keeps its data: exactly one of `file` and `store`. Default, without this block: a
/// file inside the pod, which is lost with the pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Persistence<File, StoreType> {
    /// In a file. Only for a single pod, except for a registry in an object store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,

    /// In a database or another service outside the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<DatabaseStore<StoreType>>,
}

/// A database, with its connection parameters in a Secret of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatabaseStore<StoreType> {
    /// Type of the store, by its name in Feast's `feature_store.yaml`.
    pub r#type: StoreType,

    /// The Secret that holds the connection parameters. It is read during apply; its content goes into the
    /// feature store's own Secret and nowhere else, neither into Terraform's state nor into a pod's
    /// specification. A change of the Secret rolls the pods at the next apply.
    pub secret_ref: Reference,

    /// Key of the Secret. Its value is a YAML mapping of the parameters, as they would stand in
    /// `feature_store.yaml`, without the type; `${NAME}` stands for an environment variable of the server.
    /// Default: the store's `type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub secret_key_name: Option<String>,
}

/// An object of the same namespace, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// Name of the object, in the feature store's namespace.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
}

/// A persistent volume claim to keep the file on: exactly one of `ref` and `create`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersistentVolumeClaim {
    /// An existing claim, which the provider mounts and otherwise leaves alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<Reference>,

    /// A claim to make, called `feast-<name>-online`, `-offline` or `-registry` after the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<PersistentVolumeClaimTemplate>,

    /// Absolute path at which every container mounts the claim; it must not contain `:`. The file's `path`
    /// is relative to it.
    #[schemars(regex(pattern = r"^/[^:]*$"))]
    pub mount_path: String,
}

/// The claim to make (Kubernetes `PersistentVolumeClaimSpec`). Kubernetes lets nothing of it change
/// afterwards but a larger storage request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersistentVolumeClaimTemplate {
    /// Access modes of the volume: `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany` or
    /// `ReadWriteOncePod`. Default: `["ReadWriteOnce"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = ["ReadWriteOnce"]))]
    pub access_modes: Option<Vec<AccessMode>>,

    /// Name of the StorageClass. Default: the cluster's default class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,

    /// Size of the volume, under `requests.storage`. Default: `5Gi` for the online store and the registry,
    /// `20Gi` for the offline store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<VolumeResourceRequirements>,
}

/// How a volume may be mounted (Kubernetes `accessModes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccessMode {
    ReadWriteOnce,
    ReadOnlyMany,
    ReadWriteMany,
    ReadWriteOncePod,
}

impl AccessMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadOnlyMany => "ReadOnlyMany",
            Self::ReadWriteMany => "ReadWriteMany",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
        }
    }
}

impl fmt::Display for AccessMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Defines the types of store that a service can use, by Feast's own names for them.
macro_rules! store_types {
    ($(#[$meta:meta])* pub enum $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $(#[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Feast's name for it, as in `feature_store.yaml`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}
pub(super) use store_types;
