//! Errors and warnings for the user (protocol message `Diagnostic`).

use super::Path;

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Terraform stops.
    Error,
    /// Terraform continues.
    Warning,
}

/// An error or a warning, possibly about an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// One line that says what is wrong.
    pub summary: String,
    /// What was being done to which object, why it failed, and what to do.
    pub detail: String,
    /// The attribute that the diagnostic is about; `None` if it is not about one attribute.
    pub path: Option<Path>,
}

impl Diagnostic {
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            summary: summary.into(),
            detail: detail.into(),
            path: None,
        }
    }

    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(summary, detail)
        }
    }

    /// Returns the diagnostic with the attribute `path`.
    #[must_use]
    pub fn at(self, path: Path) -> Self {
        Self {
            path: Some(path),
            ..self
        }
    }
}

/// The diagnostics of one request.
pub type Diagnostics = Vec<Diagnostic>;
