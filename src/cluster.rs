//! Access to the Kubernetes API server.
//!
//! This is the only layer with a `kube::Client`. It reads the live objects of a feature store ([`read`]), applies the
//! desired ones ([`apply`]), waits for rollouts ([`rollout`]) and deletes objects ([`delete`]). Decisions that need no
//! server are pure functions, here or in `kubernetes`.
//!
//! Must not know: Terraform. The layer takes manifests and returns objects and errors of its own; the provider layer
//! turns errors into diagnostics.

pub mod apply;
pub mod connection;
pub mod delete;
pub mod error;
pub mod field_managers;
pub mod guard;
pub mod leftover_fields;
pub mod operator;
pub mod preflight;
pub mod read;
pub mod references;
pub mod report;
pub mod rollout;
pub mod run;
pub mod search;
pub mod sources;

mod clock;
mod discovery;
#[cfg(test)]
pub(crate) mod fake_api;
mod keda;
mod read_cache;
mod request;
mod resource;
mod single_flight;
mod task;
mod warnings;
mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Mutex, OnceCell};

pub use connection::{ApiServer, Connection};
pub use error::{Error, Reason, Target, Verb};
pub use tokio_util::sync::CancellationToken;
pub use warnings::{WarningTexts, Warnings};

use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL};
use crate::kubernetes::{Key, Kind};
use connection::{ConnectionError, Origin};
use single_flight::SingleFlight;

/// Identifies a feature store.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreName {
    pub namespace: String,
    pub name: String,
}

impl StoreName {
    /// Returns the label selector for the objects of the feature store.
    fn selector(&self) -> String {
        format!("{NAME_LABEL}={},{}", self.name, provider_selector())
    }
}

impl fmt::Display for StoreName {
    /// Writes `<namespace>/<name>`, the ID of the feature store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Returns the label selector for the objects of all feature stores of this provider.
fn provider_selector() -> String {
    format!("{MANAGED_BY_LABEL}={MANAGED_BY}")
}

/// The treatment of PersistentVolumeClaims that are no longer desired. One that is not named here is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PvcPolicy {
    /// Names of PersistentVolumeClaims that are deleted with their data.
    pub deletable: BTreeSet<String>,
    /// Names of PersistentVolumeClaims that the feature store references and does not own. They are neither deleted nor
    /// reported as kept, even if an earlier configuration created them.
    pub used: BTreeSet<String>,
}

impl PvcPolicy {
    fn is_external(&self, key: &Key) -> bool {
        key.kind == Kind::PersistentVolumeClaim && self.used.contains(&key.name)
    }

    fn retains(&self, key: &Key) -> bool {
        key.kind == Kind::PersistentVolumeClaim && !self.deletable.contains(&key.name)
    }
}

/// Options of all writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name under which the API server records the fields of the provider.
    pub field_manager: String,
    /// True to take fields that another manager has applied, instead of reporting a conflict.
    pub force_conflicts: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            field_manager: field_managers::DEFAULT_FIELD_MANAGER.to_owned(),
            force_conflicts: false,
        }
    }
}

/// A client of one cluster. All clones share its connection.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
    /// The warnings in the responses to the requests of this client.
    warnings: Warnings,
}

struct Inner {
    endpoint: connection::Endpoint,
    /// Created by the first request, because its creation can run an `exec` credential plugin.
    client: SingleFlight<kube::Client, Reason>,
    server: Arc<ApiServer>,
    options: Options,
    /// True if the API server has responded before. Until then, a refused connection more likely means a wrong address
    /// than a restart, and the retry budget is smaller.
    reached: AtomicBool,
    /// Held by the request that opens the connection.
    opening: Mutex<()>,
    /// See [`Cluster::created`].
    created: std::sync::Mutex<BTreeSet<StoreName>>,
    /// Reads that feature stores share.
    read_cache: read_cache::ReadCache,
    /// Answers about permissions that feature stores share.
    reviews: preflight::permissions::Reviews,
    /// Watches for deletions that feature stores share.
    deletions: watch::DeletionWatches,
    /// The UID of the only permitted cluster ([`guard`]); `None` permits all.
    expected_uid: Option<String>,
    /// Set once the cluster is known to be that cluster.
    verified: SingleFlight<(), Error>,
    /// The answer of [`Cluster::is_openshift`].
    is_openshift: SingleFlight<bool, ()>,
    /// The answer of [`Cluster::has_metrics_api`].
    has_metrics_api: OnceCell<Option<bool>>,
    /// The clock of the API server.
    clock: clock::Clock,
    known_warnings: warnings::KnownWarnings,
}

impl Cluster {
    /// Reads the files that the connection names. Sends no request.
    ///
    /// # Errors
    ///
    /// The connection or one of its files is missing a value or has an invalid one.
    pub fn new(connection: &Connection, options: Options) -> Result<Self, ConnectionError> {
        let endpoint = connection::configure(connection)?;
        Ok(Self {
            inner: Arc::new(Inner {
                server: Arc::new(ApiServer::from(&endpoint)),
                endpoint,
                client: SingleFlight::default(),
                options,
                reached: AtomicBool::new(false),
                opening: Mutex::new(()),
                created: std::sync::Mutex::default(),
                read_cache: read_cache::ReadCache::default(),
                reviews: preflight::permissions::Reviews::default(),
                deletions: watch::DeletionWatches::default(),
                expected_uid: connection.expected_cluster_uid.clone(),
                verified: SingleFlight::default(),
                is_openshift: SingleFlight::default(),
                has_metrics_api: OnceCell::default(),
                clock: clock::Clock::default(),
                known_warnings: warnings::KnownWarnings::default(),
            }),
            warnings: Warnings::default(),
        })
    }

    /// Returns a client for one operation, which adds the warnings of the API server to `warnings`.
    pub fn with_warnings(&self, warnings: Warnings) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            warnings,
        }
    }

    /// Returns the URL of the API server.
    pub fn server(&self) -> &str {
        &self.inner.server.url
    }

    /// Returns where the connection was configured.
    pub fn origin(&self) -> &Origin {
        &self.inner.server.origin
    }

    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Returns the field manager that owns `spec.replicas` until somebody else sets it, and that removes foreign limits
    /// of a rolling update.
    pub fn replicas_field_manager(&self) -> String {
        field_managers::replicas_field_manager(&self.inner.options.field_manager)
    }
}
