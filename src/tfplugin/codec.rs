//! Values in the protocol's encodings, msgpack and JSON (protocol message `DynamicValue`), read and written by the
//! [`Type`] that the schema gives them.
//!
//! Input is not trusted: a value that does not fit its type is an error with the path of the mismatch, and nesting is
//! limited by the type and by [`MAX_DEPTH`].

mod json;
mod msgpack;
mod number;
mod place;
mod types;

use std::fmt;

use super::proto::tfplugin6::DynamicValue;
use crate::schema::{Path, Type, Value};

use place::Place;

pub use json::{read as from_json, read_stored as from_stored_json};
pub use msgpack::{read as from_msgpack, write as to_msgpack};
pub use types::{from_json as type_from_json, to_json as type_to_json};

/// The largest depth of a value. Terraform's own values stay far below it.
const MAX_DEPTH: usize = 128;

/// A value that does not fit its type, or malformed bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", At(path))]
pub struct Error {
    /// The path of the mismatch.
    pub path: Path,
    /// The mismatch. It does not contain the value, which can be a secret.
    pub problem: String,
}

/// The path as the start of a sentence; empty for the root.
struct At<'a>(&'a Path);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.steps().is_empty() {
            return Ok(());
        }
        write!(f, "{}: ", self.0)
    }
}

impl Error {
    fn new(at: &Place<'_>, problem: impl Into<String>) -> Self {
        Self {
            path: at.path(),
            problem: problem.into(),
        }
    }

    fn mismatch(at: &Place<'_>, expected: &Type, found: &str) -> Self {
        Self::new(
            at,
            format!("expected {}, found {found}", types::name(expected)),
        )
    }
}

/// Reads a `DynamicValue` of the type `ty`. An absent or empty one is null.
///
/// # Errors
/// The bytes are malformed or do not fit the type.
pub fn read(wire: Option<&DynamicValue>, ty: &Type) -> Result<Value, Error> {
    match wire {
        Some(wire) if !wire.msgpack.is_empty() => from_msgpack(&wire.msgpack, ty),
        Some(wire) if !wire.json.is_empty() => from_json(&wire.json, ty),
        _ => Ok(Value::Null),
    }
}

/// Writes `value` of the type `ty` as msgpack, which every client prefers.
///
/// # Errors
/// The value does not fit the type.
pub fn write(value: &Value, ty: &Type) -> Result<DynamicValue, Error> {
    Ok(DynamicValue {
        msgpack: to_msgpack(value, ty)?,
        json: Vec::new(),
    })
}

/// Returns whether an encoded value of any type is null.
pub fn is_null(wire: Option<&DynamicValue>) -> bool {
    wire.is_none_or(|wire| {
        let null_msgpack = wire.msgpack.is_empty() || wire.msgpack == [0xc0];
        let null_json = wire.json.is_empty() || wire.json == b"null";
        null_msgpack && null_json
    })
}

/// Returns an encoded value of any type with null for each unknown value. Returns it unchanged if it is malformed.
pub fn without_unknowns(wire: &DynamicValue) -> DynamicValue {
    match msgpack::without_unknowns(&wire.msgpack) {
        Some(msgpack) => DynamicValue {
            msgpack,
            ..wire.clone()
        },
        None => wire.clone(),
    }
}

#[cfg(test)]
mod tests;
