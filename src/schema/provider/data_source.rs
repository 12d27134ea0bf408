//! Data sources.

use async_trait::async_trait;

use super::{ClientCapabilities, Deferred};
use crate::schema::{Diagnostics, Schema, Value};

/// A data source. Configuration and state have the type of [`DataSource::schema`].
#[async_trait]
pub trait DataSource: Send + Sync + 'static {
    /// Returns the type name, such as `feast_feature_store`.
    fn type_name(&self) -> &str;

    /// Returns the schema of configuration and state.
    fn schema(&self) -> &Schema;

    /// Validates a configuration, of which any part can be unknown.
    fn validate_config(&self, config: Value) -> Diagnostics;

    /// Reads what the configuration describes.
    async fn read(&self, request: ReadDataSourceRequest) -> ReadDataSourceResponse;
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadDataSourceRequest {
    pub config: Value,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadDataSourceResponse {
    pub state: Value,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}
