//! Words about feature stores that the Feast operator has made.

use std::collections::BTreeSet;

use super::cluster_error;
use crate::cluster::{self, StoreName};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::schema::{Diagnostic, Diagnostics};

const STOP_IT: &str = "`kubectl scale deployment feast-operator-controller-manager --namespace feast-operator-system --replicas 0`";

/// Neither ours nor the operator's.
pub fn no_feature_store(store: &StoreName, server: &str) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "There is no such feature store",
        format!(
            "Namespace {namespace:?} of the cluster at {server} has neither the Secret {:?} with the configuration \
             of a feature store that this provider made, nor a FeatureStore custom resource {name:?} of the Feast \
             operator. Check the name, the namespace and the cluster.",
            names::main(name)
        ),
    )
}

/// Not ours, and whether it is the operator's cannot be told.
pub fn custom_resource_forbidden(store: &StoreName, error: &cluster::Error) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let mut diagnostic = cluster_error("There is no such feature store", error);
    diagnostic.detail = format!(
        "Namespace {namespace:?} has no Secret {:?} with the configuration of a feature store that this provider \
         made. A FeatureStore custom resource {name:?} of the Feast operator was looked for too, in vain:\n{}\n\n\
         To import what the operator has made, give this user the verb get on featurestores in the API group \
         feast.dev.",
        names::main(name),
        diagnostic.detail.split("\n\n").next().unwrap_or_default()
    );
    diagnostic
}

/// The custom resource is on its way out, and with it what it owns.
pub fn custom_resource_terminating(store: &StoreName) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "The custom resource is being deleted",
        format!(
            "The FeatureStore custom resource {name:?} in namespace {namespace:?} is being deleted, and what it owns \
             goes with it, claims included. Wait until that has ended, then create the feature store anew; a claim \
             that is there still can be named under `pvc.ref`."
        ),
    )
}

/// A custom resource without objects.
pub fn nothing_to_import(store: &StoreName) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "There is nothing to import",
        format!(
            "There is a FeatureStore custom resource {name:?} in namespace {namespace:?}, but no Deployment {:?} \
             that the Feast operator made of it. Delete the custom resource and create the feature store with \
             Terraform, from what `terraform-provider-feast convert` makes of it.",
            names::main(name)
        ),
    )
}

/// What was read out of the custom resource.
pub fn imported_from_operator(store: &StoreName, notes: &[String], unseen: &[Kind]) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let mut detail = format!(
        "The feature store {namespace}/{name} was read from the Feast operator's custom resource. Nothing was \
         changed; `terraform plan` shows what the next apply changes."
    );
    for note in notes {
        detail.push_str("\n\n");
        detail.push_str(note);
    }
    if !unseen.is_empty() {
        let kinds: Vec<&str> = unseen.iter().map(|kind| kind.plural()).collect();
        detail.push_str(&format!(
            "\n\nThis user may not list {}: whatever the operator has made of them is not part of the plan, and \
             goes when the custom resource is deleted.",
            kinds.join(", ")
        ));
    }
    Diagnostic::warning("Imported from the Feast operator", detail)
}

/// The custom resource breaks rules of ours.
pub fn invalid_custom_resource(store: &StoreName, broken: &Diagnostics) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let reasons: Vec<String> = (broken.iter())
        .map(|diagnostic| match &diagnostic.path {
            Some(path) => format!("- `{path}`: {}", diagnostic.detail),
            None => format!("- {}", diagnostic.detail),
        })
        .collect();
    Diagnostic::warning(
        "The custom resource is not accepted as it is",
        format!(
            "The operator accepts the FeatureStore {namespace}/{name}, and this provider does not. Write the \
             configuration otherwise; what it says counts, and not the custom resource.\n\n{}",
            reasons.join("\n")
        ),
    )
}

/// At each refresh until the objects are ours.
pub fn owned_by_operator(store: &StoreName, keys: &[&Key]) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::warning(
        "The feature store is the Feast operator's",
        format!(
            "The next apply takes these objects of the feature store {namespace}/{name} over from the operator, with \
             their data: {}. The plan shows under `objects` what will change of each, and which will go; the pods are \
             replaced once, as the strategy says.\n\nBefore that apply, stop the operator: {STOP_IT}. Delete the \
             custom resource after it, never before: what it owns goes with it, claims included.",
            list(keys.iter().copied())
        ),
    )
}

/// After the apply that did it.
pub fn taken_over(store: &StoreName, keys: &BTreeSet<Key>) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let [kubernetes, oidc] = names::operators_cluster_bindings(name);
    Diagnostic::warning(
        "Taken over from the Feast operator",
        format!(
            "These objects belong to Terraform alone, and stay when the custom resource goes: {}.\n\nDelete it before \
             the operator is started again, or it takes them back: `kubectl delete featurestore {name} --namespace \
             {namespace}`. Where the operator made them, its ClusterRoleBindings {kubernetes:?} and {oidc:?} are left: they carry no \
             namespace in their names, and a feature store of this name in another namespace may use them.",
            list(keys),
        ),
    )
}

fn list<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    let names: Vec<String> = keys.into_iter().map(Key::to_string).collect();
    names.join(", ")
}

/// A custom resource with fields that have no attribute.
pub fn unreadable_custom_resource(store: &StoreName, reason: &str) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "The custom resource cannot be read",
        format!(
            "There is a FeatureStore {name:?} of the Feast operator in namespace {namespace:?}, and not all of it \
             can be a configuration of this provider. {reason}"
        ),
    )
}
