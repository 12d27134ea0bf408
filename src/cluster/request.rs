//! Sends requests to the API server, retries temporary failures, and returns JSON or an [`Error`] about the operation.
//!
//! Every request can be repeated: reads, server-side applies, patches that are idempotent or have a precondition, and
//! deletes by UID.

mod response;
mod retries;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderValue;
use http::header::ACCEPT;
use kube::api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::sync::MutexGuard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason, Target, Verb};
use super::resource::{NAMESPACES, Resource, escape};
use super::{Cluster, ConnectionError, connection};
use crate::kubernetes::kind::Key;
use response::{
    content_type, failure_of_response, is_permanent, is_unsent, retry_after, unreadable,
};
use retries::{Failure, RETRY_BUDGET, Retries, SHORT_RETRY_BUDGET};

/// The time for a response. The API server itself ends a request after 60 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(65);

/// The time for a request in flight after a cancellation, so that the response to a write is not lost.
const CANCEL_GRACE: Duration = Duration::from_secs(3);

/// The longest wait for the request that opens the connection.
const OPENING_TIMEOUT: Duration = Duration::from_secs(1);

/// The type of a response.
pub(super) trait ResponseBody: DeserializeOwned {
    const ACCEPT: &str = "application/json";
}

impl ResponseBody for Json {}

/// A list, without its own metadata.
#[derive(Deserialize)]
pub(super) struct List<T> {
    /// Can be null for an empty list.
    pub items: Option<Vec<T>>,
}

impl<T: DeserializeOwned> ResponseBody for List<T> {}

/// The header `Accept` of a list of metadata (`PartialObjectMetadataList`).
pub(super) const ACCEPT_METADATA: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// An element of a list of metadata.
#[derive(Deserialize)]
pub(super) struct MetadataItem<T> {
    pub metadata: T,
}

/// A request to the API server.
pub(super) struct Request<'a> {
    pub verb: Verb,
    pub resource: Resource,
    pub namespace: &'a str,
    /// `None` for a list.
    pub name: Option<&'a str>,
    pub call: Call,
}

/// The parameters of a request, by its method.
pub(super) enum Call {
    Get,
    /// Lists the resources of an API group, for which every authenticated user has permission (`system:discovery`).
    Discovery,
    /// Reads the version of the API server, for which every user has permission (`system:public-info-viewer`).
    Version,
    List(ListParams),
    Create(PostParams, Json),
    Patch(PatchParams, Patch<Json>),
    Delete(DeleteParams),
}

impl Call {
    /// Changes an object by a merge patch.
    pub fn merge(field_manager: &str, patch: Json) -> Self {
        Self::Patch(PatchParams::apply(field_manager), Patch::Merge(patch))
    }
}

impl<'a> Request<'a> {
    /// Reads one object.
    pub fn get(resource: Resource, namespace: &'a str, name: &'a str) -> Self {
        Self {
            verb: Verb::Get,
            resource,
            namespace,
            name: Some(name),
            call: Call::Get,
        }
    }

    /// Asks whether the API server has the API of a resource that is not part of Kubernetes.
    pub fn discovery(resource: Resource) -> Self {
        Self {
            verb: Verb::Get,
            resource,
            namespace: "",
            name: None,
            call: Call::Discovery,
        }
    }

    /// Reads the version of the API server.
    pub fn version() -> Self {
        Self {
            call: Call::Version,
            ..Self::discovery(NAMESPACES)
        }
    }

    /// Asks the API server to evaluate an object that is never stored: an access review, or with [`Request::dry_run`]
    /// any other.
    pub fn check(resource: Resource, namespace: &'a str, object: Json) -> Self {
        Self {
            verb: Verb::Check,
            resource,
            namespace,
            name: None,
            call: Call::Create(PostParams::default(), object),
        }
    }

    /// Reads the selected objects of a namespace.
    pub fn list(resource: Resource, namespace: &'a str, params: ListParams) -> Self {
        Self {
            verb: Verb::List,
            resource,
            namespace,
            name: None,
            call: Call::List(params),
        }
    }

    /// Applies an object.
    pub fn apply(namespace: &'a str, key: &'a Key, params: PatchParams, body: Json) -> Self {
        Self {
            verb: Verb::Apply,
            resource: Resource::from(key.kind),
            namespace,
            name: Some(&key.name),
            call: Call::Patch(params, Patch::Apply(body)),
        }
    }

