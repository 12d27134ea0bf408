//! Checks of what the API server would refuse in an apply. Nothing is written.
//!
//! - [`namespace`]: whether the namespace exists.
//! - [`permissions`]: the permissions that the account lacks.
//! - [`pods`]: whether the namespace admits the pods of the objects.
//! - [`quota`]: whether the quota of the namespace suffices.
//!
//! [`Cluster::check_writes`](super::Cluster::check_writes) checks the objects themselves.

pub mod namespace;
pub mod permissions;
pub mod pods;
pub mod quota;
