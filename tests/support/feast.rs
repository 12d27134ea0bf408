//! The real Feast on the local machine: the `feast` package, PostgreSQL and Redis, and pods without Kubernetes.
//!
//! 1. [`Python::ensure`] installs the pinned packages into the user's cache, once.
//! 2. [`TestRun`] is a folder and its processes, which end with this process.
//! 3. [`Postgres`], [`Redis`], [`Mlflow`] and [`Prometheus`] are the real servers; a [`Listener`] records the events
//!    that Feast sends.
//! 4. [`Pod`] starts the containers of a rendered Deployment as rendered. Each pod has its own network, and each
//!    container its own root directory with only the programs of the machine. Both are Linux namespaces: no daemon, no
//!    image, and no root if users can create user namespaces.
#![allow(
    dead_code,
    unused_imports,
    reason = "each program that includes this uses a part of it"
)]

#[path = "feast/client.rs"]
mod client;
#[path = "feast/container.rs"]
mod container;
#[path = "feast/features.rs"]
pub mod features;
#[path = "feast/listener.rs"]
mod listener;
#[path = "feast/load.rs"]
mod load;
#[path = "feast/mlflow.rs"]
mod mlflow;
#[path = "feast/pod.rs"]
mod pod;
#[path = "feast/postgres.rs"]
mod postgres;
#[path = "feast/prometheus.rs"]
mod prometheus;
#[path = "feast/python.rs"]
mod python;
#[path = "feast/redis.rs"]
mod redis;
#[path = "feast/requirements.rs"]
mod requirements;
#[path = "feast/services.rs"]
mod services;
#[path = "feast/volumes.rs"]
mod volumes;

pub use container::{Finished, Secrets};
pub use listener::Listener;
pub use load::{Load, Sent};
pub use mlflow::Mlflow;
pub use pod::{Pod, PodEnvironment};
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use python::Python;
pub use redis::Redis;
pub use requirements::missing;
