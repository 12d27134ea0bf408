//! What the user is told when something is wrong (protocol message `Diagnostic`).

use super::Path;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Terraform stops after this.
    Error,
    /// Terraform shows this and goes on.
    Warning,
}

/// One message to the user, at an attribute where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// One line: what is wrong.
    pub summary: String,
    /// What was being done, to which object, why it failed, what to do.
    pub detail: String,
    /// The attribute at fault; `None` when it is not about one attribute.
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

    /// The same message at the attribute `path`.
    #[must_use]
    pub fn at(self, path: Path) -> Self {
        Self {
            path: Some(path),
            ..self
        }
    }
}

/// Everything there is to say about one request.
pub type Diagnostics = Vec<Diagnostic>;
