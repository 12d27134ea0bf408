//! `terraform-provider-feast`: a Terraform provider for the Feast feature store on Kubernetes.
//!
//! Data passes through the layers in one direction:
//!
//! ```text
//! bytes ─ tfplugin (codec) ─▶ schema::Value ─ schema (decode) ─▶ feast::config::FeatureStore
//!       ─ feast::rules (all violations at once, each with its path) ─▶ feast::spec::Store
//!       ─ feast::render (cannot fail) ─▶ feast::objects::Objects
//!       plan :  provider compares them with the prior state ─▶ planned Value ─▶ bytes
//!       apply:  cluster::apply ─▶ cluster::rollout ─▶ state Value ─▶ bytes
//! ```

pub mod cluster;
pub mod feast;
pub mod kubernetes;
pub mod provider;
pub mod schema;
pub mod tfplugin;
