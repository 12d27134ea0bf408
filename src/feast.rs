//! The feature store: configuration, rules, specification and rendered objects.
//!
//! [`config`] is the configuration as the user writes it. [`rules`] finds what is invalid in it, [`spec`] is what a
//! valid configuration means, [`render`] creates the Kubernetes objects from that, and [`secrets`] merges the content
//! of the user's Secrets into them. [`names`] has every name, port and path.
//!
//! Must not know: a Kubernetes client, an async runtime, the protocol, the clock, the environment, randomness. Every
//! function depends on its arguments alone.

pub mod command;
pub mod config;
pub mod custom_resource;
pub mod feast_version;
pub mod feature_store_yaml;
pub mod names;
pub mod objects;
pub mod ownership;
pub mod remote_store;
pub mod render;
pub mod rendered;
pub mod rules;
pub mod secrets;
pub mod spec;
mod yaml_syntax_error;
