//! The provider's knowledge of Kubernetes, as pure values and functions.
//!
//! - [`kind`] is the table of the kinds of object that the provider manages.
//! - [`field_path`], [`field_set`] and [`managed_fields`] are the types of `metadata.managedFields`.
//! - [`diff`] compares manifests with live objects; [`list_keys`] identifies the elements of lists.
//! - [`field_versions`] knows the fields that not every API server stores.
//! - [`pod_template`] finds what pods need, [`quota`] what they use.
//! - [`quantity`], [`int_or_percent`], [`go_duration`] and [`label_selector`] parse values.
//! - [`validation`] checks values as the API server does.
//!
//! Must not know: Feast, a Kubernetes client, the clock, the environment. Of Terraform it uses attribute paths alone.

pub mod diff;
pub mod field_path;
pub mod field_set;
pub mod field_versions;
pub mod go_duration;
pub mod int_or_percent;
pub mod kind;
pub mod label_selector;
pub mod list_keys;
pub mod managed_fields;
pub mod pod_template;
pub mod quantity;
pub mod quota;
pub mod validation;

pub use kind::{Key, Kind};
