//! The registry.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::persistence::StoreType;
use super::string_enum::string_enum;
use super::{
    DNS_LABEL_PATTERN, LocalObjectReference, NAME_LENGTH, NAMESPACE_LENGTH, Persistence, PvcConfig,
    RegistryServer,
};

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

    /// Whether servers and clients serve a feature view while it is materialized: they return the values before the
    /// materialization. With `false`, they reject requests for it until the materialization ends, unless the registry
    /// is a SQL database, in which Feast does not store that state. Feast 0.64 to 0.66 does not have this setting, and
    /// rejects the requests. With registries other than `sql`, Feast logs a warning that the setting typically has no
    /// effect, which is not the case. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub serve_features_while_materializing: Option<bool>,

    /// Whether references to features can name a version of a feature view, such as `driver_stats@v2:trips`, in servers
    /// and clients. Each version has its own table in the online store. Default: `false`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_online_feature_view_versioning: Option<bool>,
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

    /// Whether a SQL registry deletes the data of its table `feast_metadata`, which Feast no longer needs, and does not
    /// write to it again. This cannot be undone. Default: `false`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge_feast_metadata: Option<bool>,
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

    /// Whether to use TLS without `tls`. The certificates of the authorities are then in the file that the environment
    /// variable `SSL_CERT_FILE` or `REQUESTS_CA_BUNDLE` names, for example from `services.volumes`. Default: `true`
    /// with `tls`, or else `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_tls: Option<bool>,

    /// Absolute path of a client certificate in PEM format, for mutual TLS. Mount it from `services.volumes` in every
    /// server, and provide it at the same path to clients. Requires TLS and `client_key`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/"))]
    pub client_cert: Option<String>,

    /// Absolute path of the private key of `client_cert`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/"))]
    pub client_key: Option<String>,

    /// Host name that the certificate of the registry server must have, if it differs from the host of the address, for
    /// example behind a proxy (the `:authority` of gRPC). Requires TLS. Default: the host of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub authority: Option<String>,
}

/// Another feature store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeastRef {
    /// Name of the feature store. Set it to an attribute of the other resource (`feast_feature_store.shared.name`), so
    /// that Terraform creates that one first.
    #[schemars(
        length(min = 1, max = NAME_LENGTH),
        regex(pattern = DNS_LABEL_PATTERN)
    )]
    pub name: String,

    /// Namespace of the feature store. Default: the namespace of this feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = NAMESPACE_LENGTH),
        regex(pattern = DNS_LABEL_PATTERN)
    )]
    pub namespace: Option<String>,
}

/// CA certificate of a remote registry server. Every container mounts the ConfigMap at `/tls/registry/`. When the
/// certificate changes, the next plan shows it, and the apply replaces the pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteTls {
    /// ConfigMap with the certificate of the CA, or of the server, in PEM format.
    pub config_map_ref: LocalObjectReference,

    /// Key of the ConfigMap with the certificate, such as `ca.crt`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")
    )]
    pub cert_name: String,
}

/// A registry file: in the pod, on a PersistentVolumeClaim or in an object store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryFile {
    /// Path of the file: an absolute path, in `/feast-data` or another volume that the containers share, an object in
    /// Amazon S3 (`s3://bucket/path`) or Google Cloud Storage (`gs://bucket/path`), or, with `pvc`, a path relative to
    /// its `mount_path`. Default: `/feast-data/registry.db`, or `registry.db` with `pvc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub path: Option<String>,

    /// PersistentVolumeClaim for the file. Default: none, so that the file is lost with the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PvcConfig>,

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

string_enum! {
    /// How a server refreshes its cached copy of the registry.
    pub enum CacheMode {
        None = "none",
        Sync = "sync",
        Thread = "thread",
    }
}

string_enum! {
    /// A database that can be a registry.
    pub enum RegistryStoreType {
        Sql = "sql",
        SnowflakeRegistry = "snowflake.registry",
    }
}

// Feast accepts no other registries.
impl StoreType for RegistryStoreType {
    fn as_str(&self) -> &str {
        Self::as_str(*self)
    }

    fn is_class(&self) -> bool {
        false
    }
}
