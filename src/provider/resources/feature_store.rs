//! The resource `feast_feature_store`, one file for each operation.

mod adopt;
pub mod apply;
pub mod computed;
mod conflicts;
pub mod creation;
mod data_loss;
pub mod destroy;
pub mod drift;
mod ignored;
pub mod import;
pub mod manifests;
pub mod parse;
pub mod plan;
pub mod private_state;
pub mod read;
pub mod replacement;
pub mod secret_drift;
