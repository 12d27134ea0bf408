//! The wait for every Deployment of a feature store.

use serde_json::Value as Json;

use crate::cluster::rollout::{Rollout, Wait};
use crate::cluster::{CancellationToken, Cluster, Error, StoreName};
use crate::feast::names;
use crate::feast::spec::{Replicas, Store};

/// Waits until all Deployments are complete. Returns the Deployment of the servers if it is, and an error for each that
/// is not.
pub async fn complete(
    cluster: &Cluster,
    name: &StoreName,
    store: &Store,
    wait: &Wait<'_>,
    stop: &CancellationToken,
) -> (Option<Json>, Vec<Error>) {
    let servers = Rollout {
        deployment: &names::main(&store.name),
        pods: &store.name,
        minimum: match &store.replicas {
            Replicas::Autoscaled(autoscaler) => Some(autoscaler.min_replicas),
            // KEDA leaves the number of replicas alone while its triggers are inactive.
            Replicas::Static(_)
            | Replicas::Stopped { .. }
            | Replicas::Keda(_)
            | Replicas::External => None,
        },
    };
    let servers = cluster.wait_for_rollout(name, &servers, wait, stop);
    let lineage = async {
        store.lineage.as_ref()?;
        let rollout = Rollout {
            deployment: &names::lineage(&store.name),
            pods: &names::lineage_label(&store.name),
            minimum: None,
        };
        let complete = cluster.wait_for_rollout(name, &rollout, wait, stop);
        complete.await.err()
    };
    let (servers, lineage) = tokio::join!(servers, lineage);
    match servers {
        Ok(live) => (Some(live), lineage.into_iter().collect()),
        Err(error) => (None, [error].into_iter().chain(lineage).collect()),
    }
}

/// Returns whether the Deployment has another number of replicas than the configuration sets.
pub(super) fn replicas_differ(store: &Store, deployment: &Json) -> bool {
    match &store.replicas {
        Replicas::Static(replicas) => deployment["spec"]["replicas"] != *replicas,
        Replicas::Stopped { .. } => deployment["spec"]["replicas"] != 0,
        Replicas::Autoscaled(_) | Replicas::Keda(_) | Replicas::External => false,
    }
}
