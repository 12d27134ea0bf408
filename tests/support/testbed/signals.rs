//! Stops the control planes of this process on Ctrl-C and on SIGTERM, and deletes its namespaces in the user's own
//! cluster.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::cluster::Cluster;
use super::control_plane::Running;
use super::error::{Doing, Result};

static RUNNING: Mutex<Vec<Weak<Mutex<Running>>>> = Mutex::new(Vec::new());
static NAMESPACES: Mutex<Vec<(Cluster, String)>> = Mutex::new(Vec::new());

pub(super) fn register(running: &Arc<Mutex<Running>>) {
    let mut all = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(Arc::downgrade(running));
}

/// Adds a namespace in a cluster that does not end with this process.
pub(super) fn register_namespace(cluster: &Cluster, name: &str) {
    let mut all = NAMESPACES.lock().unwrap_or_else(PoisonError::into_inner);
    all.push((cluster.clone(), name.to_owned()));
}

pub(super) fn forget_namespace(name: &str) {
    let mut all = NAMESPACES.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|(_, other)| other != name);
}

/// Installs the signal handler: SIGINT, SIGTERM and SIGHUP stop the control planes, delete the namespaces and end this
/// process with status 130. `main` must call this once.
pub fn stop_on_signal() -> Result<()> {
    ctrlc::set_handler(|| {
        let all = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        for running in all.iter().filter_map(Weak::upgrade) {
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .stop();
        }
        let namespaces = NAMESPACES.lock().unwrap_or_else(PoisonError::into_inner);
        for (cluster, name) in namespaces.iter() {
            cluster.delete_namespace(name);
        }
        std::process::exit(130);
    })
    .doing(|| "listening for Ctrl-C".to_owned())
}
