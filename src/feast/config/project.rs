//! Where the feature definitions come from.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reference;
use super::persistence::store_types;

/// Where the feature repository comes from: exactly one of `init`, `git` and `packaged`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeastProjectDir {
    /// A new repository from one of Feast's templates (`feast init`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,

    /// A clone of a git repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,

    /// A repository that is in the container image already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packaged: Option<Packaged>,
}

/// A new repository, made by `feast init`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Init {
    /// Makes a repository without examples (`feast init --minimal`), whatever `template` says. Default:
    /// `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub minimal: Option<bool>,

    /// Feast's template. Default: Feast's own, `local`. Feast 0.66 itself has no template `clickhouse`,
    /// though the operator's resource lists one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

store_types! {
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
        Ray = "ray",
        RayRag = "ray_rag",
        PytorchNlp = "pytorch_nlp",
    }
}

/// A clone of a git repository, made when a pod starts. In `url`, `ref` and `configs`, `${NAME}` stands for
/// an environment variable of `env` or `env_from`, so that a token need not be in the configuration;
/// nothing else in them means anything to the shell, and none of them is kept with the clone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Git {
    /// The repository, as `git clone` takes it, such as `https://github.com/example/features`.
    #[schemars(length(min = 1))]
    pub url: String,

    /// Branch, tag or commit. A tag or commit gives every pod the same definitions; a branch gives each pod
    /// what it holds when the pod starts. Where the clone is on the claim of the offline store, a commit that is
    /// written in full needs the repository only once; for anything else it must be there whenever a pod starts.
    /// Default: the repository's default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub r#ref: Option<String>,

    /// Settings for git (`git -c`), such as `http.sslVerify` or
    /// `url."https://api:${TOKEN}@github.com/".insteadOf`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configs: Option<BTreeMap<String, String>>,

    /// The directory of the feature definitions inside the clone, a relative path. Default:
    /// `feature_repo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("default" = "feature_repo"))]
    pub feature_repo_path: Option<String>,

    /// The key for a repository that is read over SSH, such as a deploy key. Only with an SSH URL
    /// (`ssh://git@host/path` or `git@host:path`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh: Option<GitSsh>,

    /// Environment variables of the container that clones (Kubernetes `EnvVar`), such as a token or a
    /// proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvVar>>,

    /// ConfigMaps and Secrets of which every key becomes an environment variable of the container that
    /// clones (Kubernetes `EnvFromSource`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_from: Option<Vec<EnvFromSource>>,
}

/// How the container that clones authenticates over SSH. Only this container mounts the Secret. The image needs `ssh`,
/// and an entry in `/etc/passwd` for the user that it runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSsh {
    /// The Secret with a private key without passphrase, such as one of type `kubernetes.io/ssh-auth`, and the host keys of
    /// the server. It must exist before the apply. Pods use its content as it is when they start.
    pub secret_ref: Reference,

    /// Where they are in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_names: Option<GitSshKeyNames>,

    /// Whether the server's host key must be one of the Secret's known hosts. With `false` any host key is accepted, and
    /// whoever can redirect the connection can supply the feature definitions, which are code; the Secret needs no
    /// known hosts then. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub strict_host_key_checking: Option<bool>,
}

/// Keys of a Secret for SSH.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSshKeyNames {
    /// Key of the private key. Default: `ssh-privatekey`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[-._a-zA-Z0-9]+$"),
        extend("default" = "ssh-privatekey")
    )]
    pub private_key: Option<String>,

    /// Key of the host keys, in the format of `ssh-keyscan`. Default: `known_hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[-._a-zA-Z0-9]+$"),
        extend("default" = "known_hosts")
    )]
    pub known_hosts: Option<String>,
}

/// A feature repository inside a container image. When a pod starts it is copied to where Feast works;
/// without init containers Feast works in the image's directory itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Packaged {
    /// The image with the repository, and Feast, in it. It is the default image of the servers and of the
    /// init containers too. Default: `quay.io/feastdev/feature-server:0.66.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub image: Option<String>,

    /// The directory of the repository in the image: an absolute path, not `/`, without `.`, `..`, doubled
    /// slashes or a slash at its end.
    #[schemars(regex(pattern = r"^(/[^/]+)+$"))]
    pub feature_repo_path: String,
}

store_types! {
    /// Who runs `feast apply`.
    pub enum FeastApply {
        Job = "job",
        InitContainer = "init_container",
        None = "none",
    }
}
