//! The resource `feast_feature_store`: one file for each operation ([`plan`], [`apply`], [`read`], [`destroy`],
//! [`import`], [`upgrade`]) over the prior state ([`prior_state`]) and Terraform's private data ([`private_state`]).

mod adopt;
pub mod apply;
pub mod computed;
mod conflicts;
mod data_loss;
pub mod destroy;
pub mod drift;
mod ignored;
pub mod import;
mod manifests;
pub mod parse;
pub mod plan;
pub mod prior_state;
pub mod private_state;
pub mod read;
mod replacement;
pub mod secret_drift;
#[cfg(test)]
pub mod testing;
pub mod upgrade;
