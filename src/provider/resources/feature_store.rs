//! The resource `feast_feature_store`, one file for each operation.

mod adopt;
pub mod apply;
pub mod computed;
mod conflicts;
pub mod creation;
mod data_loss;
pub mod destroy;
pub mod drift;
mod ignored;
pub mod import;
pub mod manifests;
pub mod parse;
pub mod plan;
pub mod private_state;
pub mod read;
pub mod replacement;
pub mod secret_drift;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::feast::config::{ComputedAttributes, FeatureStore};
use crate::provider::provider_data::ProviderData;
use crate::provider::{diagnostics, lowered};
use crate::schema::provider::{
    ApplyResourceChangeRequest, ApplyResourceChangeResponse, IdentityAttribute, IdentitySchema,
    ImportResourceStateRequest, ImportResourceStateResponse, PlanResourceChangeRequest,
    PlanResourceChangeResponse, ReadResourceRequest, ReadResourceResponse, Resource,
    UpgradeResourceStateRequest, UpgradeResourceStateResponse, ValidateResourceConfigRequest,
};
use crate::schema::{Block, Diagnostics, Path, Schema, Type, Value};

use replacement::Replacement;

/// The type name of the resource, and of the data source.
pub const TYPE_NAME: &str = "feast_feature_store";

/// The resource.
pub struct FeatureStoreResource {
    schema: Schema,
    identity_schema: IdentitySchema,
    data: Arc<ProviderData>,
    /// The configurations as the users wrote them, by name and namespace. Terraform validates each before it plans with
    /// the configuration that `ignore_changes` makes of it.
    written: RwLock<BTreeMap<(String, Option<String>), Value>>,
}

impl FeatureStoreResource {
    pub fn new(data: &Arc<ProviderData>) -> Self {
        Self {
            schema: Schema {
                version: 0,
                block: block(),
            },
            identity_schema: identity_schema(),
            data: Arc::clone(data),
            written: RwLock::default(),
        }
    }

    /// Returns the attributes of the resource.
    pub fn block(&self) -> &Block {
        &self.schema.block
    }

    /// Returns the configuration as the user wrote it. Without a validation before the plan it is `config`.
    fn written(&self, config: &Value) -> Value {
        let written = self.written.read().unwrap_or_else(PoisonError::into_inner);
        let written = written_key(config).and_then(|key| written.get(&key));
        written.unwrap_or(config).clone()
    }
}

/// Returns the attributes of the configuration and the computed ones.
pub fn block() -> Block {
    let mut block = lowered::<FeatureStore>();
    let computed = lowered::<ComputedAttributes>().computed();
    block.attributes.extend(computed.attributes);
    block
}

fn identity_schema() -> IdentitySchema {
    let attribute = |name: &str, required: bool, description: &str| IdentityAttribute {
        name: name.to_owned(),
        r#type: Type::String,
        description: description.to_owned(),
        required_for_import: required,
    };
    IdentitySchema {
        version: 0,
        attributes: vec![
            attribute(
                "namespace",
                false,
                "Kubernetes namespace; the provider's default when left out.",
            ),
            attribute("name", true, "Name of the feature store."),
        ],
    }
}

/// Returns the key of a configuration in [`FeatureStoreResource::written`]; `None` while its name is unknown.
fn written_key(config: &Value) -> Option<(String, Option<String>)> {
    let name = config.attribute("name").as_str()?.to_owned();
    let namespace = config.attribute("namespace").as_str().map(str::to_owned);
    Some((name, namespace))
}

/// Returns true if a plan replaces the feature store only because of the provider block's namespace.
fn moves_by_default(config: &Value, planned: &PlanResourceChangeResponse) -> bool {
    let namespace = Path::of("namespace");
    planned.requires_replace.contains(&namespace) && config.attribute("namespace").is_null()
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
        if let Some(key) = written_key(&request.config) {
            let mut written = (self.written.write()).unwrap_or_else(PoisonError::into_inner);
            written.insert(key, request.config.clone());
        }
        match parse::parse(self.block(), &request.config) {
            Ok(parsed) => parse::advice(&parsed),
            Err(diagnostics) => diagnostics,
        }
    }

    /// Reads a stored state. The schema has had one version.
    fn upgrade_state(&self, request: UpgradeResourceStateRequest) -> UpgradeResourceStateResponse {
        match request.state {
            Ok(mut state) => {
                manifests::upgrade(&mut state);
                UpgradeResourceStateResponse {
                    state,
                    diagnostics: Vec::new(),
                }
            }
            Err(reason) => UpgradeResourceStateResponse {
                diagnostics: vec![diagnostics::unreadable_state(&reason)],
                ..UpgradeResourceStateResponse::default()
            },
        }
    }

    async fn read(&self, request: ReadResourceRequest) -> ReadResourceResponse {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        read::read(self.block(), &settings, &stop, request).await
    }

    async fn plan(&self, request: PlanResourceChangeRequest) -> PlanResourceChangeResponse {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        let mut planned = plan::plan(
            self.block(),
            settings.namespace(),
            settings.options().force_conflicts,
            &self.written(&request.config),
            &request,
        );
        if settings.namespace_is_empty() && moves_by_default(&request.config, &planned) {
            return PlanResourceChangeResponse {
                diagnostics: vec![diagnostics::empty_namespace(&request.prior_state)],
                state: request.prior_state,
                ..PlanResourceChangeResponse::default()
            };
        }
        if let Some(replacement) = Replacement::of(self.block(), &request, &mut planned) {
            let diagnostics = replacement.check(&settings, &stop).await;
            planned.diagnostics.extend(diagnostics);
        }
        planned
    }

    async fn apply(&self, request: ApplyResourceChangeRequest) -> ApplyResourceChangeResponse {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        match request.planned_state.is_null() {
            true => destroy::destroy(self.block(), &settings, &stop, request).await,
            false => apply::apply(self.block(), &settings, &stop, request).await,
        }
    }

    async fn import_state(
        &self,
        request: ImportResourceStateRequest,
    ) -> ImportResourceStateResponse {
        let (settings, stop) = (self.data.settings(), self.data.stop_token());
        import::import(self.block(), &settings, &stop, request).await
    }
}
