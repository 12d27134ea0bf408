//! A server container, with defaults.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, ResourceRequirements, VolumeMount};

use super::{OnlineStorage, Tls};
use crate::feast::config::{
    self, ImagePullPolicy, LogLevel, OnlineStoreType, ServerSettings, ServiceSettings, StoreType,
    WorkerConfigs,
};

/// The settings that every server has, for its container and its Service.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub image: String,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    /// The name in Kubernetes.
    pub image_pull_policy: Option<&'static str>,
    pub resources: Option<ResourceRequirements>,
    /// The name on the command line of Feast.
    pub log_level: Option<&'static str>,
    /// The labels for the pods, which it shares with the other servers.
    pub node_selector: BTreeMap<String, String>,
    /// The mounts of the user's volumes.
    pub volume_mounts: Vec<VolumeMount>,
    pub tls: Option<Tls>,
    /// True if the configuration disables TLS, so that OpenShift issues no certificate.
    pub tls_disabled: bool,
    /// The settings of its Service; of a registry server, those of the gRPC API.
    pub service: ServiceSettings,
}

/// The server of the online store, the only one with workers.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineServer {
    pub common: Server,
    pub metrics: Metrics,
    pub workers: WorkerConfigs,
}

/// The setting that enables the metrics of the online server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metrics {
    Off,
    /// An argument of the command line.
    Argument,
    /// `feature_store.yaml`.
    Configuration,
}

/// The server of a local registry: one process for both APIs, each with its own Service.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryServer {
    pub common: Server,
    pub grpc: bool,
    pub rest: bool,
    pub rest_service: ServiceSettings,
    /// The Model Context Protocol, through the REST API.
    pub mcp: bool,
}

impl Server {
    /// `default_image` is the image of a packaged feature repository, or of Feast.
    pub(super) fn new(settings: ServerSettings<'_>, default_image: &str) -> Self {
        let ServerSettings {
            image,
            env,
            env_from,
            image_pull_policy,
            resources,
            log_level,
            node_selector,
            volume_mounts,
            tls,
            service,
            // The online server's alone.
            metrics: _,
            worker_configs: _,
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
            node_selector: node_selector.cloned().unwrap_or_default(),
            volume_mounts: volume_mounts.to_vec(),
            tls: tls.and_then(Tls::new),
            tls_disabled: tls.is_some_and(|tls| tls.disable == Some(true)),
            service: service.cloned().unwrap_or_default(),
        }
    }
}

impl OnlineServer {
    pub(super) fn new(
        settings: ServerSettings<'_>,
        serving: Option<&config::Serving>,
        storage: &OnlineStorage,
        default_image: &str,
    ) -> Self {
        let configured = serving.and_then(|serving| serving.metrics.as_ref());
        Self {
            common: Server::new(settings, default_image),
            metrics: match (settings.metrics, configured) {
                (Some(true), _) => Metrics::Argument,
                (_, Some(metrics)) if metrics.enabled => Metrics::Configuration,
                _ => Metrics::Off,
            },
            workers: workers(settings.worker_configs, storage),
        }
    }
}

/// Returns the options of the workers, with defaults.
fn workers(configured: Option<&WorkerConfigs>, storage: &OnlineStorage) -> WorkerConfigs {
    let mut workers = configured.cloned().unwrap_or_default();
    // By default, Feast replaces its workers after 1000 requests, and loses requests each time. It never opens another
    // connection to MySQL in the same worker, though.
    let replaces = match storage {
        OnlineStorage::Database(database) => database.store_type == OnlineStoreType::Mysql.as_str(),
        OnlineStorage::File { .. } => false,
    };
    if !replaces {
        workers.max_requests.get_or_insert(0);
    }
    workers
}

impl RegistryServer {
    pub(super) fn new(server: &config::RegistryServer, default_image: &str) -> Self {
        let config::RegistryServer {
            grpc,
            rest_api,
            rest_service,
            mcp,
            // Those of every server.
            image: _,
            env: _,
            env_from: _,
            image_pull_policy: _,
            resources: _,
            log_level: _,
            node_selector: _,
            volume_mounts: _,
            metrics: _,
            worker_configs: _,
            tls: _,
            service: _,
        } = server;
        Self {
            common: Server::new(server.settings(), default_image),
            grpc: grpc.unwrap_or(true),
            rest: rest_api.unwrap_or(false),
            rest_service: rest_service.clone().unwrap_or_default(),
            mcp: mcp.as_ref().is_some_and(|mcp| mcp.enabled),
        }
    }
}
