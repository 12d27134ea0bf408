//! A feature store on the node, made by Terraform: online store and registry in PostgreSQL, definitions in the image.

use serde_json::json;

use crate::real_node::lab::{self, Lab, PASSWORD};
use crate::support::node::REPOSITORY;
use crate::support::terraform::{Run, Terraform};
use crate::support::testbed::{Namespace, Progress, Tool, tools};

pub struct Store {
    pub terraform: Terraform,
    pub namespace: Namespace,
    pub lab: &'static Lab,
}

impl Store {
    /// Creates a store with these `services`, and materializes its features.
    pub fn create(name: &str, services: &str) -> Self {
        let store = Self::new(name);
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
                "sql": format!(
                    "path: postgresql+psycopg://feast:{PASSWORD}@{host}:5432/feast\ncache_ttl_seconds: 5\n\
                     sqlalchemy_config_kwargs:\n  pool_pre_ping: true\n"
                ),
            },
        });
        lab.cluster.apply(&manifest.to_string()).unwrap();
    }

    /// Writes the configuration with these `services` beside the stores.
    pub fn configure(&self, services: &str) {
        let kubeconfig = self.lab.cluster.kubeconfig().display().to_string();
        let (namespace, project) = (
            self.namespace.name(),
            self.namespace.name().replace('-', "_"),
        );
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
  name              = "demo"
  namespace         = {namespace:?}
  feast_project     = {project:?}
  feast_project_dir = {{ packaged = {{ feature_repo_path = {REPOSITORY:?} }} }}
  services = {{
    {services}
    online_store = {{
      server      = {{ resources = {{ requests = {{ cpu = "100m" }} }} }}
      persistence = {{ store = {{ type = "postgres", secret_ref = {{ name = "feast-data-stores" }} }} }}
    }}
    offline_store = {{
      persistence = {{ store = {{ type = "postgres", secret_ref = {{ name = "feast-data-stores" }} }} }}
    }}
    registry = {{
      local = {{ persistence = {{ store = {{ type = "sql", secret_ref = {{ name = "feast-data-stores" }} }} }} }}
    }}
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

    /// The address of the online server's Service, `10.96.…:80`.
    pub fn address(&self) -> String {
        let service = self
            .namespace
            .json(&["get", "service", "feast-demo-online"])
            .unwrap();
        let spec = &service["spec"];
        format!(
            "{}:{}",
            spec["clusterIP"].as_str().unwrap(),
            spec["ports"][0]["port"]
        )
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
