//! A Terraform value without a wire: what a configuration, a plan and a state are made of.

use std::collections::BTreeMap;

use super::{Path, Step};

/// A number as Terraform has it. Terraform's own numbers are of any precision; what fits neither an
/// `i64` nor an `f64` without loss keeps its decimal text.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    Integer(i64),
    Float(f64),
    Decimal(String),
}

/// A Terraform value. Lists, sets and tuples share one variant, as do objects and maps their own: the
/// [`Type`](super::Type) beside the value says which it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    /// Not known before apply.
    Unknown,
    Bool(bool),
    Number(Number),
    String(String),
    /// A list, a set or a tuple.
    List(Vec<Value>),
    /// A map: keys are the user's own.
    Map(BTreeMap<String, Value>),
    /// An object: keys are attribute names; every attribute of the type is present, null or not.
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

    /// Whether nothing in it is unknown, however deep.
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

    /// The value at `path`; `None` where the way there is null, unknown or absent.
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

    /// The attribute at a dotted path, null where there is none.
    pub fn attribute(&self, dotted: &str) -> &Self {
        const NULL: &Value = &Value::Null;
        self.get(&Path::of(dotted)).unwrap_or(NULL)
    }

    /// The value at `path`, to be changed; `None` where the way there is null, unknown or absent.
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

    /// Sets a top-level attribute of an object; anything else is left as it is.
    pub fn set(&mut self, name: &str, value: Self) {
        if let Self::Object(items) = self {
            items.insert(name.to_owned(), value);
        }
    }
}
