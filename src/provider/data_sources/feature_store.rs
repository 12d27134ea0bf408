//! The data source `feast_feature_store`: a feature store as it is in the cluster. An attribute that the account may
//! not read is null.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::cluster::{CancellationToken, Cluster, Error, StoreName, rollout};
use crate::feast::config::{
    Condition, DataSourceConfig, DataSourceState, Drift, Endpoints, FeatureStore, ReplicasOwner,
};
use crate::feast::names::{self, Endpoint};
use crate::feast::secrets::store_secret;
use crate::feast::spec::{self, Registry, Store};
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::managed_fields::ManagedFields;
use crate::kubernetes::{Key, Kind};
use crate::provider::provider_data::ProviderData;
use crate::provider::resources::feature_store::TYPE_NAME;
use crate::provider::resources::feature_store::computed;
use crate::provider::resources::feature_store::desired_store::DesiredStore;
use crate::provider::resources::feature_store::drift::{self, DriftEntry};
use crate::provider::resources::feature_store::parse::live_was_scaled;
use crate::provider::resources::feature_store::read::read_objects;
use crate::provider::resources::feature_store::secret_drift::{self, SecretDrift};
use crate::provider::settings::Settings;
use crate::provider::{decode_as, diagnostics, lowered};
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
    let (DataSourceConfig { name, namespace }, _) = decode_as(block, config)?;
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
        let desired = (configuration.as_ref()).and_then(|json| self.desired(json, &deployment));
        let spec = desired.as_ref().map(|desired| &desired.store);
        let ready_pods = self.ready_pods(spec).await.map_err(failed)?;
        let drift = self.drift(desired.as_ref(), &deployment, secret.as_ref());
        let drift = drift.await.map_err(failed)?;
        let strategy = deployment["spec"]["strategy"]["type"].as_str();
        Ok(DataSourceState {
            id: self.store.to_string(),
            strategy: strategy.unwrap_or_default().to_owned(),
            // As in the resource, from the configuration. Without it, from the field managers.
            replicas_owner: match spec {
                Some(spec) => spec.replicas.owner(),
                None => self.owner(&deployment, autoscaler.as_ref()),
            },
            scaling_status,
            endpoints: self.endpoints(spec).await.map_err(failed)?,
            configuration_hash: secret_drift::configuration_hash(&deployment).map(str::to_owned),
            configuration: configuration.map(|configuration| configuration.to_string()),
            ready_pods,
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
    fn owner(&self, deployment: &Json, autoscaler: Option<&Json>) -> ReplicasOwner {
        let manager = &self.cluster.options().field_manager;
        let managed = ManagedFields::of(deployment);
        let replicas = FieldPath::of(&["spec", "replicas"]);
        match (autoscaler, managed.applied_by(manager)) {
            (Some(_), _) => ReplicasOwner::Hpa,
            (None, Some(fields)) if fields.contains(&replicas) => ReplicasOwner::Terraform,
            (None, _) => ReplicasOwner::External,
        }
    }

    /// Renders the configuration of the last apply. Returns `None` where this version cannot read it.
    fn desired(&self, configuration: &Json, deployment: &Json) -> Option<DesiredStore> {
        let config: FeatureStore = serde_json::from_value(configuration.clone()).ok()?;
        let was_scaled = live_was_scaled(deployment);
        Some(DesiredStore::new(
            &config,
            &self.store.namespace,
            was_scaled,
        ))
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

    /// Returns the number of ready pods by container. `None` if the account may not list pods.
    async fn ready_pods(
        &self,
        spec: Option<&Store>,
    ) -> Result<Option<BTreeMap<String, i32>>, Error> {
        let mut labels = vec![self.store.name.clone()];
        if spec.is_some_and(|spec| spec.lineage.is_some()) {
            labels.push(names::lineage_label(&self.store.name));
        }
        let pods = self.cluster.pods(&self.store.namespace, &labels, self.stop);
        let pods = allowed(pods.await)?;
        Ok(pods.map(|pods| rollout::ready_pods_by_container(&pods)))
    }

    /// Compares the live objects with the configuration of the last apply. Returns `None` without that configuration,
    /// or if the account may not read all objects.
    async fn drift(
        &self,
        desired: Option<&DesiredStore>,
        deployment: &Json,
        secret: Option<&Json>,
    ) -> Result<Option<Vec<Drift>>, Error> {
        let (Some(desired), Some(secret)) = (desired, secret) else {
            return Ok(None);
        };
        let DesiredStore { store, objects } = desired;
        let mut lineage = None;
        if store.lineage.is_some() {
            let name = names::lineage(&store.name);
            lineage = self.get(Kind::Deployment, &name).await?;
        }
        let manifests = &objects.manifests;
        let keys = manifests.keys().cloned().collect();
        let live = read_objects(self.cluster, self.store, &keys, self.stop).await;
        let Some(live) = allowed(live)? else {
            return Ok(None);
        };
        let secret_drift = SecretDrift {
            cluster: self.cluster,
            stop: self.stop,
            namespace: &store.namespace,
            inputs: Some(objects.inputs()),
            deployment,
            lineage: lineage.as_ref(),
            secret: Some(secret),
        };
        let mut entries = drift::find(self.cluster, store.drift_policy, manifests, &live);
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
        Err(error) if error.is_forbidden() => Ok(None),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::testing;
    use crate::provider::tests::test_provider::{TestProvider, errors};
    use crate::schema::Provider as _;

    #[test]
    fn rejects_names_that_no_feature_store_can_have() {
        let provider = TestProvider::new();
        let data_source = &provider.feast.registry().data_sources[TYPE_NAME];
        let rejected = |name: &str, namespace: &str| {
            let config = json!({"name": name, "namespace": namespace});
            let config = encode(&data_source.schema().block.attributes, &config);
            errors(&data_source.validate_config(config))
        };
        assert_eq!(rejected(&"n".repeat(57), &"n".repeat(63)), [""; 0]);
        let pattern = "must match `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, but is";
        let long = "must have at most";
        for (name, namespace, problem) in [
            (
                "x",
                "Team_A",
                format!("namespace: Invalid value: `namespace` {pattern} \"Team_A\"."),
            ),
            (
                "ns/x",
                "ns",
                format!("name: Invalid value: `name` {pattern} \"ns/x\"."),
            ),
            (
                &"n".repeat(58),
                "ns",
                format!("name: Invalid value: `name` {long} 57 characters, but has 58."),
            ),
            (
                "x",
                &"n".repeat(64),
                format!("namespace: Invalid value: `namespace` {long} 63 characters, but has 64."),
            ),
        ] {
            assert_eq!(rejected(name, namespace), [problem]);
        }
        assert_eq!(provider.server.requests(), [""; 0]);
    }

    /// `ignore_changes` keeps the zero, and with it the strategy and the PodDisruptionBudget of two replicas.
    #[test]
    fn a_feature_store_that_is_kept_at_zero_replicas_has_no_drift() {
        let provider = TestProvider::new();
        let config = testing::two_replicas(&provider);
        let (state, private) = provider.create(&config);
        testing::keep_at_zero(&provider, config, &state, &private);
        let live = provider.server.get(testing::DEPLOYMENT).unwrap();
        assert_eq!(live["spec"]["replicas"], 0);
        assert_eq!(live["spec"]["strategy"]["type"], "RollingUpdate");

        // A process that has read nothing yet.
        let provider = TestProvider::on(&provider.server, json!({}));
        let data_source = &provider.feast.registry().data_sources[TYPE_NAME];
        let config = json!({"name": "x", "namespace": "ns"});
        let request = ReadDataSourceRequest {
            config: encode(&data_source.schema().block.attributes, &config),
            ..ReadDataSourceRequest::default()
        };
        let read = provider.block_on(data_source.read(request));
        assert_eq!(read.diagnostics, []);
        assert_eq!(read.state.attribute("drift"), &Value::List(Vec::new()));
    }
}
