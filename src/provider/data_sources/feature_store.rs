//! The data source `feast_feature_store`: what is there, read with whatever rights the account has.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use serde_json::Value as Json;

use crate::cluster::{CancellationToken, Cluster, Error, Reason, StoreName, ownership, rollout};
use crate::feast::config::{
    Condition, DataSourceConfig, DataSourceState, Drift, Endpoints, FeatureStore,
};
use crate::feast::names::{self, Endpoint};
use crate::feast::objects::{Key, Kind};
use crate::feast::render::render;
use crate::feast::secrets::store_secret;
use crate::feast::spec::{self, Defaults, Registry, Store};
use crate::schema::provider::{
    DataSource, Deferred, ReadDataSourceRequest, ReadDataSourceResponse,
};
use crate::schema::{Block, Diagnostic, Diagnostics, Schema, Value, decode, encode};

use crate::provider::diagnostics;
use crate::provider::lowered;
use crate::provider::provider_data::ProviderData;
use crate::provider::resources::feature_store::TYPE_NAME;
use crate::provider::resources::feature_store::computed;
use crate::provider::resources::feature_store::drift::{self, DriftEntry};
use crate::provider::resources::feature_store::parse::mismatch;
use crate::provider::resources::feature_store::private_state::PrivateState;
use crate::provider::resources::feature_store::read::read_objects;
use crate::provider::resources::feature_store::secret_drift::{self, SecretDrift};
use crate::provider::settings::Settings;

/// The data source.
pub struct FeatureStoreDataSource {
    schema: Schema,
    /// The block of the resource. It says how the stored configuration of a feature store is read.
    resource: Arc<Block>,
    data: Arc<ProviderData>,
}

