//! A feature store under test: a namespace with the Secret of the stores, and Terraform or OpenTofu with a
//! configuration for it.

use std::time::Duration;

use serde_json::Value as Json;
use terraform_provider_feast::kubernetes::Kind;
use terraform_provider_feast::kubernetes::kind::{KindInfo, Scope};

use crate::lifecycle::lab;
use crate::support::terraform::{Exit, Plan, Run, Terraform};
use crate::support::testbed::cluster::eventually;
use crate::support::testbed::{Error, Namespace, Result, Tool};

/// The password in the Secret of the stores. Only the provider's own Secret can also contain it.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// Online store and registry in databases, as several replicas require.
pub const DATABASES: &str = r#"
    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server      = { resources = { requests = { cpu = "100m" } } }
    }
    registry = {
      local = { persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } } }
    }
"#;

/// The required providers, the variables and the provider block of [`configuration`]. The cluster and the namespace are
/// variables.
pub const PROVIDER_BLOCK: &str = r#"
terraform {
  required_providers {
    feast = { source = "feast-dev/feast" }
  }
}

variable "kubeconfig" { type = string }
variable "namespace" { type = string }

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}
"#;

pub struct StoreUnderTest {
    pub terraform: Terraform,
    pub namespace: Namespace,
}

impl StoreUnderTest {
    /// Creates a store with Terraform.
    pub fn new(name: &str) -> Self {
        Self::with(lab::terraform(Tool::Terraform), name)
    }

    pub fn with(terraform: Terraform, name: &str) -> Self {
        Self::on(terraform, lab::namespace(name))
    }

    pub fn on(mut terraform: Terraform, namespace: Namespace) -> Self {
        make_store_secret(&namespace, PASSWORD);
        let kubeconfig = namespace.cluster().kubeconfig().display().to_string();
        set_variables(&mut terraform, &kubeconfig, namespace.name());
        Self {
            terraform,
            namespace,
        }
    }

    /// Creates another working folder for the same namespace, with an empty state and no configuration.
    pub fn another_folder(&self, tool: Tool) -> Terraform {
        let kubeconfig = self.namespace.cluster().kubeconfig().display().to_string();
        self.another_folder_with(tool, &kubeconfig)
    }

    /// The same as [`StoreUnderTest::another_folder`], with the path of another kubeconfig.
    pub fn another_folder_with(&self, tool: Tool, kubeconfig: &str) -> Terraform {
        let mut terraform = lab::terraform(tool);
        set_variables(&mut terraform, kubeconfig, self.namespace.name());
        terraform
    }

    /// Writes the content of another kubeconfig, which the following commands use.
    pub fn use_kubeconfig(&mut self, text: &str) {
        self.terraform.write("kubeconfig", text).unwrap();
        let path = self.terraform.folder().join("kubeconfig");
        self.terraform
            .environment("TF_VAR_kubeconfig", &path.display().to_string());
    }

    /// Writes a configuration of the store `demo` with these `services`.
    pub fn configure(&self, services: &str) {
        self.configure_all(services, "");
    }

    /// The same as [`StoreUnderTest::configure`], with additional attributes of the resource.
    pub fn configure_all(&self, services: &str, attributes: &str) {
        self.terraform
            .write("main.tf", &configuration(services, attributes))
            .unwrap();
    }

    /// Applies these services with pods that cannot start, and checks that the rollout fails.
    #[track_caller]
    pub fn fail_to_roll_out(&self, services: &str, attributes: &str) -> Run {
        let failing = r#"pod_annotations = { "testbed.feast.dev/fail" = "InvalidImageName" }"#;
        self.configure_all(&format!("{failing}\n{services}"), attributes);
        let run = self.terraform.apply().unwrap();
        assert_eq!(run.status, Some(1), "{run}");
        let summary = "The rollout did not finish";
        assert!(run.error_messages().contains(summary), "{run}");
        run
    }

    /// Applies, and checks that the plan is empty afterwards.
    #[track_caller]
    pub fn apply(&self) -> Run {
        let run = self.terraform.apply().unwrap().expect_success();
        self.expect_empty_plan();
        run
    }

