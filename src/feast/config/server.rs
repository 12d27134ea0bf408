//! The settings of the servers, each of which is a container of the Deployment.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, ResourceRequirements, VolumeMount};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::string_enum::string_enum;
use super::{Mcp, ServiceSettings, Tls, WorkerConfigs};

string_enum! {
    /// When the kubelet pulls an image (Kubernetes `imagePullPolicy`).
    pub enum ImagePullPolicy {
        Always = "Always",
        IfNotPresent = "IfNotPresent",
        Never = "Never",
    }
}

/// Log level of a server, from the most to the least verbose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

/// The settings that all servers share, borrowed from one of them.
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
    pub service: Option<&'a ServiceSettings>,
}

/// Defines the settings of a server: the fields that all servers share, and its own.
macro_rules! server {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Container image. Default: `quay.io/feastdev/feature-server:0.67.0`.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(regex(pattern = r"^\S+$"), extend("default" = "quay.io/feastdev/feature-server:0.67.0"))]
            pub image: Option<String>,

            /// Environment variables of the container (Kubernetes `EnvVar`), each with `value` or `value_from`. `feast
            /// apply` also has those of the registry, offline and online server. Feast replaces `${NAME}` in connection
            /// parameters with them.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub env: Option<Vec<EnvVar>>,

            /// ConfigMaps and Secrets whose keys become environment variables (Kubernetes `EnvFromSource`).
            #[serde(skip_serializing_if = "Option::is_none")]
            pub env_from: Option<Vec<EnvFromSource>>,

            /// When to pull the image: `Always`, `IfNotPresent` or `Never`. Default: `IfNotPresent`, or `Always` for
            /// the tag `latest`, set by Kubernetes.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub image_pull_policy: Option<ImagePullPolicy>,

            /// Resource requests and limits of the container (Kubernetes `ResourceRequirements`). Autoscaling on
            /// utilization requires a request on every server.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub resources: Option<ResourceRequirements>,

            /// Log level: `debug`, `info`, `warning`, `error` or `critical`. Default: `warning`, set by Feast.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub log_level: Option<LogLevel>,

            /// Labels of the nodes on which the pods can run, in addition to `services.node_selector`. All servers
            /// except the lineage server share their pods: the labels of the registry server, the offline server, the
            /// online server and the web UI are merged in this order, and the last value of a label applies.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub node_selector: Option<BTreeMap<String, String>>,

            /// Mounts of `services.volumes` in the container (Kubernetes `VolumeMount`). `feast apply` also has those
            /// of the registry, offline and online server.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub volume_mounts: Option<Vec<VolumeMount>>,

            /// Whether Prometheus metrics are served on port 8000 of the Service. Only for the online server. Default:
            /// `false`.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(extend("default" = false))]
            pub metrics: Option<bool>,

            /// Worker processes. Only for the online server. Default: one worker, set by Feast.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub worker_configs: Option<WorkerConfigs>,

            /// TLS settings. Default: a certificate of OpenShift with `services.openshift.serving_certificates`, or
            /// else none, so that the server does not encrypt.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub tls: Option<Tls>,

            /// Settings of the Kubernetes Service of the server. Default: a Service of type `ClusterIP`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub service: Option<ServiceSettings>,

            $($own)*
        }

        impl $name {
            /// Returns the settings that all servers share.
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
                    service: self.service.as_ref(),
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
        /// Whether to serve the gRPC API, which Feast clients use. Default: `true`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(extend("default" = true))]
        pub grpc: Option<bool>,

        /// Whether to serve the REST API, on a separate Service (`feast-<name>-registry-rest`). With gRPC and REST, the
        /// probes of the container connect to both by `bash`, which the image must contain. Default: `false`.
        #[serde(rename = "restAPI", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("default" = false))]
        pub rest_api: Option<bool>,

        /// Settings of the Kubernetes Service of the REST API; `service` is that of the gRPC API. Default: a Service of
        /// type `ClusterIP`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub rest_service: Option<ServiceSettings>,

        /// Model Context Protocol for the REST API. Default: none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mcp: Option<Mcp>,
    }
}
