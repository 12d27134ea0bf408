//! The servers, each a container of the one Deployment.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, ResourceRequirements, VolumeMount};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mcp, Tls, WorkerConfigs};

/// When the kubelet pulls an image (Kubernetes `imagePullPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl ImagePullPolicy {
    /// Kubernetes' word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// How much a server logs, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

/// What every server has, borrowed from whichever kind it is.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings<'a> {
    pub image: Option<&'a str>,
    pub env: &'a [EnvVar],
    pub env_from: &'a [EnvFromSource],
    pub image_pull_policy: Option<ImagePullPolicy>,
    pub resources: Option<&'a ResourceRequirements>,
    pub log_level: Option<LogLevel>,
    pub node_selector: Option<&'a BTreeMap<String, String>>,
    pub volume_mounts: &'a [VolumeMount],
    pub metrics: Option<bool>,
    pub worker_configs: Option<&'a WorkerConfigs>,
    pub tls: Option<&'a Tls>,
}

/// Defines a server's settings: the fields that all servers share, described once, and its own.
macro_rules! server {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Container image. Default: `quay.io/feastdev/feature-server:0.66.0`, the Feast release that
            /// this provider is written for.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(length(min = 1), extend("default" = "quay.io/feastdev/feature-server:0.66.0"))]
            pub image: Option<String>,

            /// Environment variables of the container (Kubernetes `EnvVar`), each with a `value` or a
            /// `value_from`. `feast apply`, which runs before the servers start, has those of the registry, the
            /// offline and the online server too. Feast replaces `${NAME}` in the store's connection parameters
            /// by them.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub env: Option<Vec<EnvVar>>,

            /// ConfigMaps and Secrets of which every key becomes an environment variable (Kubernetes
            /// `EnvFromSource`).
            #[serde(skip_serializing_if = "Option::is_none")]
            pub env_from: Option<Vec<EnvFromSource>>,

            /// When the image is pulled: `Always`, `IfNotPresent` or `Never`. Default: Kubernetes' own,
            /// `IfNotPresent`, or `Always` for the tag `latest`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub image_pull_policy: Option<ImagePullPolicy>,

            /// CPU, memory and other resources that the container requests and may use at most (Kubernetes
            /// `ResourceRequirements`). Autoscaling on utilisation needs a request on every server.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub resources: Option<ResourceRequirements>,

            /// How much the server logs: `debug`, `info`, `warning`, `error` or `critical`. Default:
            /// Feast's own, `warning`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub log_level: Option<LogLevel>,

            /// Labels of the nodes that the pods may run on, added to `services.node_selector`. All servers but
            /// the lineage server share their pods: there those of the registry, the offline server, the online
            /// server and the UI are added in this order, and of one label the last value holds.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub node_selector: Option<BTreeMap<String, String>>,

            /// Where this server, and `feast apply` if it is the registry, the offline or the online server, see
            /// volumes of `services.volumes` (Kubernetes `VolumeMount`).
            #[serde(skip_serializing_if = "Option::is_none")]
            pub volume_mounts: Option<Vec<VolumeMount>>,

            /// Whether Prometheus metrics are shown on port 8000 of the server's Service. Only the online
            /// server can; on another one it has no effect. Metrics stop when Feast replaces a worker for the first
            /// time: write `worker_configs = { max_requests = 0 }` beside it. Default: `false`.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(extend("default" = false))]
            pub metrics: Option<bool>,

            /// Worker processes. Only the online server has them; on another one they have no effect.
            /// Default: Feast's own, one.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub worker_configs: Option<WorkerConfigs>,

            /// TLS. Default: none, the server speaks without encryption.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub tls: Option<Tls>,

            $($own)*
        }

        impl $name {
            /// What it shares with every server.
            pub fn settings(&self) -> ServerSettings<'_> {
                ServerSettings {
                    image: self.image.as_deref(),
                    env: self.env.as_deref().unwrap_or_default(),
                    env_from: self.env_from.as_deref().unwrap_or_default(),
                    image_pull_policy: self.image_pull_policy,
                    resources: self.resources.as_ref(),
                    log_level: self.log_level,
                    node_selector: self.node_selector.as_ref(),
                    volume_mounts: self.volume_mounts.as_deref().unwrap_or_default(),
                    metrics: self.metrics,
                    worker_configs: self.worker_configs.as_ref(),
                    tls: self.tls.as_ref(),
                }
            }
        }
    };
}

server! {
    /// Settings of a server container.
    pub struct Server {}
}

server! {
    /// Settings of the registry server container, which serves gRPC, REST or both.
    pub struct RegistryServer {
        /// Whether the gRPC API is served, which Feast clients use. Default: `true`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(extend("default" = true))]
        pub grpc: Option<bool>,

        /// Whether the REST API is served, on a Service of its own (`feast-<name>-registry-rest`).
        /// Default: `false`.
        #[serde(rename = "restAPI", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("default" = false))]
        pub rest_api: Option<bool>,

        /// Whether models can call the REST API by the Model Context Protocol. Default: no.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mcp: Option<Mcp>,
    }
}