    #[track_caller]
    pub fn expect_empty_plan(&self) {
        let plan = self.terraform.plan().unwrap();
        assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    }

    /// Checks that the refresh of a plan does not change the state.
    #[track_caller]
    pub fn expect_no_resource_drift(&self) {
        let plan = self.terraform.plan_with(&["-refresh-only"]).unwrap();
        assert_ne!(plan.exit, Exit::Failed, "{}", plan.run);
        assert_eq!(plan.json["resource_drift"], Json::Null, "{}", plan.run);
    }

    /// Plans, and checks that the plan has changes.
    #[track_caller]
    pub fn plan_with_changes(&self) -> Plan {
        let plan = self.terraform.plan().unwrap();
        assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
        plan
    }

    /// Destroys, and checks that the namespace has no object of the store.
    #[track_caller]
    pub fn destroy(&self) {
        self.terraform.destroy().unwrap().expect_success();
        assert_eq!(self.objects(), Vec::<String>::new());
    }

    /// Returns the names of every object of [`StoreUnderTest::live_objects`] as kubectl prints them, such as
    /// `deployment.apps/feast-demo`.
    pub fn objects(&self) -> Vec<String> {
        let objects = self.live_objects().unwrap();
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let names = objects.iter().map(|object| {
            let kind = text(&object["kind"]).to_lowercase();
            let name = text(&object["metadata"]["name"]);
            match text(&object["apiVersion"]).split_once('/') {
                Some((group, _)) => format!("{kind}.{group}/{name}"),
                None => format!("{kind}/{name}"),
            }
        });
        names.collect()
    }

    /// Returns every object with the provider's label: those in the namespace, including pods, and the cluster-scoped
    /// objects whose label `feast.dev/namespace` names it.
    pub fn live_objects(&self) -> Result<Vec<Json>> {
        let definitions = self.namespace.cluster().definitions();
        let kinds = Kind::ALL.iter().copied();
        let served = kinds
            .filter(|kind| !kind.is_custom() || definitions.contains(resource(*kind).as_str()));
        let served: Vec<String> = served.map(resource).collect();
        let resources = format!("{},pods", served.join(","));
        let selector = "--selector=app.kubernetes.io/managed-by=feast";
        let list = match self.namespace.json(&["get", &resources, selector]) {
            // Another test has removed a definition since then.
            Err(error)
                if is_unserved(&error) && self.namespace.cluster().definitions() != definitions =>
            {
                return self.live_objects();
            }
            result => result?,
        };
        let namespace = self.namespace.name();
        let objects = list["items"].as_array().into_iter().flatten();
        let ours = objects.filter(|object| {
            let metadata = &object["metadata"];
            metadata["namespace"] == namespace
                || metadata["labels"]["feast.dev/namespace"] == namespace
        });
        Ok(ours.cloned().collect())
    }

    /// Patches an object (`kind/name`) as another manager.
    pub fn patch(&self, object: &str, patch: &str) {
        let arguments = ["patch", object, "--type=merge", "--patch", patch];
        self.namespace.kubectl(&arguments).unwrap();
    }

    pub fn deployment(&self) -> Json {
        self.namespace
            .json(&["get", "deployment", "feast-demo"])
            .unwrap()
    }

    pub fn replicas(&self) -> u64 {
        self.deployment()["spec"]["replicas"].as_u64().unwrap()
    }

    /// Returns the image of the first server of the live Deployment.
    pub fn image(&self) -> String {
        let deployment = self.deployment();
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        image.as_str().unwrap().to_owned()
    }

    /// Returns (min, max) of the autoscaler, if there is one.
    pub fn autoscaler(&self) -> Option<(u64, u64)> {
        let hpas = self.namespace.json(&["get", "hpa"]).unwrap();
        let spec = &hpas["items"].as_array().unwrap().first()?["spec"];
        Some((
            spec["minReplicas"].as_u64().unwrap(),
            spec["maxReplicas"].as_u64().unwrap(),
        ))
    }

