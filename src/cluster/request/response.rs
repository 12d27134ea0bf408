//! The meaning of error responses, and whether a retry can succeed.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper_util::client::legacy;
use kube::core::Status;
use rustls::AlertDescription;

use super::Request;
use super::retries::{Failure, RETRY_BUDGET, SHORT_RETRY_BUDGET, THROTTLED_RETRY_BUDGET};
use crate::cluster::error::{FieldConflict, InvalidField, Reason, UnstoredField, Verb, causes};
use crate::cluster::resource::Resource;
use crate::kubernetes::field_versions::Requirement;
use crate::kubernetes::kind::{Kind, Scope};

/// Returns whether a retry would fail in the same way: client and server do not agree on TLS, or one rejects the
/// certificate of the other. Failed name resolution is retried, because the standard library does not distinguish a
/// busy resolver (`EAI_AGAIN`) from a name that does not exist.
pub(super) fn is_permanent(error: &kube::Error) -> bool {
    use rustls::Error::{
        AlertReceived, InvalidCertificate, InvalidMessage, NoCertificatesPresented,
        PeerIncompatible, UnsupportedNameType,
    };
    let mut errors = causes(error).filter_map(|cause| cause.downcast_ref::<rustls::Error>());
    errors.any(|error| match error {
        AlertReceived(alert) => is_permanent_alert(*alert),
        // A server without TLS sends an invalid message.
        InvalidCertificate(_)
        | InvalidMessage(_)
        | NoCertificatesPresented
        | PeerIncompatible(_)
        | UnsupportedNameType => true,
        _ => false,
    })
}

fn is_permanent_alert(alert: AlertDescription) -> bool {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, NoApplicationProtocol, ProtocolVersion, UnknownCA, UnrecognisedName,
        UnsupportedCertificate,
    };
    matches!(
        alert,
        AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | NoApplicationProtocol
            | ProtocolVersion
            | UnknownCA
            | UnrecognisedName
            | UnsupportedCertificate
    )
}

/// Returns whether the request was not sent, because there was no connection.
pub(super) fn is_unsent(error: &kube::Error) -> bool {
    let kube::Error::Service(source) = error else {
        return false;
    };
    let source = source.downcast_ref::<legacy::Error>();
    source.is_some_and(legacy::Error::is_connect)
}

const NO_CONTENT_TYPE: &str = "no content type";

/// Returns the media type of a response, without parameters.
pub(super) fn content_type(headers: &http::HeaderMap) -> String {
    let kind = headers.get(http::header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        "" => NO_CONTENT_TYPE.to_owned(),
        kind => kind.to_ascii_lowercase(),
    }
}

/// Returns the failure of a successful response whose body is not the requested JSON.
pub(super) fn unreadable(
    error: serde_json::Error,
    code: StatusCode,
    content_type: String,
    body: &[u8],
) -> Failure {
    let (reason, budget) = if is_json(&content_type, body) {
        // A retry of a truncated response can succeed.
        let budget = error.is_eof().then_some(SHORT_RETRY_BUDGET);
        (Reason::Unreadable(Arc::new(error)), budget)
    } else {
        (not_kubernetes(code, content_type), None)
    };
    Failure {
        budget,
        maybe_done: true,
        ..Failure::permanent(reason)
    }
}

/// Returns whether the body is JSON. Some proxies remove the content type.
fn is_json(content_type: &str, body: &[u8]) -> bool {
    content_type.ends_with("json") || body.trim_ascii_start().starts_with(b"{")
}

fn not_kubernetes(code: StatusCode, content_type: String) -> Reason {
    Reason::NotKubernetes {
        code: code.as_u16(),
        content_type,
    }
}

/// Returns the meaning of a response that does not come from the API server, although its status code could: a redirect
/// to a login page, or a 404 of a proxy. Only a 404 with the body of an API server means that an object does not exist.
fn proxy_response(
    request: &Request<'_>,
    code: StatusCode,
    content_type: &str,
    body: &[u8],
) -> Option<Reason> {
    if is_json(content_type, body) {
        return None;
    }
    // The API server responds in plain text if it does not have the API.
    let is_plain = content_type == "text/plain" || content_type == NO_CONTENT_TYPE;
    match code {
        StatusCode::NOT_FOUND if is_plain && request.resource.is_custom() => None,
        StatusCode::NOT_FOUND if is_plain => Some(Reason::NotInstalled {
            api: request.resource.api_version(),
        }),
        code if code == StatusCode::NOT_FOUND || code.is_redirection() => {
            Some(not_kubernetes(code, content_type.to_owned()))
        }
        _ => None,
    }
}

