//! A feature store on the node, made by Terraform: online store and registry in PostgreSQL, definitions in the image.

use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio_rustls::TlsConnector;

use crate::real_node::lab::{self, Lab, PASSWORD};
use crate::real_node::load::{SERVER_NAME, Target};
use crate::support::node::REPOSITORY;
use crate::support::node::redis::ADDRESS as REDIS;
use crate::support::terraform::{Run, Terraform};
use crate::support::testbed::{Namespace, Progress, Tool, tools};

pub struct Store {
    pub terraform: Terraform,
    pub namespace: Namespace,
    pub lab: &'static Lab,
    /// The type of the online store.
    online_store: &'static str,
    /// The CPU request of the online server.
    cpu: &'static str,
    /// The certificates of the online server, if it has TLS.
    certificates: Option<Certificates>,
}

/// A certificate and its renewal. Clients trust both.
struct Certificates([CertifiedKey<KeyPair>; 2]);

impl Certificates {
    fn generate() -> Self {
        Self([(); 2].map(|()| generate_simple_self_signed([SERVER_NAME.to_owned()]).unwrap()))
    }

    fn connector(&self) -> TlsConnector {
        let mut trusted = RootCertStore::empty();
        for certified in &self.0 {
            trusted.add(certified.cert.der().clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config
            .unwrap()
            .with_root_certificates(trusted)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

impl Store {
    /// Creates a store with these `services`, and materializes its features.
    pub fn create(name: &str, services: &str) -> Self {
        Self::started(Self::new(name), services)
    }

    /// The same, with another type of online store (`redis`) and another CPU request.
    pub fn create_with(
        name: &str,
        online_store: &'static str,
        cpu: &'static str,
        services: &str,
    ) -> Self {
        let mut store = Self::new(name);
        store.online_store = online_store;
        store.cpu = cpu;
        Self::started(store, services)
    }

    /// The same, with TLS for the online server.
    pub fn create_with_tls(name: &str, services: &str) -> Self {
        let mut store = Self::new(name);
        store.certificates = Some(Certificates::generate());
        store.write_certificate(0);
        Self::started(store, services)
    }

    /// Applies this configuration to a new store, and materializes its features.
    pub fn started(store: Self, services: &str) -> Self {
        store.configure(services);
        store.apply();
        store.materialize();
        store
    }

    pub fn new(name: &str) -> Self {
        let lab = lab::lab();
        let namespace = lab.cluster.namespace(name).unwrap();
        let tools = tools::ensure(&[Tool::Terraform], Progress::stderr()).unwrap();
        let provider = env!("CARGO_BIN_EXE_terraform-provider-feast").as_ref();
        let terraform = Terraform::new(tools.path(Tool::Terraform).unwrap(), provider).unwrap();
        let store = Self {
            terraform,
            namespace,
            lab,
            online_store: "postgres",
            cpu: "100m",
            certificates: None,
        };
        store.write_secret(10);
        store
    }

    /// Writes the Secret with the connection parameters.
    pub fn write_secret(&self, max_connections: u32) {
        let (lab, namespace) = (self.lab, &self.namespace);
        let host = &lab.postgres.host;
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "feast-data-stores", "namespace": namespace.name()},
            "stringData": {
                "postgres": format!(
                    "host: {host}\nport: 5432\ndatabase: feast\nuser: feast\npassword: {PASSWORD}\nsslmode: disable\n\
                     db_schema: {}\nconn_type: pool\nmax_conn: {max_connections}\n",
                    namespace.name().replace('-', "_")
                ),
                "redis": format!("connection_string: {REDIS},password={PASSWORD}\n"),
                "sql": format!(
                    "path: postgresql+psycopg://feast:{PASSWORD}@{host}:5432/feast\ncache_ttl_seconds: 5\n\
                     sqlalchemy_config_kwargs:\n  pool_pre_ping: true\n"
                ),
            },
        });
        lab.cluster.apply(&manifest.to_string()).unwrap();
    }

    /// Writes the Secret with the first certificate, or the second.
    pub fn write_certificate(&self, number: usize) {
        let Certificates(certificates) = self.certificates.as_ref().unwrap();
        let CertifiedKey { cert, signing_key } = &certificates[number];
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "feast-certificate", "namespace": self.namespace.name()},
            "stringData": {"tls.crt": cert.pem(), "tls.key": signing_key.serialize_pem()},
        });
        self.lab.cluster.apply(&manifest.to_string()).unwrap();
    }

    /// Writes the configuration with these `services` beside the stores.
    pub fn configure(&self, services: &str) {
        let project = self.namespace.name().replace('-', "_");
        let attributes = format!(
            "feast_project_dir = {{ packaged = {{ feature_repo_path = {REPOSITORY:?} }} }}"
        );
        let (online_store, cpu) = (self.online_store, self.cpu);
        let tls = match self.certificates {
            Some(_) => "tls = { secret_ref = { name = \"feast-certificate\" } }",
            None => "",
        };
        let services = format!(
            r#"{services}
    online_store = {{
      server = {{
        resources = {{ requests = {{ cpu = {cpu:?} }} }}
        {tls}
      }}
      persistence = {{ store = {{ type = {online_store:?}, secret_ref = {{ name = "feast-data-stores" }} }} }}
    }}
    offline_store = {{
      persistence = {{ store = {{ type = "postgres", secret_ref = {{ name = "feast-data-stores" }} }} }}
    }}
    registry = {{
      local = {{ persistence = {{ store = {{ type = "sql", secret_ref = {{ name = "feast-data-stores" }} }} }} }}
    }}"#
        );
        self.write(&project, &attributes, &services);
    }

    /// Writes the configuration with this project, attributes and `services`.
    pub fn write(&self, project: &str, attributes: &str, services: &str) {
        let kubeconfig = self.lab.cluster.kubeconfig().display().to_string();
        let namespace = self.namespace.name();
        let configuration = format!(
            r#"
terraform {{
  required_providers {{
    feast = {{ source = "feast-dev/feast" }}
  }}
}}

provider "feast" {{
  config_path = {kubeconfig:?}
}}

resource "feast_feature_store" "demo" {{
  name          = "demo"
  namespace     = {namespace:?}
  feast_project = {project:?}
  {attributes}
  services = {{
    {services}
  }}
}}
"#
        );
        self.terraform.write("main.tf", &configuration).unwrap();
    }

    pub fn configure_and_apply(&self, services: &str) {
        self.configure(services);
        self.apply();
    }

    #[track_caller]
    pub fn apply(&self) -> Run {
        self.terraform.apply().unwrap().expect_success()
    }

    /// Waits until the Deployment is rolled out.
    pub fn wait_for_rollout(&self) {
        let status = [
            "rollout",
            "status",
            "deployment/feast-demo",
            "--timeout=300s",
        ];
        self.namespace.kubectl(&status).unwrap();
    }

    /// Puts the features into the online store.
    pub fn materialize(&self) {
        let until = "feast materialize-incremental $(date -u +%Y-%m-%dT%H:%M:%S)";
        let command = [
            "exec",
            "deployment/feast-demo",
            "--container=online",
            "--",
            "bash",
            "-c",
            until,
        ];
        self.namespace.kubectl(&command).unwrap();
    }

    /// Returns the Service of the online server.
    pub fn target(&self) -> Target {
        let service = self
            .namespace
            .json(&["get", "service", "feast-demo-online"])
            .unwrap();
        let spec = &service["spec"];
        Target {
            address: format!(
                "{}:{}",
                spec["clusterIP"].as_str().unwrap(),
                spec["ports"][0]["port"]
            ),
            tls: self.certificates.as_ref().map(Certificates::connector),
        }
    }

    /// Destroys the store, and checks that nothing of it is left.
    pub fn destroy(self) {
        self.terraform.destroy().unwrap().expect_success();
        let selector = "--selector=app.kubernetes.io/managed-by=feast";
        let left =
            self.namespace
                .kubectl(&["get", "all,secrets,configmaps", selector, "--output=name"]);
        assert_eq!(left.unwrap(), "");
    }
}