    pub fn strategy(&self) -> String {
        let deployment = self.deployment();
        let strategy = &deployment["spec"]["strategy"]["type"];
        strategy.as_str().unwrap().to_owned()
    }

    /// Returns the attributes of the resource in the state.
    pub fn state(&self) -> Json {
        let state = self.terraform.state_json().unwrap();
        state["values"]["root_module"]["resources"][0]["values"].clone()
    }
}

/// Returns the resources of the kinds of object that a feature store has in its namespace in every cluster, for kubectl.
pub fn kinds() -> String {
    let kinds = Kind::ALL.iter().copied();
    let kinds = kinds.filter(|kind| !kind.is_custom() && kind.scope() == Scope::Namespace);
    kinds.map(resource).collect::<Vec<_>>().join(",")
}

/// Returns the resource of a kind of object for kubectl, such as `deployments.apps`.
fn resource(kind: Kind) -> String {
    let KindInfo { group, plural, .. } = kind.info();
    match group {
        "" => plural.to_owned(),
        group => format!("{plural}.{group}"),
    }
}

/// Returns whether kubectl failed because the API server does not serve a resource.
fn is_unserved(error: &Error) -> bool {
    let text = error.to_string();
    let messages = [
        "the server doesn't have a resource type",
        "the server could not find the requested resource",
    ];
    messages.iter().any(|message| text.contains(message))
}

/// Sets the variables of [`PROVIDER_BLOCK`].
pub fn set_variables(terraform: &mut Terraform, kubeconfig: &str, namespace: &str) {
    terraform
        .environment("TF_VAR_kubeconfig", kubeconfig)
        .environment("TF_VAR_namespace", namespace);
}

/// Returns [`DATABASES`] with these additional attributes of the online server.
pub fn databases_with(server: &str) -> String {
    let text = DATABASES.replace("server      = {", &format!("server = {{ {server},"));
    assert_ne!(text, DATABASES);
    text
}

/// Returns the configuration with these additional attributes in the provider block.
pub fn with_provider(configuration: &str, attributes: &str) -> String {
    let text = configuration.replace(
        "namespace   = var.namespace\n}",
        &format!("namespace   = var.namespace\n  {attributes}\n}}"),
    );
    assert_ne!(text, configuration);
    text
}

/// Returns a configuration whose plans check what the cluster would refuse.
pub fn with_preflight(configuration: &str) -> String {
    with_provider(configuration, "preflight   = true")
}

/// Returns the configuration of a store `demo`: the [`PROVIDER_BLOCK`] and the resource.
pub fn configuration(services: &str, attributes: &str) -> String {
    format!(
        r#"{PROVIDER_BLOCK}
resource "feast_feature_store" "demo" {{
  name          = "demo"
  feast_project = "demo"
  {attributes}
  services = {{
    {services}
  }}
}}
"#
    )
}

/// Creates or replaces the user's Secret with the connection parameters.
pub fn make_store_secret(namespace: &Namespace, password: &str) {
    let postgres = format!(
        "host: postgres.databases.svc\nport: 5432\ndatabase: feast\nuser: feast\npassword: {password}\n"
    );
    let redis = format!("connection_string: redis.databases.svc:6379,password={password}\n");
    let sql =
        format!("path: postgresql+psycopg://feast:{password}@postgres.databases.svc:5432/feast\n");
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "feast-data-stores", "namespace": namespace.name()},
        "stringData": {"postgres": postgres, "redis": redis, "sql": sql},
    });
    namespace.cluster().apply(&secret.to_string()).unwrap();
}

/// Waits until `ask` returns a value. Panics with `what` at the timeout.
#[track_caller]
pub fn until<T>(what: &str, seconds: u64, ask: impl FnMut() -> Option<T>) -> T {
    let timeout = Duration::from_secs(seconds);
    let every = Duration::from_millis(500);
    eventually(what, timeout, every, ask).unwrap_or_else(|error| panic!("{error}"))
}
