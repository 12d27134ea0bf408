//! The user's Secrets and ConfigMaps, and the Secret of the feature store.
//!
//! [`source`] names what is read, [`resolve`] merges it into the objects, [`hashes`] hashes it, [`store_secret`] is the
//! format of the feature store's Secret, and [`redaction`] and [`manifest_redaction`] keep credentials out of what is
//! shown.

pub mod hashes;
pub mod issued;
pub mod manifest_redaction;
pub mod redaction;
pub mod resolve;
pub mod source;
pub mod store_secret;
