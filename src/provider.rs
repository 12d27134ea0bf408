//! Provider layer: the Terraform operations, composed of the other layers, and the diagnostics for their errors.
//!
//! Must not know: protobuf, msgpack, sockets.

mod config;
pub mod convert;
mod data_sources;
mod diagnostics;
pub mod docs;
mod functions;
mod resources;
mod schemas;
mod settings;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use crate::schema::provider::{
    Applied, Apply, Configure, DataSource, DataSourceAnswer, FunctionResult, Import, Imported,
    Plan, Planned, Read, ReadAnswer, Schemas, Upgrade, Upgraded, ValidateResource,
};
use crate::schema::{Block, Diagnostic, Diagnostics, Provider, Value};

pub use schemas::FEATURE_STORE;
use settings::Settings;

#[cfg(test)]
mod tests;

/// The provider.
#[derive(Default)]
pub struct Feast {
    schemas: OnceLock<Schemas>,
    settings: RwLock<Arc<Settings>>,
    /// The configurations as their users wrote them, by name and namespace: Terraform validates each before it plans
    /// with the one that `ignore_changes` makes of it.
    written: RwLock<BTreeMap<(String, Option<String>), Value>>,
    /// Cancelled by a stop, and made anew by the next configuration: with `-debug` one process serves many runs.
    stop: RwLock<CancellationToken>,
}

impl Feast {
    pub fn new() -> Self {
        Self::default()
    }

    fn settings(&self) -> Arc<Settings> {
        let settings = self.settings.read();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of the run that asks now.
    fn stopped(&self) -> CancellationToken {
        let stop = self.stop.read();
        stop.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The schema of a resource, which core has taken from us before it names one.
    fn block(&self, type_name: &str) -> Result<&Block, Diagnostics> {
        match self.schemas().resources.get(type_name) {
            Some(resource) => Ok(&resource.schema.block),
            None => Err(vec![Diagnostic::error(
                "Unknown resource type",
                format!("This provider has no resource {type_name:?}."),
            )]),
        }
    }

    /// The same of a data source.
    fn data_source(&self, type_name: &str) -> Result<&Block, Diagnostics> {
        match self.schemas().data_sources.get(type_name) {
            Some(schema) => Ok(&schema.block),
            None => Err(vec![Diagnostic::error(
                "Unknown data source",
                format!("This provider has no data source {type_name:?}."),
            )]),
        }
    }
}

/// What a configuration is found again by; `None` while its name is unknown.
fn written_key(config: &Value) -> Option<(String, Option<String>)> {
    let name = config.attribute("name").as_str()?.to_owned();
    let namespace = config.attribute("namespace").as_str().map(str::to_owned);
    Some((name, namespace))
}

impl Provider for Feast {
    fn schemas(&self) -> &Schemas {
        // The golden test of the schemas lowers the same types, so a failure cannot leave the workshop.
        self.schemas
            .get_or_init(|| schemas::schemas().unwrap_or_else(|error| unreachable!("{error}")))
    }

    fn validate_provider(&self, config: Value) -> Diagnostics {
        match Settings::read(&self.schemas().provider.block, &config) {
            Ok(_) => Vec::new(),
            Err(diagnostics) => diagnostics,
        }
    }

    async fn configure(&self, request: Configure) -> Diagnostics {
        match Settings::read(&self.schemas().provider.block, &request.config) {
            Ok(settings) => {
                let mut current = (self.settings.write()).unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(settings);
                *self.stop.write().unwrap_or_else(PoisonError::into_inner) =
                    CancellationToken::new();
                Vec::new()
            }
            Err(diagnostics) => diagnostics,
        }
    }

    fn validate_resource(&self, request: ValidateResource) -> Diagnostics {
        let block = match self.block(&request.type_name) {
            Ok(block) => block,
            Err(diagnostics) => return diagnostics,
        };
        if let Some(key) = written_key(&request.config) {
            let mut written = (self.written.write()).unwrap_or_else(PoisonError::into_inner);
            written.insert(key, request.config.clone());
        }
        match resources::feature_store::parse::parse(block, &request.config) {
            Ok(parsed) => resources::feature_store::parse::warnings(&parsed),
            Err(diagnostics) => diagnostics,
        }
    }

    fn upgrade(&self, request: Upgrade) -> Upgraded {
        match self.block(&request.type_name) {
            Ok(_) => resources::feature_store::upgrade::upgrade(request),
            Err(diagnostics) => Upgraded {
                diagnostics,
                ..Upgraded::default()
            },
        }
    }

    async fn read(&self, request: Read) -> ReadAnswer {
        match self.block(&request.type_name) {
            Ok(block) => {
                resources::feature_store::read::read(
                    block,
                    &self.settings(),
                    &self.stopped(),
                    request,
                )
                .await
            }
            Err(diagnostics) => ReadAnswer {
                state: request.state,
                diagnostics,
                ..ReadAnswer::default()
            },
        }
    }

    async fn plan(&self, request: Plan) -> Planned {
        match self.block(&request.type_name) {
            Ok(block) => {
                let written = written_key(&request.config).and_then(|key| {
                    let written = self.written.read();
                    let written = written.unwrap_or_else(PoisonError::into_inner);
                    written.get(&key).cloned()
                });
                let written = written.unwrap_or_else(|| request.config.clone());
                resources::feature_store::plan::plan(
                    block,
                    &self.settings(),
                    &self.stopped(),
                    &written,
                    request,
                )
                .await
            }
            Err(diagnostics) => Planned {
                diagnostics,
                ..Planned::default()
            },
        }
    }

    async fn apply(&self, request: Apply) -> Applied {
        match self.block(&request.type_name) {
            Ok(block) if request.planned_state.is_null() => {
                resources::feature_store::destroy::destroy(
                    block,
                    &self.settings(),
                    &self.stopped(),
                    request,
                )
                .await
            }
            Ok(block) => {
                resources::feature_store::apply::apply(
                    block,
                    &self.settings(),
                    &self.stopped(),
                    request,
                )
                .await
            }
            Err(diagnostics) => Applied {
                state: request.prior_state,
                diagnostics,
                ..Applied::default()
            },
        }
    }

    async fn import(&self, request: Import) -> Imported {
        match self.block(&request.type_name) {
            Ok(block) => {
                resources::feature_store::import::import(
                    block,
                    &self.settings(),
                    &self.stopped(),
                    request,
                )
                .await
            }
            Err(diagnostics) => Imported {
                diagnostics,
                ..Imported::default()
            },
        }
    }

    fn call_function(&self, name: &str, arguments: Vec<Value>) -> FunctionResult {
        let block = &self.schemas().resources[FEATURE_STORE].schema.block;
        functions::call(block, name, &arguments)
    }

    fn validate_data_source(&self, request: DataSource) -> Diagnostics {
        match self.data_source(&request.type_name) {
            Ok(block) => data_sources::feature_store::validate(block, &request),
            Err(diagnostics) => diagnostics,
        }
    }

    async fn read_data_source(&self, request: DataSource) -> DataSourceAnswer {
        match self.data_source(&request.type_name) {
            Ok(block) => {
                data_sources::feature_store::read(block, &self.settings(), &self.stopped(), request)
                    .await
            }
            Err(diagnostics) => DataSourceAnswer {
                diagnostics,
                ..DataSourceAnswer::default()
            },
        }
    }

    fn stop(&self) {
        self.stopped().cancel();
    }
}
