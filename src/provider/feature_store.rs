//! The resource `feast_feature_store`: each operation reads as a recipe over the other rooms.

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