/// Replaces messages about a Secret.
const WITHHELD: &str = "the message is withheld, because it may quote the Secret";

pub(super) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.parse().ok()?))
}

/// Returns the failure of a request whose response has an error status.
pub(super) fn failure_of_response(
    request: &Request<'_>,
    code: StatusCode,
    content_type: &str,
    body: &[u8],
    retry_after: Option<Duration>,
) -> Failure {
    if let Some(reason) = proxy_response(request, code, content_type, body) {
        return Failure {
            maybe_done: matches!(reason, Reason::NotKubernetes { .. }),
            ..Failure::permanent(reason)
        };
    }
    let status = serde_json::from_slice::<Status>(body).unwrap_or_else(|_| {
        // A proxy sends no Status.
        let text = String::from_utf8_lossy(body);
        Status {
            code: code.as_u16(),
            message: text.chars().take(300).collect(),
            reason: code.canonical_reason().unwrap_or_default().to_owned(),
            ..Status::default()
        }
    });
    let requested = status
        .details
        .as_ref()
        .filter(|details| details.retry_after_seconds > 0)
        .map(|details| Duration::from_secs(u64::from(details.retry_after_seconds)));
    let budget = match code.as_u16() {
        429 => Some(THROTTLED_RETRY_BUDGET),
        502..=504 => Some(RETRY_BUDGET),
        500 if status.reason == "ServerTimeout" || status.message.contains("etcdserver") => {
            Some(RETRY_BUDGET)
        }
        500 => Some(SHORT_RETRY_BUDGET),
        // Other objects of the namespace were counted at the same time.
        409 if is_of_a_quota(&status) => Some(SHORT_RETRY_BUDGET),
        _ => None,
    };
    let reason = reason(request, code, status);
    // A policy would deny a retry, too, whatever its status code.
    let is_final = matches!(reason, Reason::Denied { .. } | Reason::NotStored { .. });
    let budget = budget.filter(|_| !is_final);
    Failure {
        // The response comes from a proxy, or from a server whose etcd did not respond in time.
        maybe_done: code.is_server_error() && budget == Some(RETRY_BUDGET),
        reason,
        budget,
        pause: retry_after.or(requested),
    }
}

/// Returns whether the conflict is about the quota, and not about the object.
fn is_of_a_quota(status: &Status) -> bool {
    let details = status.details.as_ref();
    details.is_some_and(|details| details.kind == "resourcequotas")
}

/// Returns whether the status names an object. The API server does not if it has no such API.
fn names_an_object(status: &Status) -> bool {
    let details = status.details.as_ref();
    details.is_some_and(|details| !details.name.is_empty())
}

