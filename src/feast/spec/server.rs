//! A server container, with its defaults.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, ResourceRequirements};

use crate::feast::config::{self, ImagePullPolicy, LogLevel, ServerSettings};
use crate::feast::names;

#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub image: String,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    /// Kubernetes' word.
    pub image_pull_policy: Option<&'static str>,
    pub resources: Option<ResourceRequirements>,
    /// Feast's word on the command line.
    pub log_level: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RegistryServer {
    pub common: Server,
    pub grpc: bool,
    pub rest: bool,
}

impl Server {
    pub(super) fn new(settings: ServerSettings<'_>) -> Self {
        let ServerSettings {
            image,
            env,
            env_from,
            image_pull_policy,
            resources,
            log_level,
        } = settings;
        Self {
            image: image.unwrap_or(names::DEFAULT_IMAGE).to_owned(),
            env: env.to_vec(),
            env_from: env_from.to_vec(),
            image_pull_policy: image_pull_policy.map(|policy| match policy {
                ImagePullPolicy::Always => "Always",
                ImagePullPolicy::IfNotPresent => "IfNotPresent",
                ImagePullPolicy::Never => "Never",
            }),
            resources: resources.cloned(),
            log_level: log_level.map(|level| match level {
                LogLevel::Debug => "DEBUG",
                LogLevel::Info => "INFO",
                LogLevel::Warning => "WARNING",
                LogLevel::Error => "ERROR",
                LogLevel::Critical => "CRITICAL",
            }),
        }
    }
}

impl RegistryServer {
    pub(super) fn new(server: &config::RegistryServer) -> Self {
        Self {
            common: Server::new(server.settings()),
            grpc: server.grpc.unwrap_or(true),
            rest: server.rest_api.unwrap_or(false),
        }
    }
}
