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
    if !error.is_forbidden() {
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
