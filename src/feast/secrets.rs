//! The user's Secrets and ConfigMaps, and the Secret of the feature store.
//!
//! [`source`] names what is read, [`resolve`] merges it into the objects, [`fingerprint`] hashes it, [`store_secret`]
//! is the format of the feature store's Secret, and [`redaction`] and [`shown`] keep credentials out of what is shown.

pub mod fingerprint;
pub mod issued;
pub mod redaction;
pub mod resolve;
pub mod shown;
pub mod source;
pub mod store_secret;
