//! The resource `feast_feature_store`, one file for each operation.

mod adopt;
pub mod apply;
mod claims;
pub mod computed;
mod conflicts;
pub mod content;
pub mod creation;
pub mod destroy;
pub mod drift;
mod ignored;
pub mod import;
pub mod manifests;
pub mod memory;
pub mod parse;
pub mod plan;
pub mod read;
pub mod replacement;
