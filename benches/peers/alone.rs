//! "API server alone": the requests of this provider from a bare client, without Terraform and the provider's code, and
//! as parallel as the API server takes them. No provider can be faster.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{StreamExt, stream};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;
use tower::ServiceBuilder;

use crate::measure::{Operation, Sample, requests};
use crate::testbed::{ControlPlane, Namespace};

/// The number of requests in flight.
const IN_FLIGHT: usize = 50;

/// The interval at which the pods are read at the end of a deletion.
const POLL: Duration = Duration::from_millis(20);

/// The objects of a number of stores in their own namespace.
pub struct Alone<'a> {
    control_plane: &'a ControlPlane,
    namespace: Namespace,
    runtime: Runtime,
    stores: Vec<Vec<Object>>,
}

struct Object {
    resource: ApiResource,
    manifest: DynamicObject,
}

impl Object {
    fn new(manifest: Json) -> Self {
        let manifest: DynamicObject = serde_json::from_value(manifest).unwrap();
        let types = manifest.types.as_ref().unwrap();
        let resource = ApiResource::from_gvk(&types.try_into().unwrap());
        Self { resource, manifest }
    }

    fn name(&self) -> &str {
        self.manifest.metadata.name.as_deref().unwrap()
    }
}

impl<'a> Alone<'a> {
    /// `objects` returns the manifests of the store `bench-0` in a namespace.
    pub fn new(
        control_plane: &'a ControlPlane,
        stores: usize,
        objects: impl FnOnce(&str) -> Vec<Json>,
    ) -> Self {
        let namespace = control_plane.namespace("bench").unwrap();
        let text = Json::Array(objects(namespace.name())).to_string();
        let of_store = |number: usize| {
            let text = text.replace("bench-0", &format!("bench-{number}"));
            let objects: Vec<Json> = serde_json::from_str(&text).unwrap();
            objects.into_iter().map(Object::new).collect()
        };
        Self {
            control_plane,
            namespace,
            runtime: Runtime::new().unwrap(),
            stores: (0..stores).map(of_store).collect(),
        }
    }

    /// Measures the operations of which the API server has a part.
    pub fn run(&self) -> Vec<(Operation, Sample)> {
        let apply = self.sample(async |client| self.apply(&client).await);
        let wait = ["wait", "deployments", "--all", "--for=condition=Available"];
        let timeout = "--timeout=600s";
        let wait = [&wait[..], &[timeout]].concat();
        self.namespace.kubectl(&wait).unwrap();
        let read = self.sample(async |client| self.read(&client).await);
        let delete = self.sample(async |client| self.delete(&client).await);
        vec![
            (Operation::Apply, apply),
            (Operation::NoOpPlan, read),
            (Operation::Destroy, delete),
        ]
    }

    fn sample(&self, operation: impl AsyncFnOnce(Client)) -> Sample {
        let log = self.control_plane.folder().join("audit.log");
        let before = fs::metadata(&log).unwrap().len();
        let started = Instant::now();
        self.runtime.block_on(async {
            operation(connect(self.control_plane.kubeconfig()).await).await;
        });
        Sample {
            wall: started.elapsed(),
            requests: requests(&log, before),
            ..Sample::default()
        }
    }

    fn api(&self, client: &Client, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), self.namespace.name(), resource)
    }

    /// Applies every object, then the Secret of each store once more, as the provider does at the end of a create.
    async fn apply(&self, client: &Client) {
        let apply = async |object: &Object, manifest: &DynamicObject| {
            let params = PatchParams::apply("bench");
            let patch = Patch::Apply(manifest);
            let api = self.api(client, &object.resource);
            api.patch(object.name(), &params, &patch).await.unwrap();
        };
        let objects = self.stores.iter().flatten();
        let applies = objects.map(|object| apply(object, &object.manifest));
        all(applies).await;
        let secrets = (self.stores.iter().flatten()).filter(|it| it.resource.kind == "Secret");
        let applies = secrets.map(async |secret| {
            let mut manifest = secret.manifest.clone();
            let annotations = manifest.metadata.annotations.get_or_insert_default();
            annotations.insert("bench".to_owned(), "complete".to_owned());
            apply(secret, &manifest).await;
        });
        all(applies).await;
    }

    /// Lists the objects of each kind.
    async fn read(&self, client: &Client) {
        let mut resources: Vec<&ApiResource> = Vec::new();
        for object in &self.stores[0] {
            if !resources.contains(&&object.resource) {
                resources.push(&object.resource);
            }
        }
        let lists = resources.into_iter().map(async |resource| {
            let api = self.api(client, resource);
            api.list(&ListParams::default()).await.unwrap();
        });
        join_all(lists).await;
    }

    /// Deletes every object, and waits until the garbage collector has deleted what the workloads owned.
    async fn delete(&self, client: &Client) {
        let deletes = self.stores.iter().flatten().map(async |object| {
            let api = self.api(client, &object.resource);
            let params = DeleteParams::background();
            api.delete(object.name(), &params).await.unwrap();
        });
        all(deletes).await;
        for kind in ["ReplicaSet", "Pod"] {
            let version = if kind == "Pod" { "v1" } else { "apps/v1" };
            let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
            let api = self.api(client, &Object::new(object).resource);
            let params = ListParams::default().limit(1);
            while !api.list_metadata(&params).await.unwrap().items.is_empty() {
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

async fn all<F: Future<Output = ()>>(requests: impl Iterator<Item = F>) {
    stream::iter(requests)
        .buffer_unordered(IN_FLIGHT)
        .collect::<()>()
        .await;
}

/// Returns a client with one HTTP/2 connection, which is open. kube's own client has one connection for each request in
/// flight.
async fn connect(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options);
    let config = config.await.unwrap();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config().unwrap())
        .https_or_http()
        .enable_all_versions()
        .build();
    let transport = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .service(transport);
    let client = ClientBuilder::new(service, config.default_namespace).build();
    client.apiserver_version().await.unwrap();
    client
}
