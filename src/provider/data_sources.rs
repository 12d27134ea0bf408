//! The data sources.

pub mod feature_store;
