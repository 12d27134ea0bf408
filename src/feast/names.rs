//! Object names, labels, ports, paths and defaults.
//!
//! They are the same as those of the Feast operator where possible, so that dashboards, scripts and clients work with
//! both.

use crate::kubernetes::validation::metadata::DNS_LABEL_LENGTH;

/// Label of every object and pod: the name of the feature store. Selectors use it.
pub const NAME_LABEL: &str = "feast.dev/name";
/// Label of cluster-scoped objects: the namespace of the feature store.
pub const NAMESPACE_LABEL: &str = "feast.dev/namespace";
/// Label of objects that belong to one service.
pub const SERVICE_TYPE_LABEL: &str = "feast.dev/service-type";
/// The label of Kubernetes for the tool that manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "feast";
/// The value of [`MANAGED_BY_LABEL`] on objects of the Feast operator, and its field manager.
pub const OPERATOR: &str = "feast-operator";
/// Label and annotation keys with this prefix are reserved.
pub const RESERVED_PREFIX: &str = "feast.dev/";
/// Pod annotation with the hash of the configuration, so that pods are replaced when it changes.
pub const CONFIGURATION_HASH_ANNOTATION: &str = "feast.dev/configuration-hash";
/// Pod annotation with the hash of the mounted certificates, so that pods are replaced when they change.
pub const CERTIFICATES_HASH_ANNOTATION: &str = "feast.dev/certificates-hash";

pub const DEFAULT_NAMESPACE: &str = "default";
pub const DEFAULT_IMAGE: &str = "quay.io/feastdev/feature-server:0.67.0";

/// The configuration file of Feast, and its key in the Secret and the ConfigMap.
pub const FEATURE_STORE_YAML: &str = "feature_store.yaml";
/// Key in the Secret of the feature store: the configuration file of the lineage server.
pub const LINEAGE_YAML: &str = "lineage_feature_store.yaml";
/// Key in the Secret of the feature store: the configuration file of the Job that runs `feast apply`. Until the Job has
/// succeeded, it can be newer than that of the servers.
pub const APPLY_YAML: &str = "apply_feature_store.yaml";
/// Key in the Secret of the feature store: the HMAC key of the hashes.
pub const HASH_KEY: &str = "hash_key";
/// Key in the Secret of the feature store: the configuration, for import.
pub const CONFIGURATION_JSON: &str = "configuration.json";
/// Key in the Secret of the feature store: its owner, and whether the create has succeeded.
pub const CREATION_JSON: &str = "creation.json";
/// Key in the Secret of the feature store: the objects of the last apply, so that a refresh finds those that are not in
/// the state.
pub const OBJECTS_JSON: &str = "objects.json";

/// Volume and directory for data that is lost with the pod.
pub const DATA_VOLUME: &str = "feast-data";
pub const DATA_DIRECTORY: &str = "/feast-data";
/// Volume and directory for temporary files, if the root file system is read-only. It is also the home directory.
pub const SCRATCH_VOLUME: &str = "feast-tmp";
pub const SCRATCH_DIRECTORY: &str = "/tmp";
pub const HOME_VARIABLE: &str = "HOME";
/// Volume and directory of `feature_store.yaml`.
pub const CONFIGURATION_VOLUME: &str = "feature-store-yaml";
pub const CONFIGURATION_DIRECTORY: &str = "/etc/feast";

/// Volume and file of the CA certificate of the OpenID Connect provider.
pub const CA_CERT_VOLUME: &str = "oidc-ca-cert";
pub const CA_CERT_FILE: &str = "/etc/pki/tls/oidc-ca/ca.crt";
/// Default key of a ConfigMap with a CA certificate.
pub const CA_CERT_KEY: &str = "ca-bundle.crt";
/// Default keys of a Secret for SSH.
pub const SSH_PRIVATE_KEY_KEY: &str = "ssh-privatekey";
pub const SSH_KNOWN_HOSTS_KEY: &str = "known_hosts";

