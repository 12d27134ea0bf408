//! The persistence of a service: a file, with or without a PersistentVolumeClaim, or a database.

use std::fmt;

use k8s_openapi::api::core::v1::VolumeResourceRequirements;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DNS_SUBDOMAIN_PATTERN;
use super::string_enum::string_enum;

/// Persistence of the service: exactly one of `file` and `store`. Without this block, the service uses a file in the
/// pod, which is lost with the pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Persistence<File, StoreType> {
    /// Persistence in a file. Requires a single pod, except for a registry file in an object store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,

    /// Persistence in a database or another service outside the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<DatabaseStore<StoreType>>,
}

/// A database, with its connection parameters in a Secret of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatabaseStore<StoreType> {
    /// Type of the store, as in `feature_store.yaml`. An online or offline store that is not part of Feast has the path
    /// of its class, such as `ours.stores.OurOnlineStore`, in a package of the image.
    pub r#type: StoreType,

    /// Whether several pods can use a store with the path of a class: it is a database or another service, not a file
    /// of the pod. Only for such a store. Default: `false`, so that the feature store cannot be scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,

    /// Secret with the connection parameters. It is read during apply, and its content is written only to the Secret of
    /// the feature store, never to the Terraform state. When the Secret changes, the next apply replaces the pods.
    pub secret_ref: LocalObjectReference,

    /// Key of the Secret. Its value is a YAML mapping of the parameters, as in `feature_store.yaml`, without the type.
    /// Feast replaces `${NAME}` with an environment variable of the server. Default: the `type` of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")
    )]
    pub secret_key_name: Option<String>,
}

impl<T: StoreType> DatabaseStore<T> {
    /// Returns whether several pods can use it, as far as its type tells.
    pub fn is_shared(&self) -> bool {
        !self.r#type.is_class() || self.shared == Some(true)
    }
}

/// A reference to an object in the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalObjectReference {
    /// Name of the object, in the namespace of the feature store.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = DNS_SUBDOMAIN_PATTERN)
    )]
    pub name: String,
}

/// A PersistentVolumeClaim for a file: exactly one of `ref` and `create`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PvcConfig {
    /// Existing PersistentVolumeClaim to mount. The provider does not change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<LocalObjectReference>,

    /// PersistentVolumeClaim to create. Its name is `feast-<name>-online`, `feast-<name>-offline` or
    /// `feast-<name>-registry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<PvcCreate>,

    /// Absolute path at which every container mounts the PersistentVolumeClaim. It must not contain `:`. The `path` of
    /// the file is relative to it.
    #[schemars(regex(pattern = r"^/[^:]*$"))]
    pub mount_path: String,
}

/// Template of a PersistentVolumeClaim (Kubernetes `PersistentVolumeClaimSpec`). It is immutable after creation, except
/// that the storage request can be increased.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PvcCreate {
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

string_enum! {
    /// How a volume can be mounted (Kubernetes `accessModes`).
    pub enum AccessMode {
        ReadWriteOnce = "ReadWriteOnce",
        ReadOnlyMany = "ReadOnlyMany",
        ReadWriteMany = "ReadWriteMany",
        ReadWriteOncePod = "ReadWriteOncePod",
    }
}

impl fmt::Display for AccessMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A type of store that is one of Feast's, or the path of a class.
pub trait StoreType {
    /// Returns the name in `feature_store.yaml`.
    fn as_str(&self) -> &str;

    /// Returns whether it is the path of a class.
    fn is_class(&self) -> bool;
}

/// Defines an enum like `string_enum`, with a last variant for the path of a class whose name ends with the suffix.
macro_rules! open_store_types {
    (
        $(#[$meta:meta])* pub enum $name:ident($suffix:literal) {
            $($variant:ident = $word:literal),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($variant,)*
            /// The path of a class of a package in the image.
            Class(String),
        }

        impl crate::feast::config::persistence::StoreType for $name {
            fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Class(path) => path,
                }
            }

            fn is_class(&self) -> bool {
                matches!(self, Self::Class(_))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let word = crate::feast::config::persistence::StoreType::as_str(self);
                serializer.serialize_str(word)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                match word.as_str() {
                    $($word => Ok(Self::$variant),)*
                    path if path.contains('.') && path.ends_with($suffix) => Ok(Self::Class(word)),
                    _ => Err(serde::de::Error::unknown_variant(&word, &[$($word),*])),
                }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "enum": [$($word),*],
                    "x-terraform": {"or_pattern": concat!(
                        r"^([A-Za-z_][A-Za-z0-9_]*\.)+[A-Za-z0-9_]*", $suffix, "$"
                    )},
                })
            }
        }
    };
}
pub(super) use open_store_types;
