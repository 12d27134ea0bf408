//! The resource `feast_feature_store`: one file for each operation ([`plan`], [`apply`], [`read`], [`destroy`],
//! [`import`], [`generate`], [`moved`], [`upgrade`]) over the prior state ([`prior_state`]) and Terraform's private
//! data ([`private_state`]).

pub mod apply;
mod attribute_paths;
mod cluster_check;
pub mod computed;
mod conflicts;
mod data_loss;
pub mod desired_store;
pub mod destroy;
pub mod drift;
mod generate;
pub mod identity;
mod ignored;
pub mod import;
mod import_operator;
mod interruption;
mod manifests;
mod moved;
pub mod parse;
pub mod plan;
mod preflight;
pub mod prior_state;
pub mod private_state;
pub mod read;
mod recreated_services;
mod refreshed_stores;
mod replacement;
mod rewrites;
pub mod secret_drift;
#[cfg(test)]
pub mod testing;
pub mod upgrade;
mod user_sources;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::feast::config::{ComputedAttributes, FeatureStore};
use crate::provider::lowered;
use crate::provider::provider_data::ProviderData;
use crate::schema::provider::{
    ApplyResourceChangeRequest, ApplyResourceChangeResponse, GenerateResourceConfig,
    IdentitySchema, ImportResourceStateRequest, ImportResourceStateResponse, MoveResourceState,
    MoveResourceStateRequest, MoveResourceStateResponse, PlanResourceChangeRequest,
    PlanResourceChangeResponse, ReadResourceRequest, ReadResourceResponse, Resource,
    UpgradeResourceStateRequest, UpgradeResourceStateResponse, ValidateResourceConfigRequest,
};
use crate::schema::{Block, Diagnostics, Schema, Value};

use refreshed_stores::RefreshedStores;

/// The type name of the resource, and of the data source.
pub const TYPE_NAME: &str = "feast_feature_store";

/// The resource.
pub struct FeatureStoreResource {
    schema: Schema,
    identity_schema: IdentitySchema,
    data: Arc<ProviderData>,
    /// The configurations as the users wrote them, by name and namespace. Terraform validates each before it plans with
    /// the configuration that `ignore_changes` makes of it.
    validated_configs: RwLock<BTreeMap<(String, Option<String>), Value>>,
    refreshed: RefreshedStores,
}

impl FeatureStoreResource {
    pub fn new(data: &Arc<ProviderData>) -> Self {
        Self {
            schema: Schema {
                version: 0,
                block: block(),
            },
            identity_schema: identity::schema(),
            data: Arc::clone(data),
            validated_configs: RwLock::default(),
            refreshed: RefreshedStores::default(),
        }
    }

    /// Returns the attributes of the resource.
    pub fn block(&self) -> &Block {
        &self.schema.block
    }

    /// Returns the configuration as the user wrote it. Without a validation before the plan it is `config`.
    ///
    /// With `ignore_changes = all`, `config` has the namespace of the provider block, which the user did not write.
    fn validated_config(&self, config: &Value) -> Value {
        let configs = (self.validated_configs.read()).unwrap_or_else(PoisonError::into_inner);
        let validated = config_key(config).and_then(|(name, namespace)| {
            let find = |namespace| configs.get(&(name.clone(), namespace));
            find(namespace).or_else(|| find(None))
        });
        validated.unwrap_or(config).clone()
    }
}

/// Returns the attributes of the configuration and the computed ones.
pub fn block() -> Block {
    let mut block = lowered::<FeatureStore>();
    let computed = lowered::<ComputedAttributes>().computed();
    block.attributes.extend(computed.attributes);
    block
}

/// Returns the key of a configuration in [`FeatureStoreResource::validated_configs`]; `None` while its name is unknown.
fn config_key(config: &Value) -> Option<(String, Option<String>)> {
    let name = config.attribute("name").as_str()?.to_owned();
    let namespace = config.attribute("namespace").as_str().map(str::to_owned);
    Some((name, namespace))
}

#[async_trait]
impl Resource for FeatureStoreResource {
    fn type_name(&self) -> &str {
        TYPE_NAME
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn identity_schema(&self) -> &IdentitySchema {
        &self.identity_schema
    }

    fn validate_config(&self, request: ValidateResourceConfigRequest) -> Diagnostics {
        if let Some(key) = config_key(&request.config) {
            let mut configs =
                (self.validated_configs.write()).unwrap_or_else(PoisonError::into_inner);
            configs.insert(key, request.config.clone());
        }
        match parse::parse(self.block(), &request.config) {
            Ok(parsed) => parse::warnings(&parsed),
            Err(diagnostics) => diagnostics,
        }
    }

    fn upgrade_state(&self, request: UpgradeResourceStateRequest) -> UpgradeResourceStateResponse {
        upgrade::upgrade(request)
    }

    async fn read(&self, request: ReadResourceRequest) -> ReadResourceResponse {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        let stores = settings.preflight().then_some(&self.refreshed);
        let mut response = read::read(self.block(), &settings, &stop, stores, request).await;
        response.diagnostics.extend(settings.warnings());
        response
    }

    async fn plan(&self, request: PlanResourceChangeRequest) -> PlanResourceChangeResponse {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        let validated = self.validated_config(&request.config);
        let refreshed = &self.refreshed;
        let response = plan::plan(
            self.block(),
            &settings,
            &stop,
            refreshed,
            &validated,
            request,
        );
        let mut response = response.await;
        response.diagnostics.extend(settings.warnings());
        response
    }

    async fn apply(&self, request: ApplyResourceChangeRequest) -> ApplyResourceChangeResponse {
        self.data.start_apply();
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        let mut response = match request.planned_state.is_null() {
            true => destroy::destroy(self.block(), &settings, &stop, request).await,
            false => apply::apply(self.block(), &settings, &stop, request).await,
        };
        response.diagnostics.extend(settings.warnings());
        response
    }

    async fn import_state(
        &self,
        request: ImportResourceStateRequest,
    ) -> ImportResourceStateResponse {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        let mut response = import::import(self.block(), &settings, &stop, request).await;
        response.diagnostics.extend(settings.warnings());
        response
    }

    fn state_mover(&self) -> Option<&dyn MoveResourceState> {
        Some(self)
    }

    fn config_generator(&self) -> Option<&dyn GenerateResourceConfig> {
        Some(self)
    }
}

#[async_trait]
impl MoveResourceState for FeatureStoreResource {
    async fn move_state(&self, request: MoveResourceStateRequest) -> MoveResourceStateResponse {
        moved::move_state(self.block(), &request)
    }
}

impl GenerateResourceConfig for FeatureStoreResource {
    fn generate_config(&self, state: Value) -> Result<Value, Diagnostics> {
        Ok(generate::generate(self.block(), &state))
    }
}
