//! The provider's knowledge of Kubernetes, as pure values and functions.
//!
//! - [`kind`] is the table of the kinds of object that the provider manages.
//! - [`field_path`], [`field_set`] and [`managed_fields`] are the types of `metadata.managedFields`.
//! - [`diff`] compares manifests with live objects.
//! - [`list_keys`] and [`quantity`] say which list elements and which quantities are the same.
//!
//! Must not know: Feast, Terraform, a Kubernetes client, the clock, the environment.

pub mod diff;
pub mod field_path;
pub mod field_set;
pub mod kind;
pub mod list_keys;
pub mod managed_fields;
pub mod quantity;
