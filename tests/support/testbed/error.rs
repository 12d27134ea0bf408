//! The error of the testbed: the failed action, the reason, and a solution.

use std::fmt::Display;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
#[error("{doing}: {why}{}", help.as_ref().map(|help| format!("\n  {help}")).unwrap_or_default())]
pub struct Error {
    doing: String,
    why: String,
    help: Option<String>,
}

impl Error {
    /// `doing` names the action and its object: "starting etcd", "reading /tmp/x".
    pub fn new(doing: impl Into<String>, why: impl Display) -> Self {
        Self {
            doing: doing.into(),
            why: why.to_string(),
            help: None,
        }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Adds the action to a lower-level error.
pub trait Doing<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(doing(), error))
    }
}
