//! The interface between the protocol layer ([`tfplugin`](crate::tfplugin)), which serves a provider, and the provider
//! layer ([`provider`](crate::provider)), which implements it. It plays the part of terraform-plugin-framework: a
//! [`Provider`] has a [`Registry`] of objects, and each object implements the trait of its kind.
//!
//! | Trait | In a configuration | Since |
//! |---|---|---|
//! | [`Resource`] | `resource "feast_x" "name" {}` | Terraform 1.0 |
//! | [`DataSource`] | `data "feast_x" "name" {}` | Terraform 1.0 |
//! | [`Function`] | `provider::feast::x()` | Terraform 1.8 |
//! | [`ListResource`] | `list "feast_x" "name" {}` in a `.tfquery.hcl` file | Terraform 1.14 |
//! | [`Action`] | `action "feast_x" "name" {}` | Terraform 1.14 |
//!
//! A new object is one file that implements its trait, and one line that registers it. Its schema, its metadata and the
//! calls of the protocol follow from the registry.
//!
//! Requests and responses have the names of the protocol messages that they mirror, without what the protocol layer
//! handles itself: type names, encodings and gRPC.
//!
//! # Contract
//!
//! - A method reports failures as diagnostics. A panic becomes a diagnostic as well, and the process continues.
//! - Methods run concurrently, also for the same object.
//! - [`Provider::stop`] asks every method that runs to return early, with what has been done so far. Returned futures
//!   are not dropped, except that of [`ListResource::list`].

mod action;
mod data_source;
mod function;
mod list_resource;
mod resource;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Diagnostics, Schema, Value};

pub use action::{Action, InvokeActionRequest, PlanActionRequest, PlanActionResponse};
pub use data_source::{DataSource, ReadDataSourceRequest, ReadDataSourceResponse};
pub use function::{
    Function, FunctionDefinition, FunctionError, FunctionParameter, FunctionResult,
};
pub use list_resource::{
    ListResource, ListResourceEvent, ListResourceRequest, ValidateListResourceConfigRequest,
};
pub use resource::{
    ApplyResourceChangeRequest, ApplyResourceChangeResponse, GenerateResourceConfig,
    IdentityAttribute, IdentitySchema, ImportResourceStateRequest, ImportResourceStateResponse,
    ImportedResource, MoveResourceState, MoveResourceStateRequest, MoveResourceStateResponse,
    PlanResourceChangeRequest, PlanResourceChangeResponse, Private, ReadResourceRequest,
    ReadResourceResponse, Resource, UpgradeResourceStateRequest, UpgradeResourceStateResponse,
    ValidateResourceConfigRequest,
};

/// A provider: its own configuration and the objects that it offers.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Returns the schema of the provider block.
    fn schema(&self) -> &Schema;

    /// Returns the objects that the provider offers. They are the same for the life of the process.
    fn registry(&self) -> &Registry;

    /// Validates a provider block (`ValidateProviderConfig`).
    fn validate_config(&self, config: Value) -> Diagnostics;

    /// Takes the provider block for the calls that follow (`ConfigureProvider`). One process can be configured more
    /// than once: with `-debug` it serves several runs.
    async fn configure(&self, request: ConfigureProviderRequest) -> Diagnostics;

    /// Asks every call in progress to return early (`StopProvider`, or a signal). Calls report what they have done so
    /// far, so that Terraform saves it. It can be called several times, and when no call is in progress.
    fn stop(&self);
}

/// The objects of a provider, by type name (functions by name).
#[derive(Default)]
pub struct Registry {
    pub resources: BTreeMap<String, Arc<dyn Resource>>,
    pub data_sources: BTreeMap<String, Arc<dyn DataSource>>,
    pub functions: BTreeMap<String, Arc<dyn Function>>,
    pub list_resources: BTreeMap<String, Arc<dyn ListResource>>,
    pub actions: BTreeMap<String, Arc<dyn Action>>,
}

impl Registry {
    /// Adds a managed resource.
    #[must_use]
    pub fn resource(mut self, resource: impl Resource) -> Self {
        let name = resource.type_name().to_owned();
        self.resources.insert(name, Arc::new(resource));
        self
    }

    /// Adds a data source.
    #[must_use]
    pub fn data_source(mut self, data_source: impl DataSource) -> Self {
        let name = data_source.type_name().to_owned();
        self.data_sources.insert(name, Arc::new(data_source));
        self
    }

    /// Adds a function.
    #[must_use]
    pub fn function(mut self, function: impl Function) -> Self {
        let name = function.name().to_owned();
        self.functions.insert(name, Arc::new(function));
        self
    }

    /// Adds a list resource. The managed resource of the same type name has to be registered as well.
    #[must_use]
    pub fn list_resource(mut self, list_resource: impl ListResource) -> Self {
        let name = list_resource.type_name().to_owned();
        self.list_resources.insert(name, Arc::new(list_resource));
        self
    }

    /// Adds an action.
    #[must_use]
    pub fn action(mut self, action: impl Action) -> Self {
        let name = action.type_name().to_owned();
        self.actions.insert(name, Arc::new(action));
        self
    }
}

/// A provider block to be used (protocol message `ConfigureProvider.Request`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigureProviderRequest {
    pub terraform_version: String,
    pub config: Value,
    pub client: ClientCapabilities,
}

/// The optional features of the protocol that the client supports (protocol message `ClientCapabilities`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCapabilities {
    pub deferral_allowed: bool,
    pub write_only_attributes_allowed: bool,
}

/// The reason for which a response is deferred to a later plan (protocol message `Deferred`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferred {
    ResourceConfigUnknown,
    ProviderConfigUnknown,
    AbsentPrerequisite,
}

/// The receiver of the events of a streaming call.
#[async_trait]
pub trait EventSink<E: Send>: Send + Sync {
    /// Sends one event. Returns when the client has room for it, so that no more events are produced than are read.
    ///
    /// # Errors
    /// [`StreamClosed`] when the client takes no event after this one.
    async fn send(&self, event: E) -> Result<(), StreamClosed>;
}

/// The client takes no more events: it has as many as it asked for, or it has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client takes no more events")]
pub struct StreamClosed;
