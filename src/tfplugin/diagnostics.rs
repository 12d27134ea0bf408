//! Diagnostics and attribute paths as protocol messages.

use super::proto::tfplugin6 as proto;
use crate::schema::{Diagnostic, Diagnostics, Path, Severity, Step};

fn diagnostic(diagnostic: Diagnostic) -> proto::Diagnostic {
    let severity = match diagnostic.severity {
        Severity::Error => proto::diagnostic::Severity::Error,
        Severity::Warning => proto::diagnostic::Severity::Warning,
    };
    proto::Diagnostic {
        severity: severity.into(),
        summary: diagnostic.summary,
        detail: diagnostic.detail,
        // The root is not an attribute. Without one, Terraform points at the whole block.
        attribute: diagnostic
            .path
            .filter(|path| !path.steps().is_empty())
            .map(|path| attribute_path(&path)),
    }
}

/// Writes the protocol message `Diagnostic` for each diagnostic.
pub(super) fn diagnostics(diagnostics: Diagnostics) -> Vec<proto::Diagnostic> {
    diagnostics.into_iter().map(diagnostic).collect()
}

/// Joins the details of diagnostics, for a response that has only text.
pub(super) fn details(diagnostics: Diagnostics) -> String {
    let details = diagnostics.into_iter().map(|diagnostic| diagnostic.detail);
    details.collect::<Vec<_>>().join("\n")
}

/// Writes the protocol message `AttributePath`.
pub(super) fn attribute_path(path: &Path) -> proto::AttributePath {
    use proto::attribute_path::{Step as WireStep, step::Selector};
    let steps = path.steps().iter().map(|step| WireStep {
        selector: Some(match step {
            Step::Attribute(name) => Selector::AttributeName(name.clone()),
            Step::Index(index) => {
                Selector::ElementKeyInt(i64::try_from(*index).unwrap_or(i64::MAX))
            }
            Step::Key(key) => Selector::ElementKeyString(key.clone()),
        }),
    });
    proto::AttributePath {
        steps: steps.collect(),
    }
}
