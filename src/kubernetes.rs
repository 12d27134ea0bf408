//! What the provider knows of Kubernetes itself, as pure values and functions.
//!
//! [`kind`] is the table of the kinds of object that the provider manages; [`quantity`], [`int_or_percent`] and
//! [`go_duration`] parse values; [`validation`] checks values as the API server does.
//!
//! Must not know: Feast, a Kubernetes client, the clock, the environment. Of Terraform it uses attribute paths alone.

pub mod go_duration;
pub mod int_or_percent;
pub mod kind;
pub mod quantity;
pub mod validation;

pub use kind::{Key, Kind};
