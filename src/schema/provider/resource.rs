//! Managed resources.

use async_trait::async_trait;

use super::{ClientCapabilities, Deferred};
use crate::schema::{Diagnostics, Path, Schema, Type, Value};

/// A managed resource. Values have the type of [`Resource::schema`], identities that of [`Resource::identity_schema`].
#[async_trait]
pub trait Resource: Send + Sync + 'static {
    /// Returns the type name, such as `feast_feature_store`.
    fn type_name(&self) -> &str;

    /// Returns the schema of configuration, plan and state.
    fn schema(&self) -> &Schema;

    /// Returns the schema of the identity.
    fn identity_schema(&self) -> &IdentitySchema;

    /// Validates a configuration, of which any part can be unknown.
    fn validate_config(&self, request: ValidateResourceConfigRequest) -> Diagnostics;

    /// Upgrades a stored state to the current schema. Terraform calls this for every stored state, also for one of the
    /// current version.
    fn upgrade_state(&self, request: UpgradeResourceStateRequest) -> UpgradeResourceStateResponse;

    /// Refreshes a state.
    async fn read(&self, request: ReadResourceRequest) -> ReadResourceResponse;

    /// Plans a create, an update or a destroy.
    async fn plan(&self, request: PlanResourceChangeRequest) -> PlanResourceChangeResponse;

    /// Creates, updates or destroys. The response describes what exists afterwards, also after an error.
    async fn apply(&self, request: ApplyResourceChangeRequest) -> ApplyResourceChangeResponse;

    /// Imports what exists outside Terraform. Terraform refreshes the imported state before it uses it.
    async fn import_state(
        &self,
        request: ImportResourceStateRequest,
    ) -> ImportResourceStateResponse;

    /// Returns the conversion of other resources' states into this one's (`moved` blocks between types). Without one,
    /// such moves are rejected.
    fn state_mover(&self) -> Option<&dyn MoveResourceState> {
        None
    }

    /// Returns the generator of configuration for imported resources. It is used if every resource of the provider has
    /// one; otherwise Terraform generates configuration itself.
    fn config_generator(&self) -> Option<&dyn GenerateResourceConfig> {
        None
    }
}

/// A resource that other resources can be moved to (Terraform 1.8).
#[async_trait]
pub trait MoveResourceState: Send + Sync {
    /// Converts the state of another resource, possibly of another provider.
    async fn move_state(&self, request: MoveResourceStateRequest) -> MoveResourceStateResponse;
}

/// A resource that writes its own configuration (Terraform 1.14).
pub trait GenerateResourceConfig: Send + Sync {
    /// Returns the configuration that leads to `state`.
    ///
    /// # Errors
    /// The diagnostics that explain why there is none.
    fn generate_config(&self, state: Value) -> Result<Value, Diagnostics>;
}

/// The schema of what identifies a resource outside Terraform (protocol message `ResourceIdentitySchema`).
#[derive(Debug, Clone, PartialEq)]
pub struct IdentitySchema {
    pub version: i64,
    pub attributes: Vec<IdentityAttribute>,
}

/// An attribute of an identity (protocol message `ResourceIdentitySchema.IdentityAttribute`).
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityAttribute {
    pub name: String,
    pub r#type: Type,
    pub description: String,
    /// True if an import by identity has to set it; otherwise it is optional there.
    pub required_for_import: bool,
}

/// Data that Terraform keeps beside a resource's state and never shows.
pub type Private = Vec<u8>;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValidateResourceConfigRequest {
    pub config: Value,
    pub client: ClientCapabilities,
}

/// A stored state of this or an earlier version of the schema.
#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeResourceStateRequest {
    /// The version of the schema that the state was written with.
    pub version: i64,
    /// The state read by the current schema: missing attributes are null, unknown ones are dropped. An error says which
    /// value does not fit.
    pub state: Result<Value, String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpgradeResourceStateResponse {
    pub state: Value,
    pub diagnostics: Diagnostics,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadResourceRequest {
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadResourceResponse {
    /// Null if the resource does not exist any more.
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlanResourceChangeRequest {
    /// Null for a create.
    pub prior_state: Value,
    /// The configuration merged with the prior state by Terraform; null for a destroy.
    pub proposed_new_state: Value,
    pub config: Value,
    pub prior_identity: Option<Value>,
    pub prior_private: Private,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlanResourceChangeResponse {
    pub state: Value,
    /// The attributes whose change replaces the resource.
    pub requires_replace: Vec<Path>,
    pub identity: Option<Value>,
    pub private: Private,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApplyResourceChangeRequest {
    /// Null for a create.
    pub prior_state: Value,
    /// Null for a destroy.
    pub planned_state: Value,
    pub config: Value,
    pub planned_identity: Option<Value>,
    pub planned_private: Private,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApplyResourceChangeResponse {
    /// What exists now, also after an error; null if nothing exists.
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
    pub diagnostics: Diagnostics,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportResourceStateRequest {
    /// Empty for an import by identity.
    pub id: String,
    pub identity: Option<Value>,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportResourceStateResponse {
    /// Empty if there are errors.
    pub resources: Vec<ImportedResource>,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

/// A resource that was imported, of the type that the import was asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportedResource {
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
}

/// A state of another resource type, as its provider stored it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MoveResourceStateRequest {
    /// The address of the other provider, such as `registry.terraform.io/hashicorp/kubernetes`.
    pub source_provider_address: String,
    pub source_type_name: String,
    pub source_schema_version: i64,
    pub source_state: serde_json::Value,
    pub source_private: Private,
    /// Null if the source has no identity.
    pub source_identity: serde_json::Value,
    pub source_identity_schema_version: i64,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct MoveResourceStateResponse {
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
    pub diagnostics: Diagnostics,
}
