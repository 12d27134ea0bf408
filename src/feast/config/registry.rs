//! The registry.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::store_types;
use super::{Persistence, PersistentVolumeClaim, Reference, RegistryServer};

/// The registry: exactly one of `local` and `remote`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registry {
    /// Registry of this feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalRegistry>,

    /// Registry server of another feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteRegistry>,
}

/// Registry of this feature store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalRegistry {
    /// Persistence of the feature definitions. Default: the file `/feast-data/registry.db` in the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence<RegistryFile, RegistryStoreType>>,

    /// Registry server (`feast serve_registry`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<RegistryServer>,
}

/// A remote registry server: exactly one of `hostname` and `feast_ref`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteRegistry {
    /// Address of the gRPC registry server as `host:port`, without a scheme or path, such as
    /// `feast-shared-registry.feast.svc.cluster.local:80`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub hostname: Option<String>,

    /// Feature store in the same cluster whose gRPC registry server is used: another `feast_feature_store`, or one of
    /// the Feast operator. Its address follows from its name and namespace. The apply checks that it has the server
    /// before anything is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feast_ref: Option<FeastRef>,

    /// TLS settings, for a registry server with TLS. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RemoteTls>,
}

/// Another feature store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeastRef {
    /// Name of the feature store. Set it to an attribute of the other resource (`feast_feature_store.shared.name`), so
    /// that Terraform creates that one first.
    #[schemars(
        length(min = 1, max = 57),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Namespace of the feature store. Default: the namespace of this feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
}

/// CA certificate of a remote registry server. Every container mounts the ConfigMap at `/tls/registry/`. When the
/// certificate changes, the next plan shows it, and the apply restarts the pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteTls {
    /// ConfigMap with the certificate of the CA, or of the server, in PEM format.
    pub config_map_ref: Reference,

    /// Key of the ConfigMap with the certificate, such as `ca.crt`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")
    )]
    pub cert_name: String,
}

/// A registry file: in the pod, on a claim or in an object store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryFile {
    /// Path of the file: an absolute path, an object in Amazon S3 (`s3://bucket/path`) or Google Cloud Storage
    /// (`gs://bucket/path`), or, with `pvc`, a path relative to its `mount_path`. Default: `/feast-data/registry.db`,
    /// or `registry.db` with `pvc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub path: Option<String>,

    /// PersistentVolumeClaim for the file. Default: none, so that the file is lost with the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PersistentVolumeClaim>,

    /// Additional arguments for writes to Amazon S3, such as `ServerSideEncryption`. Requires an `s3://` path. Default:
    /// none.
    // These three are in snake_case in the CRD too.
    #[serde(rename = "s3_additional_kwargs")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_additional_kwargs: Option<BTreeMap<String, String>>,

    /// Seconds for which a server uses its cached copy of the registry. With 0, it never expires. Default: 600, set by
    /// Feast.
    #[serde(rename = "cache_ttl_seconds")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub cache_ttl_seconds: Option<i32>,

    /// How the cache is refreshed: `sync` (after each write, and by a request that finds it expired), `thread` (in the
    /// background, every `cache_ttl_seconds`) or `none`. Default: `sync`, set by Feast.
    #[serde(rename = "cache_mode")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_mode: Option<CacheMode>,
}

store_types! {
    /// How a server refreshes its cached copy of the registry.
    pub enum CacheMode {
        None = "none",
        Sync = "sync",
        Thread = "thread",
    }
}

store_types! {
    /// A database that can be a registry.
    pub enum RegistryStoreType {
        Sql = "sql",
        SnowflakeRegistry = "snowflake.registry",
    }
}
