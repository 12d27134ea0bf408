//! The one place that words what the rooms found for the user.

use std::collections::BTreeSet;
use std::error::Error;

use crate::cluster::connection::ConnectionError;
use crate::cluster::{self, StoreName};
use crate::feast::fill::FillError;
use crate::feast::objects::Key;
use crate::schema::{Diagnostic, Path};

mod adoption;

pub use adoption::*;

/// What was being done at the API server, why it failed, and what to do.
pub fn cluster_error(summary: &str, error: &cluster::Error) -> Diagnostic {
    let mut detail = chain(error);
    if error.is_about_the_connection() {
        detail.push_str(&format!(
            "\nThe connection is configured by {}.",
            error.server.origin
        ));
    }
    if let Some(hint) = error.hint() {
        detail.push_str("\n\n");
        detail.push_str(hint);
    }
    Diagnostic::error(summary, detail)
}

/// The provider block does not lead to a cluster.
pub fn connection_error(error: &ConnectionError) -> Diagnostic {
    Diagnostic::error("Cannot connect to the cluster", chain(error))
}

/// An error with its whole chain, said once: what was being done, and below it why it failed.
fn chain(error: &dyn Error) -> String {
    let mut text = sentence(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\nBecause: ");
        text.push_str(&sentence(&cause.to_string()));
        source = cause.source();
    }
    text
}

/// A Secret or ConfigMap of the user's that cannot be merged into `feature_store.yaml`, at the attribute that names it.
pub fn fill_error(error: &FillError) -> Diagnostic {
    let summary = format!("The {} cannot be used", error.slot.source.kind.as_str());
    Diagnostic::error(summary, chain(error)).at(error.slot.path())
}

/// A claim of ours that a plan leaves behind.
pub fn claim_left(name: &str, deleted: bool) -> Diagnostic {
    if deleted {
        return Diagnostic::warning(
            "Data will be deleted",
            format!(
                "The persistent volume claim {name:?} will be deleted with everything in it, because \
                 `delete_data` is true. There is no way back."
            ),
        );
    }
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "The persistent volume claim {name:?} will not be part of a feature store any more. It stays with \
             its data, and a feature store of the same name that creates it takes it up again; \
             `delete_data = true` would delete it."
        ),
    )
}

/// A claim of the user's that a plan leaves behind.
pub fn claim_unused(name: &str) -> Diagnostic {
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "The persistent volume claim {name:?} will not be mounted any more. It is yours: it stays with its \
             data, whatever `delete_data` says."
        ),
    )
}

/// A file on a claim that a plan leaves for another.
pub fn file_left(claim: &str, before: &str, after: &str) -> Diagnostic {
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "On the persistent volume claim {claim:?} Feast will use the file {after:?} and start with an empty \
             one if there is none. The data of today stays in {before:?}."
        ),
    )
}

/// A claim that is no longer used.
pub fn claim_kept(key: &Key) -> Diagnostic {
    let name = &key.name;
    Diagnostic::warning(
        "Data was kept",
        format!(
            "The persistent volume claim {name:?} is no longer part of the feature store. It was not deleted, \
             because its data would be lost; a feature store of the same name takes it up again. Delete it \
             with `kubectl delete pvc {name}`, or set `delete_data = true` before the next time."
        ),
    )
}

/// A create over a feature store that Terraform does not know of.
pub fn exists_already(store: &StoreName) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "The feature store exists already",
        format!(
            "Namespace {namespace:?} has a feature store {name:?} already, made by this provider with another \
             configuration. Nothing was changed. Import it with `terraform import <address> {namespace}/{name}`, or \
             choose another name."
        ),
    )
    .at(Path::of("name"))
}

/// Core calls apply only when everything is known.
pub fn still_unknown(unknown: &BTreeSet<Path>) -> Diagnostic {
    let names: Vec<String> = unknown.iter().map(Path::to_string).collect();
    Diagnostic::error(
        "Values are unknown at apply",
        format!(
            "Terraform asked for an apply while these values are unknown: {}. This is a defect of Terraform or of \
             this provider; please report it.",
            names.join(", ")
        ),
    )
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let end = if text.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{end}", letters.as_str())
}

/// The provider block depends on something that does not exist yet.
pub fn unknown_cluster(unknown: &BTreeSet<Path>) -> Diagnostic {
    let names: Vec<String> = unknown.iter().map(|path| format!("`{path}`")).collect();
    Diagnostic::error(
        "The cluster is not known yet",
        format!(
            "The provider block's {} will be known only after apply, so there is no cluster to ask. Apply \
             what they depend on first, for example with `-target`, or keep the cluster and its feature \
             stores in separate configurations.",
            names.join(", ")
        ),
    )
}

/// A stored state that does not fit the schema.
pub fn unreadable_state() -> Diagnostic {
    Diagnostic::error(
        "The state cannot be read",
        "The stored state of this feature store does not fit the provider's schema. Restore it from a \
         backup, or remove it with `terraform state rm` and import the feature store again.",
    )
}
