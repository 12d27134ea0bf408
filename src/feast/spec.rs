//! The specification: what a valid configuration means.
//!
//! Alternatives are enums, and defaults are applied, so that rendering cannot fail. An invalid configuration also has a
//! specification (the first of several alternatives applies), and never causes a panic. The types have no serde
//! implementations, because a specification is never stored.

mod authorization;
pub mod computed_inputs;
mod cron_job;
mod endpoints;
mod engine;
mod lineage;
mod location;
mod network_policy;
mod pods;
mod project;
mod registry;
mod resources;
mod scaling;
mod security;
mod server;
mod service;
mod services;
mod settings;
mod storage;
mod stores;
mod termination;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::config::{self, FeatureStore};
use super::names::{self, Endpoint, FeastService, ServerKind};
use crate::kubernetes::go_duration::parse_nanoseconds;

pub use authorization::{Authorization, CaCert, Oidc};
pub use cron_job::CronJob;
pub(super) use cron_job::commands_or_default;
pub(super) use endpoints::default_termination;
pub use endpoints::endpoints;
pub use engine::{BatchEngine, Driver};
pub use lineage::LineageServer;
pub use location::Location;
pub use network_policy::{IngressRule, NetworkPolicy};
pub use pods::Pods;
pub(super) use pods::kubernetes_volume;
pub(super) use project::configured_apply;
pub use project::{FeastApplyMode, Git, Project, ProjectSource, Ssh};
pub use registry::{LocalRegistry, Registry, RegistryOptions, RemoteRegistry, RemoteStore};
pub use scaling::{
    Autoscaler, DisruptionBudget, DisruptionLimit, Replicas, RollingUpdate, Strategy,
};
pub use server::{Metrics, OnlineServer, RegistryServer, Server};
pub(super) use service::kubernetes_service;
use services::Services;
pub use settings::{ClientSettings, Settings};
pub(super) use storage::join;
pub use storage::{
    Database, OfflineStorage, OnlineStorage, Pvc, PvcSource, RegistryFile, RegistryStorage,
    SqliteOptions,
};
pub use stores::{Offline, Online};
pub use termination::Termination;
pub use tls::Tls;

/// Values that a configuration does not have itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The namespace for feature stores that set none; if `None`, [`names::DEFAULT_NAMESPACE`].
    pub namespace: Option<String>,
    /// True if the prior strategy is `RollingUpdate`. Matters only for `replicas = 0`, which `ignore_changes` can keep:
    /// the strategy and the PodDisruptionBudget then stay as they were.
    pub was_scaled: bool,
}

/// One feature store.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    pub name: String,
    pub namespace: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub project: Project,
    pub cron_job: Option<CronJob>,
    pub replicas: Replicas,
    pub strategy: Strategy,
    pub min_ready_seconds: Option<i32>,
    pub termination: Termination,
    pub disruption_budget: Option<DisruptionBudget>,
    pub pods: Pods,
    pub network_policy: Option<NetworkPolicy>,
    pub service_monitor: Option<config::ServiceMonitor>,
    /// True if OpenShift issues the certificates of servers without `tls`.
    pub serving_certificates: bool,
    /// The Routes of OpenShift.
    pub routes: BTreeMap<Endpoint, config::Route>,
    pub online: Online,
    pub offline: Option<Offline>,
    pub registry: Registry,
    pub registry_options: RegistryOptions,
    pub ui: Option<Server>,
    pub authorization: Authorization,
    pub batch_engine: Option<BatchEngine>,
    pub materialization: Option<config::Materialization>,
    pub openlineage: Option<config::Openlineage>,
    pub lineage: Option<LineageServer>,
    /// `None` unless it is enabled.
    pub mlflow: Option<config::Mlflow>,
    /// True if `feast apply` computes baselines; `None` for the default of Feast.
    pub auto_baseline: Option<bool>,
    pub settings: Settings,
    /// True if servers must accept connections over IPv6.
    pub ipv6: bool,
    pub wait_for_rollout: bool,
    pub timeouts: Timeouts,
    pub delete_data: bool,
    pub drift_policy: config::DriftPolicy,
}

/// The time limits of create, update and delete. Defaults: 20, 20 and 10 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub create: Duration,
    pub update: Duration,
    pub delete: Duration,
}

