//! Terraform values: the content of configurations, plans and states.

use std::collections::BTreeMap;

use super::{Number, Path, Step};

/// A value. Lists, sets and tuples share one variant; the [`Type`](super::Type) of the value distinguishes them.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    /// A value that is known only after apply.
    Unknown,
    Bool(bool),
    Number(Number),
    String(String),
    /// A list, a set or a tuple.
    List(Vec<Value>),
    /// A map, with keys of the user.
    Map(BTreeMap<String, Value>),
    /// An object, with attribute names as keys. Every attribute of its type is present, possibly null.
    Object(BTreeMap<String, Value>),
}

impl Value {
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    pub fn integer(number: i64) -> Self {
        Self::Number(Number::Integer(number))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Returns whether the value contains no unknown value.
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::List(items) => items.iter().all(Self::is_wholly_known),
            Self::Map(items) | Self::Object(items) => items.values().all(Self::is_wholly_known),
            _ => true,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value at `path`; `None` if a value above it is null, unknown or absent.
    pub fn get(&self, path: &Path) -> Option<&Self> {
        path.steps()
            .iter()
            .try_fold(self, |value, step| match (value, step) {
                (Self::Object(items), Step::Attribute(name)) => items.get(name),
                (Self::Map(items), Step::Key(key)) => items.get(key),
                (Self::List(items), Step::Index(index)) => items.get(*index),
                _ => None,
            })
    }

    /// Returns the attribute at a dotted path; null if it is absent.
    pub fn attribute(&self, dotted: &str) -> &Self {
        const NULL: &Value = &Value::Null;
        self.get(&Path::of(dotted)).unwrap_or(NULL)
    }

    /// Returns the value at `path` for changing it; `None` if a value above it is null, unknown or absent.
    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Self> {
        path.steps()
            .iter()
            .try_fold(self, |value, step| match (value, step) {
                (Self::Object(items), Step::Attribute(name)) => items.get_mut(name),
                (Self::Map(items), Step::Key(key)) => items.get_mut(key),
                (Self::List(items), Step::Index(index)) => items.get_mut(*index),
                _ => None,
            })
    }

    /// Sets an attribute of an object. It has no effect on other values.
    pub fn set(&mut self, name: &str, value: Self) {
        if let Self::Object(items) = self {
            items.insert(name.to_owned(), value);
        }
    }
}
