//! What the provider knows of Kubernetes itself, as pure values and functions.
//!
//! [`kind`] is the table of the kinds of object that the provider manages; [`quantity`] compares resource quantities by
//! their value.
//!
//! Must not know: Feast, Terraform, a Kubernetes client, the clock, the environment.

pub mod kind;
pub mod quantity;