/// Volume, directory and files of the Secret for SSH in the container that clones the repository.
pub const SSH_VOLUME: &str = "feast-git-ssh";
pub const SSH_DIRECTORY: &str = "/etc/feast-git-ssh";
pub const SSH_PRIVATE_KEY_FILE: &str = "private_key";
pub const SSH_KNOWN_HOSTS_FILE: &str = "known_hosts";
/// Volume, directory and file of the CA certificate of the git server in the same container.
pub const GIT_CA_VOLUME: &str = "feast-git-ca";
pub const GIT_CA_DIRECTORY: &str = "/etc/feast-git-ca";
pub const GIT_CA_FILE: &str = "ca.crt";

/// The properties of an OpenID Connect provider that are read from the user's Secret. All are strings.
pub const OIDC_PROPERTIES: [&str; 7] = [
    "auth_discovery_url",
    "client_id",
    "client_secret",
    "username",
    "password",
    "audience",
    "issuer",
];

/// Default key of a ConfigMap with the configuration of a batch engine.
pub const BATCH_ENGINE_KEY: &str = "config";
/// The batch engine whose permissions in Kubernetes the provider grants.
pub const SPARK_APPLICATION: &str = "spark_application";
/// The batch engine that creates Kubernetes Jobs, with permissions that the user grants.
pub const KUBERNETES_ENGINE: &str = "k8s";
/// Keys of the Secrets for OpenLineage.
pub const API_KEY: &str = "api_key";
pub const CONNECTION_STRING: &str = "connection_string";
/// The path at which a lineage server receives events.
pub const LINEAGE_PATH: &str = "api/v1/lineage";
/// Environment variable of the MLflow client: how to authenticate.
pub const MLFLOW_TRACKING_AUTH: &str = "MLFLOW_TRACKING_AUTH";
/// The value of [`MLFLOW_TRACKING_AUTH`] that the Feast operator sets by default.
pub const OPERATOR_TRACKING_AUTH: &str = "kubernetes-namespaced";
/// The setting of a registry that lets servers serve a feature view while it is materialized.
pub const SERVE_WHILE_MATERIALIZING: &str = "serve_features_while_materializing";
/// Settings of MLflow without an attribute that must be numbers.
pub const MLFLOW_NUMBERS: [&str; 2] = ["request_timeout", "max_retries"];

pub const INIT_CONTAINER: &str = "feast-init";
pub const APPLY_CONTAINER: &str = "feast-apply";

/// Label of the pods of the `feast apply` Job and of the CronJob: the name of the feature store. With [`NAME_LABEL`],
/// they would be endpoints of its Services.
pub const JOB_LABEL: &str = "feast.dev/job-of";
/// Annotation of the Deployment: the hash of the configuration that `feast apply` has applied.
pub const APPLIED_ANNOTATION: &str = "feast.dev/applied";
/// Label of a Job that runs a command of Feast on request: the command without `feast`. Such a Job belongs to no apply,
/// so it has no [`NAME_LABEL`].
pub const COMMAND_LABEL: &str = "feast.dev/command";
/// Pod annotation with the time of the last restart on request: that of `kubectl rollout restart`.
pub const RESTARTED_ANNOTATION: &str = "kubectl.kubernetes.io/restartedAt";
/// Service types of the `feast apply` Job and of the CronJob.
pub const APPLY_SERVICE_TYPE: &str = "apply";
pub const CRON_JOB_SERVICE_TYPE: &str = "cronjob";
/// Service type of the NetworkPolicy of the pods of Jobs.
pub const JOBS_SERVICE_TYPE: &str = "jobs";
/// Environment variable of the servers of a protected project.
pub const PROTECTED_PROJECT: &str = "FEAST_PROTECTED_PROJECT";
/// Environment variable with the path of `feature_store.yaml`, if none is linked into the repository.
pub const FEATURE_STORE_YAML_PATH: &str = "FEAST_FS_YAML_FILE_PATH";
/// Default directory of the feature definitions in a project.
pub const FEATURE_REPOSITORY: &str = "feature_repo";
/// Default image of the CronJob, which has `kubectl`.
pub const CRON_JOB_IMAGE: &str = "quay.io/openshift/origin-cli:4.17";
/// Number of characters of a hash in an object name.
const SHORT_HASH: usize = 8;

