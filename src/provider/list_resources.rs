//! The list resources of the provider.

pub mod feature_store;
