//! Paths of files in volumes.

use super::Violation;
use crate::schema::Path;

/// Returns a violation if a path has the element `..` (`validatePathNoBacksteps`).
pub fn without_backsteps(path: Path, text: &str) -> Option<Violation> {
    has_backsteps(text).then(|| {
        Violation::at(
            path,
            format!("{text:?} contains `..`"),
            "Set a path without the element `..`.",
        )
    })
}

/// Returns a violation unless a path is relative and without the element `..` (`validateLocalDescendingPath`).
pub fn descending(path: Path, text: &str) -> Option<Violation> {
    (text.starts_with('/') || has_backsteps(text)).then(|| {
        Violation::at(
            path,
            format!("{text:?} is not a relative path without `..`"),
            "Set a relative path without the element `..`.",
        )
    })
}

/// Returns a violation unless a path is that of a file that a volume can contain (`ValidateLocalNonReservedPath`).
pub fn of_file(path: Path, text: &str) -> Option<Violation> {
    let is_invalid = text.is_empty() || text.starts_with('/') || text.starts_with("..");
    (is_invalid || has_backsteps(text)).then(|| {
        Violation::at(
            path,
            format!("{text:?} is not the path of a file in a volume"),
            "Set a relative path that does not begin with `..` and has no element `..`.",
        )
    })
}

fn has_backsteps(text: &str) -> bool {
    text.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let summary = |found: Option<Violation>| found.map(|it| it.summary);
        for text in ["a", "a/b", "a/..b/c", "a..", "."] {
            assert_eq!(of_file(Path::root(), text), None, "{text}");
            assert_eq!(descending(Path::root(), text), None, "{text}");
            assert_eq!(without_backsteps(Path::root(), text), None, "{text}");
        }
        for text in ["", "/x", "../x", "..data", "a/../b"] {
            let expected = format!("{text:?} is not the path of a file in a volume");
            assert_eq!(summary(of_file(Path::root(), text)), Some(expected));
        }
        for text in ["/x", "../x", "a/.."] {
            let expected = format!("{text:?} is not a relative path without `..`");
            assert_eq!(summary(descending(Path::root(), text)), Some(expected));
        }
        assert_eq!(without_backsteps(Path::root(), "/x"), None);
        assert_eq!(
            summary(without_backsteps(Path::root(), "/a/../b")),
            Some("\"/a/../b\" contains `..`".to_owned())
        );
    }
}