impl Store {
    pub fn new(store: &FeatureStore, defaults: &Defaults) -> Self {
        let FeatureStore {
            name,
            namespace,
            labels,
            annotations,
            feast_project,
            feast_project_dir,
            protected_project,
            cron_job,
            services,
            authz,
            batch_engine,
            materialization,
            openlineage,
            mlflow,
            data_quality_monitoring,
            // `Settings` has these.
            project_description: _,
            embedding_model: _,
            coerce_tz_aware: _,
            extra_yaml: _,
            client: _,
            wait_for_rollout,
            timeouts,
            delete_data,
            drift_policy,
        } = store;
        let services = Services::new(services.clone().unwrap_or_default(), defaults.was_scaled);
        let namespace = namespace.as_ref().or(defaults.namespace.as_ref());
        let namespace = namespace.map_or(names::DEFAULT_NAMESPACE, String::as_str);
        let project = Project::new(
            feast_project,
            feast_project_dir.as_ref(),
            services.init_image.clone(),
            services.without_init,
            protected_project.unwrap_or(false),
        );
        let image = project.server_image();
        let online = Online::new(&services.online_store, &image);
        let offline = (services.offline_store.as_ref()).map(|it| Offline::new(it, &image));
        let registry = Registry::new(services.registry.as_ref(), namespace, &image);
        let termination = services.termination(are_shared(&online, &registry, offline.as_ref()));
        let lineage = lineage::configured(openlineage.as_ref()).map(|server| {
            // Its Deployment always has the strategy `RollingUpdate`.
            LineageServer::new(server, &image, &services.pods, services.termination(true))
        });
        Self {
            name: name.clone(),
            namespace: namespace.to_owned(),
            labels: labels.clone().unwrap_or_default(),
            annotations: annotations.clone().unwrap_or_default(),
            project,
            cron_job: cron_job.as_ref().and_then(CronJob::new),
            replicas: services.replicas,
            strategy: services.strategy,
            min_ready_seconds: services.min_ready_seconds,
            termination,
            disruption_budget: services.disruption_budget,
            pods: services.pods,
            network_policy: services.network_policy,
            service_monitor: services.service_monitor,
            serving_certificates: services.serving_certificates,
            routes: services.routes,
            online,
            offline,
            registry,
            registry_options: RegistryOptions::new(services.registry.as_ref()),
            ui: (services.ui).map(|server| Server::new(server.settings(), &image)),
            authorization: Authorization::new(authz.as_ref()),
            batch_engine: (batch_engine.as_ref()).map(|engine| BatchEngine::new(engine, name)),
            materialization: materialization.clone(),
            openlineage: openlineage.clone(),
            lineage,
            mlflow: mlflow.clone().filter(|mlflow| mlflow.enabled),
            auto_baseline: (data_quality_monitoring.as_ref())
                .map(|monitoring| monitoring.auto_baseline.unwrap_or(true)),
            settings: Settings::new(store),
            ipv6: services.ipv6,
            wait_for_rollout: wait_for_rollout.unwrap_or(true),
            timeouts: Timeouts::new(timeouts.as_ref()),
            delete_data: delete_data.unwrap_or(false),
            drift_policy: drift_policy.unwrap_or_default(),
        }
        .complete(services.feast_apply)
    }

    /// Adds what depends on the feature store as a whole. `feast_apply` is the configured value.
    fn complete(mut self, feast_apply: Option<FeastApplyMode>) -> Self {
        self.project.feast_apply = feast_apply.unwrap_or_else(|| self.default_apply());
        if self.serving_certificates {
            self.issue_certificates();
        }
        let selectors: Vec<_> = (self.servers().into_iter())
            .flat_map(|(_, server)| server.node_selector.clone())
            .collect();
        self.pods.node_selector.extend(selectors);
        self
    }

    /// Returns whether every service keeps its data outside the pods, so that several pods can run. Parts of the pod
    /// template depend on this instead of on the number of pods, so that scaling does not replace pods.
    pub fn allows_several_pods(&self) -> bool {
        are_shared(&self.online, &self.registry, self.offline.as_ref())
    }

    /// Returns the servers that share their pods, in the order in which the Feast operator merges their settings: of
    /// contradicting settings, that of the last server applies.
    pub fn servers(&self) -> Vec<(ServerKind, &Server)> {
        let registry = self.registry_server().map(|server| &server.common);
        let online = self.online.server.as_ref().map(|server| &server.common);
        [
            (ServerKind::Registry, registry),
            (ServerKind::Offline, self.offline_server()),
            (ServerKind::Online, online),
            (ServerKind::Ui, self.ui.as_ref()),
        ]
        .into_iter()
        .filter_map(|(kind, server)| Some((kind, server?)))
        .collect()
    }

