//! The rollout of what an apply has written, and what follows it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::cluster;
use crate::cluster::apply::Outcome;
use crate::feast::config::ScalingStatus;
use crate::feast::names;
use crate::feast::spec::Store;
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::{Key, Kind};

use super::super::{computed, data_loss};
use super::prepare::Prepared;
use super::{ApplyOperation, wait};

/// The number of times that an apply waits for the rollout again because another client changed the number of replicas.
const REPLICAS_ATTEMPTS: u32 = 3;

/// The result of a rollout.
pub(super) struct RolledOut {
    pub status: Option<ScalingStatus>,
    /// Why Deployments are not complete.
    pub errors: Vec<cluster::Error>,
}

impl ApplyOperation<'_> {
    /// Waits for the rollout, if the configuration asks for that and all objects were written.
    ///
    /// If another client changes the number of replicas meanwhile, as the controller of a deleted autoscaler can, the
    /// number of the configuration is written again.
    pub(super) async fn roll_out(
        &self,
        prepared: &mut Prepared,
        outcome: &mut Outcome,
    ) -> RolledOut {
        let mut rollout = RolledOut {
            status: deployment_status(&prepared.store.name, &outcome.objects),
            errors: Vec::new(),
        };
        for attempt in 1..=REPLICAS_ATTEMPTS {
            let store = &prepared.desired.store;
            if !outcome.errors.is_empty() || !store.wait_for_rollout {
                break;
            }
            let wait = self.wait(prepared);
            let (cluster, name) = (&prepared.cluster, &prepared.store);
            let (deployment, errors) = wait::complete(cluster, name, store, &wait, self.stop).await;
            if let Some(live) = &deployment {
                rollout.status = Some(computed::rollout_state(live).0);
            }
            rollout.errors = errors;
            let replicas_differ =
                deployment.is_some_and(|live| wait::replicas_differ(store, &live));
            if !replicas_differ
                || has_other_replicas(store, outcome)
                || !rollout.errors.is_empty()
                || attempt == REPLICAS_ATTEMPTS
            {
                break;
            }
            self.write_again(prepared, outcome).await;
        }
        rollout
    }

    /// Writes the objects again, over those that exist now.
    async fn write_again(&self, prepared: &mut Prepared, outcome: &mut Outcome) {
        let keys = self.keys(&prepared.resolved.objects.manifests);
        let live = (prepared.cluster).read(&prepared.store, &keys, self.stop);
        match live.await {
            Ok(live) => prepared.live = live,
            Err(error) => return outcome.errors.push(error),
        }
        match self.write(prepared).await {
            Ok(again) => outcome.followed_by(again),
            Err(errors) => outcome.errors.extend(errors),
        }
    }

    /// Deletes what only the previous pods needed, if the rollout has replaced them. An apply that does not wait for
    /// the rollout deletes it at once.
    pub(super) async fn prune_after_rollout(
        &self,
        prepared: &Prepared,
        outcome: &mut Outcome,
        rollout: &RolledOut,
    ) {
        if !outcome.errors.is_empty() || !rollout.errors.is_empty() {
            return;
        }
        let pvc_policy = data_loss::policy(&self.prior, &prepared.desired.store);
        let desired = self.desired_state(prepared, &pvc_policy);
        let pruned = (prepared.cluster).prune_after_rollout(outcome, &desired, self.stop);
        pruned.await;
    }
}

/// Returns whether admission control stored another number of replicas than was applied.
fn has_other_replicas(store: &Store, outcome: &Outcome) -> bool {
    let key = Key::new(Kind::Deployment, names::main(&store.name));
    let replicas = FieldPath::of(&["spec", "replicas"]);
    let mut changes = outcome.differences.get(&key).into_iter().flatten();
    changes.any(|change| change.field == replicas)
}

fn deployment_status(store: &str, exists: &BTreeMap<Key, Json>) -> Option<ScalingStatus> {
    let key = Key::new(Kind::Deployment, names::main(store));
    Some(computed::rollout_state(exists.get(&key)?).0)
}
