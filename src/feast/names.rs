//! Every object name, label, port, path and default, once.
//!
//! They are those of the Feast operator wherever it has one, so that dashboards, scripts and clients that
//! know its feature stores know these.

use crate::kubernetes::validation::metadata::DNS_LABEL_LENGTH;

/// Marks every object and selects the pods: the feature store's name.
pub const NAME_LABEL: &str = "feast.dev/name";
/// On what lives in no namespace: the feature store's.
pub const NAMESPACE_LABEL: &str = "feast.dev/namespace";
/// Says which service an object belongs to.
pub const SERVICE_TYPE_LABEL: &str = "feast.dev/service-type";
/// Kubernetes' own label for whoever manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "feast";
/// The value of [`MANAGED_BY_LABEL`] on what the Feast operator manages, and the name under which it applies.
pub const OPERATOR: &str = "feast-operator";
/// Every label and annotation key with this prefix is Feast's.
pub const RESERVED_PREFIX: &str = "feast.dev/";
/// Pod annotation that changes with the configuration, so that pods roll.
pub const CONFIGURATION_HASH_ANNOTATION: &str = "feast.dev/configuration-hash";
/// Pod annotation that changes with what the pods mount of the user's certificates, so that pods roll.
pub const CERTIFICATES_HASH_ANNOTATION: &str = "feast.dev/certificates-hash";

pub const DEFAULT_NAMESPACE: &str = "default";
pub const DEFAULT_IMAGE: &str = "quay.io/feastdev/feature-server:0.66.0";

/// The file that configures Feast, and its key in the Secret and the ConfigMap.
pub const FEATURE_STORE_YAML: &str = "feature_store.yaml";
/// Key of the feature store's Secret: that file as the lineage server has it.
pub const LINEAGE_YAML: &str = "lineage_feature_store.yaml";
/// Key of the feature store's Secret: the key of the configuration's HMAC.
pub const HASH_KEY: &str = "hash_key";
/// Key of the feature store's Secret: what the user wrote, for import.
pub const CONFIGURATION_JSON: &str = "configuration.json";
/// Key of the feature store's Secret: which create has made it, and whether that has ended well.
pub const CREATION_JSON: &str = "creation.json";
/// The key with the objects that an apply was to make or has found, so that a refresh whose state does not know them
/// looks for them.
pub const OBJECTS_JSON: &str = "objects.json";

/// Pod volume and directory of everything that is lost with the pod.
pub const DATA_VOLUME: &str = "feast-data";
pub const DATA_DIRECTORY: &str = "/feast-data";
/// Pod volume and directory of the Secret's `feature_store.yaml`.
pub const CONFIGURATION_VOLUME: &str = "feature-store-yaml";
pub const CONFIGURATION_DIRECTORY: &str = "/etc/feast";

/// Pod volume and file of the OpenID Connect provider's authority.
pub const CA_CERT_VOLUME: &str = "oidc-ca-cert";
pub const CA_CERT_FILE: &str = "/etc/pki/tls/oidc-ca/ca.crt";
/// Key of a ConfigMap with an authority's certificate, by default.
pub const CA_CERT_KEY: &str = "ca-bundle.crt";
/// Keys of a Secret for SSH.
pub const SSH_PRIVATE_KEY_KEY: &str = "ssh-privatekey";
pub const SSH_KNOWN_HOSTS_KEY: &str = "known_hosts";

/// Where the container that clones sees the Secret for SSH, and its files there.
pub const SSH_VOLUME: &str = "feast-git-ssh";
pub const SSH_DIRECTORY: &str = "/etc/feast-git-ssh";
pub const SSH_PRIVATE_KEY_FILE: &str = "private_key";
pub const SSH_KNOWN_HOSTS_FILE: &str = "known_hosts";

/// The properties of an OpenID Connect provider that Feast reads from the user's Secret. All are strings.
pub const OIDC_PROPERTIES: [&str; 7] = [
    "auth_discovery_url",
    "client_id",
    "client_secret",
    "username",
    "password",
    "audience",
    "issuer",
];

