//! Apply: bring the cluster to the plan, wait for the rollout, and answer with what exists, whatever
//! happened on the way.

mod prepare;
mod wait;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cluster::apply::{self, Outcome};
use crate::cluster::rollout::Wait;
use crate::cluster::{self, CancellationToken, PvcPolicy, Reason};
use crate::feast::config::{Drift, DriftKind, ScalingStatus};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{ApplyResourceChangeRequest, ApplyResourceChangeResponse};
use crate::schema::{Block, Diagnostics, Value};

use super::computed::{self, Desired};
use super::creation::Occupied;
use super::drift::DriftEntry;
use super::manifests::{self, Manifests};
use super::private_state::PrivateState;
use super::{conflicts, drift};
use prepare::{Merged, Prepared};
pub(super) use prepare::{remote_registry, unread};

/// How often the rollout is waited for because somebody has moved the number of replicas.
const REPLICAS_ATTEMPTS: u32 = 3;

/// Creates or updates a feature store.
pub async fn apply(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ApplyResourceChangeRequest,
) -> ApplyResourceChangeResponse {
    let operation = ApplyOperation {
        block,
        stop,
        prior: &request.prior_state,
        planned: &request.planned_state,
        before: match request.prior_state.is_null() {
            // What is known of a feature store that was replaced is not true of the new one.
            true => PrivateState::default(),
            false => PrivateState::decode(&request.planned_private),
        },
    };
    let identity = computed::identity(&request.planned_state);
    let began = Instant::now();
    match operation.prepare(settings, began).await {
        Ok(prepared) => ApplyResourceChangeResponse {
            identity,
            ..operation.execute(prepared, began).await
        },
        // Nothing was written: what was, is.
        Err(diagnostics) => ApplyResourceChangeResponse {
            identity: computed::identity(&request.prior_state),
            private: request.planned_private,
            state: request.prior_state,
            diagnostics,
        },
    }
}

/// How long a failed create waits for the answer to its last write.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// What has become of the pods.
struct RolledOut {
    status: Option<ScalingStatus>,
    /// What has not finished, and why.
    errors: Vec<cluster::Error>,
}

struct ApplyOperation<'a> {
    block: &'a Block,
    stop: &'a CancellationToken,
    /// Null on create.
    prior: &'a Value,
    planned: &'a Value,
    before: PrivateState,
}

