//! Provider layer: the Terraform operations, composed of the other layers, and the diagnostics for their errors.
//!
//! Each object that the provider offers has a file in the folder of its kind, and one line in [`Feast::new`], which
//! registers it:
//!
//! - `resources/`: managed resources, types that implement [`Resource`](crate::schema::provider::Resource)
//! - `data_sources/`: [`DataSource`](crate::schema::provider::DataSource)
//! - `functions/`: [`Function`](crate::schema::provider::Function)
//! - `list_resources/`: [`ListResource`](crate::schema::provider::ListResource)
//! - `actions/`: [`Action`](crate::schema::provider::Action)
//!
//! Must not know: protobuf, msgpack, sockets.

mod actions;
mod config;
pub mod convert;
mod custom_resource;
mod data_sources;
mod diagnostics;
pub mod docs;
mod functions;
mod list_resources;
mod provider_data;
mod resources;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::schema::provider::{ConfigureProviderRequest, Registry};
use crate::schema::{Block, Diagnostics, Path, Provider, Schema, Value, decode, lower};

use actions::{Apply, FeastAction, Materialize, Restart};
use config::ProviderConfig;
use data_sources::feature_store::FeatureStoreDataSource;
use list_resources::feature_store::FeatureStoreListResource;
use provider_data::ProviderData;
use resources::feature_store::FeatureStoreResource;
use settings::{EnvironmentVariables, Settings};

pub use resources::feature_store::TYPE_NAME as FEATURE_STORE;

#[cfg(test)]
mod tests;

/// The provider `feast`.
pub struct Feast {
    schema: Schema,
    registry: Registry,
    data: Arc<ProviderData>,
    environment: EnvironmentVariables,
}

impl Feast {
    /// Builds the provider with the environment variables of this process, which complete the provider block.
    pub fn with_environment() -> Self {
        Self {
            environment: EnvironmentVariables::of_this_process(),
            ..Self::new()
        }
    }

    /// Builds the provider with everything that it offers, and without environment variables.
    pub fn new() -> Self {
        let data = Arc::new(ProviderData::default());
        let feature_store = FeatureStoreResource::new(&data);
        let block = Arc::new(feature_store.block().clone());
        let [from_manifest, render] = functions::all(&block);
        Self {
            schema: Schema {
                version: 0,
                block: lowered::<ProviderConfig>(),
            },
            registry: Registry::default()
                .resource(feature_store)
                .data_source(FeatureStoreDataSource::new(&data))
                .list_resource(FeatureStoreListResource::new(&block, &data))
                .function(from_manifest)
                .function(render)
                .action(FeastAction::<Apply>::new(&data))
                .action(FeastAction::<Materialize>::new(&data))
                .action(FeastAction::<Restart>::new(&data)),
            data,
            environment: EnvironmentVariables::default(),
        }
    }
}

impl Default for Feast {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Provider for Feast {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn validate_config(&self, config: Value) -> Diagnostics {
        Settings::read(&self.schema.block, &config, &self.environment)
            .err()
            .unwrap_or_default()
    }

    async fn configure(&self, request: ConfigureProviderRequest) -> Diagnostics {
        match Settings::read(&self.schema.block, &request.config, &self.environment) {
            Ok(settings) => {
                self.data.configure(settings);
                Vec::new()
            }
            Err(diagnostics) => diagnostics,
        }
    }

    fn stop(&self) {
        self.data.stop();
    }
}

/// Returns the block of a configuration type. The schema golden test covers every type, so this cannot fail at run
/// time.
fn lowered<T: JsonSchema>() -> Block {
    lower::<T>().unwrap_or_else(|error| unreachable!("{error}"))
}

/// Decodes a configuration to the type that its block was lowered from. Returns the paths of the unknown values, too.
///
/// # Errors
///
/// A diagnostic for each value that does not fit the schema.
fn decode_as<T: DeserializeOwned>(
    block: &Block,
    config: &Value,
) -> Result<(T, BTreeSet<Path>), Diagnostics> {
    let decoded = decode(block, config);
    if !decoded.diagnostics.is_empty() {
        return Err(decoded.diagnostics);
    }
    let config = serde_json::from_value(decoded.json).map_err(diagnostics::mismatch)?;
    Ok((config, decoded.unknown))
}
