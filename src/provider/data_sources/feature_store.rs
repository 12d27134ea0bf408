//! The data source `feast_feature_store`: a feature store as it is in the cluster. An attribute that the account may
//! not read is null.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::cluster::{CancellationToken, Cluster, Error, Reason, StoreName, rollout};
use crate::feast::config::{
    Condition, DataSourceConfig, DataSourceState, Drift, Endpoints, FeatureStore,
};
use crate::feast::names::{self, Endpoint};
use crate::feast::secrets::store_secret;
use crate::feast::spec::{self, Registry, Store};
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::managed_fields::ManagedFields;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::lowered;
use crate::provider::provider_data::ProviderData;
use crate::provider::resources::feature_store::TYPE_NAME;
use crate::provider::resources::feature_store::computed;
use crate::provider::resources::feature_store::desired_store::DesiredStore;
use crate::provider::resources::feature_store::drift::{self, DriftEntry};
use crate::provider::resources::feature_store::read::read_objects;
use crate::provider::resources::feature_store::secret_drift::{self, SecretDrift};
use crate::provider::settings::Settings;
use crate::schema::provider::{
    DataSource, Deferred, ReadDataSourceRequest, ReadDataSourceResponse,
};
use crate::schema::{Block, Diagnostics, Schema, Value, decode, encode};

/// The data source.
pub struct FeatureStoreDataSource {
    schema: Schema,
    data: Arc<ProviderData>,
}

impl FeatureStoreDataSource {
    pub fn new(data: &Arc<ProviderData>) -> Self {
        let mut block = lowered::<DataSourceConfig>();
        let computed = lowered::<DataSourceState>().computed();
        block.attributes.extend(computed.attributes);
        Self {
            schema: Schema { version: 0, block },
            data: Arc::clone(data),
        }
    }
}

#[async_trait]
impl DataSource for FeatureStoreDataSource {
    fn type_name(&self) -> &str {
        TYPE_NAME
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate_config(&self, config: Value) -> Diagnostics {
        decode(&self.schema.block, &config).diagnostics
    }

    async fn read(&self, request: ReadDataSourceRequest) -> ReadDataSourceResponse {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        let mut response = read(&self.schema.block, &settings, &stop, request).await;
        response.diagnostics.extend(settings.warnings());
        response
    }
}

/// Reads the feature store that the configuration names.
async fn read(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ReadDataSourceRequest,
) -> ReadDataSourceResponse {
    let has_namespace =
        !request.config.attribute("namespace").is_null() || settings.namespace().is_some();
    let is_known = settings.cluster_is_known() && has_namespace;
    if !is_known && request.client.deferral_allowed {
        // With a null state, references to its attributes would fail.
        return ReadDataSourceResponse {
            state: Value::Unknown,
            deferred: Some(Deferred::ProviderConfigUnknown),
            ..ReadDataSourceResponse::default()
        };
    }
    match read_state(block, settings, stop, &request.config).await {
        Ok(state) => ReadDataSourceResponse {
            state,
            ..ReadDataSourceResponse::default()
        },
        Err(diagnostics) => ReadDataSourceResponse {
            diagnostics,
            ..ReadDataSourceResponse::default()
        },
    }
}

async fn read_state(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    config: &Value,
) -> Result<Value, Diagnostics> {
    let decoded = decode(block, config);
    if !decoded.diagnostics.is_empty() {
        return Err(decoded.diagnostics);
    }
    let DataSourceConfig { name, namespace } =
        serde_json::from_value(decoded.json).map_err(diagnostics::mismatch)?;
    let Some(namespace) = namespace.or_else(|| settings.namespace().map(str::to_owned)) else {
        return Err(vec![diagnostics::unknown_namespace_to_read(&name)]);
    };
    let store = StoreName { namespace, name };
    let cluster = settings.cluster().await.map_err(|error| vec![error])?;
    let reader = Reader {
        cluster: &cluster,
        store: &store,
        stop,
    };
    let state = reader.state().await?;
    let mut json = serde_json::to_value(state).unwrap_or_default();
    json["name"] = Json::from(store.name.clone());
    json["namespace"] = Json::from(store.namespace.clone());
    Ok(encode(&block.attributes, &json))
}

struct Reader<'a> {
    cluster: &'a Arc<Cluster>,
    store: &'a StoreName,
    stop: &'a CancellationToken,
}