/// Node labels that define the domains for spreading pods.
pub const HOST_TOPOLOGY: &str = "kubernetes.io/hostname";
pub const ZONE_TOPOLOGY: &str = "topology.kubernetes.io/zone";

/// The ports of DNS pods: the usual one, and that of OpenShift, whose Service maps 53 to it. A NetworkPolicy applies to
/// the ports of pods.
pub const DNS_PORTS: [i32; 2] = [53, 5353];
/// The port of every Service, without and with TLS.
pub const SERVICE_PORT: i32 = 80;
pub const SERVICE_PORT_NAME: &str = "http";
pub const TLS_SERVICE_PORT: i32 = 443;
pub const TLS_SERVICE_PORT_NAME: &str = "https";
/// Default keys of a Secret with a certificate: those of the type `kubernetes.io/tls`.
pub const TLS_CERTIFICATE_KEY: &str = "tls.crt";
pub const TLS_PRIVATE_KEY_KEY: &str = "tls.key";
/// The attribute that asks for certificates of OpenShift.
pub const SERVING_CERTIFICATES: &str = "services.openshift.serving_certificates";
/// Annotation of a Service: the Secret in which the service CA of OpenShift stores a certificate for it.
pub const SERVING_CERTIFICATE_ANNOTATION: &str =
    "service.beta.openshift.io/serving-cert-secret-name";
/// Annotations of a Service for which the service CA of OpenShift could not issue a certificate: the reason.
pub const SERVING_CERTIFICATE_ERROR_ANNOTATION: &str =
    "service.beta.openshift.io/serving-cert-generation-error";
/// Annotation of a ConfigMap whose data the service CA of OpenShift replaces by its certificate.
pub const INJECT_CA_ANNOTATION: &str = "service.beta.openshift.io/inject-cabundle";
/// The key of the certificate in that ConfigMap.
pub const SERVICE_CA_KEY: &str = "service-ca.crt";
/// The port of the REST API on the Service of the gRPC API, whose certificate both use.
pub const SHARED_REST_PORT: i32 = 6573;
pub const SHARED_REST_PORT_NAME: &str = "https-rest";
/// The directory that has a subdirectory for the certificate of each server.
pub const TLS_DIRECTORY: &str = "/tls";
/// The port of the online server's metrics, in its pod and on its Service.
pub const METRICS_PORT: i32 = 8000;
pub const METRICS_PORT_NAME: &str = "metrics";
pub const METRICS_PATH: &str = "/metrics";

/// A part of the feature store with persistence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeastService {
    Online,
    Offline,
    Registry,
}

impl FeastService {
    /// Returns the value of the service type label, and the suffix of object names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Registry => "registry",
        }
    }

    /// Returns the name for use in messages.
    pub fn display_name(self) -> &'static str {
        match self {
            Self::Online => "online store",
            Self::Offline => "offline store",
            Self::Registry => "registry",
        }
    }

    /// Returns the default storage request of a PVC.
    pub fn default_storage(self) -> &'static str {
        match self {
            Self::Offline => "20Gi",
            Self::Online | Self::Registry => "5Gi",
        }
    }

    /// Returns the default file name.
    pub fn default_file(self) -> &'static str {
        match self {
            Self::Online => "online_store.db",
            Self::Registry => "registry.db",
            Self::Offline => "",
        }
    }
}

