//! Actions: operations that a user or a change of a resource triggers, and that leave no state.

use async_trait::async_trait;

use super::{ClientCapabilities, Deferred, EventSink};
use crate::schema::{Diagnostics, Schema, Value};

/// An action.
#[async_trait]
pub trait Action: Send + Sync + 'static {
    /// Returns the type name, such as `feast_materialize`.
    fn type_name(&self) -> &str;

    /// Returns the schema of the `config` block.
    fn schema(&self) -> &Schema;

    /// Validates a configuration, of which any part can be unknown.
    fn validate_config(&self, config: Value) -> Diagnostics;

    /// Checks whether the action can be invoked. It changes nothing.
    async fn plan(&self, request: PlanActionRequest) -> PlanActionResponse;

    /// Runs the action to its end, and sends a line of text for each step that a user wants to know of. The returned
    /// diagnostics are its result: it has failed if there is an error.
    ///
    /// The action runs on when the client leaves; errors of `progress` can be ignored.
    async fn invoke(
        &self,
        request: InvokeActionRequest,
        progress: &dyn EventSink<String>,
    ) -> Diagnostics;
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlanActionRequest {
    pub config: Value,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlanActionResponse {
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct InvokeActionRequest {
    pub config: Value,
    pub client: ClientCapabilities,
}
