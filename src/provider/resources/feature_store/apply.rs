//! Apply: write the planned objects, wait for the rollout, and return a state that describes what exists, also after an
//! error.

mod create;
mod prepare;
mod roll_out;
pub mod wait;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use futures::FutureExt;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cluster::apply::{DesiredState, Outcome, PendingCertificates};
use crate::cluster::rollout::Wait;
use crate::cluster::{self, CancellationToken, PvcPolicy, Reason};
use crate::feast::ownership::Occupied;
use crate::kubernetes::Key;
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{ApplyResourceChangeRequest, ApplyResourceChangeResponse};
use crate::schema::{Block, Diagnostics, Value};

use super::attribute_paths::AttributePaths;
use super::data_loss;
use super::drift;
use super::drift::DriftEntry;
use super::manifests::{self, Manifests};
use super::prior_state::PriorState;
use super::private_state::{PrivateState, RolloutProgress};
use super::rewrites::is_recorded;
use super::{computed, identity};
use prepare::{Awaited, Prepared, ResolvedStore};
use roll_out::RolledOut;

/// Creates or updates a feature store.
pub async fn apply(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ApplyResourceChangeRequest,
) -> ApplyResourceChangeResponse {
    // The private state of a feature store that was replaced is not that of the new one.
    let private = match request.prior_state.is_null() {
        true => &[],
        false => request.planned_private.as_slice(),
    };
    let operation = ApplyOperation {
        stop,
        prior: PriorState::decode(block, &request.prior_state, private),
        planned: &request.planned_state,
        started: Instant::now(),
    };
    match operation.prepare(settings).await {
        Ok((prepared, warnings)) => {
            let mut response = operation.execute(prepared).await;
            response.diagnostics.extend(warnings);
            response.identity = identity::of(&request.planned_state);
            response
        }
        // Nothing was written.
        Err(diagnostics) => ApplyResourceChangeResponse {
            identity: identity::of(&request.prior_state),
            private: request.planned_private,
            state: request.prior_state,
            diagnostics,
        },
    }
}

struct ApplyOperation<'a> {
    stop: &'a CancellationToken,
    prior: PriorState<'a>,
    planned: &'a Value,
    /// The timeout of the operation starts here.
    started: Instant,
}

