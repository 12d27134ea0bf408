//! The Secrets and ConfigMaps of the user that are read during apply.

use std::collections::BTreeMap;
use std::fmt;

use crate::kubernetes::{Key, Kind};
use crate::schema::Path;

/// Keys of a Secret or ConfigMap in the namespace of the feature store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// [`Kind::Secret`] or [`Kind::ConfigMap`].
    pub kind: Kind,
    pub name: String,
    pub keys: Keys,
}

/// The keys of a Secret or ConfigMap that are used. The values of its other keys are never read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keys {
    /// One key, which must exist.
    One(String),
    /// Those of these keys that exist.
    Any(&'static [&'static str]),
}

impl Keys {
    /// Returns whether the value of this key is used.
    pub fn contains(&self, key: &str) -> bool {
        match self {
            Self::One(one) => one == key,
            Self::Any(keys) => keys.contains(&key),
        }
    }
}

/// A file that the pods mount from a Secret or ConfigMap of the user, and the attribute that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    pub source: Source,
    pub path: Path,
    /// True if pods must be replaced when the file changes.
    pub rolls_pods: bool,
}

/// The values of each source, by key.
pub type Contents = BTreeMap<Source, BTreeMap<String, String>>;

impl Source {
    pub fn secret(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            kind: Kind::Secret,
            name: name.into(),
            keys: Keys::One(key.into()),
        }
    }

    pub fn config_map(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            kind: Kind::ConfigMap,
            ..Self::secret(name, key)
        }
    }

    /// Returns the key if there is exactly one.
    pub fn key(&self) -> Option<&str> {
        match &self.keys {
            Keys::One(key) => Some(key),
            Keys::Any(_) => None,
        }
    }

    pub fn object(&self) -> Key {
        Key::new(self.kind, &self.name)
    }

    /// Returns the value of the key.
    pub(in crate::feast) fn text<'a>(&self, contents: &'a Contents) -> Option<&'a str> {
        let values = contents.get(self)?;
        Some(values.get(self.key()?)?)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key() {
            write!(f, "key {key:?} of ")?;
        }
        write!(f, "{} {:?}", self.kind.as_str(), self.name)
    }
}
