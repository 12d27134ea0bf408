//! Diagnostics of configurations that break a rule, or that the provider cannot read.

use crate::kubernetes::validation::Violation;
use crate::schema::{Diagnostic, Diagnostics, Severity};

/// A configuration that breaks a rule.
pub fn violation(violation: Violation) -> Diagnostic {
    Diagnostic::error(violation.summary, violation.detail).at(violation.path)
}

/// A configuration that breaks no rule, but probably does not do what the user wants.
pub fn rule_warning(warning: Violation) -> Diagnostic {
    Diagnostic::warning(warning.summary, warning.detail).at(warning.path)
}

/// A value that breaks a rule and is the one in the prior state.
pub fn tolerated(broken: Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        detail: format!(
            "{}\n\nThis value is the one in the state: another client set it in the cluster, and `ignore_changes` or the \
             configuration keeps it. It is not changed.",
            broken.detail
        ),
        ..broken
    }
}

/// A value that fits the schema and not the types that the schema is made from. Only a defect of this provider causes
/// it.
pub fn mismatch(error: serde_json::Error) -> Diagnostics {
    vec![Diagnostic::error(
        "The provider cannot read this configuration",
        format!(
            "The configuration fits the provider's schema, but not the types that the schema is made from: {error}. This \
             is a defect of the provider. Please report it with the configuration."
        ),
    )]
}
