//! The calls of the protocol, one file for each family. The request message of a call implements [`Rpc`] or
//! [`StreamingRpc`]: it converts the request, calls the provider, and converts the response.

mod action;
mod data_source;
mod functions;
mod import;
mod list_resource;
mod provider;
mod resource;
mod state;

use std::future::Future;

use tokio::sync::mpsc;
use tonic::Status;

use super::proto::tfplugin6 as proto;
use super::session::Session;
use crate::schema::Diagnostics;
use crate::schema::provider::{ClientCapabilities, Deferred, StreamClosed};

/// A call with one response.
pub(super) trait Rpc: Send + Sync + 'static {
    type Response: Send + 'static;

    /// Returns what the call does, as the end of a sentence with "while": `planning feast_feature_store`.
    fn operation(&self) -> String;

    /// Returns whether the provider implements the call. The response is the gRPC status UNIMPLEMENTED otherwise.
    fn is_served(&self, _: &Session) -> bool {
        true
    }

    /// Converts the request, calls the provider, and converts the response.
    ///
    /// # Errors
    /// The diagnostics for [`Rpc::diagnostics_response`].
    fn serve(
        &self,
        session: &Session,
    ) -> impl Future<Output = Result<Self::Response, Diagnostics>> + Send;

    /// Returns the response that has only diagnostics. The state in it is that of the request.
    fn diagnostics_response(&self, diagnostics: Diagnostics) -> Self::Response;

    /// Returns the response for a panic in [`Rpc::serve`]. Terraform must keep the state of objects that the provider
    /// may have created.
    fn panic_response(&self, diagnostics: Diagnostics) -> Self::Response {
        self.diagnostics_response(diagnostics)
    }
}

/// A call with a stream of events as its response.
pub(super) trait StreamingRpc: Send + Sync + 'static {
    type Event: Send + 'static;

    /// Returns what the call does, as the end of a sentence with "while": `listing feast_feature_store`.
    fn operation(&self) -> String;

    /// Converts the request, calls the provider, and converts its events. The stream ends when this returns.
    ///
    /// # Errors
    /// The diagnostics for [`StreamingRpc::diagnostics_event`].
    fn serve(
        &self,
        session: &Session,
        events: &EventSender<Self::Event>,
    ) -> impl Future<Output = Result<(), Diagnostics>> + Send;

    /// Returns the event that has only diagnostics. It is the last one of a stream whose [`StreamingRpc::serve`] failed
    /// or panicked.
    fn diagnostics_event(&self, diagnostics: Diagnostics) -> Self::Event;
}

/// The sending half of a stream of events.
pub(super) struct EventSender<E>(mpsc::Sender<Result<E, Status>>);

impl<E> EventSender<E> {
    pub fn new(sender: mpsc::Sender<Result<E, Status>>) -> Self {
        Self(sender)
    }

    /// Sends an event when the client has read the one before.
    pub async fn send(&self, event: E) -> Result<(), StreamClosed> {
        self.0.send(Ok(event)).await.map_err(|_| StreamClosed)
    }

    /// Returns when the client has left.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl<E> Clone for EventSender<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Reads the protocol message `ClientCapabilities`.
fn client_capabilities(capabilities: Option<proto::ClientCapabilities>) -> ClientCapabilities {
    let capabilities = capabilities.unwrap_or_default();
    ClientCapabilities {
        deferral_allowed: capabilities.deferral_allowed,
        write_only_attributes_allowed: capabilities.write_only_attributes_allowed,
    }
}

/// Writes the protocol message `Deferred`.
fn deferred(deferred: Deferred) -> proto::Deferred {
    use proto::deferred::Reason;
    let reason = match deferred {
        Deferred::ResourceConfigUnknown => Reason::ResourceConfigUnknown,
        Deferred::ProviderConfigUnknown => Reason::ProviderConfigUnknown,
        Deferred::AbsentPrerequisite => Reason::AbsentPrereq,
    };
    proto::Deferred {
        reason: reason.into(),
    }
}
