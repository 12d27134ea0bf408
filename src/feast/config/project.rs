//! The source of the feature definitions.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::string_enum::string_enum;
use super::{CaCertConfigMap, LocalObjectReference};

/// Source of the feature repository: exactly one of `init`, `git` and `packaged`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeastProjectDir {
    /// New repository from a template of Feast (`feast init`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,

    /// Clone of a git repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,

    /// Repository in the container image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packaged: Option<Packaged>,
}

/// A new repository, created by `feast init`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Init {
    /// Whether to create a repository without examples (`feast init --minimal`). Takes precedence over `template`.
    /// Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub minimal: Option<bool>,

    /// Template of the repository. `clickhouse`, which the resource of the Feast operator lists, is rejected, because
    /// Feast has no such template. Default: `local`, set by Feast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

string_enum! {
    /// A template of `feast init`.
    pub enum Template {
        Local = "local",
        Gcp = "gcp",
        Aws = "aws",
        Snowflake = "snowflake",
        Spark = "spark",
        Postgres = "postgres",
        Hbase = "hbase",
        Cassandra = "cassandra",
        Hazelcast = "hazelcast",
        Couchbase = "couchbase",
        Clickhouse = "clickhouse",
        Milvus = "milvus",
        Rag = "rag",
        Ray = "ray",
        RayRag = "ray_rag",
        PytorchNlp = "pytorch_nlp",
    }
}

/// A clone of a git repository, created when a pod starts. In `url`, `ref` and `configs`, `${NAME}` is replaced with an
/// environment variable of `env` or `env_from`, so that tokens do not need to be in the configuration. The shell
/// interprets nothing else in them, and none of them is stored in the clone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Git {
    /// URL of the repository, such as `https://github.com/example/features`.
    #[schemars(length(min = 1))]
    pub url: String,

    /// Branch, tag or commit. With a tag or commit, every pod has the same definitions; with a branch, each pod has
    /// those of its start. If the clone is on the PersistentVolumeClaim of the offline store, a full commit hash is
    /// fetched only once; everything else is fetched whenever a pod starts. Default: the default branch of the
    /// repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub r#ref: Option<String>,

    /// Settings of git (`git -c`), such as `http.sslVerify` or `url."https://api:${TOKEN}@github.com/".insteadOf`.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configs: Option<BTreeMap<String, String>>,

    /// Directory of the feature definitions, relative to the root of the repository. Default: `feature_repo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("default" = "feature_repo"))]
    pub feature_repo_path: Option<String>,

    /// SSH key, such as a deploy key. Requires an SSH URL (`ssh://git@host/path` or `git@host:path`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh: Option<GitSsh>,

    /// ConfigMap with the CA certificate of the git server. Requires an HTTPS URL. Only the container that clones the
    /// repository mounts it. It must exist before the apply. Pods use its content at the time of their start. Default:
    /// the CA certificates of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert_config_map: Option<CaCertConfigMap>,

    /// Environment variables of the container that clones the repository (Kubernetes `EnvVar`), such as a token or a
    /// proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvVar>>,

    /// ConfigMaps and Secrets whose keys become environment variables of the container that clones the repository
    /// (Kubernetes `EnvFromSource`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_from: Option<Vec<EnvFromSource>>,
}

/// How the container that clones the repository authenticates over SSH. Only this container mounts the Secret. The
/// image needs `ssh`, and an entry in `/etc/passwd` for the user of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSsh {
    /// Secret with a private key without passphrase, such as one of the type `kubernetes.io/ssh-auth`, and the host
    /// keys of the server. It must exist before the apply. Pods use its content at the time of their start.
    pub secret_ref: LocalObjectReference,

    /// Keys of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_names: Option<GitSshKeyNames>,

    /// Whether the host key of the server must be one of the known hosts in the Secret. With `false`, any host key is
    /// accepted, and the Secret needs no known hosts. Then everyone who can redirect the connection can supply the
    /// feature definitions, which are code. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub strict_host_key_checking: Option<bool>,
}

/// Keys of a Secret for SSH.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSshKeyNames {
    /// Key in the Secret that contains the private key. Default: `ssh-privatekey`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"),
        extend("default" = "ssh-privatekey")
    )]
    pub private_key: Option<String>,

    /// Key in the Secret that contains the known hosts, in the format of `ssh-keyscan`. Default: `known_hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"),
        extend("default" = "known_hosts")
    )]
    pub known_hosts: Option<String>,
}

/// A feature repository in a container image. When a pod starts, it is copied to the working directory of Feast.
/// Without init containers, Feast works in the directory of the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Packaged {
    /// Image with Feast and the repository. It is also the default image of the servers and the init containers.
    /// Default: `quay.io/feastdev/feature-server:0.67.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S+$"))]
    pub image: Option<String>,

    /// Directory of the repository in the image: an absolute path other than `/`, without `.`, `..`, double slashes or
    /// a trailing slash.
    #[schemars(regex(pattern = r"^(/[^/]+)+$"))]
    pub feature_repo_path: String,
}

/// The pods of the `feast apply` Job. They have the other settings of the servers' pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeastApplyJob {
    /// Labels of these pods, in addition to those of every pod (`services.pod_labels`), whose values they replace.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_labels: Option<BTreeMap<String, String>>,

    /// Annotations of these pods, such as `sidecar.istio.io/inject = "false"`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_annotations: Option<BTreeMap<String, String>>,
}

string_enum! {
    /// What runs `feast apply`.
    pub enum FeastApply {
        Job = "job",
        InitContainer = "init_container",
        None = "none",
    }
}
