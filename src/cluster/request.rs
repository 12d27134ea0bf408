//! One request to the API server: sent, tried again while the failure may pass by itself, and turned
//! into JSON or an [`Error`] that says what was being done.
//!
//! Every request that this room makes may be repeated: reads, server-side applies, and deletes that
//! name the object's UID.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Method, StatusCode};
use kube::client::Body;
use kube::core::Status;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{Error, FieldConflict, InvalidField, Reason, Target, Verb};
use super::resource::Resource;
use super::{Cluster, ConnectionError};
use crate::feast::objects::Kind;

/// How long a failure that may pass by itself is endured: an API server restart, an etcd election.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same while the API server has never answered, and for plain internal errors (500), which are
/// as often permanent (a broken webhook).
const SHORT_PATIENCE: Duration = Duration::from_secs(6);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

pub(super) struct Request<'a> {
    pub verb: Verb,
    pub resource: Resource,
    pub namespace: &'a str,
    pub name: Option<&'a str>,
    pub query: Vec<(&'a str, &'a str)>,
    pub body: Option<Json>,
}

impl Request<'_> {
    fn target(&self) -> Target {
        Target {
            kind: self.resource.kind,
            resource: self.resource.plural,
            group: self.resource.group,
            name: self.name.map(str::to_owned),
        }
    }

    fn to_http(&self) -> Result<http::Request<Body>, http::Error> {
        let method = match self.verb {
            Verb::Apply | Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
            Verb::Get | Verb::List | Verb::Watch | Verb::Wait => Method::GET,
        };
        let mut builder = http::Request::builder()
            .method(method)
            .uri(self.resource.url(self.namespace, self.name, &self.query))
            .header(http::header::ACCEPT, "application/json");
        let body = match &self.body {
            None => Body::empty(),
            Some(json) => {
                let kind = match self.verb {
                    Verb::Apply => "application/apply-patch+yaml",
                    Verb::Patch => "application/merge-patch+json",
                    _ => "application/json",
                };
                builder = builder.header(http::header::CONTENT_TYPE, kind);
                Body::from(json.to_string().into_bytes())
            }
        };
        builder.body(body)
    }
}

/// A failed attempt.
struct Failure {
    reason: Reason,
    /// How long it is worth trying again; `None`: not at all.
    patience: Option<Duration>,
    /// What the server asked for.
    pause: Option<Duration>,
}

