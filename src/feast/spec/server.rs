//! A server container, with its defaults.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, ResourceRequirements};

use crate::feast::config::{self, ImagePullPolicy, LogLevel, ServerSettings};

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
    /// `default_image` is that of a packaged feature repository, or Feast's.
    pub(super) fn new(settings: ServerSettings<'_>, default_image: &str) -> Self {
        let ServerSettings {
            image,
            env,
            env_from,
            image_pull_policy,
            resources,
            log_level,
        } = settings;
        Self {
            image: image.unwrap_or(default_image).to_owned(),
            env: env.to_vec(),
            env_from: env_from.to_vec(),
            image_pull_policy: image_pull_policy.map(ImagePullPolicy::as_str),
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
    pub(super) fn new(server: &config::RegistryServer, default_image: &str) -> Self {
        Self {
            common: Server::new(server.settings(), default_image),
            grpc: server.grpc.unwrap_or(true),
            rest: server.rest_api.unwrap_or(false),
        }
    }
}
