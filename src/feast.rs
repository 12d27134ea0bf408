//! The domain: what a Feast feature store on Kubernetes is.
//!
//! [`config`] is what the user writes, [`rules`] says what of it cannot stand, [`spec`] is what it means
//! once nothing is left to refuse, and [`render`] turns that into the Kubernetes objects, in which [`secrets`] puts the
//! content of the user's Secrets; [`names`] holds every name, port and path once.
//!
//! Must not know: a Kubernetes client, an async runtime, the protocol, the clock, the environment,
//! randomness. Everything here is a function of its arguments.

pub mod config;
pub mod custom_resource;
pub mod feature_store_yaml;
pub mod names;
mod not_yaml;
pub mod objects;
pub mod ownership;
pub mod remote_store;
pub mod render;
pub mod rendered;
pub mod rules;
pub mod secrets;
pub mod spec;
