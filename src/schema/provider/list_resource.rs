//! List resources: the search for managed resources that exist outside Terraform (`terraform query`).

use async_trait::async_trait;

use super::{EventSink, StreamClosed};
use crate::schema::{Diagnostics, Schema, Value};

/// A list of the managed resources of one type. Terraform imports them by the identities that it returns.
#[async_trait]
pub trait ListResource: Send + Sync + 'static {
    /// Returns the type name of the managed resource.
    fn type_name(&self) -> &str;

    /// Returns the schema of the `config` block.
    fn schema(&self) -> &Schema;

    /// Validates a `config` block, of which any part can be unknown.
    fn validate_config(&self, request: ValidateListResourceConfigRequest) -> Diagnostics;

    /// Sends one event for each resource that exists. The list is complete when it returns.
    ///
    /// Its future is dropped when the client leaves or the process ends. When [`Provider::stop`](super::Provider::stop)
    /// is called, it has to send an error and return.
    ///
    /// # Errors
    /// [`StreamClosed`] from `events`, to be returned as it is. An error of the listing is an event.
    async fn list(
        &self,
        request: ListResourceRequest,
        events: &dyn EventSink<ListResourceEvent>,
    ) -> Result<(), StreamClosed>;
}

/// A `list` block (protocol message `ValidateListResourceConfig.Request`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValidateListResourceConfigRequest {
    pub config: Value,
    /// A bool, null or unknown.
    pub include_resource_object: Value,
    /// A number, null or unknown.
    pub limit: Value,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListResourceRequest {
    pub config: Value,
    /// True if the events should have `resource_object`.
    pub include_resource_object: bool,
    /// The largest number of resources that Terraform takes; 0 for any number. The protocol layer closes the stream
    /// after that many.
    pub limit: i64,
}

/// A resource that exists, or diagnostics (protocol message `ListResource.Event`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListResourceEvent {
    /// The identity; `None` in an event that has only diagnostics.
    pub identity: Option<Value>,
    /// A short name for the user.
    pub display_name: String,
    /// The state, as an import and a refresh would return it. It is left out unless it was asked for.
    pub resource_object: Option<Value>,
    pub diagnostics: Diagnostics,
}

impl ListResourceEvent {
    /// Returns an event that is about no resource: an error, or warnings.
    pub fn diagnostics_only(diagnostics: Diagnostics) -> Self {
        Self {
            diagnostics,
            ..Self::default()
        }
    }
}
