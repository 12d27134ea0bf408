//! What every call needs: the provider, the types of its values, the work in hand.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::codec;
use super::proto::tfplugin6::{DynamicValue, ResourceIdentityData};
use crate::schema::provider::{IdentitySchema, Provider};
use crate::schema::{Diagnostic, Diagnostics, Type, Value};

/// One call of the protocol, implemented by its request message: how it is served, and how it fails.
pub(super) trait Rpc<P>: Send + Sync + 'static {
    type Response: Send + 'static;

    /// What is done, as it follows on "while": `planning feast_feature_store`.
    fn doing(&self) -> String;

    /// Converts, calls the provider, converts.
    ///
    /// # Errors
    /// The diagnostics for [`Rpc::failed`].
    fn serve(
        &self,
        session: &Session<P>,
    ) -> impl Future<Output = Result<Self::Response, Diagnostics>> + Send;

    /// The answer when [`Rpc::serve`] fails, which is before anything was done: all is as it was.
    fn failed(&self, diagnostics: Diagnostics) -> Self::Response;

    /// The answer when the provider crashed midway: Terraform must not forget what may exist now.
    fn crashed(&self, diagnostics: Diagnostics) -> Self::Response {
        self.failed(diagnostics)
    }
}

/// The one provider of this process, as the calls see it.
pub(super) struct Session<P> {
    pub provider: P,
    /// Where to report a bug.
    pub issues: &'static str,
    /// Calls in hand; they run on when their connection breaks.
    pub work: TaskTracker,
    /// Asks the server to end gracefully.
    pub end: CancellationToken,
    types: OnceLock<Types>,
}

struct Types {
    provider: Type,
    resources: BTreeMap<String, ResourceTypes>,
    data_sources: BTreeMap<String, ResourceTypes>,
}

/// The types of a resource's values; of a data source's, which has no identity.
pub(super) struct ResourceTypes {
    name: String,
    state: Type,
    identity: Type,
}

impl<P: Provider> Session<P> {
    pub fn new(provider: P, issues: &'static str) -> Arc<Self> {
        Arc::new(Self {
            provider,
            issues,
            work: TaskTracker::new(),
            end: CancellationToken::new(),
            types: OnceLock::new(),
        })
    }

    /// Serves one call to its end. A crash of the provider is a diagnostic, and the process lives on.
    pub async fn answer<Q: Rpc<P>>(self: &Arc<Self>, request: Q, rpc: &'static str) -> Q::Response {
        let (session, request) = (Arc::clone(self), Arc::new(request));
        let task = {
            let request = Arc::clone(&request);
            async move {
                tracing::trace!("call");
                let answer = request.serve(&session).await;
                tracing::trace!("answer");
                answer
            }
        };
        let span = tracing::error_span!("rpc", tf_rpc = rpc, doing = request.doing());
        match self.work.spawn(task.instrument(span)).await {
            Ok(Ok(response)) => response,
            Ok(Err(diagnostics)) => request.failed(diagnostics),
            Err(crash) => request.crashed(vec![self.crash(&request.doing(), crash)]),
        }
    }

    fn crash(&self, doing: &str, crash: JoinError) -> Diagnostic {
        let why = match crash.try_into_panic() {
            Ok(payload) => payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied())
                .unwrap_or("without a message")
                .to_owned(),
            Err(cancelled) => cancelled.to_string(),
        };
        Diagnostic::error(
            "The provider crashed",
            format!(
                "The provider crashed while {doing}: {why}\n\nThis is a bug in the provider. Please report \
                 it, with the output under TF_LOG=ERROR, at {}",
                self.issues
            ),
        )
    }

    fn types(&self) -> &Types {
        self.types.get_or_init(|| {
            let schemas = self.provider.schemas();
            let resources = schemas.resources.iter().map(|(name, resource)| {
                let types = ResourceTypes {
                    name: name.clone(),
                    state: resource.schema.block.value_type(),
                    identity: identity_type(&resource.identity),
                };
                (name.clone(), types)
            });
            let data_sources = schemas.data_sources.iter().map(|(name, schema)| {
                let types = ResourceTypes {
                    name: name.clone(),
                    state: schema.block.value_type(),
                    identity: Type::Object(BTreeMap::new()),
                };
                (name.clone(), types)
            });
            Types {
                data_sources: data_sources.collect(),
                provider: schemas.provider.block.value_type(),
                resources: resources.collect(),
            }
        })
    }

    /// The types of the resource `name`.
    pub fn resource(&self, name: &str) -> Result<&ResourceTypes, Diagnostics> {
        self.types().resources.get(name).ok_or_else(|| {
            vec![Diagnostic::error(
                "Unknown resource type",
                format!("This version of the provider has no resource type {name:?}."),
            )]
        })
    }

    /// The types of the data source `name`.
    pub fn data_source(&self, name: &str) -> Result<&ResourceTypes, Diagnostics> {
        self.types().data_sources.get(name).ok_or_else(|| {
            vec![Diagnostic::error(
                "Unknown data source",
                format!("This version of the provider has no data source {name:?}."),
            )]
        })
    }

    /// Reads the provider block.
    pub fn read_provider_config(&self, wire: Option<&DynamicValue>) -> Result<Value, Diagnostics> {
        codec::read(wire, &self.types().provider)
            .map_err(|error| vec![unreadable("the configuration of the provider", error)])
    }
}