fn reason(request: &Request<'_>, code: StatusCode, status: Status) -> Reason {
    let causes = || status.details.iter().flat_map(|details| &details.causes);
    if is_denial(request, code, &status) {
        return Reason::Denied {
            message: denial(request, &status.message),
        };
    }
    let unknown = unknown_fields(&status.message).into_iter();
    let unknown: Vec<UnstoredField> = unknown
        .map(|field| UnstoredField {
            field: field.to_owned(),
            requirement: Requirement::of_field(field),
        })
        .collect();
    if !unknown.is_empty() {
        return Reason::NotStored {
            version: None,
            fields: unknown,
        };
    }
    match code.as_u16() {
        401 => Reason::Unauthorized {
            message: status.message,
        },
        403 if causes().any(|cause| cause.reason == "NamespaceTerminating") => {
            Reason::NamespaceTerminating(request.namespace.to_owned())
        }
        403 => Reason::Forbidden {
            message: complete_denial(request, status.message),
        },
        404 => not_found(request, status),
        409 if !is_of_a_quota(&status) => conflict(status),
        // The message can quote the Secret.
        400 | 422 | 500 if request.resource.kind == Kind::Secret.as_str() => Reason::Rejected {
            code: code.as_u16(),
            reason: status.reason,
            message: WITHHELD.to_owned(),
        },
        422 => Reason::Invalid {
            fields: causes()
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

/// Completes the message about an apply of a new object without the permission to create it: earlier API servers, such
/// as that of Kubernetes 1.30, do not say what is missing.
fn complete_denial(request: &Request<'_>, message: String) -> String {
    if request.verb != Verb::Apply || !message.ends_with("is forbidden: ") {
        return message;
    }
    let Resource { plural, group, .. } = request.resource;
    let place = match request.resource.scope {
        Scope::Namespace => format!("in the namespace {:?}", request.namespace),
        Scope::Cluster => "at the cluster scope".to_owned(),
    };
    format!("{message}this user cannot create resource {plural:?} in API group {group:?} {place}")
}

/// Returns the meaning of a 404 of the API server.
fn not_found(request: &Request<'_>, status: Status) -> Reason {
    let details = status.details.as_ref();
    if details.is_some_and(|details| details.kind == "namespaces") {
        return Reason::NamespaceMissing(request.namespace.to_owned());
    }
    match request.verb {
        // The object refers to one that does not exist, such as a binding to its role. The status has the name of the
        // role, and the resource of the request.
        Verb::Apply if names_an_object(&status) => Reason::Rejected {
            code: StatusCode::NOT_FOUND.as_u16(),
            reason: status.reason,
            message: status.message,
        },
        // A list and an apply need no existing object, so that the API is missing.
        Verb::List | Verb::Apply => Reason::NotInstalled {
            api: request.resource.api_version(),
        },
        _ => Reason::NotFound,
    }
}

/// Returns the meaning of a 409 that is not about a quota.
fn conflict(status: Status) -> Reason {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let conflicts: Vec<FieldConflict> = causes
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

/// Parses a message about fields that the API server does not know. It has the code 500: `failed to create typed patch
/// object (ns/feast-x; apps/v1, Kind=Deployment): .spec.x: field not declared in schema`, or `…): errors:` and a line
/// for each field.
fn unknown_fields(message: &str) -> Vec<&str> {
    let fields = message.lines().filter_map(|line| {
        let (before, _) = line.split_once(": field not declared in schema")?;
        let field = before.rsplit_once("): ").map_or(before, |(_, field)| field);
        Some(field.trim_start()).filter(|field| field.starts_with('.'))
    });
    fields.collect()
}

/// The end of the API server's part of a denial, before the message of the policy.
const DENIED: [&str; 2] = ["denied the request", "denied request"];

/// Returns whether an admission policy or webhook has denied a write. Webhooks choose the status code. Field
/// validation, which also has the code 422, names fields in its causes.
fn is_denial(request: &Request<'_>, code: StatusCode, status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let is_of_a_field = causes.into_iter().any(|cause| !cause.field.is_empty());
    request.verb.writes()
        && (DENIED.iter().any(|words| status.message.contains(words))
            || (code == StatusCode::UNPROCESSABLE_ENTITY
                && status.reason == "Invalid"
                && status.details.is_some()
                && !is_of_a_field))
}

/// Returns the message of a denial. The policy's part is withheld for a Secret, because it can quote the Secret.
fn denial(request: &Request<'_>, message: &str) -> String {
    if request.resource.kind != Kind::Secret.as_str() {
        return message.to_owned();
    }
    let ends = DENIED.iter().filter_map(|words| {
        let start = message.find(words)?;
        Some(start + words.len())
    });
    let message = ends.min().map_or("", |end| &message[..end]);
    let separator = if message.is_empty() { "" } else { ": " };
    format!("{message}{separator}{WITHHELD}")
}

/// Parses a message of the API server: `conflict with "kubectl-edit" using apps/v1`. Only updates have `using`. An
/// update of a subresource has `with subresource "scale"` before it, and a time can follow.
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
        time: None,
        values: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::resource::Resource;

    #[test]
    fn parses_conflict_messages() {
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
    fn fields_that_the_api_server_does_not_know_are_not_retried() {
        let failure = |fields: &str| {
            let message = format!(
                "failed to create typed patch object (ns/feast-x; apps/v1, Kind=Deployment): {fields}"
            );
            let body = serde_json::json!({"kind": "Status", "code": 500, "message": message});
            let failure = failure_of_response(
                &request(Verb::Apply, Kind::Deployment),
                StatusCode::INTERNAL_SERVER_ERROR,
                "application/json",
                body.to_string().as_bytes(),
                None,
            );
            assert_eq!(failure.budget, None);
            failure.reason.to_string()
        };
        let options = ".spec.template.spec.containers[name=\"online\"].volumeMounts[mountPath=\"/a\"].bindMountOptions";
        assert_eq!(
            failure(&format!("{options}: field not declared in schema")),
            format!(
                "the API server does not store these fields:\n  {options}: requires the feature gate VolumeBindMountOptions"
            )
        );
        let two = ".spec.a: field not declared in schema\n  .spec.trafficDistribution: field not declared in schema";
        assert_eq!(
            failure(&format!("errors:\n  {two}")),
            "the API server does not store these fields:\n  .spec.a\n  .spec.trafficDistribution: requires Kubernetes 1.31"
        );
    }

    fn request(verb: Verb, kind: Kind) -> Request<'static> {
        Request {
            verb,
            ..Request::get(Resource::from(kind), "ns", "feast-x")
        }
    }

    #[test]
    fn messages_about_a_secret_are_withheld() {
        let request = request(Verb::Apply, Kind::Secret);
        let body = br#"{"kind":"Status","code":422,"reason":"Invalid","message":"hunter2 is bad"}"#;
        let failure = failure_of_response(
            &request,
            StatusCode::UNPROCESSABLE_ENTITY,
            "application/json",
            body,
            None,
        );
        assert!(!format!("{} {:?}", failure.reason, failure.reason).contains("hunter2"));
        assert_eq!(failure.budget, None);
    }

    #[test]
    fn retry_budgets_depend_on_the_status_code() {
        let request = request(Verb::Get, Kind::Deployment);
        let budget = |code: u16, body: &str| {
            let code = StatusCode::from_u16(code).expect("a status code");
            failure_of_response(&request, code, NO_CONTENT_TYPE, body.as_bytes(), None).budget
        };
        assert_eq!(budget(403, "{}"), None);
        assert_eq!(budget(429, "too many"), Some(THROTTLED_RETRY_BUDGET));
        assert_eq!(budget(503, "<html>"), Some(RETRY_BUDGET));
        assert_eq!(
            budget(500, r#"{"message":"etcdserver: leader changed"}"#),
            Some(RETRY_BUDGET)
        );
        assert_eq!(
            budget(500, r#"{"message":"webhook"}"#),
            Some(SHORT_RETRY_BUDGET)
        );
    }

    #[test]
    fn only_a_404_of_the_api_server_means_not_found() {
        let status = r#"{"kind":"Status","code":404,"reason":"NotFound","message":"not found"}"#;
        let unknown = "404 page not found\n";
        let page = "<html>no such page</html>";
        let built_in = Kind::HorizontalPodAutoscaler;
        let custom = Kind::ScaledObject;
        let absent = "it does not exist";
        let autoscaling = "the cluster has no API autoscaling/v2";
        let keda = "the cluster has no API keda.sh/v1alpha1";
        let html =
            "the response does not come from a Kubernetes API server: text/html with status 404";
        for (kind, content_type, body, of_lists, of_one) in [
            (built_in, "application/json", status, autoscaling, absent),
            (built_in, NO_CONTENT_TYPE, status, autoscaling, absent),
            (built_in, "text/plain", unknown, autoscaling, autoscaling),
            (built_in, NO_CONTENT_TYPE, unknown, autoscaling, autoscaling),
            (built_in, "text/html", page, html, html),
            (custom, "application/json", status, keda, absent),
            (custom, "text/plain", unknown, keda, absent),
            (custom, "text/html", page, html, html),
        ] {
            for (verb, expected) in [
                (Verb::Apply, of_lists),
                (Verb::List, of_lists),
                (Verb::Get, of_one),
                (Verb::Delete, of_one),
            ] {
                let request = request(verb, kind);
                let code = StatusCode::NOT_FOUND;
                let failure =
                    failure_of_response(&request, code, content_type, body.as_bytes(), None);
                let message = failure.reason.to_string();
                assert_eq!(message, expected, "{verb} {kind:?} {content_type} {body}");
                assert_eq!(failure.maybe_done, expected == html, "{verb} {kind:?}");
            }
        }
    }

    #[test]
    fn a_redirect_is_not_a_response_of_the_api_server() {
        let request = request(Verb::Apply, Kind::Service);
        let failure =
            failure_of_response(&request, StatusCode::FOUND, "text/html", b"<a href>", None);
        let expected =
            "the response does not come from a Kubernetes API server: text/html with status 302";
        assert_eq!(failure.reason.to_string(), expected);
        assert!(failure.maybe_done);
    }

    #[test]
    fn an_html_page_is_not_a_response_of_the_api_server() {
        let read = |content_type: &str, body: &str| {
            let error = serde_json::from_str::<serde_json::Value>(body).unwrap_err();
            let content_type = content_type.to_owned();
            let failure = unreadable(error, StatusCode::OK, content_type, body.as_bytes());
            assert!(failure.maybe_done);
            (failure.reason.to_string(), failure.budget)
        };
        let page = "the response does not come from a Kubernetes API server:";
        let unreadable = "the response of the API server is malformed";
        for (content_type, body, message, budget) in [
            (
                "text/html",
                "<html>",
                format!("{page} text/html with status 200"),
                None,
            ),
            (
                "text/html",
                "",
                format!("{page} text/html with status 200"),
                None,
            ),
            (
                NO_CONTENT_TYPE,
                "hello",
                format!("{page} no content type with status 200"),
                None,
            ),
            // Truncated.
            (
                "application/json",
                "{\"a",
                unreadable.to_owned(),
                Some(SHORT_RETRY_BUDGET),
            ),
            (
                NO_CONTENT_TYPE,
                "{\"a",
                unreadable.to_owned(),
                Some(SHORT_RETRY_BUDGET),
            ),
            (
                "application/json",
                "",
                unreadable.to_owned(),
                Some(SHORT_RETRY_BUDGET),
            ),
            // Malformed.
            ("application/json", "{1}", unreadable.to_owned(), None),
        ] {
            assert_eq!(
                read(content_type, body),
                (message, budget),
                "{content_type} {body}"
            );
        }
    }

    #[test]
    fn content_types_have_no_parameters() {
        let read = |value: &'static str| {
            let value = http::HeaderValue::from_static(value);
            content_type(&http::HeaderMap::from_iter([(
                http::header::CONTENT_TYPE,
                value,
            )]))
        };
        assert_eq!(read("Text/HTML; charset=utf-8"), "text/html");
        assert_eq!(read("application/json"), "application/json");
        assert_eq!(content_type(&http::HeaderMap::new()), NO_CONTENT_TYPE);
    }

    /// Returns the reason for an error response with this code and Status.
    fn refusal(verb: Verb, kind: Kind, code: u16, status: serde_json::Value) -> Reason {
        let code = StatusCode::from_u16(code).expect("a status code");
        let body = status.to_string();
        failure_of_response(
            &request(verb, kind),
            code,
            "application/json",
            body.as_bytes(),
            None,
        )
        .reason
    }

    fn status(
        code: u16,
        reason: &str,
        message: &str,
        causes: serde_json::Value,
    ) -> serde_json::Value {
        serde_json::json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message,
            "details": {"name": "feast-x", "group": "apps", "kind": "deployments", "causes": causes}})
    }

    #[test]
    fn a_denial_without_a_reason_names_the_missing_permission() {
        let message = "deployments.apps \"feast-x\" is forbidden: ";
        let none = serde_json::json!([]);
        let forbidden = |verb| {
            let status = status(403, "Forbidden", message, none.clone());
            refusal(verb, Kind::Deployment, 403, status)
        };
        let Reason::Forbidden { message: completed } = forbidden(Verb::Apply) else {
            panic!("another reason");
        };
        assert_eq!(
            completed,
            "deployments.apps \"feast-x\" is forbidden: this user cannot create resource \"deployments\" in API group \
             \"apps\" in the namespace \"ns\""
        );
        assert!(
            matches!(forbidden(Verb::Get), Reason::Forbidden { message: other } if other == message)
        );
    }

    #[test]
    fn denials_differ_from_invalid_fields_and_missing_permissions() {
        let policy = "deployments.apps \"feast-x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: needs an owner";
        let webhook =
            "admission webhook \"validate.kyverno.svc-fail\" denied the request: needs an owner";
        let silent = "admission webhook \"w\" denied the request without explanation";
        let none = serde_json::json!([]);
        let cause = serde_json::json!([{"message": policy}]);
        for (code, reason, message, causes) in [
            (422, "Invalid", policy, &cause),
            (403, "Forbidden", policy, &cause),
            (401, "Unauthorized", policy, &cause),
            (413, "RequestEntityTooLarge", policy, &cause),
            (400, "", webhook, &none),
            (403, "Forbidden", webhook, &none),
            // A webhook chooses its status code.
            (404, "NotFound", webhook, &none),
            (409, "Conflict", webhook, &none),
            (
                422,
                "Invalid",
                webhook,
                &serde_json::json!([{"field": "spec.replicas", "message": "m"}]),
            ),
            (500, "InternalError", webhook, &none),
            (400, "", silent, &none),
            // A message without the known wording.
            (
                422,
                "Invalid",
                "rejected",
                &serde_json::json!([{"message": "rejected"}]),
            ),
        ] {
            for verb in [Verb::Apply, Verb::Patch, Verb::Delete] {
                let found = refusal(
                    verb,
                    Kind::Deployment,
                    code,
                    status(code, reason, message, causes.clone()),
                );
                assert_eq!(
                    found.to_string(),
                    format!("a policy of the cluster denies this: {message}"),
                    "{code}"
                );
                assert!(matches!(found, Reason::Denied { .. }));
            }
        }
        let field = serde_json::json!([{"reason": "FieldValueInvalid", "message": "m", "field": "spec.replicas"}]);
        let found = refusal(
            Verb::Apply,
            Kind::Deployment,
            422,
            status(422, "Invalid", "invalid", field),
        );
        assert!(matches!(found, Reason::Invalid { .. }), "{found:?}");
        let found = refusal(
            Verb::Apply,
            Kind::Deployment,
            403,
            status(403, "Forbidden", "User \"u\" cannot patch resource", none),
        );
        assert!(matches!(found, Reason::Forbidden { .. }), "{found:?}");
    }

    #[test]
    fn a_denial_of_a_secret_names_the_policy_and_withholds_its_message() {
        let message = |code, message: &str| {
            let causes = serde_json::json!([{"message": message}]);
            let status = status(code, "Invalid", message, causes);
            refusal(Verb::Apply, Kind::Secret, code, status).to_string()
        };
        let withheld = "the message is withheld, because it may quote the Secret";
        assert_eq!(
            message(
                422,
                "secrets \"s\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: hunter2"
            ),
            format!(
                "a policy of the cluster denies this: secrets \"s\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: {withheld}"
            )
        );
        assert_eq!(
            message(403, "admission webhook \"w\" denied the request: hunter2"),
            format!(
                "a policy of the cluster denies this: admission webhook \"w\" denied the request: {withheld}"
            )
        );
        assert_eq!(
            message(422, "hunter2"),
            format!("a policy of the cluster denies this: {withheld}")
        );
    }

    #[test]
    fn a_missing_role_of_a_binding_is_not_a_missing_api() {
        let message = "rolebindings.rbac.authorization.k8s.io \"feast-x\" not found";
        let missing = |details: &serde_json::Value| {
            let status = serde_json::json!({"kind": "Status", "code": 404, "reason": "NotFound",
                "message": message, "details": details});
            refusal(Verb::Apply, Kind::RoleBinding, 404, status).to_string()
        };
        let role = serde_json::json!({"name": "feast-x", "kind": "rolebindings"});
        assert_eq!(
            missing(&role),
            format!("the API server answered 404 NotFound: {message}")
        );
        let no_api = "the cluster has no API rbac.authorization.k8s.io/v1";
        assert_eq!(missing(&serde_json::json!({})), no_api);
    }

    /// Wraps an error like hyper.
    fn failed(below: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> bool {
        let below = std::io::Error::other(below);
        is_permanent(&kube::Error::Service(Box::new(below)))
    }

    #[test]
    fn the_type_of_an_error_decides_whether_it_is_permanent() {
        use rustls::{CertificateError, Error, InvalidMessage};
        assert!(failed(Error::InvalidCertificate(CertificateError::Expired)));
        assert!(failed(Error::InvalidMessage(
            InvalidMessage::InvalidContentType
        )));
        assert!(failed(Error::AlertReceived(
            AlertDescription::BadCertificate
        )));
        assert!(!failed(Error::AlertReceived(
            AlertDescription::InternalError
        )));
        // The message does not decide.
        assert!(!failed(
            "dns error: failed to lookup address information: Temporary failure in name resolution"
        ));
        assert!(!failed(
            "the proxy has lost its certificate: CorruptMessage"
        ));
        assert!(!failed(std::io::Error::from(
            std::io::ErrorKind::ConnectionRefused
        )));
    }
}