impl Reader<'_> {
    async fn state(&self) -> Result<DataSourceState, Diagnostics> {
        let failed = |error: Error| {
            vec![diagnostics::cluster_error(
                "Cannot read the feature store",
                &error,
            )]
        };
        let main = names::main(&self.store.name);
        let deployment = self.get(Kind::Deployment, &main).await.map_err(failed)?;
        let Some(deployment) = deployment else {
            let (server, origin) = (self.cluster.server(), self.cluster.origin());
            return Err(vec![diagnostics::no_such_deployment(
                self.store, server, origin,
            )]);
        };
        let autoscaler = self.get(Kind::HorizontalPodAutoscaler, &main);
        let autoscaler = allowed(autoscaler.await).map_err(failed)?.flatten();
        let secret = allowed(self.get(Kind::Secret, &main).await).map_err(failed)?;
        let secret = secret.flatten();
        let (scaling_status, _) = computed::rollout_state(&deployment);
        let configuration = secret.as_ref().and_then(store_secret::configuration);
        let desired = configuration.as_ref().and_then(|json| self.desired(json));
        let spec = desired.as_ref().map(|desired| &desired.store);
        let mut labels = vec![self.store.name.clone()];
        let mut lineage = None;
        if spec.is_some_and(|spec| spec.lineage.is_some()) {
            labels.push(names::lineage_label(&self.store.name));
            let name = names::lineage(&self.store.name);
            lineage = self.get(Kind::Deployment, &name).await.map_err(failed)?;
        }
        let pods = self.cluster.pods(&self.store.namespace, &labels, self.stop);
        let pods = allowed(pods.await).map_err(failed)?;
        let drift = match (&desired, &secret) {
            (Some(desired), Some(secret)) => {
                let secret_drift = SecretDrift {
                    cluster: self.cluster,
                    stop: self.stop,
                    desired: Some(desired),
                    deployment: &deployment,
                    lineage: lineage.as_ref(),
                    secret: Some(secret),
                };
                self.drift(desired, &secret_drift).await.map_err(failed)?
            }
            _ => None,
        };
        let strategy = deployment["spec"]["strategy"]["type"].as_str();
        Ok(DataSourceState {
            id: format!("{}/{}", self.store.namespace, self.store.name),
            strategy: strategy.unwrap_or_default().to_owned(),
            // As in the resource, from the configuration. Without it, from the field managers.
            replicas_owner: match spec {
                Some(spec) => spec.replicas.owner().to_owned(),
                None => self.owner(&deployment, autoscaler.as_ref()).to_owned(),
            },
            scaling_status,
            endpoints: self.endpoints(spec).await.map_err(failed)?,
            configuration_hash: secret_drift::configuration_hash(&deployment).map(str::to_owned),
            configuration: configuration.map(|configuration| configuration.to_string()),
            ready_pods: pods.map(|pods| rollout::ready_pods_by_container(&pods)),
            conditions: conditions(&deployment),
            drift,
            deployment_name: main,
        })
    }

    async fn get(&self, kind: Kind, name: &str) -> Result<Option<Json>, Error> {
        let key = Key::new(kind, name);
        self.cluster
            .get(&self.store.namespace, &key, self.stop)
            .await
    }

    /// Returns the owner of the replica count by the fields of the live objects.
    fn owner(&self, deployment: &Json, autoscaler: Option<&Json>) -> &'static str {
        let manager = &self.cluster.options().field_manager;
        let managed = ManagedFields::of(deployment);
        let replicas = FieldPath::of(&["spec", "replicas"]);
        match (autoscaler, managed.applied_by(manager)) {
            (Some(_), _) => "hpa",
            (None, Some(fields)) if fields.contains(&replicas) => "terraform",
            (None, _) => "external",
        }
    }

    /// Renders the configuration of the last apply. Returns `None` where this version cannot read it.
    fn desired(&self, configuration: &Json) -> Option<DesiredStore> {
        let config: FeatureStore = serde_json::from_value(configuration.clone()).ok()?;
        Some(DesiredStore::new(&config, &self.store.namespace, false))
    }

    /// Returns the addresses of the existing Services, and that of a remote registry.
    async fn endpoints(&self, spec: Option<&Store>) -> Result<Endpoints, Error> {
        let mut addresses: BTreeMap<Endpoint, String> = BTreeMap::new();
        for endpoint in Endpoint::ALL {
            let name = names::service(&self.store.name, endpoint);
            let service = allowed(self.get(Kind::Service, &name).await)?.flatten();
            let service = service.unwrap_or_default();
            let Some(ports) = service["spec"]["ports"].as_array() else {
                continue;
            };
            let host = names::host(&self.store.name, &self.store.namespace, endpoint);
            let address = |port: &Json| Some(format!("{host}:{}", port["port"].as_i64()?));
            if let Some(address) = ports.first().and_then(address) {
                addresses.entry(endpoint).or_insert(address);
            }
            // The certificate is issued for this Service only, as in `Store::address`.
            let shared = (ports.iter()).find(|port| port["name"] == names::SHARED_REST_PORT_NAME);
            if let Some(address) = shared.and_then(address) {
                addresses.insert(Endpoint::RegistryRest, address);
            }
        }
        let remote = spec
            .filter(|spec| matches!(spec.registry, Registry::Remote(_)))
            .and_then(|spec| spec::endpoints(spec).registry);
        let mut take = |endpoint| addresses.remove(&endpoint);
        Ok(Endpoints {
            online_store: take(Endpoint::Online),
            offline_store: take(Endpoint::Offline),
            registry: take(Endpoint::RegistryGrpc).or(remote),
            registry_rest: take(Endpoint::RegistryRest),
            ui: take(Endpoint::Ui),
            lineage: take(Endpoint::Lineage),
        })
    }

    /// Compares the live objects with the configuration of the last apply. Returns `None` if the account may not read
    /// all of them.
    async fn drift(
        &self,
        desired: &DesiredStore,
        secret_drift: &SecretDrift<'_>,
    ) -> Result<Option<Vec<Drift>>, Error> {
        let manifests = &desired.objects.manifests;
        let keys = manifests.keys().cloned().collect();
        let live = read_objects(self.cluster, self.store, &keys, self.stop).await;
        let Some(live) = allowed(live)? else {
            return Ok(None);
        };
        let mut entries = drift::find(self.cluster, desired.store.drift_policy, manifests, &live);
        entries.extend(secret_drift.compare(&BTreeMap::new()).await.entries);
        Ok(Some(entries.iter().map(DriftEntry::described).collect()))
    }
}

/// Returns `None` in place of an error if the account may not read the objects.
#[expect(
    clippy::result_large_err,
    reason = "the error is returned without a change"
)]
fn allowed<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.reason, Reason::Forbidden { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn conditions(deployment: &Json) -> Vec<Condition> {
    let text = |condition: &Json, name: &str| condition[name].as_str().map(str::to_owned);
    let conditions = deployment["status"]["conditions"].as_array();
    let mut conditions: Vec<Condition> = (conditions.into_iter().flatten())
        .map(|condition| Condition {
            r#type: text(condition, "type").unwrap_or_default(),
            status: text(condition, "status").unwrap_or_default(),
            reason: text(condition, "reason"),
            message: text(condition, "message"),
        })
        .collect();
    // The order in the Deployment changes with every update.
    conditions.sort_by(|left, right| left.r#type.cmp(&right.r#type));
    conditions
}