    /// Changes an object by a merge patch.
    pub fn merge(
        verb: Verb,
        namespace: &'a str,
        key: &'a Key,
        field_manager: &str,
        patch: Json,
    ) -> Self {
        Self {
            verb,
            resource: Resource::from(key.kind),
            namespace,
            name: Some(&key.name),
            call: Call::merge(field_manager, patch),
        }
    }

    /// Makes the API server check the write without storing its result. Other requests do not change.
    pub fn dry_run(mut self) -> Self {
        match &mut self.call {
            Call::Patch(params, _) => params.dry_run = true,
            Call::Create(params, _) => params.dry_run = true,
            Call::Get | Call::Discovery | Call::Version | Call::List(_) | Call::Delete(_) => {}
        }
        self
    }

    /// Returns whether the request changes the cluster.
    fn writes(&self) -> bool {
        let is_dry_run = match &self.call {
            Call::Patch(params, _) => params.dry_run,
            Call::Create(params, _) => params.dry_run,
            Call::Get | Call::Discovery | Call::Version | Call::List(_) | Call::Delete(_) => false,
        };
        self.verb.writes() && !is_dry_run
    }

    fn target(&self) -> Target {
        Target {
            kind: self.resource.kind,
            resource: self.resource.plural,
            group: self.resource.group,
            scope: self.resource.scope,
            name: self.name.map(str::to_owned),
        }
    }

    fn to_http(
        &self,
        accept: &'static str,
    ) -> Result<http::Request<Body>, kube::core::request::Error> {
        let requests = self.resource.requests(self.namespace);
        let name = escape(self.name.unwrap_or_default()).to_string();
        let request = match &self.call {
            Call::Get => requests.get(&name, &GetParams::default()),
            Call::Discovery => http::Request::get(format!("/apis/{}", self.resource.api_version()))
                .body(Vec::new())
                .map_err(kube::core::request::Error::BuildRequest),
            Call::Version => http::Request::get("/version")
                .body(Vec::new())
                .map_err(kube::core::request::Error::BuildRequest),
            Call::List(params) => requests.list(params),
            Call::Create(params, object) => {
                requests.create(params, object.to_string().into_bytes())
            }
            Call::Patch(params, patch) => requests.patch(&name, params, patch),
            Call::Delete(params) => requests.delete(&name, params),
        };
        let mut request = request?.map(Body::from);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        Ok(request)
    }
}

impl Cluster {
    pub(super) async fn client(&self) -> Result<&kube::Client, Reason> {
        let created = self.inner.client.get_or_create(|| async {
            let client = connection::client(self.inner.endpoint.clone());
            client.await.map_err(Reason::from)
        });
        created.await
    }

    /// Waits until requests can be sent with valid credentials.
    async fn ready(&self) -> Result<(), Reason> {
        self.client().await?;
        Ok(self.inner.endpoint.renew_credentials().await?)
    }

    pub(super) fn error(
        &self,
        verb: Verb,
        resource: Resource,
        namespace: &str,
        name: Option<&str>,
        reason: Reason,
    ) -> Error {
        Error {
            verb,
            target: Target {
                kind: resource.kind,
                resource: resource.plural,
                group: resource.group,
                scope: resource.scope,
                name: name.map(str::to_owned),
            },
            namespace: namespace.to_owned(),
            server: self.inner.server.clone(),
            reason,
            maybe_done: false,
        }
    }

    /// Sends the request until it succeeds, fails for good, or has used up the retry budget.
    pub(super) async fn send(
        &self,
        request: Request<'_>,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        self.send_for(request, cancel).await
    }

    /// Sends the request like [`Cluster::send`], and parses the response to `A`.
    pub(super) async fn send_for<A: ResponseBody>(
        &self,
        request: Request<'_>,
        cancel: &CancellationToken,
    ) -> Result<A, Error> {
        self.verify_cluster(cancel).await?;
        let writes = request.writes();
        let answer = self.send_unverified(request, cancel).await;
        if writes {
            self.inner.read_cache.invalidate();
        }
        answer
    }

