//! Diagnostics of the list resource.

use super::{chain, cluster_error};
use crate::cluster;
use crate::cluster::search::Search;
use crate::provider::list_resources::feature_store::Manager;
use crate::schema::{Diagnostic, Path, Severity};

/// A list of one namespace and of all namespaces at the same time.
pub fn namespace_and_all_namespaces() -> Diagnostic {
    Diagnostic::error(
        "`namespace` conflicts with `all_namespaces`",
        "`namespace` selects one namespace, and `all_namespaces = true` selects all of them. Remove one of the two.",
    )
    .at(Path::of("all_namespaces"))
}

/// A label selector that the API server would reject.
pub fn invalid_label_selector(problem: &str) -> Diagnostic {
    Diagnostic::error(
        "Invalid label selector",
        format!(
            "`label_selector` is not valid: {problem}. Write it as for `kubectl get --selector`, for example \
             `team=ml,tier in (gold, silver)`."
        ),
    )
    .at(Path::of("label_selector"))
}

/// A limit that no result fits in.
pub fn limit_too_small() -> Diagnostic {
    Diagnostic::error(
        "Invalid limit",
        "`limit` is the largest number of results and must be at least 1. Remove it for Terraform's default, 100.",
    )
}

/// A list request that has failed. A missing permission is a warning: what the account can list is still listed.
pub fn not_listed(manager: Manager, search: &Search, error: &cluster::Error) -> Diagnostic {
    let summary = match manager {
        Manager::Provider => "Feature stores of this provider were not listed",
        Manager::Operator => "Feature stores of the Feast operator were not listed",
    };
    // A policy or a proxy also forbids requests, and an anonymous user lacks credentials, not a role. The request for the
    // UID of the cluster, which precedes the list, names an object.
    let lacks_permission = error.reason.is_missing_permission()
        && !error.reason.is_anonymous()
        && error.target.name.is_none();
    if !lacks_permission {
        return cluster_error(summary, error);
    }
    let (resource, only_other) = match manager {
        Manager::Provider => ("secrets", "`managed_by = \"feast-operator\"`"),
        Manager::Operator => (
            "featurestores in the API group feast.dev",
            "`managed_by = \"feast\"`",
        ),
    };
    let advice = match &search.namespace {
        Some(namespace) => format!(
            "Grant this user the verbs get and list on {resource} in the namespace {namespace:?}. To list without these \
             feature stores, set {only_other}."
        ),
        None => format!(
            "Grant this user the verbs get and list on {resource} in a ClusterRole, with a ClusterRoleBinding. Without \
             such permissions, set `namespace` instead of `all_namespaces`, with one `list` block for each namespace. To \
             list without these feature stores, set {only_other}."
        ),
    };
    Diagnostic::warning(summary, format!("{}\n\n{advice}", chain(error)))
}

/// A feature store that was found and cannot be imported. `name` is its display name.
pub fn not_importable(name: &str, reason: Diagnostic) -> Diagnostic {
    let Diagnostic {
        summary, detail, ..
    } = reason;
    Diagnostic {
        severity: Severity::Warning,
        ..Diagnostic::error(
            "A feature store is not in the list",
            format!(
                "The feature store {name} was found, but its state cannot be read. {summary}: {detail}"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::cluster::{CancellationToken, Cluster, Connection, Options, StoreName};

    /// Returns the diagnostic of a list by this client of an API server that answers every request with a 403.
    async fn not_listed_by(cluster: &Cluster) -> Diagnostic {
        let search = Search {
            namespace: Some("ns".to_owned()),
            ..Search::default()
        };
        let cancel = CancellationToken::new();
        let stores = cluster.provider_stores(&search, &cancel);
        let listed: Result<Vec<StoreName>, _> = stores.try_collect().await;
        not_listed(Manager::Provider, &search, &listed.unwrap_err())
    }

    async fn refused(body: Json) -> Diagnostic {
        let cluster = fake_api::cluster(move |_| Reply::Answer(403, body.clone())).await;
        not_listed_by(&cluster).await
    }

    fn forbidden(message: &str) -> Json {
        json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": message})
    }

    #[tokio::test]
    async fn a_missing_permission_is_a_warning_with_the_rule_to_grant() {
        let missing = forbidden(
            "secrets is forbidden: User \"u\" cannot list resource \"secrets\" in API group \"\" in the namespace \"ns\"",
        );
        let diagnostic = refused(missing).await;
        assert_eq!(diagnostic.severity, Severity::Warning);
        let advice = "Grant this user the verbs get and list on secrets in the namespace \"ns\".";
        assert!(diagnostic.detail.contains(advice), "{diagnostic:?}");
    }

    #[tokio::test]
    async fn other_refusals_are_errors_with_their_own_hints() {
        let anonymous = forbidden(
            "secrets is forbidden: User \"system:anonymous\" cannot list resource \"secrets\" in API group \"\"",
        );
        for (body, hint) in [
            (anonymous, "The request carried no credentials"),
            // The body of a proxy is not that of an API server.
            (
                json!("Access denied"),
                "This is not a permissions problem: a quota, an admission policy or a proxy",
            ),
        ] {
            let diagnostic = refused(body).await;
            assert_eq!(diagnostic.severity, Severity::Error);
            assert!(diagnostic.detail.contains(hint), "{diagnostic:?}");
            assert!(!diagnostic.detail.contains("Grant this user"));
        }
    }

    /// The guard against the wrong cluster reads a namespace first.
    #[tokio::test]
    async fn a_missing_permission_for_the_uid_of_the_cluster_is_named() {
        let missing = forbidden(
            "namespaces \"kube-system\" is forbidden: User \"u\" cannot get resource \"namespaces\" in API group \"\"",
        );
        let connection = Connection {
            host: Some(fake_api::server(move |_| Reply::Answer(403, missing.clone())).await),
            expected_cluster_uid: Some("5f3a1f9e-0c5b-4a43-9d2e-1a2b3c4d5e6f".to_owned()),
            ..Connection::default()
        };
        let cluster = Cluster::new(&connection, Options::default()).unwrap();
        let diagnostic = not_listed_by(&cluster).await;
        assert_eq!(diagnostic.severity, Severity::Error);
        let hint = "`expected_cluster_uid` needs the verb get on the namespace kube-system";
        assert!(diagnostic.detail.contains(hint), "{diagnostic:?}");
    }
}