/// Key of a ConfigMap with a batch engine's configuration, by default.
pub const BATCH_ENGINE_KEY: &str = "config";
/// The batch engine that is given its rights in Kubernetes.
pub const SPARK_APPLICATION: &str = "spark_application";
/// The batch engine that makes Kubernetes Jobs, with rights that the user grants.
pub const KUBERNETES_ENGINE: &str = "k8s";
/// Keys of the Secrets that OpenLineage needs.
pub const API_KEY: &str = "api_key";
pub const CONNECTION_STRING: &str = "connection_string";
/// Where a lineage server takes events, below its address.
pub const LINEAGE_PATH: &str = "api/v1/lineage";
/// Tells MLflow's client how to authenticate.
pub const MLFLOW_TRACKING_AUTH_VARIABLE: &str = "MLFLOW_TRACKING_AUTH";
/// How MLflow is authenticated at, by default.
pub const MLFLOW_TRACKING_AUTH: &str = "kubernetes-namespaced";
/// Settings without an attribute that Feast takes as numbers alone.
pub const MLFLOW_NUMBERS: [&str; 2] = ["request_timeout", "max_retries"];

pub const INIT_CONTAINER: &str = "feast-init";
pub const APPLY_CONTAINER: &str = "feast-apply";

/// Marks the pods of a Job of the feature store with its name. [`NAME_LABEL`] would make them endpoints of its
/// Services.
pub const JOB_LABEL: &str = "feast.dev/job-of";
/// Annotation of the Deployment: for which configuration `feast apply` has been run.
pub const APPLIED_ANNOTATION: &str = "feast.dev/applied";
/// Service type of what runs once and of what runs on a schedule.
pub const APPLY_SERVICE_TYPE: &str = "apply";
pub const CRON_JOB_SERVICE_TYPE: &str = "cronjob";
/// Set on the servers of a protected project.
pub const PROTECTED_PROJECT: &str = "FEAST_PROTECTED_PROJECT";
/// Tells Feast which `feature_store.yaml` to read, where none is linked into the repository.
pub const FEATURE_STORE_YAML_PATH: &str = "FEAST_FS_YAML_FILE_PATH";
/// Directory of the feature definitions inside a project.
pub const FEATURE_REPOSITORY: &str = "feature_repo";
/// Has `kubectl`.
pub const CRON_JOB_IMAGE: &str = "quay.io/openshift/origin-cli:4.17";
/// How much of a hash stands in a name.
const SHORT_HASH: usize = 8;

/// Spreads pods over nodes and zones.
pub const HOST_TOPOLOGY: &str = "kubernetes.io/hostname";
pub const ZONE_TOPOLOGY: &str = "topology.kubernetes.io/zone";

/// The port of every Service, without TLS and with it.
pub const SERVICE_PORT: i32 = 80;
pub const SERVICE_PORT_NAME: &str = "http";
pub const TLS_SERVICE_PORT: i32 = 443;
pub const TLS_SERVICE_PORT_NAME: &str = "https";
/// Keys of a Secret with a certificate, by default: those of Kubernetes' type `kubernetes.io/tls`.
pub const TLS_CERTIFICATE_KEY: &str = "tls.crt";
pub const TLS_PRIVATE_KEY_KEY: &str = "tls.key";
/// Below it, a directory for each server's certificate.
pub const TLS_DIRECTORY: &str = "/tls";
/// Where the online server shows its metrics, in its pod and on its Service.
pub const METRICS_PORT: i32 = 8000;
pub const METRICS_PORT_NAME: &str = "metrics";

/// A part of the feature store that keeps data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Online,
    Offline,
    Registry,
}