fn identity_type(schema: &IdentitySchema) -> Type {
    let attributes = (schema.attributes.iter())
        .map(|attribute| (attribute.name.clone(), attribute.r#type.clone()));
    Type::Object(attributes.collect())
}

impl ResourceTypes {
    /// Reads a value of the resource's schema; `what` is for the sentence: `the prior state`.
    pub fn read(&self, wire: Option<&DynamicValue>, what: &str) -> Result<Value, Diagnostics> {
        codec::read(wire, &self.state)
            .map_err(|error| vec![unreadable(&format!("{what} of {}", self.name), error)])
    }

    /// Reads a stored state as well as it fits the schema of today.
    pub fn read_stored(&self, json: &[u8]) -> Result<Value, codec::Error> {
        codec::from_stored_json(json, &self.state)
    }

    /// Reads a stored identity as well as it fits the schema of today.
    pub fn read_stored_identity(&self, json: &[u8]) -> Result<Value, Diagnostics> {
        codec::from_stored_json(json, &self.identity)
            .map_err(|error| vec![unreadable(&format!("the identity of {}", self.name), error)])
    }

    /// Reads an identity. A null one is absent: what Terraform has before there is any.
    pub fn read_identity(
        &self,
        wire: Option<&ResourceIdentityData>,
    ) -> Result<Option<Value>, Diagnostics> {
        let wire = wire.and_then(|identity| identity.identity_data.as_ref());
        let identity = codec::read(wire, &self.identity)
            .map_err(|error| vec![unreadable(&format!("the identity of {}", self.name), error)])?;
        Ok(Some(identity).filter(|identity| !identity.is_null()))
    }

    /// Writes a value of the resource's schema, or adds to `diagnostics` why it does not fit.
    pub fn write(&self, value: &Value, diagnostics: &mut Diagnostics) -> Option<DynamicValue> {
        codec::write(value, &self.state)
            .map_err(|error| diagnostics.push(unwritable(&self.name, error)))
            .ok()
    }

    /// Writes an identity, or adds to `diagnostics` why it does not fit.
    pub fn write_identity(
        &self,
        identity: Option<&Value>,
        diagnostics: &mut Diagnostics,
    ) -> Option<ResourceIdentityData> {
        let data = codec::write(identity?, &self.identity)
            .map_err(|error| diagnostics.push(unwritable(&self.name, error)))
            .ok()?;
        Some(ResourceIdentityData {
            identity_data: Some(data),
        })
    }
}

fn unreadable(what: &str, error: codec::Error) -> Diagnostic {
    let detail = format!(
        "Terraform sent {what}, which the provider cannot read: {error}.\n\nIf the provider was up- or \
         downgraded, make sure that every run uses the same version of it."
    );
    Diagnostic::error("Value does not fit the provider's schema", detail).at(error.path)
}

fn unwritable(name: &str, error: codec::Error) -> Diagnostic {
    let detail = format!(
        "The provider's answer for {name} does not fit its own schema: {error}.\n\nThis is a bug in the \
         provider."
    );
    Diagnostic::error("Provider produced an invalid value", detail).at(error.path)
}