impl ApplyOperation<'_> {
    fn is_create(&self) -> bool {
        self.prior.value.is_null()
    }

    async fn execute(&self, mut prepared: Prepared) -> ApplyResourceChangeResponse {
        let mut outcome = match self.write(&mut prepared).await {
            Ok(outcome) => outcome,
            Err(errors) => {
                let mut diagnostics = self.failures(&prepared, &errors);
                // The hint about a missing API says that nothing was written.
                let hint_covers_it =
                    |error: &cluster::Error| matches!(error.reason, Reason::NotInstalled { .. });
                if !self.is_create() && !errors.iter().any(hint_covers_it) {
                    diagnostics::add_nothing_written(&mut diagnostics);
                }
                return ApplyResourceChangeResponse {
                    state: self.prior.value.clone(),
                    private: self.prior.private.encode(),
                    diagnostics,
                    ..ApplyResourceChangeResponse::default()
                };
            }
        };
        if self.is_create()
            && outcome.can_undo()
            && let Some(undone) = self.undo(&prepared, &mut outcome).await
        {
            return undone;
        }
        let rollout = self.roll_out(&mut prepared, &mut outcome).await;
        self.prune_after_rollout(&prepared, &mut outcome, &rollout)
            .await;
        if self.is_create() {
            self.end_create(&prepared, &mut outcome, &rollout).await;
            if is_overtaken(&outcome) {
                let occupied = Occupied::AnotherOwner;
                let store = &prepared.store;
                let error = diagnostics::already_exists(store, occupied, &outcome.objects);
                return ApplyResourceChangeResponse {
                    diagnostics: vec![error],
                    ..ApplyResourceChangeResponse::default()
                };
            }
        }
        let state = self.new_state(&prepared, &outcome, &rollout);
        let mut diagnostics = self.diagnostics(&prepared, &outcome, &rollout);
        if !state.is_null() {
            let deletable = data_loss::deleted_with(&prepared.desired.store);
            diagnostics::add_next_steps(&mut diagnostics, self.is_create(), &deletable);
        }
        ApplyResourceChangeResponse {
            state,
            private: self.new_private(&prepared, &outcome, &rollout).encode(),
            diagnostics,
            identity: None,
        }
    }

    /// Writes the objects once.
    async fn write(&self, prepared: &mut Prepared) -> Result<Outcome, Vec<cluster::Error>> {
        let mut live = std::mem::take(&mut prepared.live);
        let manifests = &prepared.resolved.objects.manifests;
        self.prior
            .private
            .rewrites
            .restore_applied(manifests, &mut live);
        let awaited = prepared.awaited.take();
        let issued = OnceLock::new();
        let outcome = self
            .write_over(prepared, live, awaited.as_ref(), &issued)
            .await;
        if let Some(resolved) = issued.into_inner() {
            prepared.resolved = resolved;
        }
        outcome
    }

    /// Writes the objects over the live ones. `issued` receives the objects with certificates that are issued
    /// meanwhile.
    async fn write_over(
        &self,
        prepared: &Prepared,
        live: BTreeMap<Key, Json>,
        awaited: Option<&Awaited>,
        issued: &OnceLock<ResolvedStore>,
    ) -> Result<Outcome, Vec<cluster::Error>> {
        let before = live.clone();
        let wait = || {
            async {
                let Some(awaited) = awaited else {
                    return Ok(&prepared.resolved.objects);
                };
                let left = self.timeout(&prepared.desired);
                let left = left.saturating_sub(self.started.elapsed());
                let resolved = prepared.resolve_issued(awaited, &before, left, self.stop);
                let resolved = resolved.await?;
                Ok(&issued.get_or_init(|| resolved).objects)
            }
            .boxed()
        };
        let pvc_policy = data_loss::policy(&self.prior, &prepared.desired.store);
        let desired = self.desired_state(prepared, &pvc_policy);
        let certificates = awaited.map(|awaited| PendingCertificates {
            requested_by: &awaited.blocked_by,
            wait: &wait,
        });
        (prepared.cluster)
            .apply(live, &desired, certificates, self.stop)
            .await
    }

    fn desired_state<'b>(
        &'b self,
        prepared: &'b Prepared,
        pvc_policy: &'b PvcPolicy,
    ) -> DesiredState<'b> {
        let store = &prepared.desired.store;
        DesiredState {
            store: &prepared.store,
            objects: &prepared.resolved.objects,
            prior: &self.prior.observed,
            pvc_policy,
            deadline: self.started + self.timeout(&prepared.desired),
            wait_for_job: (store.wait_for_rollout).then(|| self.wait(prepared)),
        }
    }

    fn diagnostics(
        &self,
        prepared: &Prepared,
        outcome: &Outcome,
        rollout: &RolledOut,
    ) -> Diagnostics {
        let mut diagnostics = self.failures(prepared, &outcome.errors);
        diagnostics.extend(data_loss::of_apply(&self.prior, &prepared.store, outcome));
        if outcome.errors.is_empty() && !outcome.taken_over.is_empty() {
            let taken_over = diagnostics::taken_over(&prepared.store, &outcome.taken_over);
            diagnostics.push(taken_over);
        }
        diagnostics.extend(self.stored_difference_warnings(outcome));
        let unfinished = rollout.errors.iter();
        diagnostics.extend(
            unfinished.map(|error| diagnostics::cluster_error("The rollout did not finish", error)),
        );
        diagnostics
    }

    fn failures(&self, prepared: &Prepared, errors: &[cluster::Error]) -> Diagnostics {
        let summary = match self.is_create() {
            true => "Cannot create the feature store",
            false => "Cannot update the feature store",
        };
        let manifests = &prepared.desired.objects.manifests;
        let diagnostics = errors.iter().map(|error| {
            let diagnostic = diagnostics::cluster_error(summary, error);
            diagnostics::at_attributes(diagnostic, self.attributes().of_error(manifests, error))
        });
        diagnostics.collect()
    }

    fn attributes(&self) -> AttributePaths<'_> {
        AttributePaths {
            block: self.prior.block,
            planned: self.planned,
        }
    }

    /// Returns the new state; null if nothing was written.
    fn new_state(&self, prepared: &Prepared, outcome: &Outcome, rollout: &RolledOut) -> Value {
        let Prepared {
            desired, resolved, ..
        } = prepared;
        let mut state = self.planned.clone();
        let mut computed = desired.computed();
        let hash = &resolved.objects.hashes().servers.configuration;
        computed.configuration_hash.clone_from(hash);
        computed::write(self.prior.block, &mut state, &computed);
        state.set("drift", drift::added(self.planned.attribute("drift")));
        let status = (rollout.status).map_or(Value::Null, computed::scaling_status);
        state.set("scaling_status", status);
        // Terraform accepts no other value for an attribute that was planned as known. The next refresh corrects it.
        for name in ["configuration_hash", "scaling_status"] {
            let planned = self.planned.attribute(name);
            if planned.is_wholly_known() {
                state.set(name, planned.clone());
            }
        }
        if outcome.errors.is_empty() && outcome.deferred.is_empty() {
            return state;
        }
        let existing = self.existing(prepared, outcome);
        state.set("objects", manifests::attribute(&existing));
        match existing.is_empty() {
            true => Value::Null,
            false => state,
        }
    }

    fn new_private(
        &self,
        prepared: &Prepared,
        outcome: &Outcome,
        rollout: &RolledOut,
    ) -> PrivateState {
        let is_written = outcome.errors.is_empty();
        let ResolvedStore {
            ownership, sources, ..
        } = &prepared.resolved;
        let owner_id = || ownership.owner_id().map(str::to_owned);
        // Without `..`, so that a new field is not forgotten here.
        PrivateState {
            rollout: match is_written && rollout.errors.is_empty() {
                true => RolloutProgress::Complete,
                false => RolloutProgress::Pending,
            },
            secrets_changed: false,
            // After a failure, the pods can still run with the sources of the last apply.
            sources: match is_written {
                true => sources.clone(),
                false => self.prior.private.sources.clone(),
            },
            owner_id: self.prior.private.owner_id.clone().or_else(owner_id),
            last_applied: self.existing(prepared, outcome),
            kept_pvcs: data_loss::kept_pvcs(&self.prior, &prepared.desired.store, &outcome.objects),
            rewrites: self.prior.private.rewrites.after(outcome),
            changed: BTreeMap::new(),
            applied_attributes: None,
            planned: Manifests::new(),
            is_checked: false,
            is_moved: false,
        }
    }

    /// Returns the manifests of the existing objects: the planned ones, and those of the last apply for objects that
    /// are left for the previous pods. After a failure, an object that was not written has the one of the last apply.
    fn existing(&self, prepared: &Prepared, outcome: &Outcome) -> Manifests {
        let planned = &prepared.desired.objects.manifests;
        let last_applied = &self.prior.private.last_applied;
        if outcome.errors.is_empty() {
            let deferred = outcome.deferred.iter();
            let deferred =
                deferred.filter_map(|key| Some((key.clone(), last_applied.get(key)?.clone())));
            return planned.clone().into_iter().chain(deferred).collect();
        }
        let manifest = |key: &Key| {
            let is_written = outcome.changed.contains(key);
            let applied = last_applied.get(key).filter(|_| !is_written);
            // An object that an interrupted create left belongs to this resource instance from now on.
            applied.or_else(|| planned.get(key))
        };
        let exists = outcome.objects.keys();
        exists
            .filter_map(|key| Some((key.clone(), manifest(key)?.clone())))
            .collect()
    }

    /// Returns warnings about fields that the cluster did not store as they were applied. An earlier apply has warned
    /// about the recorded ones.
    fn stored_difference_warnings(&self, outcome: &Outcome) -> Diagnostics {
        let rewrites = &self.prior.private.rewrites;
        let (mut altered, mut unrecorded, mut retained) = (Vec::new(), Vec::new(), Vec::new());
        for (key, changes) in &outcome.differences {
            for change in changes.iter().filter(|it| !rewrites.contains(key, it)) {
                let group = match change.wanted {
                    None => &mut retained,
                    Some(_) if is_recorded(key, change) => &mut altered,
                    Some(_) => &mut unrecorded,
                };
                group.push(DriftEntry::of_stored_difference(key, change).described());
            }
        }
        let warnings = [
            diagnostics::rewritten(&altered),
            diagnostics::altered_content(&unrecorded),
            diagnostics::retained(&retained),
        ];
        warnings.into_iter().flatten().collect()
    }

    /// Returns the limits of a wait. All waits of an operation share its timeout.
    fn wait<'b>(&self, prepared: &'b Prepared) -> Wait<'b> {
        let timeout = self.timeout(&prepared.desired);
        Wait::since(self.started, timeout, &prepared.resolved.redaction)
    }
}

