//! Accessors for parts of the configuration, and their paths.

use k8s_openapi::api::core::v1::ResourceRequirements;

use crate::feast::config::{
    Autoscaling, CronJobContainers, DatabaseStore, FeatureStore, Git, Keda, LineageServer,
    LocalObjectReference, LocalRegistry, OfflineStore, OnlineStore, Openshift, Persistence,
    PvcConfig, Registry, Scaling, ServerSettings, ServiceSettings, Services, StoreType, Tls,
};
use crate::feast::names::{Endpoint, FeastService, ServerKind};
use crate::schema::Path;

pub(super) const ONLINE: &str = "services.online_store";
pub(super) const OFFLINE: &str = "services.offline_store";
pub(super) const REGISTRY: &str = "services.registry";
pub(super) const REMOTE: &str = "services.registry.remote";
pub(super) const UI: &str = "services.ui";
pub(super) const LOCAL: &str = "services.registry.local";
pub(super) const SCALING: &str = "services.scaling";
pub(super) const AUTOSCALING: &str = "services.scaling.autoscaling";
pub(super) const KEDA: &str = "services.scaling.keda";
pub(super) const VOLUMES: &str = "services.volumes";
pub(super) const PROJECT_DIR: &str = "feast_project_dir";
pub(super) const CRON_JOB: &str = "cron_job";
pub(super) const CRON_JOB_CONTAINERS: &str = "cron_job.container_configs";

/// Returns the path of a server's settings.
pub(super) fn server(kind: ServerKind) -> Path {
    Path::of(kind.attribute())
}

/// Returns the path of a service's settings.
pub(super) fn block(service: FeastService) -> Path {
    Path::of(match service {
        FeastService::Online => ONLINE,
        FeastService::Offline => OFFLINE,
        FeastService::Registry => LOCAL,
    })
}

pub(super) fn services(store: &FeatureStore) -> Option<&Services> {
    store.services.as_ref()
}

pub(super) fn scaling(store: &FeatureStore) -> Option<&Scaling> {
    services(store)?.scaling.as_ref()
}

pub(super) fn autoscaling(store: &FeatureStore) -> Option<&Autoscaling> {
    scaling(store)?.autoscaling.as_ref()
}

pub(super) fn keda(store: &FeatureStore) -> Option<&Keda> {
    scaling(store)?.keda.as_ref()
}

pub(super) fn online(store: &FeatureStore) -> Option<&OnlineStore> {
    services(store)?.online_store.as_ref()
}

pub(super) fn offline(store: &FeatureStore) -> Option<&OfflineStore> {
    services(store)?.offline_store.as_ref()
}

pub(super) fn registry(store: &FeatureStore) -> Option<&Registry> {
    services(store)?.registry.as_ref()
}

pub(super) fn local(store: &FeatureStore) -> Option<&LocalRegistry> {
    registry(store)?.local.as_ref()
}

pub(super) fn online_disabled(store: &FeatureStore) -> bool {
    online(store).and_then(|online| online.disabled) == Some(true)
}

/// The `persistence` of a service.
pub(super) struct ServicePersistence<'a> {
    pub service: FeastService,
    pub has_file: bool,
    pub database: Option<ServiceDatabase<'a>>,
}

/// The `persistence.store` of a service.
pub(super) struct ServiceDatabase<'a> {
    /// True if its type is the path of a class.
    pub is_class: bool,
    pub shared: Option<bool>,
    pub secret_ref: &'a LocalObjectReference,
}

impl<'a> ServicePersistence<'a> {
    fn of<File, T: StoreType>(
        service: FeastService,
        persistence: Option<&'a Persistence<File, T>>,
    ) -> Option<Self> {
        let Persistence { file, store } = persistence?;
        let database = |store: &'a DatabaseStore<T>| ServiceDatabase {
            is_class: store.r#type.is_class(),
            shared: store.shared,
            secret_ref: &store.secret_ref,
        };
        Some(Self {
            service,
            has_file: file.is_some(),
            database: store.as_ref().map(database),
        })
    }
}