impl Service {
    /// Service type label and name suffix.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Registry => "registry",
        }
    }

    /// In sentences.
    pub fn words(self) -> &'static str {
        match self {
            Self::Online => "online store",
            Self::Offline => "offline store",
            Self::Registry => "registry",
        }
    }

    /// Storage that a created claim requests by default.
    pub fn default_storage(self) -> &'static str {
        match self {
            Self::Offline => "20Gi",
            Self::Online | Self::Registry => "5Gi",
        }
    }

    /// The file inside the claim or the data directory, by default.
    pub fn default_file(self) -> &'static str {
        match self {
            Self::Online => "online_store.db",
            Self::Registry => "registry.db",
            Self::Offline => "",
        }
    }
}

/// A server, which is a container of its own. In the order in which the operator joins their settings; the lineage
/// server alone has pods of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerKind {
    Registry,
    Offline,
    Online,
    Ui,
    Lineage,
}

impl ServerKind {
    pub const ALL: [Self; 5] = [
        Self::Registry,
        Self::Offline,
        Self::Online,
        Self::Ui,
        Self::Lineage,
    ];

    /// Container name and service type label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Ui => "ui",
            Self::Lineage => "lineage",
        }
    }

    /// The attribute with its settings.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Registry => "services.registry.local.server",
            Self::Offline => "services.offline_store.server",
            Self::Online => "services.online_store.server",
            Self::Ui => "services.ui",
            Self::Lineage => "openlineage.consumer.lineage_server.server",
        }
    }

    /// In sentences.
    pub fn words(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Offline => "offline store",
            Self::Online => "online store",
            Self::Ui => "web interface",
            Self::Lineage => "lineage server",
        }
    }

    /// Pod volume of its certificate.
    pub fn tls_volume(self) -> String {
        format!("{}-tls", self.as_str())
    }

    /// Where that is mounted.
    pub fn tls_directory(self) -> String {
        format!("{TLS_DIRECTORY}/{}/", self.as_str())
    }

    /// A file of it there.
    pub fn tls_file(self, key: &str) -> String {
        format!("{}{key}", self.tls_directory())
    }
}

/// An address that a server listens on, with a Kubernetes Service of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    Online,
    Offline,
    RegistryGrpc,
    RegistryRest,
    Ui,
    Lineage,
}

impl Endpoint {
    pub const ALL: [Self; 6] = [
        Self::Online,
        Self::Offline,
        Self::RegistryGrpc,
        Self::RegistryRest,
        Self::Ui,
        Self::Lineage,
    ];

    /// The server that serves it.
    pub fn server(self) -> ServerKind {
        match self {
            Self::Online => ServerKind::Online,
            Self::Offline => ServerKind::Offline,
            Self::RegistryGrpc | Self::RegistryRest => ServerKind::Registry,
            Self::Ui => ServerKind::Ui,
            Self::Lineage => ServerKind::Lineage,
        }
    }

    /// Container port name and suffix of the Service's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::RegistryGrpc => "registry",
            Self::RegistryRest => "registry-rest",
            Self::Ui => "ui",
            Self::Lineage => "lineage",
        }
    }

    /// The port that the server listens on.
    pub fn target_port(self, tls: bool) -> i32 {
        match (self, tls) {
            (Self::Online, false) => 6566,
            (Self::Online, true) => 6567,
            (Self::Offline, false) => 8815,
            (Self::Offline, true) => 8816,
            (Self::RegistryGrpc, false) => 6570,
            (Self::RegistryGrpc, true) => 6571,
            (Self::RegistryRest, false) => 6572,
            (Self::RegistryRest, true) => 6573,
            (Self::Ui, false) => 8888,
            (Self::Ui, true) => 8443,
            (Self::Lineage, _) => 6580,
        }
    }

    /// Kubernetes' `appProtocol`, where meshes and gateways need to know it.
    pub fn app_protocol(self) -> Option<&'static str> {
        (self == Self::RegistryGrpc).then_some("grpc")
    }
}

/// The objects that there is one of: Deployment, ServiceAccount, Secret, HorizontalPodAutoscaler.
pub fn main(store: &str) -> String {
    format!("feast-{store}")
}