/// A server. The order is that in which the Feast operator merges their settings. All servers except the lineage server
/// are containers of the same pods.
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

    /// Returns the name of the container, and the value of the service type label.
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

    /// Returns the name for use in messages.
    pub fn display_name(self) -> &'static str {
        match self {
            Self::Registry => "registry server",
            Self::Offline => "offline server",
            Self::Online => "online server",
            Self::Ui => "web UI",
            Self::Lineage => "lineage server",
        }
    }

    /// Returns the volume of the certificate.
    pub fn tls_volume(self) -> String {
        format!("{}-tls", self.as_str())
    }

    /// Returns the mount path of the certificate.
    pub fn tls_directory(self) -> String {
        format!("{TLS_DIRECTORY}/{}/", self.as_str())
    }

    /// Returns the path of a key of the certificate's Secret.
    pub fn tls_file(self, key: &str) -> String {
        format!("{}{key}", self.tls_directory())
    }
}

/// An address that a server listens on, which has its own Kubernetes Service.
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

    /// Returns the server that listens on the address.
    pub fn server(self) -> ServerKind {
        match self {
            Self::Online => ServerKind::Online,
            Self::Offline => ServerKind::Offline,
            Self::RegistryGrpc | Self::RegistryRest => ServerKind::Registry,
            Self::Ui => ServerKind::Ui,
            Self::Lineage => ServerKind::Lineage,
        }
    }

    /// Returns the name of the container port, and the suffix of the Service's name.
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

    /// Returns the port that the server listens on.
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

    /// Returns the name in the attribute `endpoints`.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Online => "online_store",
            Self::Offline => "offline_store",
            Self::RegistryGrpc => "registry",
            Self::RegistryRest => "registry_rest",
            Self::Ui => "ui",
            Self::Lineage => "lineage",
        }
    }

    /// Returns the endpoint with this name in the attribute `endpoints`.
    pub fn of_attribute(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|endpoint| endpoint.attribute() == name)
    }

    /// Returns whether its protocol is gRPC: that of the offline server is Arrow Flight, which is based on it.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Offline | Self::RegistryGrpc)
    }

    /// Returns the `appProtocol` of the Service port, for service meshes and gateways.
    pub fn app_protocol(self) -> Option<&'static str> {
        (self == Self::RegistryGrpc).then_some("grpc")
    }
}

/// Returns the name of objects that exist once: Deployment, ServiceAccount, Secret, HorizontalPodAutoscaler.
pub fn main(store: &str) -> String {
    format!("feast-{store}")
}

/// Returns the name of the lineage server's Deployment.
pub fn lineage(store: &str) -> String {
    service(store, Endpoint::Lineage)
}

/// Returns the value of [`NAME_LABEL`] on the lineage server's pods, so that selectors of the other pods do not match
/// them.
pub fn lineage_label(store: &str) -> String {
    format!("{store}-{}", ServerKind::Lineage.as_str())
}

/// Returns the names of the ClusterRoleBindings that the Feast operator creates for feature stores of this name in all
/// namespaces.
pub fn operators_cluster_bindings(store: &str) -> [String; 2] {
    ["cluster-binding", "oidc-token-review"].map(|suffix| format!("feast-{store}-{suffix}"))
}

/// Returns the name of the ClusterRole and ClusterRoleBinding. `:` cannot be in the names of namespaces and feature
/// stores, so the name is unique in the cluster.
pub fn token_review(store: &str, namespace: &str) -> String {
    format!("feast:{namespace}:{store}:token-review")
}

/// Returns the name of the Role and RoleBinding for servers that start batch jobs.
pub fn batch_engine(store: &str) -> String {
    format!("feast-{store}-batch-engine")
}

/// Returns the name of the Role, RoleBinding and ServiceAccount for the driver of a batch job.
pub fn batch_driver(store: &str) -> String {
    format!("feast-{store}-batch-driver")
}

/// Returns the name of the ConfigMap with the certificate of OpenShift's service CA.
pub fn service_ca(store: &str) -> String {
    format!("feast-{store}-service-ca")
}