/// Returns the persistence of each service that sets it.
pub(super) fn persistence(store: &FeatureStore) -> Vec<ServicePersistence<'_>> {
    let online = online(store).and_then(|it| it.persistence.as_ref());
    let offline = offline(store).and_then(|it| it.persistence.as_ref());
    let registry = local(store).and_then(|it| it.persistence.as_ref());
    [
        ServicePersistence::of(FeastService::Online, online),
        ServicePersistence::of(FeastService::Offline, offline),
        ServicePersistence::of(FeastService::Registry, registry),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the settings of the CronJob's containers.
pub(super) fn cron_job_containers(store: &FeatureStore) -> Option<&CronJobContainers> {
    store.cron_job.as_ref()?.container_configs.as_ref()
}

pub(super) fn git(store: &FeatureStore) -> Option<&Git> {
    store.feast_project_dir.as_ref()?.git.as_ref()
}

/// Returns the attribute that makes the feature store scaled, if there is one.
pub(super) fn scaled_by(store: &FeatureStore) -> Option<Path> {
    let Scaling {
        replicas,
        autoscaling,
        keda,
    } = scaling(store)?;
    if autoscaling.is_some() {
        return Some(Path::of(AUTOSCALING));
    }
    if keda.is_some() {
        return Some(Path::of(KEDA));
    }
    replicas
        .is_some_and(|replicas| replicas > 1)
        .then(|| Path::of(SCALING).attribute("replicas"))
}

/// The settings of a server, and their path.
pub(super) struct ServerConfig<'a> {
    pub kind: ServerKind,
    /// The attribute with its settings.
    pub path: Path,
    /// `None` for an online server with default settings.
    pub settings: Option<ServerSettings<'a>>,
    /// The innermost attribute of the server that is set.
    pub configured_path: Option<Path>,
    /// The absent attributes that decide that the server runs.
    pub reads: Vec<Path>,
}

impl<'a> ServerConfig<'a> {
    pub fn resources(&self) -> Option<&'a ResourceRequirements> {
        self.settings.and_then(|settings| settings.resources)
    }
}

/// Returns the servers that share their pods, in the order of the containers.
pub(super) fn pod_servers(store: &FeatureStore) -> Vec<ServerConfig<'_>> {
    let made = |kind, settings| ServerConfig {
        kind,
        path: server(kind),
        settings: Some(settings),
        configured_path: Some(server(kind)),
        reads: Vec::new(),
    };
    let mut servers = Vec::new();
    if let Some(settings) = local(store).and_then(|local| local.server.as_ref()) {
        servers.push(made(ServerKind::Registry, settings.settings()));
    }
    if !online_disabled(store) {
        let block = online(store);
        let settings = block.and_then(|online| online.server.as_ref());
        servers.push(ServerConfig {
            kind: ServerKind::Online,
            path: server(ServerKind::Online),
            settings: settings.map(|server| server.settings()),
            configured_path: match (block, settings) {
                (_, Some(_)) => Some(server(ServerKind::Online)),
                (Some(_), None) => Some(Path::of(ONLINE)),
                (None, None) => None,
            },
            reads: vec![Path::of(ONLINE).attribute("disabled")],
        });
    }
    if let Some(settings) = offline(store).and_then(|offline| offline.server.as_ref()) {
        servers.push(made(ServerKind::Offline, settings.settings()));
    }
    if let Some(settings) = services(store).and_then(|services| services.ui.as_ref()) {
        servers.push(made(ServerKind::Ui, settings.settings()));
    }
    servers
}

/// Returns the lineage server, which has its own pods.
pub(super) fn lineage(store: &FeatureStore) -> Option<&LineageServer> {
    let consumer = store.openlineage.as_ref()?.consumer.as_ref()?;
    consumer.lineage_server.as_ref()
}

