//! The shared folder, Python environment and PostgreSQL of the tests. Each is created when the first test needs it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use serde_json::Value as Json;
use terraform_provider_feast::feast::config::FeatureStore;
use terraform_provider_feast::feast::objects::Objects;
use terraform_provider_feast::feast::render::render;
use terraform_provider_feast::feast::rules;
use terraform_provider_feast::feast::secrets::resolve::{self, Resolved};
use terraform_provider_feast::feast::secrets::source::Contents;
use terraform_provider_feast::feast::spec::{Defaults, Store};
use terraform_provider_feast::kubernetes::{Key, Kind};

use crate::support::feast::{Pod, PodEnvironment, Postgres, Python, Secrets};
use crate::support::testbed::{Progress, Result, TestRun};

static RUN: OnceLock<std::result::Result<TestRun, String>> = OnceLock::new();
static PYTHON: OnceLock<std::result::Result<Python, String>> = OnceLock::new();
static PREVIOUS: OnceLock<std::result::Result<Python, String>> = OnceLock::new();
static MLFLOW: OnceLock<std::result::Result<Python, String>> = OnceLock::new();
static POSTGRES: OnceLock<std::result::Result<Postgres, String>> = OnceLock::new();

fn shared<T>(
    cell: &'static OnceLock<std::result::Result<T, String>>,
    make: impl FnOnce() -> Result<T>,
) -> &'static T {
    match cell.get_or_init(|| make().map_err(|error| error.to_string())) {
        Ok(made) => made,
        Err(error) => panic!("{error}"),
    }
}

fn run() -> &'static TestRun {
    shared(&RUN, TestRun::start)
}

pub fn python() -> &'static Python {
    shared(&PYTHON, || Python::ensure(Progress::stderr()))
}

/// Returns the environment with the previous release of Feast.
pub fn previous_feast() -> &'static Python {
    shared(&PREVIOUS, || python().previous_feast(Progress::stderr()))
}

/// Returns the environment with MLflow.
pub fn mlflow() -> &'static Python {
    shared(&MLFLOW, || python().with_mlflow(Progress::stderr()))
}

pub fn postgres() -> &'static Postgres {
    shared(&POSTGRES, || Postgres::start(run(), python()))
}

/// Starts a PostgreSQL for one test, which can restart and must stop it.
pub fn own_postgres() -> &'static Postgres {
    let postgres = Postgres::start(run(), python()).unwrap_or_else(|error| panic!("{error}"));
    Box::leak(Box::new(postgres))
}

/// Restarts a PostgreSQL, which is stopped for `pause` and ready when this returns.
pub fn restart(postgres: &Postgres, pause: Duration) {
    let restarted = postgres.restart(run(), pause);
    restarted.unwrap_or_else(|error| panic!("{error}"));
}

/// Returns a new folder, which is deleted at the end of the run.
pub fn folder(name: &str) -> PathBuf {
    let folder = run().folder(name);
    folder.unwrap_or_else(|error| panic!("{error}"))
}

pub fn stop() {
    if let Some(Ok(run)) = RUN.get() {
        run.stop();
    }
}

/// A feature store as an apply would create it, and an environment for its pods.
pub struct FeatureStoreInCluster {
    pub environment: PodEnvironment<'static>,
    pub deployment: Deployment,
    pub objects: Objects<Resolved>,
}

/// Processes the configuration as an apply does. `secrets` are the user's.
pub fn feature_store(
    configuration: &Json,
    secrets: &Secrets,
    postgres: Option<&'static Postgres>,
) -> FeatureStoreInCluster {
    let (store, objects) = resolve(configuration, secrets);
    let name = format!("feast-{}", store.name);
    let mut environment =
        PodEnvironment::new(run(), python(), postgres).unwrap_or_else(|e| panic!("{e}"));
    environment.secrets = secrets.clone();
    let own = &objects.manifests[&Key::new(Kind::Secret, name.as_str())];
    environment.secrets.insert(name.clone(), decoded(own));
    let deployment = &objects.manifests[&Key::new(Kind::Deployment, name)];
    FeatureStoreInCluster {
        environment,
        deployment: serde_json::from_value(deployment.clone()).unwrap(),
        objects,
    }
}

/// Returns the feature store, and its objects with the content of the Secrets.
pub fn resolve(configuration: &Json, secrets: &Secrets) -> (Store, Objects<Resolved>) {
    let text = configuration.to_string();
    let configuration: FeatureStore = serde_json::from_str(&text).unwrap();
    assert_eq!(rules::check(&configuration), Vec::new());
    let store = Store::new(&configuration, &Defaults::default());
    let prepared = render(&store);
    let contents: Contents = prepared
        .sources()
        .into_iter()
        .map(|source| {
            let mut values = secrets.get(&source.name).cloned().unwrap_or_default();
            values.retain(|key, _| source.keys.contains(key));
            (source, values)
        })
        .collect();
    let resolved = prepared.resolve_secrets(&resolve::Secrets {
        contents: &contents,
        hash_key: b"key",
        configuration: &text,
    });
    let objects = resolved.unwrap_or_else(|errors| panic!("{configuration:?}: {errors:?}"));
    (store, objects)
}

impl FeatureStoreInCluster {
    /// Creates a pod of the Deployment.
    pub fn pod(&self) -> Pod<'_> {
        let pod = self.environment.pod(&self.deployment.spec.template);
        pod.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates a pod with the containers of both Deployments: the servers' and the lineage server's.
    pub fn pod_with_lineage_server(&self) -> Pod<'_> {
        let key = Key::new(Kind::Deployment, "feast-demo-lineage");
        // Each Deployment has its own file with this name.
        let text = self.objects.manifests[&key].to_string();
        let text = text.replace("feature-store-yaml", "lineage-yaml");
        let lineage: Deployment = serde_json::from_str(&text).unwrap();
        let lineage = lineage.spec.template.spec.unwrap();
        let mut template = self.deployment.spec.template.clone();
        let pod = template.spec.get_or_insert_default();
        pod.containers.extend(lineage.containers);
        let volumes = lineage.volumes.unwrap_or_default();
        pod.volumes.get_or_insert_default().extend(volumes);
        let pod = self.environment.pod(&template);
        pod.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates a pod of the Job that applies the definitions.
    pub fn job(&self) -> Pod<'_> {
        let mut manifests = self.objects.manifests.iter();
        let job = manifests.find(|(key, _)| key.kind == Kind::Job);
        let (_, job) = job.unwrap_or_else(|| panic!("there is no Job"));
        let template = serde_json::from_value(job["spec"]["template"].clone()).unwrap();
        let pod = self.environment.pod(&template);
        pod.unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn services(&self) -> Vec<Service> {
        let objects = self.objects.manifests.iter();
        objects
            .filter(|(key, _)| key.kind == Kind::Service)
            .map(|(_, manifest)| serde_json::from_value(manifest.clone()).unwrap())
            .collect()
    }

    /// Returns `feature_store.yaml` for clients.
    pub fn client_yaml(&self) -> &str {
        let key = Key::new(Kind::ConfigMap, "feast-demo-client");
        let data = &self.objects.manifests[&key]["data"];
        data["feature_store.yaml"].as_str().unwrap()
    }
}

/// Returns the content of a Secret.
pub fn decoded(secret: &Json) -> BTreeMap<String, String> {
    let data = secret["data"].as_object().unwrap().iter();
    data.map(|(key, value)| {
        let value = BASE64.decode(value.as_str().unwrap()).unwrap();
        (key.clone(), String::from_utf8(value).unwrap())
    })
    .collect()
}