impl Cluster {
    pub(super) async fn client(&self) -> Result<&kube::Client, Reason> {
        self.inner
            .client
            .get_or_try_init(|| async {
                let config = self.inner.config.clone();
                // An exec plugin runs here, and blocks.
                let made =
                    tokio::task::spawn_blocking(move || kube::Client::try_from(config)).await;
                match made {
                    Ok(Ok(client)) => Ok(client),
                    Ok(Err(error)) => Err(Reason::Credentials(Box::new(
                        ConnectionError::from_client(error),
                    ))),
                    Err(error) => Err(Reason::Credentials(Box::new(error))),
                }
            })
            .await
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
                name: name.map(str::to_owned),
            },
            namespace: namespace.to_owned(),
            server: self.server().to_owned(),
            reason,
        }
    }

    /// Sends the request until it succeeds, fails for good, or has used up our patience.
    pub(super) async fn send(
        &self,
        request: Request<'_>,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let wrap = |reason| Error {
            verb: request.verb,
            target: request.target(),
            namespace: request.namespace.to_owned(),
            server: self.server().to_owned(),
            reason,
        };
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            if cancel.is_cancelled() {
                return Err(wrap(Reason::Cancelled));
            }
            let failure = match self.attempt(&request).await {
                Ok(json) => return Ok(json),
                Err(failure) => failure,
            };
            let next = failure.pause.unwrap_or(pause);
            let give_up = failure
                .patience
                .is_none_or(|patience| started.elapsed() + next > patience);
            if give_up {
                return Err(wrap(failure.reason));
            }
            tracing::info!(
                "{} {} did not succeed ({}), trying again in {} ms",
                request.verb,
                request.target(),
                failure.reason,
                next.as_millis()
            );
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = cancel.cancelled() => return Err(wrap(Reason::Cancelled)),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Json, Failure> {
        let permanent = |reason| Failure {
            reason,
            patience: None,
            pause: None,
        };
        let client = self.client().await.map_err(permanent)?;
        let http = request
            .to_http()
            .map_err(|error| permanent(Reason::Unreadable(Box::new(error))))?;
        let response = client
            .send(http)
            .await
            .map_err(|error| self.unreachable(error))?;
        self.inner.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let bytes = response
            .into_body()
            .collect_bytes()
            .await
            .map_err(|error| self.unreachable(error))?;
        tracing::debug!("{} {}: {status}", request.verb, request.target());
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| permanent(Reason::Unreadable(Box::new(error))));
        }
        Err(refused(request, status, &bytes, retry_after))
    }

    fn unreachable(&self, error: kube::Error) -> Failure {
        if let kube::Error::Auth(_) = error {
            return Failure {
                reason: Reason::Credentials(Box::new(ConnectionError::from_client(error))),
                patience: None,
                pause: None,
            };
        }
        let patience = if is_permanent(&error) {
            None
        } else if self.inner.reached.load(Ordering::Relaxed) {
            Some(PATIENCE)
        } else {
            Some(SHORT_PATIENCE)
        };
        Failure {
            reason: Reason::Unreachable(Box::new(error)),
            patience,
            pause: None,
        }
    }
}

/// A certificate that does not verify, or a host that does not exist, is no better a second later.
fn is_permanent(error: &kube::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = source {
        let text = current.to_string();
        if text.contains("certificate")
            || text.contains("CorruptMessage")
            || text.contains("dns error")
        {
            return true;
        }
        source = current.source();
    }
    false
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.parse().ok()?))
}

fn refused(
    request: &Request<'_>,
    code: StatusCode,
    body: &[u8],
    retry_after: Option<Duration>,
) -> Failure {
    let status = serde_json::from_slice::<Status>(body).unwrap_or_else(|_| {
        // A proxy in between answers in its own words.
        let text = String::from_utf8_lossy(body);
        Status {
            code: code.as_u16(),
            message: text.chars().take(300).collect(),
            reason: code.canonical_reason().unwrap_or_default().to_owned(),
            ..Status::default()
        }
    });
    let asked = status
        .details
        .as_ref()
        .filter(|details| details.retry_after_seconds > 0)
        .map(|details| Duration::from_secs(u64::from(details.retry_after_seconds)));
    let patience = match code.as_u16() {
        429 | 502..=504 => Some(PATIENCE),
        500 if status.reason == "ServerTimeout" || status.message.contains("etcdserver") => {
            Some(PATIENCE)
        }
        500 => Some(SHORT_PATIENCE),
        _ => None,
    };
    Failure {
        reason: reason(request, code, status),
        patience,
        pause: retry_after.or(asked),
    }
}

