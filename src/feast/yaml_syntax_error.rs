//! Errors of YAML texts. The messages of the parser are not used: they are written for programmers and can quote the
//! text, which can contain secrets.

use std::fmt;

use serde_saphyr::Error;

/// A syntax error in a YAML text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YamlSyntaxError {
    /// Line and column, starting at 1.
    place: Option<(u64, u64)>,
    problem: &'static str,
}

impl YamlSyntaxError {
    pub fn line(&self) -> Option<u64> {
        self.place.map(|(line, _)| line)
    }
}

impl From<&Error> for YamlSyntaxError {
    fn from(error: &Error) -> Self {
        let place = error.location().map(|it| (it.line(), it.column()));
        Self {
            place: place.filter(|(line, _)| *line > 0),
            problem: problem(error),
        }
    }
}

impl fmt::Display for YamlSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(self.problem)
    }
}

fn problem(error: &Error) -> &'static str {
    match error {
        Error::AliasError { error, .. } => problem(error),
        Error::DuplicateMappingKey { .. } => "the same key occurs twice in one mapping",
        Error::UnknownAnchor { .. } => {
            "an alias (`*name`) refers to an anchor (`&name`) that does not exist"
        }
        Error::Eof { .. } => "the text ends too early, or is empty",
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "the text is nested too deep, or is too large"
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            "a merge key (`<<`) does not have a mapping as its value"
        }
        Error::NonFiniteFloat { .. } => "`.inf` and `.nan` are not allowed",
        Error::InvalidUtf8Input => "the text is not UTF-8",
        Error::InvalidBinaryBase64 { .. } | Error::BinaryNotUtf8 { .. } => {
            "a `!!binary` value is not Base64 of UTF-8 text"
        }
        _ => {
            "the syntax is wrong here. Look for a tab in the indentation, a `:` without a space after it, and a quote \
             or bracket that is not closed"
        }
    }
}