    /// Returns the server in whose container commands run: the online server, or without it the first container of the
    /// pods.
    pub fn command_server(&self) -> ServerKind {
        let servers = self.servers();
        let mut kinds = servers.iter().map(|(kind, _)| *kind);
        match self.online.server {
            Some(_) => ServerKind::Online,
            // A rule requires at least one server.
            None => kinds.next().unwrap_or(ServerKind::Online),
        }
    }

    /// Returns the certificate of a server, if it has one.
    pub fn tls(&self, kind: ServerKind) -> Option<&Tls> {
        let lineage = self.lineage.as_ref().map(|lineage| &lineage.common);
        let apart = lineage.map(|server| (ServerKind::Lineage, server));
        let mut servers = self.servers().into_iter().chain(apart);
        let (_, server) = servers.find(|(it, _)| *it == kind)?;
        server.tls.as_ref()
    }

    /// Returns the path of a server's certificate for its clients, if it has one.
    pub fn certificate(&self, kind: ServerKind) -> Option<String> {
        Some(kind.tls_file(self.tls(kind)?.ca_cert_key()))
    }

    /// Returns the offline server, if there is one.
    pub fn offline_server(&self) -> Option<&Server> {
        self.offline.as_ref()?.server.as_ref()
    }

    /// Returns the local registry server, if there is one.
    pub fn registry_server(&self) -> Option<&RegistryServer> {
        match &self.registry {
            Registry::Local(local) => local.server.as_ref(),
            Registry::Remote(_) => None,
        }
    }

    /// Returns the PVCs that the pods mount, in the order of the Feast operator.
    pub fn pvcs(&self) -> Vec<(FeastService, &Pvc)> {
        let registry = match &self.registry {
            Registry::Local(local) => local.storage.pvc(),
            Registry::Remote(_) => None,
        };
        let offline = self.offline.as_ref().and_then(|o| o.storage.pvc());
        [
            (FeastService::Registry, registry),
            (FeastService::Offline, offline),
            (FeastService::Online, self.online.storage.pvc()),
        ]
        .into_iter()
        .filter_map(|(service, pvc)| pvc.map(|pvc| (service, pvc)))
        .collect()
    }

    /// Returns the names of the PVCs that the provider creates.
    pub fn created_pvcs(&self) -> BTreeSet<String> {
        let made = |pvc: &Pvc| matches!(pvc.source, PvcSource::Created { .. });
        self.pvcs()
            .into_iter()
            .filter(|(_, pvc)| made(pvc))
            .map(|(service, _)| names::pvc(&self.name, service))
            .collect()
    }

    /// Returns the names of the existing PVCs that it uses.
    pub fn referenced_pvcs(&self) -> BTreeSet<String> {
        self.pvcs()
            .into_iter()
            .filter_map(|(_, pvc)| match &pvc.source {
                PvcSource::Existing(name) => Some(name.clone()),
                PvcSource::Created { .. } => None,
            })
            .collect()
    }

    /// Returns the directory that contains the project directory: the mount path of the offline store's PVC, or the data
    /// directory of the pod.
    pub fn base_directory(&self) -> &str {
        self.offline
            .as_ref()
            .and_then(|offline| offline.storage.pvc())
            .map_or(names::DATA_DIRECTORY, |pvc| &pvc.mount_path)
    }

    /// Returns whether the pods have the token of their ServiceAccount: as configured, or else if they need it.
    pub fn has_token(&self) -> bool {
        (self.pods.automount_token).unwrap_or_else(|| self.needs_token())
    }

    /// Returns whether Feast calls the Kubernetes API, or authenticates to other services with the token.
    fn needs_token(&self) -> bool {
        let auth = (self.mlflow.as_ref()).and_then(|mlflow| mlflow.tracking_auth.as_deref());
        let mlflow = auth.is_some_and(|auth| auth.starts_with("kubernetes"));
        let spark = self
            .batch_engine
            .as_ref()
            .is_some_and(|engine| engine.driver.is_some());
        self.authorization != Authorization::None || mlflow || spark
    }
}

