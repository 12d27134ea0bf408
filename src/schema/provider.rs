//! What a provider does, in Terraform's terms and without a wire: the seam between the front door
//! ([`tfplugin`](crate::tfplugin)), which calls it, and the hall ([`provider`](crate::provider)), which
//! is it. Each request and response mirrors the protocol message of the same name.

use std::collections::BTreeMap;
use std::future::Future;

use super::{Diagnostics, Path, Schema, Type, Value};

/// Every schema that the provider serves (`GetProviderSchema`, `GetResourceIdentitySchemas`).
#[derive(Debug, Clone, PartialEq)]
pub struct Schemas {
    pub provider: Schema,
    pub resources: BTreeMap<String, ResourceSchema>,
    pub data_sources: BTreeMap<String, Schema>,
    pub functions: BTreeMap<String, Function>,
}

/// A managed resource's schema and the schema of its identity.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceSchema {
    pub schema: Schema,
    pub identity: IdentitySchema,
}

/// What names a resource outside Terraform (protocol message `ResourceIdentitySchema`).
#[derive(Debug, Clone, PartialEq)]
pub struct IdentitySchema {
    pub version: i64,
    pub attributes: Vec<IdentityAttribute>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct IdentityAttribute {
    pub name: String,
    pub r#type: Type,
    pub description: String,
    /// Needed for import; the others may be left out then.
    pub required_for_import: bool,
}

/// A provider function's signature (protocol message `Function`).
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub summary: String,
    pub description: String,
    /// Name, type and description of each parameter.
    pub parameters: Vec<(String, Type, String)>,
    pub returns: Type,
}

/// What the client can take (protocol message `ClientCapabilities`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCapabilities {
    pub deferral_allowed: bool,
    pub write_only_attributes_allowed: bool,
}

/// Why an answer is put off until a later plan (protocol message `Deferred`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferred {
    ResourceConfigUnknown,
    ProviderConfigUnknown,
    AbsentPrerequisite,
}

/// Data that Terraform keeps beside a resource's state and never shows.
pub type Private = Vec<u8>;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Configure {
    pub terraform_version: String,
    pub config: Value,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValidateResource {
    pub type_name: String,
    pub config: Value,
    pub client: ClientCapabilities,
}

/// A state written by this or an earlier version, as its JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Upgrade {
    pub type_name: String,
    pub version: i64,
    pub json: serde_json::Value,
    /// The same, read by the schema of today: an attribute that it lacks is null, one that is gone is
    /// left out. Where it does not fit, the place and the reason.
    pub state: Result<Value, String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Upgraded {
    pub state: Value,
    pub diagnostics: Diagnostics,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    pub type_name: String,
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadAnswer {
    /// Null when the resource is gone.
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    pub type_name: String,
    /// Null on create.
    pub prior_state: Value,
    /// The configuration over the prior state, as core merges them; null on destroy.
    pub proposed_new_state: Value,
    pub config: Value,
    pub prior_identity: Option<Value>,
    pub prior_private: Private,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Planned {
    pub state: Value,
    pub requires_replace: Vec<Path>,
    pub identity: Option<Value>,
    pub private: Private,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Apply {
    pub type_name: String,
    /// Null on create.
    pub prior_state: Value,
    /// Null on destroy.
    pub planned_state: Value,
    pub config: Value,
    pub planned_identity: Option<Value>,
    pub planned_private: Private,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Applied {
    /// What exists now, also after an error; null when nothing does.
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
    pub diagnostics: Diagnostics,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Import {
    pub type_name: String,
    /// Empty when imported by identity.
    pub id: String,
    pub identity: Option<Value>,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// Empty when there are errors.
    pub resources: Vec<ImportedResource>,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportedResource {
    pub type_name: String,
    pub state: Value,
    pub identity: Option<Value>,
    pub private: Private,
}

/// The configuration of a data source, to be validated or read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DataSource {
    pub type_name: String,
    pub config: Value,
    pub client: ClientCapabilities,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DataSourceAnswer {
    pub state: Value,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

/// The answer to a function call, or what is wrong with the argument of that position.
pub type FunctionResult = Result<Value, FunctionError>;

#[derive(Debug, Clone, PartialEq)]
pub struct FunctionError {
    pub text: String,
    pub argument: Option<i64>,
}

/// A provider. Methods never fail on the wire: what goes wrong is a diagnostic.
/// Dropping a returned future must be safe; [`Provider::stop`] asks for an early, orderly end instead.
pub trait Provider: Send + Sync + 'static {
    fn schemas(&self) -> &Schemas;

    fn validate_provider(&self, config: Value) -> Diagnostics;

    fn configure(&self, request: Configure) -> impl Future<Output = Diagnostics> + Send;

    fn validate_resource(&self, request: ValidateResource) -> Diagnostics;

    fn upgrade(&self, request: Upgrade) -> Upgraded;

    fn read(&self, request: Read) -> impl Future<Output = ReadAnswer> + Send;

    fn plan(&self, request: Plan) -> impl Future<Output = Planned> + Send;

    fn apply(&self, request: Apply) -> impl Future<Output = Applied> + Send;

    fn import(&self, request: Import) -> impl Future<Output = Imported> + Send;

    fn validate_data_source(&self, request: DataSource) -> Diagnostics;

    fn read_data_source(
        &self,
        request: DataSource,
    ) -> impl Future<Output = DataSourceAnswer> + Send;

    fn call_function(&self, name: &str, arguments: Vec<Value>) -> FunctionResult;

    /// Ends work in hand early (`StopProvider`, or an interrupt): what was done so far is still
    /// answered, so that Terraform saves it. May come more than once, and with no work in hand.
    fn stop(&self);
}