impl ApplyOperation<'_> {
    async fn write(
        &self,
        prepared: &mut Prepared,
        began: Instant,
    ) -> Result<Outcome, Vec<cluster::Error>> {
        let live = std::mem::take(&mut prepared.live);
        let desired = &prepared.desired;
        let waits = desired.store.wait_for_rollout;
        let plan = apply::Plan {
            store: &prepared.store,
            wanted: &prepared.merged.filled.manifests,
            known: &prepared.known,
            claims: &PvcPolicy {
                delete: desired.store.delete_data,
                used: desired.store.referenced_claims(),
            },
            repair_drift: !self.prior.is_null(),
            wait_for_job: waits.then(|| self.wait(prepared, began)),
        };
        prepared.cluster.apply(live, &plan, self.stop).await
    }

    async fn execute(&self, mut prepared: Prepared, began: Instant) -> ApplyResourceChangeResponse {
        let mut outcome = match self.write(&mut prepared, began).await {
            Ok(outcome) => outcome,
            Err(errors) => {
                return ApplyResourceChangeResponse {
                    state: self.prior.clone(),
                    private: self.before.clone().encode(),
                    diagnostics: self.failures(&prepared.desired, &errors),
                    ..ApplyResourceChangeResponse::default()
                };
            }
        };
        let rollout = self.roll_out(&mut prepared, &mut outcome, began).await;
        match self.complete(&prepared, &outcome, &rollout).await {
            Ok(true) => {}
            Ok(false) => {
                return ApplyResourceChangeResponse {
                    diagnostics: vec![diagnostics::exists_already(
                        &prepared.store,
                        Occupied::RacedBy,
                    )],
                    ..ApplyResourceChangeResponse::default()
                };
            }
            Err(error) => outcome.errors.push(error),
        }
        if self.prior.is_null() && !(outcome.errors.is_empty() && rollout.errors.is_empty()) {
            self.record_failure(&prepared, &outcome).await;
        }
        let state = self.reached(&prepared, &outcome, &rollout);
        let mut diagnostics = self.told(&prepared, &outcome, &rollout);
        if !state.is_null() {
            diagnostics::add_next_steps(&mut diagnostics, self.prior.is_null());
        }
        ApplyResourceChangeResponse {
            state,
            private: self.private_state(&prepared, &outcome, &rollout).encode(),
            diagnostics,
            identity: None,
        }
    }

    /// Waits for the rollout, where that is wanted and everything has been written.
    ///
    /// The number of replicas that the configuration names is the number at the end: where somebody has moved it
    /// meanwhile, as the controller of a deleted autoscaler can, it is set again.
    async fn roll_out(
        &self,
        prepared: &mut Prepared,
        outcome: &mut Outcome,
        began: Instant,
    ) -> RolledOut {
        let mut rollout = RolledOut {
            status: deployment_status(&outcome.exists, &prepared.desired),
            errors: Vec::new(),
        };
        for attempt in 1..=REPLICAS_ATTEMPTS {
            let desired = &prepared.desired;
            if !outcome.errors.is_empty() || !desired.store.wait_for_rollout {
                break;
            }
            let wait = self.wait(prepared, began);
            let complete = wait::complete(&prepared.cluster, &desired.store, &wait, self.stop);
            let (servers, unfinished) = complete.await;
            if let Some(live) = &servers {
                rollout.status = Some(computed::rollout_state(live).0);
            }
            rollout.errors = unfinished;
            let moved = servers.is_some_and(|live| wait::is_moved(&desired.store, &live));
            if !moved || !rollout.errors.is_empty() || attempt == REPLICAS_ATTEMPTS {
                break;
            }
            self.write_again(prepared, outcome, began).await;
        }
        rollout
    }

    /// Brings the objects to what is wanted once more, from what is there now.
    async fn write_again(&self, prepared: &mut Prepared, outcome: &mut Outcome, began: Instant) {
        let keys = prepared.merged.filled.manifests.keys().cloned().collect();
        let live = (prepared.cluster).read(&prepared.store, &keys, self.stop);
        match live.await {
            Ok(live) => prepared.live = live,
            Err(error) => return outcome.errors.push(error),
        }
        match self.write(prepared, began).await {
            Ok(again) => {
                outcome.exists = again.exists;
                outcome.changed.extend(again.changed);
                outcome.errors.extend(again.errors);
            }
            Err(errors) => outcome.errors.extend(errors),
        }
    }

    /// Marks the end of a create that has gone well. `false` where the feature store is another create's.
    async fn complete(
        &self,
        prepared: &Prepared,
        outcome: &Outcome,
        rollout: &RolledOut,
    ) -> Result<bool, cluster::Error> {
        if !self.prior.is_null() {
            return Ok(true);
        }
        if was_overtaken(outcome) {
            return Ok(false);
        }
        let Prepared {
            cluster,
            store,
            merged,
            ..
        } = prepared;
        let key = Key::new(Kind::Secret, names::main(&store.name));
        let gone_well = outcome.errors.is_empty() && rollout.errors.is_empty();
        let Some(live) = outcome.exists.get(&key).filter(|_| gone_well) else {
            return Ok(true);
        };
        let signed = merged.secret(&key, |creation| creation.complete = true);
        let written = cluster.write_owner(store, live, &signed, self.stop).await?;
        Ok(written.is_some())
    }

    /// Records in the store's Secret that this create has ended with an error, so that a create of another
    /// configuration does not have to wait for its deadline. Nothing depends on the answer: without the record, the
    /// deadline decides.
    async fn record_failure(&self, prepared: &Prepared, outcome: &Outcome) {
        let Prepared {
            cluster,
            store,
            merged,
            ..
        } = prepared;
        let key = Key::new(Kind::Secret, names::main(&store.name));
        let written = outcome.exists.get(&key).filter(|secret| {
            // Of a write whose answer was lost there is no version to write over.
            !secret["metadata"]["resourceVersion"].is_null()
        });
        if let Some(live) = written {
            let failed = merged.secret(&key, |creation| creation.failed = true);
            // The operation may have been cancelled, and this is its last request.
            let uncancelled = CancellationToken::new();
            let write = cluster.write_owner(store, live, &failed, &uncancelled);
            tokio::time::timeout(LAST_WRITE, write).await.ok();
        }
    }

    fn told(&self, prepared: &Prepared, outcome: &Outcome, rollout: &RolledOut) -> Diagnostics {
        let mut diagnostics = self.failures(&prepared.desired, &outcome.errors);
        diagnostics.extend(outcome.kept.iter().map(diagnostics::claim_kept));
        if outcome.errors.is_empty() && !outcome.taken_over.is_empty() {
            let taken_over = diagnostics::taken_over(&prepared.store, &outcome.taken_over);
            diagnostics.push(taken_over);
        }
        diagnostics.extend(unsettled(outcome));
        let unfinished = rollout.errors.iter();
        diagnostics.extend(
            unfinished.map(|error| diagnostics::cluster_error("The rollout did not finish", error)),
        );
        diagnostics
    }

    fn private_state(
        &self,
        prepared: &Prepared,
        outcome: &Outcome,
        rollout: &RolledOut,
    ) -> PrivateState {
        let Merged {
            creation, sources, ..
        } = &prepared.merged;
        let written = outcome.errors.is_empty();
        let exists = match written {
            true => prepared.desired.objects.manifests.clone(),
            false => self.existing(&prepared.desired, outcome),
        };
        PrivateState {
            unshown: manifests::unshown(&exists),
            rollout_incomplete: !written || !rollout.errors.is_empty(),
            // After a failure the pods may still run with the old.
            sources: match written {
                true => sources.clone(),
                false => self.before.sources.clone(),
            },
            creation: (self.before.creation.clone()).or_else(|| Some(creation.id.clone())),
            ..PrivateState::default()
        }
    }

    /// The new state; null where nothing was written.
    fn reached(&self, prepared: &Prepared, outcome: &Outcome, rollout: &RolledOut) -> Value {
        let Prepared {
            desired, merged, ..
        } = prepared;
        let mut state = self.planned.clone();
        let mut observed = desired.observed();
        observed.configuration_hash = merged.filled.servers().configuration.clone();
        computed::write(self.block, &mut state, &observed);
        state.set("drift", drift::added(self.planned.attribute("drift")));
        let status = (rollout.status).map_or(Value::Null, computed::scaling_status);
        state.set("scaling_status", status);
        self.keep_planned(&mut state, &["configuration_hash", "scaling_status"]);
        if !outcome.errors.is_empty() {
            let existing = self.existing(desired, outcome);
            state.set("objects", manifests::attribute(&existing));
        }
        match state.attribute("objects") {
            // The very first write failed: there is nothing to remember.
            Value::Map(objects) if objects.is_empty() => Value::Null,
            _ => state,
        }
    }

    /// What was planned as known stands, and the next refresh tells how it has become.
    fn keep_planned(&self, state: &mut Value, attributes: &[&str]) {
        for name in attributes {
            let planned = self.planned.attribute(name);
            if planned.is_wholly_known() {
                state.set(name, planned.clone());
            }
        }
    }

    /// For all of the waiting, the Job's and the rollout's.
    fn wait<'b>(&self, prepared: &'b Prepared, began: Instant) -> Wait<'b> {
        let timeout = self.timeout(&prepared.desired);
        Wait::since(began, timeout, &prepared.merged.secrets)
    }

    fn timeout(&self, desired: &Desired) -> Duration {
        let timeouts = &desired.store.timeouts;
        match self.prior.is_null() {
            true => timeouts.create,
            false => timeouts.update,
        }
    }

    fn failures(&self, desired: &Desired, errors: &[cluster::Error]) -> Diagnostics {
        let summary = if self.prior.is_null() {
            "Cannot create the feature store"
        } else {
            "Cannot update the feature store"
        };
        let diagnostics = errors.iter().map(|error| {
            let diagnostic = diagnostics::cluster_error(summary, error);
            let manifests = &desired.objects.manifests;
            let places = conflicts::attribute_paths(self.block, self.planned, manifests, error);
            diagnostics::at_attributes(diagnostic, places)
        });
        diagnostics.collect()
    }

    /// The manifests after a failure: what was written is as planned, what was not is as it was
    /// applied before, what is gone is gone.
    fn existing(&self, desired: &Desired, outcome: &Outcome) -> Manifests {
        let planned = &desired.objects.manifests;
        // Not the drift that was not repaired, or it would be taken for what was applied.
        let prior = self
            .before
            .last_applied(self.block, &mut self.prior.clone());
        let manifest = |key: &Key| {
            let manifest = if outcome.changed.contains(key) {
                planned.get(key)
            } else {
                prior.get(key)
            };
            // An object that an earlier, interrupted create has left is ours from now on.
            manifest.or_else(|| planned.get(key))
        };
        let exists = outcome.exists.keys();
        exists
            .filter_map(|key| Some((key.clone(), manifest(key)?.clone())))
            .collect()
    }
}

/// Warnings about fields that the cluster did not take over as they were applied.
fn unsettled(outcome: &Outcome) -> Diagnostics {
    let findings = outcome.unsettled.iter().flat_map(|(key, changes)| {
        let findings = changes
            .iter()
            .map(|change| DriftEntry::unsettled(key, change));
        findings.map(|finding| finding.described())
    });
    let (altered, retained): (Vec<Drift>, Vec<Drift>) =
        findings.partition(|drift| drift.change != DriftKind::Added);
    let warnings = [
        diagnostics::altered(&altered),
        diagnostics::retained(&retained),
    ];
    warnings.into_iter().flatten().collect()
}

/// Whether another create was faster by a moment: the Secret, which decides whose the store is, is there.
fn was_overtaken(outcome: &Outcome) -> bool {
    let mut errors = outcome.errors.iter();
    errors.any(|error| {
        matches!(error.reason, Reason::Stale { .. }) && error.target.kind == Kind::Secret.as_str()
    })
}

fn deployment_status(exists: &BTreeMap<Key, Json>, desired: &Desired) -> Option<ScalingStatus> {
    let key = Key::new(Kind::Deployment, names::main(&desired.store.name));
    Some(computed::rollout_state(exists.get(&key)?).0)
}
