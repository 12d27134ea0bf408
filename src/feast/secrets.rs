//! The user's Secrets and the feature store's own Secret.

pub mod redaction;
pub mod resolve;
pub mod shown;
pub mod source;
pub mod store_secret;