    pub(super) async fn send_unverified<A: ResponseBody>(
        &self,
        request: Request<'_>,
        cancel: &CancellationToken,
    ) -> Result<A, Error> {
        let failed = |reason, maybe_done: bool| Error {
            verb: request.verb,
            target: request.target(),
            namespace: request.namespace.to_owned(),
            server: self.inner.server.clone(),
            reason,
            maybe_done: maybe_done && request.writes(),
        };
        let mut retries: Option<Retries> = None;
        let mut maybe_done = false;
        loop {
            // A program that prints credentials can wait for a login, so that this takes any time.
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(failed(Reason::Cancelled, maybe_done)),
                ready = self.ready() => ready.map_err(|reason| failed(reason, maybe_done))?,
            }
            let retries = retries.get_or_insert_with(|| {
                Retries::begin(Instant::now(), self.inner.reached.load(Ordering::Relaxed))
            });
            let attempt = tokio::time::timeout(RESPONSE_TIMEOUT, self.attempt(&request));
            let cancelled = async {
                cancel.cancelled().await;
                tokio::time::sleep(CANCEL_GRACE).await;
            };
            let answer = tokio::select! {
                answer = attempt => answer,
                () = cancelled => return Err(failed(Reason::Cancelled, true)),
            };
            let failure = match answer {
                Ok(Ok(json)) => return Ok(json),
                Ok(Err(failure)) => failure,
                Err(elapsed) => Failure {
                    reason: Reason::Unreachable(Arc::new(elapsed)),
                    budget: Some(RETRY_BUDGET),
                    pause: None,
                    maybe_done: true,
                },
            };
            maybe_done |= failure.maybe_done;
            let Some(pause) = retries.pause_after(&failure, Instant::now()) else {
                return Err(failed(failure.reason, maybe_done));
            };
            tracing::info!(
                "cannot {} {}: {}; retrying in {} ms",
                request.verb,
                request.target(),
                failure.reason,
                pause.as_millis()
            );
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cancel.cancelled() => return Err(failed(Reason::Cancelled, maybe_done)),
            }
        }
    }

    async fn attempt<A: ResponseBody>(&self, request: &Request<'_>) -> Result<A, Failure> {
        let client = self.client().await.map_err(Failure::permanent)?;
        let http = request
            .to_http(A::ACCEPT)
            .map_err(|error| Failure::permanent(Reason::InvalidRequest(Arc::new(error))))?;
        let turn = self.opening_turn().await;
        let response = client.send(http).await;
        if response.is_ok() {
            self.inner.reached.store(true, Ordering::Relaxed);
        }
        drop(turn);
        let response = response.map_err(|error| self.unreachable(error))?;
        self.inner.clock.note(response.headers());
        let known_warnings = &self.inner.known_warnings;
        known_warnings.note(response.headers(), &request.target(), &self.warnings);
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let content_type = content_type(response.headers());
        let bytes = response
            .into_body()
            .collect_bytes()
            .await
            .map_err(|error| self.unreachable(error))?;
        tracing::debug!("{} {}: {status}", request.verb, request.target());
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| unreadable(error, status, content_type, &bytes));
        }
        Err(failure_of_response(
            request,
            status,
            &content_type,
            &bytes,
            retry_after,
        ))
    }

    /// Serializes requests until the first response, so that they share one connection instead of opening one each.
    async fn opening_turn(&self) -> Option<MutexGuard<'_, ()>> {
        if self.inner.reached.load(Ordering::Relaxed) {
            return None;
        }
        let turn = tokio::time::timeout(OPENING_TIMEOUT, self.inner.opening.lock());
        let turn = turn.await.ok();
        turn.filter(|_| !self.inner.reached.load(Ordering::Relaxed))
    }

    pub(super) fn unreachable(&self, error: kube::Error) -> Failure {
        let error = match ConnectionError::of_credentials(error) {
            Ok(error) => return Failure::permanent(Reason::from(error)),
            Err(error) => error,
        };
        let budget = if is_permanent(&error) {
            None
        } else if self.inner.reached.load(Ordering::Relaxed) {
            Some(RETRY_BUDGET)
        } else {
            Some(SHORT_RETRY_BUDGET)
        };
        let maybe_done = !is_unsent(&error);
        // The messages of kube repeat their source.
        let source: Arc<dyn std::error::Error + Send + Sync> = match error {
            kube::Error::Service(source) => Arc::from(source),
            kube::Error::HyperError(source) => Arc::new(source),
            other => Arc::new(other),
        };
        Failure {
            reason: Reason::Unreachable(source),
            budget,
            pause: None,
            maybe_done,
        }
    }
}

#[cfg(test)]
mod tests;
