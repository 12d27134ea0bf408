//! The Terraform language without a wire: types, values, paths, diagnostics, and the one way from Rust
//! types to a Terraform schema and back.
//!
//! Must not know: protobuf, msgpack, Feast, Kubernetes' API server.

mod diagnostic;
mod path;
pub mod provider;
mod types;
mod value;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use path::{Path, Step};
pub use provider::Provider;
pub use types::{Attribute, Block, Check, Kind, Nesting, Schema, Type};
pub use value::{Number, Value};
