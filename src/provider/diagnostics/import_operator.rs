//! Diagnostics about feature stores that the Feast operator created.

use std::collections::BTreeSet;

use super::cluster_error;
use crate::cluster::{self, StoreName};
use crate::feast::names;
use crate::kubernetes::{Key, Kind};
use crate::schema::{Diagnostic, Diagnostics};

const STOP_COMMAND: &str = "`kubectl scale deployment feast-operator-controller-manager --namespace feast-operator-system --replicas 0`";

/// An import of a feature store that neither this provider nor the operator created.
pub fn no_feature_store(store: &StoreName, server: &str) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "There is no such feature store",
        format!(
            "Namespace {namespace:?} of the cluster at {server} has neither the Secret {:?} with the configuration \
             of a feature store that this provider created, nor a FeatureStore custom resource {name:?} of the Feast \
             operator. Check the name, the namespace and the cluster.",
            names::main(name)
        ),
    )
}

/// An import of a feature store that this provider did not create, by an account that cannot read the custom resources
/// of the operator.
pub fn custom_resource_forbidden(store: &StoreName, error: &cluster::Error) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let mut diagnostic = cluster_error("There is no such feature store", error);
    diagnostic.detail = format!(
        "Namespace {namespace:?} has no Secret {:?} with the configuration of a feature store that this provider created. \
         A FeatureStore custom resource {name:?} of the Feast operator was not found either:\n{}\n\nTo import a feature \
         store that the operator created, grant this user the verb get on featurestores in the API group feast.dev.",
        names::main(name),
        diagnostic.detail.split("\n\n").next().unwrap_or_default()
    );
    diagnostic
}

/// A custom resource that is being deleted with the objects that it owns.
pub fn custom_resource_terminating(store: &StoreName) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "The custom resource is being deleted",
        format!(
            "The FeatureStore custom resource {name:?} in namespace {namespace:?} is being deleted, and Kubernetes deletes \
             the objects that it owns with it, including PersistentVolumeClaims. Wait until the deletion has finished, \
             then create the feature store again. A PersistentVolumeClaim that still exists can be set in `pvc.ref`."
        ),
    )
}

/// A custom resource without objects.
pub fn nothing_to_import(store: &StoreName) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "There is nothing to import",
        format!(
            "There is a FeatureStore custom resource {name:?} in namespace {namespace:?}, but no Deployment {:?} that the \
             Feast operator created for it. Delete the custom resource and create the feature store with Terraform, with \
             the configuration that `terraform-provider-feast convert` returns for it.",
            names::main(name)
        ),
    )
}

/// A custom resource with fields that have no attribute.
pub fn unreadable_custom_resource(store: &StoreName, reason: &str) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "The custom resource cannot be read",
        format!(
            "The FeatureStore custom resource {name:?} in namespace {namespace:?} has values that cannot be part of a \
             configuration of this provider. {reason}"
        ),
    )
}

/// A feature store that was read from a custom resource. `unlisted` are the kinds that the account cannot list.
pub fn imported_from_operator(
    store: &StoreName,
    notes: &[String],
    unlisted: &[Kind],
) -> Diagnostic {
    let mut detail = format!(
        "The feature store {store} was read from the Feast operator's custom resource. Nothing was \
         changed; `terraform plan` shows what the next apply changes."
    );
    for note in notes {
        detail.push_str("\n\n");
        detail.push_str(note);
    }
    if !unlisted.is_empty() {
        let kinds: Vec<&str> = unlisted.iter().map(|kind| kind.plural()).collect();
        detail.push_str(&format!(
            "\n\nThis user may not list {}. Objects of these kinds that the operator created are not part of the plan, and \
             are deleted with the custom resource.",
            kinds.join(", ")
        ));
    }
    Diagnostic::warning("Imported from the Feast operator", detail)
}

/// A custom resource that breaks rules of this provider.
pub fn invalid_custom_resource(store: &StoreName, violations: &Diagnostics) -> Diagnostic {
    let reasons: Vec<String> = (violations.iter())
        .map(|violation| match &violation.path {
            Some(path) => format!("- `{path}`: {}", violation.detail),
            None => format!("- {}", violation.detail),
        })
        .collect();
    Diagnostic::warning(
        "The custom resource is not accepted without changes",
        format!(
            "The operator accepts the FeatureStore {store}, and this provider does not. Change these values in \
             the Terraform configuration, which takes precedence over the custom resource.\n\n{}",
            reasons.join("\n")
        ),
    )
}

/// A refresh of a feature store whose objects still belong to the operator.
pub fn owned_by_operator(store: &StoreName, keys: &[&Key]) -> Diagnostic {
    Diagnostic::warning(
        "The Feast operator owns the feature store",
        format!(
            "The next apply takes over these objects of the feature store {store} from the operator, with their \
             data: {}. The plan shows in `objects` what it changes in each and which it deletes. It replaces the pods once, \
             by the deployment strategy.\n\nStop the operator before that apply: {STOP_COMMAND}. Delete the custom resource \
             after the apply, never before: Kubernetes deletes the objects that it owns with it, including \
             PersistentVolumeClaims.",
            list(keys.iter().copied())
        ),
    )
}

/// An apply that took the objects over.
pub fn taken_over(store: &StoreName, keys: &BTreeSet<Key>) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let [kubernetes, oidc] = names::operators_cluster_bindings(name);
    Diagnostic::warning(
        "Taken over from the Feast operator",
        format!(
            "Terraform alone owns these objects, and they stay when the custom resource is deleted: {}.\n\nDelete it before \
             you start the operator again, or the operator takes them back: `kubectl delete featurestore {name} --namespace \
             {namespace}`. If the operator created the ClusterRoleBindings {kubernetes:?} and {oidc:?}, they were not \
             deleted: their names contain no namespace, and a feature store of the same name in another namespace can use \
             them.",
            list(keys),
        ),
    )
}

fn list<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    let names: Vec<String> = keys.into_iter().map(Key::to_string).collect();
    names.join(", ")
}