/// Returns the name of the Secret with the certificate that OpenShift issues for the Service of an endpoint.
pub fn serving_certificate(store: &str, endpoint: Endpoint) -> String {
    format!("{}-tls", service(store, endpoint))
}

/// Returns the name of the ConfigMap for clients.
pub fn client(store: &str) -> String {
    format!("feast-{store}-client")
}

/// Returns the names of volumes that are reserved for the provider, whether or not the volume exists.
pub fn own_volumes(store: &str) -> Vec<String> {
    let fixed = [
        CONFIGURATION_VOLUME,
        CA_CERT_VOLUME,
        DATA_VOLUME,
        SCRATCH_VOLUME,
        SSH_VOLUME,
        GIT_CA_VOLUME,
    ]
    .map(str::to_owned);
    let certificates = ServerKind::ALL.map(ServerKind::tls_volume);
    let pvcs = [
        FeastService::Online,
        FeastService::Offline,
        FeastService::Registry,
    ]
    .map(|service| pvc(store, service));
    fixed.into_iter().chain(certificates).chain(pvcs).collect()
}

/// Returns the name of the NetworkPolicy of the servers' pods. Every policy has a suffix, so that those of another
/// feature store have other names.
pub fn servers_policy(store: &str) -> String {
    format!("feast-{store}-servers")
}

/// Returns the name of the NetworkPolicy of the pods of Jobs.
pub fn jobs_policy(store: &str) -> String {
    format!("feast-{store}-jobs")
}

/// Returns the name of the CronJob's ServiceAccount, Role and RoleBinding.
pub fn cron_job(store: &str) -> String {
    format!("feast-{store}-cronjob")
}

/// Returns the name of the CronJob's container for the command at this index.
pub fn cron_job_container(index: usize) -> String {
    format!("feast-{index}")
}

/// Returns the name of the `feast apply` Job without the hash. The name of the feature store is truncated if it
/// is too long.
pub fn feast_apply_job_prefix(store: &str) -> String {
    let room = DNS_LABEL_LENGTH - "feast--apply-".len() - SHORT_HASH;
    let store: String = store.chars().take(room).collect();
    format!("feast-{}-apply", store.trim_end_matches('-'))
}

/// Returns the name of the `feast apply` Job for a configuration with this hash.
pub fn feast_apply_job(store: &str, hash: &str) -> String {
    let hash: String = hash.chars().take(SHORT_HASH).collect();
    format!("{}-{hash}", feast_apply_job_prefix(store))
}

/// Returns the name of a Job that runs a command on request. `id` makes it unique. The name of the feature store is
/// truncated if it is too long.
pub fn command_job(store: &str, command: &str, id: &str) -> String {
    let room = DNS_LABEL_LENGTH - "feast--run--".len() - command.len() - id.len();
    let store: String = store.chars().take(room).collect();
    format!("feast-{}-run-{command}-{id}", store.trim_end_matches('-'))
}

/// Returns the name of the Kubernetes Service of an endpoint.
pub fn service(store: &str, endpoint: Endpoint) -> String {
    format!("feast-{store}-{}", endpoint.as_str())
}

/// Returns the port of a Service.
pub fn service_port(tls: bool) -> i32 {
    if tls { TLS_SERVICE_PORT } else { SERVICE_PORT }
}

/// Returns the name of the port of a Service.
pub fn service_port_name(tls: bool) -> &'static str {
    if tls {
        TLS_SERVICE_PORT_NAME
    } else {
        SERVICE_PORT_NAME
    }
}

/// Returns the host name of an endpoint inside the cluster.
pub fn host(store: &str, namespace: &str, endpoint: Endpoint) -> String {
    format!("{}.{namespace}.svc.cluster.local", service(store, endpoint))
}

/// Returns the name of the PVC that is created for a service, and of the volume for whichever PVC the service uses.
pub fn pvc(store: &str, service: FeastService) -> String {
    format!("feast-{store}-{}", service.as_str())
}