/// Returns the servers of all pods.
pub(super) fn all_servers(store: &FeatureStore) -> Vec<ServerConfig<'_>> {
    let mut servers = pod_servers(store);
    let settings = lineage(store).map(|lineage| lineage.server.as_ref());
    servers.extend(settings.map(|settings| ServerConfig {
        kind: ServerKind::Lineage,
        path: server(ServerKind::Lineage),
        settings: settings.map(|server| server.settings()),
        configured_path: settings.map(|_| server(ServerKind::Lineage)),
        reads: Vec::new(),
    }));
    servers
}

/// The settings of an endpoint's Service and of the TLS of its server, with their paths.
pub(super) struct Exposure<'a> {
    pub endpoint: Endpoint,
    pub service: Option<&'a ServiceSettings>,
    pub service_path: Path,
    pub tls: Option<&'a Tls>,
    pub tls_path: Path,
}

/// Returns the endpoints of every server. A registry server has both of its endpoints, served or not.
pub(super) fn exposures(store: &FeatureStore) -> Vec<Exposure<'_>> {
    let rest = local(store).and_then(|local| local.server.as_ref());
    let rest = rest.and_then(|server| server.rest_service.as_ref());
    let mut found = Vec::new();
    for container in all_servers(store) {
        let settings = container.settings;
        let exposure = |endpoint, service, name| Exposure {
            endpoint,
            service,
            service_path: container.path.attribute(name),
            tls: settings.and_then(|it| it.tls),
            tls_path: container.path.attribute("tls"),
        };
        let service = settings.and_then(|it| it.service);
        let endpoint = match container.kind {
            ServerKind::Registry => Endpoint::RegistryGrpc,
            ServerKind::Offline => Endpoint::Offline,
            ServerKind::Online => Endpoint::Online,
            ServerKind::Ui => Endpoint::Ui,
            ServerKind::Lineage => Endpoint::Lineage,
        };
        found.push(exposure(endpoint, service, "service"));
        if container.kind == ServerKind::Registry {
            found.push(exposure(Endpoint::RegistryRest, rest, "rest_service"));
        }
    }
    found
}

/// Returns the settings for OpenShift.
pub(super) fn openshift(store: &FeatureStore) -> Option<&Openshift> {
    services(store)?.openshift.as_ref()
}

/// Returns whether OpenShift issues certificates for servers without `tls`.
pub(super) fn serving_certificates(store: &FeatureStore) -> bool {
    openshift(store).and_then(|it| it.serving_certificates) == Some(true)
}

/// A PersistentVolumeClaim that the pods mount, and its path.
pub(super) struct Pvc<'a> {
    pub service: FeastService,
    /// The `pvc` attribute.
    pub path: Path,
    pub config: &'a PvcConfig,
    /// The absent attributes that decide that the PVC is mounted.
    pub reads: Vec<Path>,
}

/// Returns the PVCs in the order of the attributes. A disabled online store has none.
pub(super) fn pvcs(store: &FeatureStore) -> Vec<Pvc<'_>> {
    let online = online(store)
        .filter(|_| !online_disabled(store))
        .and_then(|online| online.persistence.as_ref()?.file.as_ref()?.pvc.as_ref());
    let offline = offline(store)
        .and_then(|offline| offline.persistence.as_ref()?.file.as_ref()?.pvc.as_ref());
    let registry =
        local(store).and_then(|local| local.persistence.as_ref()?.file.as_ref()?.pvc.as_ref());
    [
        (FeastService::Online, online),
        (FeastService::Offline, offline),
        (FeastService::Registry, registry),
    ]
    .into_iter()
    .filter_map(|(service, pvc)| {
        Some(Pvc {
            service,
            path: block(service).attribute("persistence.file.pvc"),
            config: pvc?,
            reads: match service {
                FeastService::Online => vec![Path::of(ONLINE).attribute("disabled")],
                FeastService::Offline | FeastService::Registry => Vec::new(),
            },
        })
    })
    .collect()
}
