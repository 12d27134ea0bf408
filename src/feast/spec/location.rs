//! The location of a file: in a file system or in an object store.

/// The location that a path or URI refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location<'a> {
    /// A file with an absolute or relative path.
    Path,
    /// An object in Amazon S3 (`s3://`) or Google Cloud Storage (`gs://`), the object stores that the registry can be
    /// in.
    Object,
    /// A URI of another scheme.
    Other { scheme: &'a str, rest: &'a str },
}

impl<'a> Location<'a> {
    pub fn of(path: &'a str) -> Self {
        let Some((scheme, rest)) = path.split_once("://") else {
            return Self::Path;
        };
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        match scheme {
            "s3" | "gs" => Self::Object,
            _ if is_scheme => Self::Other { scheme, rest },
            _ => Self::Path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_the_scheme() {
        let other = |scheme, rest| Location::Other { scheme, rest };
        for (path, expected) in [
            ("/a/b", Location::Path),
            ("a:b", Location::Path),
            ("a b://c", Location::Path),
            ("://c", Location::Path),
            ("s3://b/o", Location::Object),
            ("gs://b/o", Location::Object),
            ("S3://b/o", other("S3", "b/o")),
            ("az://b/o", other("az", "b/o")),
            ("abfss://c@a.dfs/o", other("abfss", "c@a.dfs/o")),
            ("file:///a", other("file", "/a")),
        ] {
            assert_eq!(Location::of(path), expected, "{path}");
        }
    }
}
