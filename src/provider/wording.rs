//! The one place that words what the rooms found for the user.

use std::collections::BTreeSet;
use std::error::Error;

use crate::schema::{Diagnostic, Path};

/// An error with its whole chain, said once: what was being done, and below it why it failed.
pub fn cluster_error(summary: &str, error: &dyn Error) -> Diagnostic {
    let mut detail = sentence(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        detail.push_str("\n\nBecause: ");
        detail.push_str(&sentence(&cause.to_string()));
        source = cause.source();
    }
    Diagnostic::error(summary, detail)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
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
