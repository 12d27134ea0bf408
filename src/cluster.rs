//! The outside: the Kubernetes API server, and what this provider does there.
//!
//! This is the only layer with a `kube::Client`. It reads the live objects of a feature store, brings
//! them to what is wanted with server-side apply, waits until that has really happened, and deletes.
//! What can be decided without a server is decided by pure functions beside it: [`drift`] (the live
//! object seen through the fields that we own), [`ownership`] (who owns which field), [`rollout`] (how
//! far a Deployment has come).
//!
//! It knows nothing of Terraform: it takes manifests and gives back objects and its own errors, and
//! the hall finds the words for the user.

pub mod apply;
pub mod connection;
pub mod delete;
pub mod drift;
pub mod error;
pub mod guard;
pub mod operator;
pub mod ownership;
pub mod read;
pub mod rollout;

mod clock;
#[cfg(test)]
pub(crate) mod fake_api;
mod read_cache;
mod request;
mod resource;
pub mod sources;
mod task;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Mutex, OnceCell};

pub use connection::{Connection, Server};
pub use error::{Error, Reason, Target, Verb};
pub use tokio_util::sync::CancellationToken;

use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL};
use crate::kubernetes::{Key, Kind};
use connection::{ConnectionError, Origin};

/// Which feature store, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreName {
    pub namespace: String,
    pub name: String,
}

impl StoreName {
    /// Selects the objects that this provider made for the store.
    fn selector(&self) -> String {
        format!("{NAME_LABEL}={},{}", self.name, of_every_store())
    }
}

/// Selects the objects that this provider made, for whichever store.
fn of_every_store() -> String {
    format!("{MANAGED_BY_LABEL}={MANAGED_BY}")
}

/// What becomes of the store's claims that are not wanted, and of the data in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PvcPolicy {
    /// Delete them; else they are kept.
    pub delete: bool,
    /// Names of claims that the store uses without owning them. Neither deleted nor reported, though one
    /// may have been made by this provider before.
    pub used: BTreeSet<String>,
}

impl PvcPolicy {
    fn is_external(&self, key: &Key) -> bool {
        key.kind == Kind::PersistentVolumeClaim && self.used.contains(&key.name)
    }

    fn retains(&self, key: &Key) -> bool {
        key.kind == Kind::PersistentVolumeClaim && !self.delete
    }
}

/// How this provider writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name under which the API server records the fields that we own.
    pub field_manager: String,
    /// Take fields that another manager applied, instead of reporting the conflict.
    pub force_conflicts: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            field_manager: ownership::DEFAULT_FIELD_MANAGER.to_owned(),
            force_conflicts: false,
        }
    }
}

/// A handle on one cluster; cheap to clone, every clone shares one connection.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: connection::Endpoint,
    /// Made at the first request: making it may run an `exec` credential plugin.
    client: OnceCell<kube::Client>,
    server: Arc<Server>,
    options: Options,
    /// Whether the API server has ever answered; before that, a refused connection is more likely a
    /// wrong address than a restart, and is given up on sooner.
    reached: AtomicBool,
    /// Held by the request that opens the connection.
    opening: Mutex<()>,
    /// What this process has begun to create: the names that others hold tell nothing of it.
    created: std::sync::Mutex<BTreeSet<StoreName>>,
    /// What several feature stores have asked for at once.
    read_cache: read_cache::ReadCache,
    /// What several feature stores wait for.
    deletions: watch::DeletionWatches,
    /// The only cluster that may be talked to ([`guard`]); any where there is none.
    expected_uid: Option<String>,
    /// Set when it is that cluster.
    verified: OnceCell<()>,
    /// The time at the API server.
    clock: clock::Clock,
}

impl Cluster {
    /// Reads the files that the connection names, and nothing else: no request is sent before it is
    /// needed.
    pub async fn connect(
        connection: &Connection,
        options: Options,
    ) -> Result<Self, ConnectionError> {
        let endpoint = connection::configure(connection)?;
        Ok(Self {
            inner: Arc::new(Inner {
                server: Arc::new(Server::from(&endpoint)),
                endpoint,
                client: OnceCell::new(),
                options,
                reached: AtomicBool::new(false),
                opening: Mutex::new(()),
                created: std::sync::Mutex::default(),
                read_cache: read_cache::ReadCache::default(),
                deletions: watch::DeletionWatches::default(),
                expected_uid: connection.expected_cluster_uid.clone(),
                verified: OnceCell::new(),
                clock: clock::Clock::default(),
            }),
        })
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.inner.server.url
    }

    /// Where the connection was configured, for error messages.
    pub fn origin(&self) -> &Origin {
        &self.inner.server.origin
    }

    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// The manager that holds `spec.replicas` while nobody else has taken it yet.
    pub fn replicas_field_manager(&self) -> String {
        ownership::replicas_field_manager(&self.inner.options.field_manager)
    }
}