impl FeatureStoreDataSource {
    pub fn new(data: &Arc<ProviderData>, resource: &Arc<Block>) -> Self {
        let mut block = lowered::<DataSourceConfig>();
        let computed = lowered::<DataSourceState>().computed();
        block.attributes.extend(computed.attributes);
        Self {
            schema: Schema { version: 0, block },
            resource: Arc::clone(resource),
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
        read(
            &self.schema.block,
            &self.resource,
            &settings,
            &stop,
            request,
        )
        .await
    }
}

/// Reads the feature store that the configuration names. `resource` is the block of the resource, which says how
/// a configuration is read.
async fn read(
    block: &Block,
    resource: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ReadDataSourceRequest,
) -> ReadDataSourceResponse {
    if !settings.cluster_is_known() && request.client.deferral_allowed {
        // Terraform makes no unknown object of a null one: references to its attributes would fail.
        return ReadDataSourceResponse {
            state: Value::Unknown,
            deferred: Some(Deferred::ProviderConfigUnknown),
            ..ReadDataSourceResponse::default()
        };
    }
    match found(block, resource, settings, stop, &request.config).await {
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

async fn found(
    block: &Block,
    resource: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    config: &Value,
) -> Result<Value, Diagnostics> {
    let decoded = decode(block, config);
    if !decoded.diagnostics.is_empty() {
        return Err(decoded.diagnostics);
    }
    let DataSourceConfig { name, namespace } =
        serde_json::from_value(decoded.json).map_err(mismatch)?;
    let namespace = namespace.or_else(|| settings.namespace().map(str::to_owned));
    let store = StoreName {
        namespace: namespace.unwrap_or_else(|| names::DEFAULT_NAMESPACE.to_owned()),
        name,
    };
    let cluster = settings.cluster().await.map_err(|error| vec![error])?;
    let reader = Reader {
        resource,
        cluster: &cluster,
        store: &store,
        stop,
    };
    let view = reader.view().await?;
    let mut json = serde_json::to_value(view).unwrap_or_default();
    json["name"] = Json::from(store.name.clone());
    json["namespace"] = Json::from(store.namespace.clone());
    Ok(encode(&block.attributes, &json))
}

struct Reader<'a> {
    resource: &'a Block,
    cluster: &'a Arc<Cluster>,
    store: &'a StoreName,
    stop: &'a CancellationToken,
}

impl Reader<'_> {
    async fn view(&self) -> Result<DataSourceState, Diagnostics> {
        let failed = |error: Error| {
            vec![diagnostics::cluster_error(
                "Cannot read the feature store",
                &error,
            )]
        };
        let main = names::main(&self.store.name);
        let deployment = self.get(Kind::Deployment, &main).await.map_err(failed)?;
        let Some(deployment) = deployment else {
            return Err(vec![self.missing()]);
        };
        let autoscaler = self.get(Kind::HorizontalPodAutoscaler, &main);
        let autoscaler = allowed(autoscaler.await).map_err(failed)?.flatten();
        let secret = allowed(self.get(Kind::Secret, &main).await).map_err(failed)?;
        let secret = secret.flatten();
        let (scaling_status, _) = computed::rollout_state(&deployment);
        let configuration = secret.as_ref().and_then(store_secret::configuration);
        let kept = configuration.as_ref().and_then(|json| self.kept(json));
        let with_lineage = kept.as_ref().is_some_and(|kept| kept.lineage.is_some());
        let mut labels = vec![self.store.name.clone()];
        let mut lineage = None;
        if with_lineage {
            labels.push(names::lineage_label(&self.store.name));
            let name = names::lineage(&self.store.name);
            lineage = self.get(Kind::Deployment, &name).await.map_err(failed)?;
        }
        let pods = self.cluster.pods(self.store, &labels, self.stop);
        let pods = allowed(pods.await).map_err(failed)?;
        let drift = match (&kept, &secret, &configuration) {
            (Some(kept), Some(secret), Some(configuration)) => {
                let compared = SecretDrift {
                    block: self.resource,
                    cluster: self.cluster,
                    stop: self.stop,
                    state: &self.state(configuration),
                    deployment: &deployment,
                    lineage: lineage.as_ref(),
                    secret: Some((&Key::new(Kind::Secret, &main), secret)),
                };
                self.drift(kept, &compared).await.map_err(failed)?
            }
            _ => None,
        };
        let strategy = deployment["spec"]["strategy"]["type"].as_str();
        Ok(DataSourceState {
            id: format!("{}/{}", self.store.namespace, self.store.name),
            strategy: strategy.unwrap_or_default().to_owned(),
            // What the configuration says, as the resource does; only without it what the fields' owners say.
            replicas_owner: match &kept {
                Some(kept) => kept.replicas.owner().to_owned(),
                None => self.owner(&deployment, autoscaler.as_ref()).to_owned(),
            },
            scaling_status,
            endpoints: self.endpoints(kept.as_ref()).await.map_err(failed)?,
            configuration_hash: secret_drift::carried_hash(&deployment).map(str::to_owned),
            configuration: configuration.map(|configuration| configuration.to_string()),
            ready_pods: pods.map(|pods| rollout::ready(&pods)),
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

    fn missing(&self) -> Diagnostic {
        let StoreName { namespace, name } = self.store;
        Diagnostic::error(
            "There is no such feature store",
            format!(
                "Namespace {namespace:?} of the cluster at {} has no Deployment {:?}. Check the name, the \
                 namespace and the cluster, whose connection is configured by {}.",
                self.cluster.server(),
                names::main(name),
                self.cluster.origin()
            ),
        )
    }

    fn owner(&self, deployment: &Json, autoscaler: Option<&Json>) -> &'static str {
        let manager = &self.cluster.options().field_manager;
        let ours = ownership::applied_by(deployment, manager);
        match (autoscaler, ours) {
            (Some(_), _) => "hpa",
            (None, Some(fields)) if ownership::owns(fields, &["spec", "replicas"]) => "terraform",
            (None, _) => "external",
        }
    }

    /// What the configuration means that was applied last.
    fn kept(&self, configuration: &Json) -> Option<Store> {
        let config: FeatureStore = serde_json::from_value(configuration.clone()).ok()?;
        let defaults = Defaults {
            namespace: Some(self.store.namespace.clone()),
            ..Defaults::default()
        };
        Some(Store::new(&config, &defaults))
    }

    /// The same as the resource would have it.
    fn state(&self, configuration: &Json) -> Value {
        let mut state = encode(&self.resource.attributes, configuration);
        state.set("name", Value::string(&self.store.name));
        state.set("namespace", Value::string(&self.store.namespace));
        state
    }

    /// Addresses of the Services that are there, and of a registry that is somewhere else.
    async fn endpoints(&self, kept: Option<&Store>) -> Result<Endpoints, Error> {
        let mut addresses: BTreeMap<Endpoint, String> = BTreeMap::new();
        for endpoint in Endpoint::ALL {
            let name = names::service(&self.store.name, endpoint);
            let service = allowed(self.get(Kind::Service, &name).await)?.flatten();
            let port = service.and_then(|service| service["spec"]["ports"][0]["port"].as_i64());
            if let Some(port) = port {
                let host = names::host(&self.store.name, &self.store.namespace, endpoint);
                addresses.insert(endpoint, format!("{host}:{port}"));
            }
        }
        let elsewhere = kept
            .filter(|store| matches!(store.registry, Registry::Remote(_)))
            .and_then(|store| spec::endpoints(store).registry);
        let mut take = |endpoint| addresses.remove(&endpoint);
        Ok(Endpoints {
            online_store: take(Endpoint::Online),
            offline_store: take(Endpoint::Offline),
            registry: take(Endpoint::RegistryGrpc).or(elsewhere),
            registry_rest: take(Endpoint::RegistryRest),
            ui: take(Endpoint::Ui),
            lineage: take(Endpoint::Lineage),
        })
    }

    /// What is not as the kept configuration says; `None` when not everything may be read.
    async fn drift(
        &self,
        kept: &Store,
        content: &SecretDrift<'_>,
    ) -> Result<Option<Vec<Drift>>, Error> {
        let wanted = render(kept).manifests;
        let keys = wanted.keys().cloned().collect();
        let live = read_objects(self.cluster, self.store, &keys, self.stop).await;
        let Some(live) = allowed(live)? else {
            return Ok(None);
        };
        let mut findings = drift::find(self.cluster, kept.drift_policy, &wanted, &live);
        findings.extend(content.compare(&mut PrivateState::default()).await);
        Ok(Some(findings.iter().map(DriftEntry::described).collect()))
    }
}

/// What the account may not see is `None`.
#[expect(clippy::result_large_err, reason = "the error is handed on as it came")]
fn allowed<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
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
    // The API server's order changes with every update.
    conditions.sort_by(|left, right| left.r#type.cmp(&right.r#type));
    conditions
}
