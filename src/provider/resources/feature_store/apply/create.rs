//! The end of a create: the Secret records how it ended, or everything is deleted again.

use std::time::Duration;

use crate::cluster::apply::{Outcome, Undone};
use crate::cluster::{self, CancellationToken, Reason};
use crate::feast::ownership::{OwnershipEvent, UNDO_SECONDS};
use crate::feast::secrets::store_secret;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::schema::provider::ApplyResourceChangeResponse;

use super::prepare::{Prepared, ResolvedStore};
use super::{ApplyOperation, RolledOut, is_overtaken};

/// The time limit of the request that records the failure of a create.
const RECORD_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit of the requests that undo a create. No other create adopts the objects meanwhile.
const UNDO_TIMEOUT: Duration = Duration::from_secs(UNDO_SECONDS.unsigned_abs() / 2);

impl ApplyOperation<'_> {
    /// Records how this create ended.
    ///
    /// The record of a failure saves a create of another configuration the wait for the deadline. Without it, the
    /// deadline decides, so its own failure is ignored.
    pub(super) async fn end_create(
        &self,
        prepared: &Prepared,
        outcome: &mut Outcome,
        rollout: &RolledOut,
    ) {
        if outcome.errors.is_empty() && rollout.errors.is_empty() {
            let recorded =
                self.record(prepared, outcome, OwnershipEvent::CreateSucceeds, self.stop);
            let recorded = recorded.await;
            outcome.errors.extend(recorded.err());
        }
        let is_failed = !outcome.errors.is_empty() || !rollout.errors.is_empty();
        if is_failed && !is_overtaken(outcome) {
            self.record_failure(prepared, outcome).await;
        }
    }

    async fn record_failure(&self, prepared: &Prepared, outcome: &mut Outcome) {
        // The operation may have been cancelled. This is its last request.
        let uncancelled = CancellationToken::new();
        let recorded = self.record(prepared, outcome, OwnershipEvent::CreateFails, &uncancelled);
        tokio::time::timeout(RECORD_TIMEOUT, recorded).await.ok();
    }

    /// Changes the ownership in the Secret that this create has written.
    async fn record(
        &self,
        prepared: &Prepared,
        outcome: &mut Outcome,
        event: OwnershipEvent<'_>,
        cancel: &CancellationToken,
    ) -> Result<(), cluster::Error> {
        let key = store_secret::key(&prepared.store.name);
        // After a write whose response was lost, there is no version to write over.
        let Some(live) = outcome.objects.get(&key) else {
            return Ok(());
        };
        if live["metadata"]["resourceVersion"].is_null() {
            return Ok(());
        }
        let ResolvedStore {
            objects, ownership, ..
        } = &prepared.resolved;
        let mut objects = objects.clone();
        if let Ok(ownership) = ownership.after(event) {
            objects.set_owner(&ownership);
        }
        if let OwnershipEvent::CreateIsUndone { .. } = event {
            objects.clear_configuration();
        }
        let secret = &objects.manifests[&key];
        let written = (prepared.cluster).write_owner(&prepared.store, live, secret, cancel);
        outcome.objects.insert(key, written.await?);
        Ok(())
    }

    /// Deletes what this create has made. Returns the response without a state, so that Terraform records no tainted
    /// resource. Returns `None` if there is nothing to undo, or nothing could be undone because the Secret cannot be
    /// written.
    pub(super) async fn undo(
        &self,
        prepared: &Prepared,
        outcome: &mut Outcome,
    ) -> Option<ApplyResourceChangeResponse> {
        if outcome.objects.is_empty() {
            return None;
        }
        let has_created = !outcome.created.is_empty();
        // A request to stop must not leave half of the objects.
        let uncancelled = CancellationToken::new();
        let now = prepared.cluster.now();
        let event = OwnershipEvent::CreateIsUndone { now };
        let withheld = self.record(prepared, outcome, event, &uncancelled);
        let error = match tokio::time::timeout(RECORD_TIMEOUT, withheld).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => return None,
        };
        if let Some(error) = error {
            if matches!(error.reason, Reason::OwnerChanged) {
                outcome.errors.push(error);
            }
            return None;
        }
        let errors = std::mem::take(&mut outcome.errors);
        let undone = (prepared.cluster).undo_create(&prepared.store, outcome, &uncancelled);
        let undone = tokio::time::timeout(UNDO_TIMEOUT, undone).await;
        let Undone {
            left,
            errors: failures,
        } = undone.unwrap_or_else(|_| Undone {
            left: outcome.created.clone(),
            errors: Vec::new(),
        });
        let is_secret = |key: &Key| key.kind == Kind::Secret;
        if outcome.objects.keys().any(is_secret) {
            // The next create adopts what is left, of this create or an earlier one.
            self.record_failure(prepared, outcome).await;
        }
        let mut diagnostics = self.failures(prepared, &errors);
        let failed = |error| diagnostics::cluster_error("Cannot undo the create", error);
        diagnostics.extend(failures.iter().map(failed));
        diagnostics::add_undone(&mut diagnostics, has_created, &left);
        Some(ApplyResourceChangeResponse {
            diagnostics,
            ..ApplyResourceChangeResponse::default()
        })
    }
}
