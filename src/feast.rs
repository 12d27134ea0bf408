//! The domain: what a Feast feature store on Kubernetes is.

pub mod objects;