/// Returns whether another create has become the owner of the feature store.
fn is_overtaken(outcome: &Outcome) -> bool {
    let mut errors = outcome.errors.iter();
    errors.any(|error| matches!(error.reason, Reason::OwnerChanged))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feast::ownership::Ownership;
    use crate::kubernetes::Kind;
    use crate::provider::tests::test_provider::{TestProvider, errors, summaries};

    const SECRET: &str = "/api/v1/namespaces/ns/secrets/feast-x";
    const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/ns/deployments/feast-x";
    const CONFIG_MAP: &str = "/api/v1/namespaces/ns/configmaps/feast-x-client";

    fn config(provider: &TestProvider, label: &str) -> Value {
        provider.config(&json!({
            "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
            "labels": {"team": label},
            "services": {"onlineStore": {"persistence": {"store": {
                "type": "postgres", "secretRef": {"name": "s"},
            }}}},
        }))
    }

    fn key(kind: Kind) -> Key {
        Key::new(kind, "feast-x")
    }

    #[test]
    fn a_create_records_what_it_applied() {
        let provider = TestProvider::new();
        let config = config(&provider, "a");
        let (state, private) = provider.create(&config);
        let private = provider.private(&state, &private);
        let parsed = super::super::parse::parse(provider.block(), &config).unwrap();
        let desired = super::super::desired_store::DesiredStore::of(&parsed, "ns").unwrap();
        let secret = provider.server.get(SECRET);
        let ownership = Ownership::of(secret.as_ref());
        assert!(matches!(ownership, Ownership::Complete { .. }));
        let source = "key \"postgres\" of Secret \"s\"";
        let expected = PrivateState {
            owner_id: ownership.owner_id().map(str::to_owned),
            sources: [(source.to_owned(), private.sources[source].clone())].into(),
            last_applied: desired.objects.manifests,
            ..PrivateState::default()
        };
        assert_eq!(private, expected);
    }

    /// Plans and applies a create that fails.
    fn failed_create(provider: &TestProvider) -> ApplyResourceChangeResponse {
        let config = config(provider, "a");
        let planned = provider.plan(&Value::Null, &[], &config);
        let applied = provider.apply(&Value::Null, &planned, &config);
        assert_eq!(
            summaries(&applied.diagnostics),
            ["Cannot create the feature store"]
        );
        applied
    }

    /// The objects of the feature store that the API server has.
    fn objects(provider: &TestProvider) -> Vec<String> {
        let mut paths = provider.server.paths();
        paths.retain(|path| path.contains("feast-x"));
        paths
    }

    #[test]
    fn a_failed_create_records_the_objects_that_exist() {
        let provider = TestProvider::new();
        provider.server.reject_writes(DEPLOYMENT, 401);
        let applied = failed_create(&provider);
        let private = provider.private(&applied.state, &applied.private);
        assert_eq!(private.rollout, RolloutProgress::Pending);
        assert!(private.sources.is_empty());
        let objects = manifests::attribute(&private.last_applied);
        assert_eq!(applied.state.attribute("objects"), &objects);
        assert!(private.last_applied.contains_key(&key(Kind::Secret)));
        assert!(!private.last_applied.contains_key(&key(Kind::Deployment)));
    }

    /// The dry run finds one refusal, and the write the other one.
    #[test]
    fn a_refused_create_leaves_nothing() {
        let undone = "The objects that had been created were deleted again. The feature store is not in the state. \
                      Correct the cause and apply again.";
        type Reject = fn(&TestProvider);
        let rejections: [Reject; 3] = [
            |provider| provider.server.reject(DEPLOYMENT, true),
            |provider| provider.server.reject_writes(DEPLOYMENT, 422),
            |provider| provider.server.reject_writes(CONFIG_MAP, 422),
        ];
        for reject in rejections {
            let provider = TestProvider::new();
            reject(&provider);
            let applied = failed_create(&provider);
            let error = &applied.diagnostics[0].detail;
            assert!(error.ends_with(undone), "{error}");
            assert_eq!(applied.state, Value::Null);
            assert_eq!(objects(&provider), [""; 0]);
            provider.server.reject(DEPLOYMENT, false);
            provider.server.reject(CONFIG_MAP, false);
            provider.create(&config(&provider, "b"));
        }
    }

    #[test]
    fn the_next_create_adopts_what_could_not_be_undone() {
        let provider = TestProvider::new();
        provider.server.reject(DEPLOYMENT, true);
        provider.server.reject_deletions(CONFIG_MAP);
        let planned = provider.plan(&Value::Null, &[], &config(&provider, "a"));
        let applied = provider.apply(&Value::Null, &planned, &config(&provider, "a"));
        assert_eq!(
            summaries(&applied.diagnostics),
            ["Cannot create the feature store", "Cannot undo the create"]
        );
        let error = &applied.diagnostics[1].detail;
        let left = "deleted again, except for these: Secret/feast-x, ConfigMap/feast-x-client. The next create of this \
                    feature store adopts them.";
        assert!(error.contains(left), "{error}");
        assert_eq!(applied.state, Value::Null);
        assert_eq!(objects(&provider), [CONFIG_MAP, SECRET]);
        let secret = provider.server.get(SECRET);
        assert!(matches!(
            Ownership::of(secret.as_ref()),
            Ownership::Failed { .. }
        ));
        provider.server.reject(DEPLOYMENT, false);
        provider.create(&config(&provider, "b"));
    }

    #[test]
    fn an_undo_keeps_the_objects_of_an_earlier_create() {
        let provider = TestProvider::new();
        provider.server.reject_writes(DEPLOYMENT, 401);
        failed_create(&provider);
        let before = objects(&provider);
        provider.server.remove(CONFIG_MAP);
        provider.server.reject_writes(DEPLOYMENT, 422);
        let applied = failed_create(&provider);
        assert_eq!(applied.state, Value::Null);
        let mut left = before.clone();
        left.retain(|path| path != CONFIG_MAP);
        assert_eq!(objects(&provider), left);
        let secret = provider.server.get(SECRET);
        assert!(matches!(
            Ownership::of(secret.as_ref()),
            Ownership::Failed { .. }
        ));
    }

    #[test]
    fn a_create_that_writes_nothing_has_no_state() {
        let provider = TestProvider::new();
        provider.server.reject(SECRET, true);
        let applied = failed_create(&provider);
        assert_eq!(applied.state, Value::Null);
        assert_eq!(objects(&provider), [""; 0]);
    }

    #[test]
    fn a_refused_update_writes_nothing() {
        let provider = TestProvider::new();
        let (state, private) = provider.create(&config(&provider, "a"));
        let live = || {
            let paths = objects(&provider).into_iter();
            paths
                .map(|path| provider.server.get(&path))
                .collect::<Vec<_>>()
        };
        let before = live();
        provider.server.reject(DEPLOYMENT, true);
        let changed = config(&provider, "b");
        let planned = provider.plan(&state, &private, &changed);
        let applied = provider.apply(&state, &planned, &changed);
        let error = &applied.diagnostics[0].detail;
        assert!(error.ends_with("Nothing was written."), "{error}");
        assert_eq!(applied.state, state);
        let after = provider.private(&applied.state, &applied.private);
        assert_eq!(after, provider.private(&state, &private));
        assert_eq!(live(), before);
    }

    #[test]
    fn an_update_leaves_a_feature_store_of_another_owner_alone() {
        let provider = TestProvider::new();
        let (state, private) = provider.create(&config(&provider, "a"));
        let live = || [SECRET, DEPLOYMENT, CONFIG_MAP].map(|path| provider.server.get(path));
        let before = live();
        let mut private = provider.private(&state, &private);
        private.owner_id = Some("another".to_owned());
        let changed = config(&provider, "b");
        let planned = provider.plan(&state, &private.encode(), &changed);
        let applied = provider.apply(&state, &planned, &changed);
        let store = cluster::StoreName {
            namespace: "ns".to_owned(),
            name: "x".to_owned(),
        };
        assert_eq!(applied.diagnostics, [diagnostics::not_updated(&store)]);
        assert_eq!(applied.state, state);
        assert_eq!(provider.private(&state, &applied.private), private);
        assert_eq!(live(), before);
    }

    #[test]
    fn a_failed_update_keeps_the_last_manifest_of_what_it_did_not_write() {
        let provider = TestProvider::new();
        let (state, private) = provider.create(&config(&provider, "a"));
        let before = provider.private(&state, &private);
        provider.server.reject_writes(DEPLOYMENT, 422);
        let changed = config(&provider, "b");
        let planned = provider.plan(&state, &private, &changed);
        let applied = provider.apply(&state, &planned, &changed);
        assert_eq!(
            summaries(&applied.diagnostics),
            ["Cannot update the feature store"]
        );
        let after = provider.private(&applied.state, &applied.private);
        let mut manifests = before.last_applied.clone();
        for (key, manifest) in &mut manifests {
            if key.kind != Kind::Deployment {
                manifest["metadata"]["labels"]["team"] = json!("b");
            }
        }
        assert_eq!(after.last_applied, manifests);
        let expected = PrivateState {
            rollout: RolloutProgress::Pending,
            last_applied: manifests,
            ..before
        };
        assert_eq!(after, expected);

        // The next plan is not empty, and its apply completes the update.
        provider.server.reject(DEPLOYMENT, false);
        let planned = provider.plan(&applied.state, &applied.private, &changed);
        assert!(planned.state.attribute("scaling_status").is_unknown());
        let again = provider.apply(&applied.state, &planned, &changed);
        assert_eq!(errors(&again.diagnostics), Vec::<String>::new());
        let after = provider.private(&again.state, &again.private);
        assert_eq!(after.rollout, RolloutProgress::Complete);
        let deployment = &after.last_applied[&key(Kind::Deployment)];
        assert_eq!(deployment["metadata"]["labels"]["team"], "b");
    }

    #[test]
    fn a_create_that_loses_the_race_has_no_state() {
        let provider = TestProvider::new();
        provider.server.reject_writes(DEPLOYMENT, 401);
        let config = config(&provider, "a");
        let planned = provider.plan(&Value::Null, &[], &config);
        provider.apply(&Value::Null, &planned, &config);
        let leftover = provider.server.get(SECRET).unwrap();
        provider.server.reject(DEPLOYMENT, false);

        // Another create adopts the leftover while this one does.
        let (state, _) = provider.create(&config);
        let winner = provider.server.get(SECRET).unwrap();
        provider.destroy(&state, &[]);
        provider.server.put(SECRET, leftover);
        provider.server.race(SECRET, winner.clone());
        let applied = provider.apply(&Value::Null, &planned, &config);
        assert_eq!(
            summaries(&applied.diagnostics),
            ["The feature store already exists"]
        );
        assert_eq!(applied.state, Value::Null);
        assert_eq!(provider.server.get(SECRET), Some(winner));
        assert_eq!(provider.server.get(DEPLOYMENT), None);
    }
}
