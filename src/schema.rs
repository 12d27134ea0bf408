//! Terraform's language, independent of the protocol: types, values, paths, diagnostics and schemas, the conversions
//! between Rust types and schemas and between JSON and values, and the interface of a provider.
//!
//! Must not know: protobuf, msgpack, Feast, the Kubernetes API server.

mod check;
mod coerce;
mod decode;
mod decode_strict;
mod diagnostic;
pub mod docs;
pub mod encode;
pub mod hcl;
mod keep_prior;
mod lower;
mod number;
mod path;
pub mod provider;
mod types;
mod value;
mod walk;

pub use coerce::coerce;
pub use decode::{Decoded, decode};
pub use decode_strict::{MismatchError, MismatchReason, decode_strict};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use encode::{encode, encode_typed};
pub use keep_prior::keep_prior;
pub use lower::{LowerError, lower};
pub use number::Number;
pub use path::{Path, Step};
pub use provider::Provider;
pub use types::{Attribute, Block, Check, Kind, Nesting, Schema, Type};
pub use value::Value;

#[cfg(test)]
mod tests;
