//! The managed resources.

pub mod feature_store;