fn reason(request: &Request<'_>, code: StatusCode, status: Status) -> Reason {
    let details = status.details.as_ref();
    let causes = || {
        details
            .map(|details| details.causes.as_slice())
            .unwrap_or_default()
    };
    let namespace = || request.namespace.to_owned();
    match code.as_u16() {
        401 => Reason::Unauthorized {
            message: status.message,
        },
        403 if causes()
            .iter()
            .any(|cause| cause.reason == "NamespaceTerminating") =>
        {
            Reason::NamespaceTerminating(namespace())
        }
        403 => Reason::Forbidden {
            message: status.message,
        },
        404 if details.is_some_and(|details| details.kind == "namespaces") => {
            Reason::NamespaceMissing(namespace())
        }
        404 => Reason::NotFound,
        409 => {
            let conflicts: Vec<FieldConflict> = causes()
                .iter()
                .filter(|cause| cause.reason == "FieldManagerConflict")
                .map(|cause| field_conflict(&cause.field, &cause.message))
                .collect();
            if conflicts.is_empty() {
                Reason::Stale {
                    message: status.message,
                }
            } else {
                Reason::Conflict(conflicts)
            }
        }
        // What is wrong with a Secret may be said by quoting it.
        400 | 422 | 500 if request.resource.kind == Kind::Secret.as_str() => Reason::Rejected {
            code: code.as_u16(),
            reason: status.reason,
            message: "the message is withheld, because it may quote the Secret".to_owned(),
        },
        422 => Reason::Invalid {
            fields: causes()
                .iter()
                .map(|cause| InvalidField {
                    field: cause.field.clone(),
                    message: cause.message.clone(),
                })
                .collect(),
            message: status.message,
        },
        code => Reason::Rejected {
            code,
            reason: status.reason,
            message: status.message,
        },
    }
}

/// Reads the API server's sentence: `conflict with "kubectl-edit" using apps/v1`, where "using" stands
/// for plain updates only; an update of a subresource adds `with subresource "scale"` before it, and a
/// time may follow.
fn field_conflict(field: &str, message: &str) -> FieldConflict {
    let manager = message.split('"').nth(1).unwrap_or("unknown");
    let by_update = message
        .rsplit('"')
        .next()
        .is_some_and(|rest| rest.contains(" using "));
    FieldConflict {
        field: field.to_owned(),
        manager: manager.to_owned(),
        by_update,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflict_sentences() {
        let read = |message| {
            let conflict = field_conflict(".spec.replicas", message);
            (conflict.manager, conflict.by_update)
        };
        assert_eq!(
            read("conflict with \"argocd\""),
            ("argocd".to_owned(), false)
        );
        assert_eq!(
            read("conflict with \"kubectl-edit\" using apps/v1"),
            ("kubectl-edit".to_owned(), true)
        );
        assert_eq!(
            read("conflict with \"kubectl\" with subresource \"scale\" using apps/v1"),
            ("kubectl".to_owned(), true)
        );
        assert_eq!(
            read("conflict with \"kubectl-edit\" using apps/v1 at 2026-08-21T10:00:00Z"),
            ("kubectl-edit".to_owned(), true)
        );
    }

    #[test]
    fn a_secret_is_not_quoted() {
        let request = Request {
            verb: Verb::Apply,
            resource: Resource::from(Kind::Secret),
            namespace: "ns",
            name: Some("feast-x"),
            query: Vec::new(),
            body: None,
        };
        let body = br#"{"kind":"Status","code":422,"reason":"Invalid","message":"hunter2 is bad"}"#;
        let failure = refused(&request, StatusCode::UNPROCESSABLE_ENTITY, body, None);
        assert!(!format!("{} {:?}", failure.reason, failure.reason).contains("hunter2"));
        assert_eq!(failure.patience, None);
    }

    #[test]
    fn what_may_pass_by_itself() {
        let request = Request {
            verb: Verb::Get,
            resource: Resource::from(Kind::Deployment),
            namespace: "ns",
            name: Some("feast-x"),
            query: Vec::new(),
            body: None,
        };
        let patience = |code: u16, body: &str| {
            let code = StatusCode::from_u16(code).expect("a status code");
            refused(&request, code, body.as_bytes(), None).patience
        };
        assert_eq!(patience(403, "{}"), None);
        assert_eq!(patience(429, "too many"), Some(PATIENCE));
        assert_eq!(patience(503, "<html>"), Some(PATIENCE));
        assert_eq!(
            patience(500, r#"{"message":"etcdserver: leader changed"}"#),
            Some(PATIENCE)
        );
        assert_eq!(
            patience(500, r#"{"message":"webhook"}"#),
            Some(SHORT_PATIENCE)
        );
    }
}
