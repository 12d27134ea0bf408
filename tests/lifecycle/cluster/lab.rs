//! The test environment of the layer `cluster`: a namespace, writes of other managers in it, and small stores.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value as Json, json};
use terraform_provider_feast::cluster::apply::{DesiredState, Outcome};
use terraform_provider_feast::cluster::rollout::{Rollout, Wait};
use terraform_provider_feast::cluster::{
    CancellationToken, Cluster, Connection, Error, Options, PvcPolicy, StoreName,
};
use terraform_provider_feast::feast::objects::Objects;
use terraform_provider_feast::feast::secrets::redaction::Redaction;
use terraform_provider_feast::feast::secrets::resolve::Resolved;
use terraform_provider_feast::kubernetes::kind::{Key, Kind};
use terraform_provider_feast::kubernetes::managed_fields::ManagedFields;

pub const TIMEOUT: Duration = Duration::from_secs(90);

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, until).await.expect(what);
}

/// One namespace of the cluster.
pub struct Lab {
    pub kubeconfig: String,
    pub namespace: String,
    pub cluster: Cluster,
    /// The client for writes of other managers.
    pub client: kube::Client,
}

/// Runs the test in an existing namespace.
pub fn in_namespace<F: Future<Output = ()>>(
    kubeconfig: &Path,
    namespace: &str,
    test: impl FnOnce(Lab) -> F,
) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let lab = Lab::new(kubeconfig, namespace).await;
        test(lab).await;
    });
}

impl Lab {
    pub async fn new(kubeconfig: &Path, namespace: &str) -> Self {
        let connection = Connection {
            config_path: Some(kubeconfig.display().to_string()),
            ..Connection::default()
        };
        let cluster = Cluster::new(&connection, Options::default()).expect("a connection");
        let config = kube::config::Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(config, &Default::default())
            .await
            .expect("a configuration");
        Self {
            kubeconfig: kubeconfig.display().to_string(),
            namespace: namespace.to_owned(),
            cluster,
            client: kube::Client::try_from(config).expect("a client"),
        }
    }

    /// Creates a ServiceAccount, its Role and their binding, and waits until the permissions are effective.
    pub async fn make_account(&self, [account, role, binding]: &[Json; 3]) {
        self.create::<ServiceAccount>(account).await;
        let role: Role = self.create(role).await;
        self.create::<RoleBinding>(binding).await;
        // All rules of a Role become effective at the same time.
        let Some(rule) = role.rules.unwrap_or_default().into_iter().next() else {
            return;
        };
        let name = account["metadata"]["name"].as_str().expect("a name");
        let first = |words: Option<Vec<String>>| words.unwrap_or_default().into_iter().next();
        let review: SubjectAccessReview = serde_json::from_value(json!({
            "metadata": {},
            "spec": {
                "user": format!("system:serviceaccount:{}:{name}", self.namespace),
                "resourceAttributes": {
                    "namespace": self.namespace,
                    "verb": rule.verbs[0],
                    "group": first(rule.api_groups),
                    "resource": first(rule.resources),
                },
            },
        }))
        .expect("valid");
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let allowed = async {
            loop {
                let answer = reviews.create(&PostParams::default(), &review).await;
                if answer
                    .expect("reviewed")
                    .status
                    .is_some_and(|status| status.allowed)
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, allowed)
            .await
            .expect("the permissions are effective in time");
    }

    pub async fn create<K>(&self, manifest: &Json) -> K
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let object: K = serde_json::from_value(manifest.clone()).expect("valid");
        Api::namespaced(self.client.clone(), &self.namespace)
            .create(&PostParams::default(), &object)
            .await
            .expect("created")
    }