/// The lineage server's Deployment.
pub fn lineage(store: &str) -> String {
    service(store, Endpoint::Lineage)
}

/// What the lineage server's pods have for the feature store's name, so that nothing takes them for the others.
pub fn lineage_label(store: &str) -> String {
    format!("{store}-{}", ServerKind::Lineage.as_str())
}

/// The ClusterRoleBindings that the Feast operator makes for a feature store of this name, by `authz`. They are
/// those of every namespace.
pub fn operators_cluster_bindings(store: &str) -> [String; 2] {
    ["cluster-binding", "oidc-token-review"].map(|suffix| format!("feast-{store}-{suffix}"))
}

/// The ClusterRole and ClusterRoleBinding of a feature store. Unlike `-`, `:` is in neither name, so no two
/// feature stores have the same.
pub fn token_review(store: &str, namespace: &str) -> String {
    format!("feast:{namespace}:{store}:token-review")
}

/// The Role and RoleBinding by which the servers start batch jobs.
pub fn batch_engine(store: &str) -> String {
    format!("feast-{store}-batch-engine")
}

/// The Role, RoleBinding and account of a batch job's driver.
pub fn batch_driver(store: &str) -> String {
    format!("feast-{store}-batch-driver")
}

/// The ConfigMap for clients of the feature store.
pub fn client(store: &str) -> String {
    format!("feast-{store}-client")
}

/// Names of pod volumes that the user's must not have, whether or not there is such a volume.
pub fn own_volumes(store: &str) -> Vec<String> {
    let fixed = [
        CONFIGURATION_VOLUME,
        CA_CERT_VOLUME,
        DATA_VOLUME,
        SSH_VOLUME,
    ]
    .map(str::to_owned);
    let certificates = ServerKind::ALL.map(ServerKind::tls_volume);
    let claims =
        [Service::Online, Service::Offline, Service::Registry].map(|service| claim(store, service));
    fixed
        .into_iter()
        .chain(certificates)
        .chain(claims)
        .collect()
}

/// What the CronJob's pods act as: its ServiceAccount, Role and RoleBinding.
pub fn cron_job(store: &str) -> String {
    format!("feast-{store}-cronjob")
}

/// The container of the CronJob's pods that runs the command of this index.
pub fn cron_job_container(index: usize) -> String {
    format!("feast-{index}")
}

/// The Job that runs `feast apply`, as long as its configuration's hash is not known; what is too long of the
/// store's name is left out.
pub fn apply_job(store: &str) -> String {
    let room = DNS_LABEL_LENGTH - "feast--apply-".len() - SHORT_HASH;
    let store: String = store.chars().take(room).collect();
    format!("feast-{}-apply", store.trim_end_matches('-'))
}

/// The Job that runs `feast apply` for the configuration of this hash.
pub fn apply_job_of(store: &str, hash: &str) -> String {
    let hash: String = hash.chars().take(SHORT_HASH).collect();
    format!("{}-{hash}", apply_job(store))
}

/// The Kubernetes Service of an endpoint.
pub fn service(store: &str, endpoint: Endpoint) -> String {
    format!("feast-{store}-{}", endpoint.as_str())
}

/// The port of a Service.
pub fn service_port(tls: bool) -> i32 {
    if tls { TLS_SERVICE_PORT } else { SERVICE_PORT }
}

/// The name of that port.
pub fn service_port_name(tls: bool) -> &'static str {
    if tls {
        TLS_SERVICE_PORT_NAME
    } else {
        SERVICE_PORT_NAME
    }
}

/// The host name of an endpoint inside the cluster.
pub fn host(store: &str, namespace: &str, endpoint: Endpoint) -> String {
    format!("{}.{namespace}.svc.cluster.local", service(store, endpoint))
}

/// The claim that is made for a service, and the pod volume of whichever claim it uses.
pub fn claim(store: &str, service: Service) -> String {
    format!("feast-{store}-{}", service.as_str())
}
