//! A broken rule: where, concluded from what, why, and what to write instead.

use crate::schema::Path;

/// One way in which a configuration cannot stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The attribute that it is shown at.
    pub path: Path,
    /// Every value that it was concluded from.
    pub reads: Vec<Path>,
    /// One line.
    pub summary: String,
    /// Why, and what to write instead.
    pub detail: String,
}

impl Violation {
    pub(super) fn new(
        path: Path,
        reads: impl IntoIterator<Item = Path>,
        summary: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            path,
            reads: reads.into_iter().collect(),
            summary: summary.into(),
            detail: detail.into(),
        }
    }

    /// Concluded from these, too.
    pub(super) fn reading(mut self, more: &[Path]) -> Self {
        self.reads.extend_from_slice(more);
        self
    }
}