/// Returns whether several pods can use these.
fn are_shared(online: &Online, registry: &Registry, offline: Option<&Offline>) -> bool {
    online.is_shared() && registry.is_shared() && offline.is_none_or(Offline::is_shared)
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Timeouts {
    fn new(timeouts: Option<&config::Timeouts>) -> Self {
        let config::Timeouts {
            create,
            update,
            delete,
        } = timeouts.cloned().unwrap_or_default();
        let or_minutes = |text: Option<String>, minutes: u64| {
            let nanoseconds = text.and_then(|text| parse_nanoseconds(&text));
            let nanoseconds = nanoseconds.and_then(|it| u64::try_from(it).ok());
            nanoseconds.map_or(Duration::from_mins(minutes), Duration::from_nanos)
        };
        Self {
            create: or_minutes(create, 20),
            update: or_minutes(update, 20),
            delete: or_minutes(delete, 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn store(services: Json) -> Store {
        let store = json!({"name": "demo", "feastProject": "p", "services": services});
        Store::new(
            &serde_json::from_value(store).unwrap(),
            &Defaults::default(),
        )
    }

    #[test]
    fn scaling_determines_owner_and_strategy() {
        let facts = |services| {
            let store = store(services);
            (store.replicas.owner().as_str(), store.strategy.as_str())
        };
        assert_eq!(facts(json!({})), ("external", "Recreate"));
        assert_eq!(facts(json!({"scaling": {}})), ("external", "Recreate"));
        assert_eq!(
            facts(json!({"scaling": {"replicas": 1}})),
            ("terraform", "Recreate")
        );
        assert_eq!(
            facts(json!({"scaling": {"replicas": 2}})),
            ("terraform", "RollingUpdate")
        );
        let autoscaling = json!({"autoscaling": {"maxReplicas": 1}});
        assert_eq!(
            facts(json!({"scaling": autoscaling})),
            ("hpa", "RollingUpdate")
        );
        let recreate = json!({"type": "Recreate"});
        assert_eq!(
            facts(json!({"scaling": {"replicas": 2}, "deploymentStrategy": recreate})),
            ("terraform", "Recreate")
        );
        assert_eq!(
            facts(json!({"deploymentStrategy": {"type": "RollingUpdate"}})),
            ("external", "RollingUpdate")
        );
    }

    #[test]
    fn endpoints_are_those_that_are_served() {
        assert_eq!(
            endpoints(&store(json!({}))),
            config::Endpoints {
                online_store: Some("feast-demo-online.default.svc.cluster.local:80".to_owned()),
                ..config::Endpoints::default()
            }
        );
        assert_eq!(
            endpoints(&store(json!({
                "onlineStore": {"disabled": true},
                "offlineStore": {"server": {}},
                "registry": {"local": {"server": {"restAPI": true}}},
            }))),
            config::Endpoints {
                online_store: None,
                offline_store: Some("feast-demo-offline.default.svc.cluster.local:80".to_owned()),
                registry: Some("feast-demo-registry.default.svc.cluster.local:80".to_owned()),
                registry_rest: Some(
                    "feast-demo-registry-rest.default.svc.cluster.local:80".to_owned()
                ),
                ui: None,
                lineage: None,
            }
        );
        let tls = json!({"secretRef": {"name": "s"}});
        assert_eq!(
            endpoints(&store(json!({
                "onlineStore": {"server": {"tls": tls}},
                "offlineStore": {"server": {"tls": {"disable": true, "secretRef": {"name": "s"}}}},
                "registry": {"remote": {"feastRef": {"name": "other", "namespace": "there"}}},
                "ui": {"tls": tls},
            }))),
            config::Endpoints {
                online_store: Some("feast-demo-online.default.svc.cluster.local:443".to_owned()),
                offline_store: Some("feast-demo-offline.default.svc.cluster.local:80".to_owned()),
                registry: Some("feast-other-registry.there.svc.cluster.local:80".to_owned()),
                registry_rest: None,
                ui: Some("feast-demo-ui.default.svc.cluster.local:443".to_owned()),
                lineage: None,
            }
        );
        let remote = json!({"registry": {"remote": {
            "feastRef": {"name": "other"}, "tls": {"configMapRef": {"name": "ca"}, "certName": "ca.crt"},
        }}});
        assert_eq!(
            endpoints(&store(remote)).registry.as_deref(),
            Some("feast-other-registry.default.svc.cluster.local:443")
        );
        let remote = json!({"registry": {"remote": {"hostname": "r:80"}}});
        assert_eq!(endpoints(&store(remote)).registry.as_deref(), Some("r:80"));
    }

    #[test]
    fn the_namespace_of_the_resource_takes_precedence() {
        let namespace = |own: Json, provider: Option<&str>| {
            let store = json!({"name": "demo", "feastProject": "p", "namespace": own});
            let defaults = Defaults {
                namespace: provider.map(str::to_owned),
                ..Defaults::default()
            };
            Store::new(&serde_json::from_value(store).unwrap(), &defaults).namespace
        };
        assert_eq!(namespace(json!("own"), Some("provider")), "own");
        assert_eq!(namespace(json!(null), Some("provider")), "provider");
        assert_eq!(namespace(json!(null), None), "default");
    }
}
