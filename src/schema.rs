//! The Terraform language without a wire: types, values, paths, diagnostics, and the one way from Rust
//! types to a Terraform schema and back.
//!
//! Must not know: protobuf, msgpack, Feast, Kubernetes' API server.

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
mod path;
pub mod provider;
mod types;
mod value;

pub use coerce::coerce;
pub use decode::{Decoded, decode};
pub use decode_strict::{MismatchError, Problem, decode_strict};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use encode::encode;
pub use keep_prior::keep_prior;
pub use lower::{LowerError, lower};
pub use path::{Path, Step};
pub use provider::Provider;
pub use types::{Attribute, Block, Check, Kind, Nesting, Schema, Type};
pub use value::{Number, Value};

#[cfg(test)]
mod tests;
