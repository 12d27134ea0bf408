//! The batch engine, whose configuration is in a ConfigMap.

use crate::feast::config::{self, LocalObjectReference, SparkApplication};
use crate::feast::names;
use crate::feast::secrets::source::Source;

/// The `batch_engine` of `feature_store.yaml`, which is read from a ConfigMap during apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchEngine {
    pub source: Source,
    /// The ServiceAccount of the driver, if the engine is `spark_application`.
    pub driver: Option<Driver>,
}

/// The ServiceAccount of the Spark driver, to which the provider binds a Role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    pub service_account: String,
    /// True if the provider creates the ServiceAccount.
    pub is_created: bool,
}

impl BatchEngine {
    pub(super) fn new(engine: &config::BatchEngine, store: &str) -> Self {
        let config::BatchEngine {
            config_map_ref: LocalObjectReference { name },
            config_map_key,
            spark_application,
        } = engine.clone();
        Self {
            source: Source::config_map(
                name,
                config_map_key.unwrap_or_else(|| names::BATCH_ENGINE_KEY.to_owned()),
            ),
            driver: spark_application.map(|SparkApplication { service_account }| Driver {
                is_created: service_account.is_none(),
                service_account: service_account.unwrap_or_else(|| names::batch_driver(store)),
            }),
        }
    }
}
