//! The state that all calls share: the provider, the types of its objects' values, and the calls in progress.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tracing::Instrument;

use super::codec;
use super::object::{self, ObjectTypes};
use super::proto::tfplugin6::DynamicValue;
use super::rpc::{EventSender, Rpc, StreamingRpc};
use crate::schema::provider::{
    Action, DataSource, IdentitySchema, ListResource, Provider, Resource,
};
use crate::schema::{Diagnostic, Diagnostics, Schema, Type, Value};

/// The stream of a call's events.
pub(super) type Events<E> = ReceiverStream<Result<E, Status>>;

/// The one provider of this process, as the calls see it.
pub(super) struct Session {
    pub provider: Arc<dyn Provider>,
    /// The address that users report bugs to.
    issues: &'static str,
    /// The calls in progress. They continue when their connection breaks.
    pub calls: TaskTracker,
    /// Asks the server to shut down gracefully.
    pub shutdown: CancellationToken,
    provider_type: Type,
    resources: Registered<dyn Resource>,
    data_sources: Registered<dyn DataSource>,
    list_resources: Registered<dyn ListResource>,
    actions: Registered<dyn Action>,
}

/// The registered objects of one kind, by type name.
type Registered<T> = BTreeMap<String, (Arc<T>, ObjectTypes)>;

impl Session {
    pub fn new(provider: Arc<dyn Provider>, issues: &'static str) -> Arc<Self> {
        let registry = provider.registry();
        let identity = |resource: &dyn Resource| Some(resource.identity_schema().clone());
        Arc::new(Self {
            issues,
            calls: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            provider_type: provider.schema().block.value_type(),
            resources: with_types(&registry.resources, |resource| resource.schema(), identity),
            data_sources: with_types(&registry.data_sources, |source| source.schema(), |_| None),
            list_resources: with_types(&registry.list_resources, |list| list.schema(), |_| None),
            actions: with_types(&registry.actions, |action| action.schema(), |_| None),
            provider,
        })
    }

    /// Serves one unary call. It runs to its end even if its connection breaks.
    pub async fn respond<Q: Rpc>(self: &Arc<Self>, request: Q, rpc: &'static str) -> Q::Response {
        let (session, request) = (Arc::clone(self), Arc::new(request));
        let task = {
            let request = Arc::clone(&request);
            async move { request.serve(&session).await }
        };
        match self.run(request.operation(), rpc, task).await {
            Ok(Ok(response)) => response,
            Ok(Err(diagnostics)) => request.diagnostics_response(diagnostics),
            Err(crash) => request.panic_response(vec![crash]),
        }
    }

    /// Serves one streaming call. There is room for one event that the client has not read yet.
    pub fn stream<Q: StreamingRpc>(
        self: &Arc<Self>,
        request: Q,
        rpc: &'static str,
    ) -> Events<Q::Event> {
        let (sender, receiver) = mpsc::channel(1);
        let (session, request) = (Arc::clone(self), Arc::new(request));
        let sender = EventSender::new(sender);
        self.calls.spawn(async move {
            let task = {
                let (session, request) = (Arc::clone(&session), Arc::clone(&request));
                let sender = sender.clone();
                async move { request.serve(&session, &sender).await }
            };
            let diagnostics = match session.run(request.operation(), rpc, task).await {
                Ok(Ok(())) => return,
                Ok(Err(diagnostics)) => diagnostics,
                Err(crash) => vec![crash],
            };
            // A client that has left needs no last event.
            let event = request.diagnostics_event(diagnostics);
            sender.send(event).await.ok();
        });
        ReceiverStream::new(receiver)
    }

    /// Runs `task` as a call in progress. A panic in it becomes the diagnostic of the error.
    async fn run<T: Send + 'static>(
        &self,
        operation: String,
        rpc: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Diagnostic> {
        let span = tracing::error_span!("rpc", tf_rpc = rpc, operation);
        let task = async move {
            tracing::trace!("request");
            let result = task.await;
            tracing::trace!("response");
            result
        };
        let result = self.calls.spawn(task.instrument(span)).await;
        result.map_err(|error| self.crash(&operation, error))
    }

    fn crash(&self, operation: &str, error: JoinError) -> Diagnostic {
        let reason = match error.try_into_panic() {
            Ok(payload) => panic_message(&*payload)
                .unwrap_or("without a message")
                .to_owned(),
            Err(cancelled) => cancelled.to_string(),
        };
        Diagnostic::error(
            "The provider crashed",
            format!(
                "The provider crashed while {operation}: {reason}\n\nThis is a bug in the provider. Please report \
                 it, with the output under TF_LOG_PROVIDER=ERROR, at {}",
                self.issues
            ),
        )
    }

    /// Returns the managed resource `name`.
    pub fn resource(&self, name: &str) -> Result<(&dyn Resource, &ObjectTypes), Diagnostics> {
        find(&self.resources, "resource type", name)
    }

    /// Returns the data source `name`.
    pub fn data_source(&self, name: &str) -> Result<(&dyn DataSource, &ObjectTypes), Diagnostics> {
        find(&self.data_sources, "data source", name)
    }

    /// Returns the list resource `name`.
    pub fn list_resource(
        &self,
        name: &str,
    ) -> Result<(&dyn ListResource, &ObjectTypes), Diagnostics> {
        find(&self.list_resources, "list resource", name)
    }

    /// Returns the action `name`.
    pub fn action(&self, name: &str) -> Result<(&dyn Action, &ObjectTypes), Diagnostics> {
        find(&self.actions, "action", name)
    }

    /// Reads a provider block.
    pub fn read_provider_config(&self, value: Option<&DynamicValue>) -> Result<Value, Diagnostics> {
        codec::read(value, &self.provider_type).map_err(|error| {
            vec![object::unreadable(
                "the configuration of the provider",
                error,
            )]
        })
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
}

fn with_types<T: ?Sized>(
    registered: &BTreeMap<String, Arc<T>>,
    schema: impl Fn(&T) -> &Schema,
    identity: impl Fn(&T) -> Option<IdentitySchema>,
) -> Registered<T> {
    let typed = registered.iter().map(|(name, object)| {
        let types = ObjectTypes::new(name, schema(object), identity(object).as_ref());
        (name.clone(), (Arc::clone(object), types))
    });
    typed.collect()
}

fn find<'a, T: ?Sized>(
    objects: &'a Registered<T>,
    kind: &str,
    name: &str,
) -> Result<(&'a T, &'a ObjectTypes), Diagnostics> {
    match objects.get(name) {
        Some((object, types)) => Ok((&**object, types)),
        None => Err(vec![Diagnostic::error(
            format!("Unknown {kind}"),
            format!("This version of the provider has no {kind} {name:?}."),
        )]),
    }
}