    pub async fn token(&self, account: &str) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let request: TokenRequest = serde_json::from_value(
            json!({"spec": {"audiences": ["https://kubernetes.default.svc.cluster.local"]}}),
        )
        .expect("valid");
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .expect("a token");
        let answer = serde_json::to_value(answer).expect("json");
        answer["status"]["token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    pub fn store(&self, name: &str) -> StoreName {
        StoreName {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }

    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a create, or an update whose plan has shown the live objects.
    pub async fn try_apply(
        &self,
        store: &str,
        wanted: &Wanted,
        is_update: bool,
    ) -> Result<Outcome, Vec<Error>> {
        let prior = match is_update {
            true => shown(),
            false => BTreeMap::new(),
        };
        let desired = DesiredState {
            store: &self.store(store),
            objects: &objects(wanted),
            prior: &prior,
            pvc_policy: &PvcPolicy::default(),
            deadline: tokio::time::Instant::now(),
            wait_for_job: None,
        };
        apply(&self.cluster, &desired, &CancellationToken::new()).await
    }

    /// Applies, waits for the rollout, and checks that a second apply changes nothing.
    pub async fn apply(&self, store: &str, wanted: &Wanted) -> Outcome {
        let outcome = self.try_apply(store, wanted, false).await.expect("applied");
        assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
        self.wait(store, wanted).await.expect("rolled out");
        let again = self.try_apply(store, wanted, false).await.expect("applied");
        assert!(again.errors.is_empty(), "{:?}", again.errors);
        assert_eq!(
            again.changed,
            BTreeSet::new(),
            "the second apply of {store}"
        );
        outcome
    }

    pub async fn wait(&self, store: &str, wanted: &Wanted) -> Result<Json, Error> {
        let minimum = wanted
            .get(&Key::new(
                Kind::HorizontalPodAutoscaler,
                format!("feast-{store}"),
            ))
            .and_then(|hpa| hpa["spec"]["minReplicas"].as_i64())
            .map(|minimum| minimum as i32);
        let name = format!("feast-{store}");
        self.cluster
            .wait_for_rollout(
                &self.store(store),
                &Rollout {
                    deployment: &name,
                    pods: store,
                    minimum,
                },
                &Wait::new(TIMEOUT, &Redaction::default()),
                &CancellationToken::new(),
            )
            .await
    }

    /// Scales as `kubectl scale` does, and returns the new version of the Deployment.
    pub async fn scale(&self, store: &str, replicas: i32) -> u64 {
        let scaled = self
            .deployments()
            .patch_scale(
                &format!("feast-{store}"),
                &PatchParams {
                    field_manager: Some("kubectl".into()),
                    ..PatchParams::default()
                },
                &Patch::Merge(json!({"spec": {"replicas": replicas}})),
            )
            .await
            .expect("scaled");
        let version = scaled.metadata.resource_version;
        version
            .and_then(|text| text.parse().ok())
            .expect("a number")
    }

    /// Patches the Deployment as `kubectl edit` does, or as another server-side applier.
    pub async fn edit(&self, store: &str, manager: &str, patch: &Patch<Json>) {
        let mut params = PatchParams {
            field_manager: Some(manager.into()),
            ..PatchParams::default()
        };
        params.force = matches!(patch, Patch::Apply(_));
        self.deployments()
            .patch(&format!("feast-{store}"), &params, patch)
            .await
            .expect("edited");
    }

    /// Returns the time of the manager's last write to the Deployment.
    pub async fn written(&self, store: &str, manager: &str) -> String {
        let live = self.live(store).await;
        let managed = ManagedFields::of(&live);
        let entry = managed.iter().find(|entry| entry.manager == manager);
        let time = entry.and_then(|entry| entry.time);
        time.expect("a time").to_owned()
    }

    pub async fn live(&self, store: &str) -> Json {
        let key = deployment_key(store);
        self.cluster
            .get(&self.namespace, &key, &CancellationToken::new())
            .await
            .expect("readable")
            .expect("exists")
    }
}

/// Reads the live objects and applies, like the provider.
pub async fn apply(
    cluster: &Cluster,
    desired: &DesiredState<'_>,
    cancel: &CancellationToken,
) -> Result<Outcome, Vec<Error>> {
    let DesiredState {
        store,
        objects,
        prior,
        ..
    } = *desired;
    let keys = objects.manifests.keys().chain(prior.keys());
    let keys = keys.cloned().collect();
    let live = cluster.read_before_apply(store, &keys, prior.is_empty(), cancel);
    let live = live.await.map_err(|error| vec![error])?;
    cluster.apply(live, desired, None, cancel).await
}

pub type Wanted = BTreeMap<Key, Json>;

/// A prior state of an update. It has none of the desired objects, so that all their fields count as shown by the plan.
pub fn shown() -> Wanted {
    [(Key::new(Kind::ConfigMap, "none-of-these"), Json::Null)].into()
}

/// The manifests as the applier takes them.
pub fn objects(wanted: &Wanted) -> Objects<Resolved> {
    Objects::without_secrets("", wanted.clone())
}

pub fn deployment_key(store: &str) -> Key {
    Key::new(Kind::Deployment, format!("feast-{store}"))
}

fn labels(store: &str) -> Json {
    json!({"feast.dev/name": store, "app.kubernetes.io/managed-by": "feast"})
}

pub fn object(kind: Kind, name: &str, store: &str, rest: Json) -> (Key, Json) {
    let mut json = json!({"apiVersion": kind.api_version(), "kind": kind.as_str(),
        "metadata": {"name": name, "labels": labels(store)}});
    for (field, value) in rest.as_object().expect("an object") {
        json[field] = value.clone();
    }
    (Key::new(kind, name), json)
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    Static(i32),
    Autoscaler,
    External,
}

/// Returns the `spec` of the Deployment of [`wanted`].
fn deployment_spec(store: &str, scaling: Scaling) -> Json {
    let strategy = match scaling {
        Scaling::Static(1) => "Recreate",
        _ => "RollingUpdate",
    };
    let mut spec = json!({
        "strategy": {"type": strategy},
        "selector": {"matchLabels": {"feast.dev/name": store}},
        "template": {
            "metadata": {"labels": labels(store)},
            "spec": {
                "serviceAccountName": format!("feast-{store}"),
                "containers": [{"name": "online", "image": "feast:1",
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "0.5Gi"}},
                    "ports": [{"name": "tcp", "containerPort": 6566}, {"name": "udp", "containerPort": 6566, "protocol": "UDP"}]}],
                "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 100, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {"matchLabels": {"feast.dev/name": store}}}}]}},
                "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"feast.dev/name": store}}}],
                "tolerations": [{"key": "a", "operator": "Exists"}],
                "volumes": [{"name": "feast-data", "emptyDir": {}}],
            },
        },
    });
    if let Scaling::Static(replicas) = scaling {
        spec["replicas"] = json!(replicas);
    }
    spec
}

/// Returns a small store: a ServiceAccount, a Secret, a Service, a Deployment and possibly an autoscaler.
pub fn wanted(store: &str, scaling: Scaling) -> Wanted {
    let name = format!("feast-{store}");
    let spec = deployment_spec(store, scaling);
    let mut wanted = BTreeMap::from([
        object(Kind::ServiceAccount, &name, store, json!({})),
        object(
            Kind::Secret,
            &name,
            store,
            json!({"type": "Opaque", "data": {"feature_store.yaml": "cHJvamVjdDogcAo="}}),
        ),
        object(
            Kind::Service,
            &format!("{name}-online"),
            store,
            json!({"spec": {"selector": {"feast.dev/name": store},
                "ports": [{"name": "http", "port": 80, "targetPort": 6566}]}}),
        ),
        object(Kind::Deployment, &name, store, json!({"spec": spec})),
    ]);
    if scaling == Scaling::Autoscaler {
        let (key, hpa) = object(
            Kind::HorizontalPodAutoscaler,
            &name,
            store,
            json!({"spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2, "maxReplicas": 10,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}}}),
        );
        wanted.insert(key, hpa);
    }
    wanted
}
