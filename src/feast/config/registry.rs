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
    /// A registry of this feature store's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalRegistry>,

    /// The registry server of another feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteRegistry>,
}

/// A registry of this feature store's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalRegistry {
    /// Where feature definitions are kept. Default: the file `/feast-data/registry.db`, inside the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence<RegistryFile, RegistryStoreType>>,

    /// Makes a registry server (`feast serve_registry`), with these settings. Default: none is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<RegistryServer>,
}

/// A registry server that runs elsewhere: exactly one of `hostname` and `feast_ref` says where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteRegistry {
    /// Address of the gRPC registry server as `host:port`, without a scheme or path, such as
    /// `feast-shared-registry.feast.svc.cluster.local:80`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub hostname: Option<String>,

    /// Another feature store of the cluster, whose registry server (gRPC) is used: another
    /// `feast_feature_store`, or one of the Feast operator's. Its address follows from its name and namespace;
    /// that it has the server is looked at during apply, before anything is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feast_ref: Option<FeastRef>,

    /// TLS, for a registry server that has it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RemoteTls>,
}

/// Another feature store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeastRef {
    /// Its name. Write it as an attribute of the other resource (`feast_feature_store.shared.name`), so that
    /// Terraform makes that one first.
    #[schemars(
        length(min = 1, max = 57),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Its namespace. Default: that of this feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
}

/// What a registry server's certificate is checked with. Every container mounts the ConfigMap at
/// `/tls/registry/`; when the certificate changes, the next plan shows it and the apply rolls the pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteTls {
    /// The ConfigMap with the certificate of the authority, or of the server itself, in PEM.
    pub config_map_ref: Reference,

    /// Its key in the ConfigMap, such as `ca.crt`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub cert_name: String,
}

/// A registry file, inside the pod, on a claim, or in an object store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryFile {
    /// The file: an absolute path, an object in Amazon S3 (`s3://bucket/path`) or Google Cloud Storage
    /// (`gs://bucket/path`), or with `pvc` a path relative to its `mount_path`. Default:
    /// `/feast-data/registry.db`, with `pvc` `registry.db`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub path: Option<String>,

    /// A claim that keeps the file when the pod goes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PersistentVolumeClaim>,

    /// Further arguments for writing to Amazon S3, such as `ServerSideEncryption`; only with an `s3://`
    /// path. Default: none.
    // The CRD writes these three in snake_case, as `feature_store.yaml` does.
    #[serde(rename = "s3_additional_kwargs")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_additional_kwargs: Option<BTreeMap<String, String>>,

    /// How long a server may answer from its copy of the registry, in seconds; 0 means until it restarts.
    /// Default: Feast's own, 600.
    #[serde(rename = "cache_ttl_seconds")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub cache_ttl_seconds: Option<i32>,

    /// How the copy is renewed: `sync` (after each write, and by the request that finds it too old), `thread`
    /// (in the background, every `cache_ttl_seconds`) or `none`. Default: Feast's own, `sync`.
    #[serde(rename = "cache_mode")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_mode: Option<CacheMode>,
}

store_types! {
    /// How a server renews its copy of the registry.
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
