//! Refresh: the live objects, as far as their manifests of the last apply name fields of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::cluster::operator::is_managed_by_operator;
use crate::cluster::rollout::{self, Progress};
use crate::cluster::{self, CancellationToken, Cluster, StoreName};
use crate::feast::config::{Drift, DriftKind, DriftPolicy, ReplicasOwner};
use crate::feast::ownership::Ownership;
use crate::feast::{names, secrets::store_secret};
use crate::kubernetes::diff::project;
use crate::kubernetes::kind::Scope;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{Deferred, ReadResourceRequest, ReadResourceResponse};
use crate::schema::{Block, Diagnostic, Diagnostics, Value};

use super::computed;
use super::drift::{self, DriftEntry};
use super::identity;
use super::import::{ImportedState, first_state};
use super::manifests::{self, Manifests};
use super::moved::is_unread;
use super::prior_state::{PriorState, store_name};
use super::private_state::{AppliedAttributes, PrivateState, RolloutProgress, is_compressed};
use super::refreshed_stores::RefreshedStores;
use super::secret_drift::{self, SecretDrift};

/// Reads the current state of a feature store; null if none of its objects exists.
/// `stores` records the refresh for a preflight.
pub async fn read(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    stores: Option<&RefreshedStores>,
    request: ReadResourceRequest,
) -> ReadResourceResponse {
    let mut response = ReadResourceResponse {
        identity: identity::of(&request.state),
        state: request.state,
        private: request.private,
        ..ReadResourceResponse::default()
    };
    if !settings.cluster_is_known() {
        // The same run creates or changes the cluster. Until then the prior state is all that is known.
        response.deferred =
            (request.client.deferral_allowed).then_some(Deferred::ProviderConfigUnknown);
        return response;
    }
    let cluster = match settings.cluster().await {
        Ok(cluster) => cluster,
        Err(diagnostic) => {
            response.diagnostics.push(diagnostic);
            return response;
        }
    };
    if is_unread(block, &response.state, &response.private) {
        match read_moved(block, &cluster, stop, &response.state).await {
            Ok(imported) => {
                response.state = imported.state;
                response.private = imported.private.encode();
                response.diagnostics = imported.diagnostics;
            }
            Err(diagnostic) => {
                response.diagnostics.push(diagnostic);
                return response;
            }
        }
    }
    let prior = PriorState::decode(block, &response.state, &response.private);
    match refresh(&cluster, stop, &prior).await {
        Ok(Some(refreshed)) => {
            if let (Some(stores), Some(store)) = (stores, prior.store_name()) {
                stores.record(store, refreshed.private.owner_id.clone());
            }
            response.diagnostics.extend(refreshed.warnings);
            if refreshed.private != prior.private || !is_compressed(&response.private) {
                response.private = refreshed.private.encode();
            }
            response.state = refreshed.state;
        }
        Ok(None) => response.state = Value::Null,
        Err(diagnostic) => response.diagnostics.push(diagnostic),
    }
    response
}

/// Imports the feature store of a state that a `moved` block has made.
async fn read_moved(
    block: &Block,
    cluster: &Cluster,
    stop: &CancellationToken,
    state: &Value,
) -> Result<ImportedState, Diagnostic> {
    let store = store_name(state).unwrap_or_default();
    first_state(block, cluster, stop, &store).await
}

struct Refreshed {
    state: Value,
    private: PrivateState,
    warnings: Diagnostics,
}

async fn refresh(
    cluster: &Arc<Cluster>,
    stop: &CancellationToken,
    prior: &PriorState<'_>,
) -> Result<Option<Refreshed>, Diagnostic> {
    let Some(store) = prior.store_name() else {
        return Ok(None);
    };
    let last_applied = &prior.private.last_applied;
    let keys: BTreeSet<Key> = last_applied.keys().cloned().collect();
    let unread =
        |error: cluster::Error| diagnostics::cluster_error("Cannot read the feature store", &error);
    let mut live = read_objects(cluster, &store, &keys, stop)
        .await
        .map_err(unread)?;
    prior
        .private
        .rewrites
        .restore_applied(last_applied, &mut live);
    if !last_applied.keys().any(|key| live.contains_key(key)) {
        return Ok(None);
    }
    let mut state = prior.applied_value();
    let mut drift = drift::find(cluster, policy(&state), last_applied, &live);
    let observed = observed(last_applied, &live, &drift);
    let deployments = Deployments::of(&store, &live);
    let job_has_failed = match &deployments {
        Some(deployments) => unawaited_job_has_failed(cluster, stop, &store, &state, deployments)
            .await
            .map_err(unread)?,
        None => false,
    };
    let mut rollout = rollout(prior.private.rollout, job_has_failed, deployments.as_ref());
    let secret = live.get(&store_secret::key(&store.name));
    if rollout == RolloutProgress::Complete && is_create_incomplete(&prior.private, secret) {
        rollout = RolloutProgress::Pending;
    }
    let mut private = refreshed_private(prior, &state, rollout, &observed, &drift);
    if let Some(deployments) = &deployments {
        let secret_drift = SecretDrift {
            cluster,
            stop,
            namespace: &store.namespace,
            inputs: prior.applied_inputs(&state).as_ref(),
            deployment: deployments.servers,
            lineage: deployments.lineage,
            secret,
        }
        .compare(&private.sources)
        .await;
        drift.extend(secret_drift.entries);
        private.secrets_changed = secret_drift.is_changed;
        private.sources = secret_drift.sources;
        show_pods(&mut state, deployments.servers, prior.private.rollout);
    }
    state.set("objects", manifests::attribute(&observed));
    for entry in &drift {
        entry.show(prior.block, &mut state);
    }
    let drift: Vec<Drift> = drift.iter().map(DriftEntry::described).collect();
    computed::set_drift(prior.block, &mut state, &drift);
    Ok(Some(Refreshed {
        state,
        private,
        warnings: warnings(&store, last_applied, &live, &drift),
    }))
}

/// Returns the private state after a refresh, without the drift of Secrets. `state` is the state of the last apply.
fn refreshed_private(
    prior: &PriorState<'_>,
    state: &Value,
    rollout: RolloutProgress,
    observed: &Manifests,
    drift: &[DriftEntry],
) -> PrivateState {
    let before = &prior.private;
    let is_drift = |entry: &DriftEntry| entry.kind != DriftKind::Added;
    // Without `..`, so that a new field is not lost at the first refresh.
    let mut private = PrivateState {
        rollout,
        secrets_changed: false,
        sources: before.sources.clone(),
        owner_id: before.owner_id.clone(),
        last_applied: before.last_applied.clone(),
        kept_pvcs: before.kept_pvcs.clone(),
        rewrites: before.rewrites.clone(),
        changed: BTreeMap::new(),
        applied_attributes: (drift.iter().any(is_drift))
            .then(|| AppliedAttributes::of(prior.block, state)),
        planned: Manifests::new(),
        is_checked: false,
        is_moved: false,
    };
    private.set_observed(observed);
    private
}

/// Returns the warnings about fields that others have added, and about objects that the Feast operator owns.
fn warnings(
    store: &StoreName,
    last_applied: &Manifests,
    live: &BTreeMap<Key, Json>,
    drift: &[Drift],
) -> Diagnostics {
    let added = drift
        .iter()
        .filter(|drift| drift.change == DriftKind::Added);
    let added: Vec<&Drift> = added.collect();
    let operator_owned: Vec<&Key> = (last_applied.keys())
        .filter(|key| {
            live.get(key)
                .is_some_and(|live| is_managed_by_operator(live, store))
        })
        .collect();
    let mut warnings = Vec::from_iter(diagnostics::added_by_others(&added));
    if !operator_owned.is_empty() {
        warnings.push(diagnostics::owned_by_operator(store, &operator_owned));
    }
    warnings
}

/// Reads the objects of these keys, and those that the last apply recorded in the Secret of the feature store and the
/// state does not have.
pub async fn read_objects(
    cluster: &Cluster,
    store: &StoreName,
    keys: &BTreeSet<Key>,
    stop: &CancellationToken,
) -> Result<BTreeMap<Key, Json>, cluster::Error> {
    let mut live = cluster.read_for_refresh(store, keys, stop).await?;
    let secret = live.get(&store_secret::key(&store.name));
    let kinds: BTreeSet<Kind> = keys.iter().map(|key| key.kind).collect();
    let mut listed = secret.map(store_secret::objects).unwrap_or_default();
    // A list request has returned all objects of the other kinds.
    listed.retain(|key| match key.kind.scope() {
        Scope::Namespace => !kinds.contains(&key.kind),
        Scope::Cluster => !keys.contains(key),
    });
    if !listed.is_empty() {
        live.extend(cluster.read_leftover_objects(store, &listed, stop).await?);
    }
    Ok(live)
}

/// Returns the existing objects, as far as their manifests name fields of them.
fn observed(manifests: &Manifests, live: &BTreeMap<Key, Json>, drift: &[DriftEntry]) -> Manifests {
    let changes = drift.iter().filter(|entry| entry.is_of_manifest());
    let changed: BTreeSet<&Key> = changes.map(|entry| &entry.object).collect();
    let existing = manifests
        .iter()
        .filter_map(|(key, manifest)| Some((key, manifest, live.get(key)?)));
    existing
        .map(|(key, manifest, live)| match changed.contains(key) {
            true => (key.clone(), project(manifest, live)),
            // An object without changes projects to its manifest.
            false => (key.clone(), manifest.clone()),
        })
        .collect()
}

/// The live Deployments of a feature store.
struct Deployments<'a> {
    servers: &'a Json,
    lineage: Option<&'a Json>,
}

impl<'a> Deployments<'a> {
    /// Returns `None` without the Deployment of the servers.
    fn of(store: &StoreName, live: &'a BTreeMap<Key, Json>) -> Option<Self> {
        let deployment = |name: String| live.get(&Key::new(Kind::Deployment, name));
        Some(Self {
            servers: deployment(names::main(&store.name))?,
            lineage: deployment(names::lineage(&store.name)),
        })
    }

    fn is_complete(&self) -> bool {
        let mut deployments = [self.servers].into_iter().chain(self.lineage);
        deployments.all(|deployment| computed::rollout_state(deployment).1)
    }
}

/// Returns whether the `feast apply` Job of the last apply has failed, if that apply did not wait for it. An apply that
/// waits changes the Deployment only after the Job has succeeded.
async fn unawaited_job_has_failed(
    cluster: &Cluster,
    stop: &CancellationToken,
    store: &StoreName,
    state: &Value,
    deployments: &Deployments<'_>,
) -> Result<bool, cluster::Error> {
    let is_unawaited = state.attribute("wait_for_rollout") == &Value::Bool(false);
    let hash = secret_drift::applied(deployments.servers);
    let Some(hash) = hash.filter(|_| is_unawaited) else {
        return Ok(false);
    };
    let key = Key::new(Kind::Job, names::feast_apply_job(&store.name, hash));
    let keys = BTreeSet::from([key.clone()]);
    let jobs = cluster.read_leftover_objects(store, &keys, stop).await?;
    Ok(jobs.get(&key).is_some_and(is_failed_job))
}

/// Returns whether the create of this resource instance failed or has not recorded its end. Another create can adopt
/// the feature store until an update completes the record.
fn is_create_incomplete(private: &PrivateState, secret: Option<&Json>) -> bool {
    let ownership = Ownership::of(secret);
    ownership.is_incomplete() && ownership.owner_id() == private.owner_id.as_deref()
}

/// Returns the progress of the last rollout. A rollout that was complete stays complete, whatever the pods do since.
fn rollout(
    before: RolloutProgress,
    job_has_failed: bool,
    deployments: Option<&Deployments<'_>>,
) -> RolloutProgress {
    let is_complete = || deployments.is_none_or(Deployments::is_complete);
    if job_has_failed {
        RolloutProgress::Failed
    } else if before != RolloutProgress::Complete && !is_complete() {
        RolloutProgress::Pending
    } else {
        RolloutProgress::Complete
    }
}

fn is_failed_job(live: &Json) -> bool {
    live["metadata"]["deletionTimestamp"].is_null()
        && matches!(rollout::job_progress(live), Progress::Failed(_))
}

/// Writes the number of pods, and the hash of the configuration that they run with, into the state.
fn show_pods(state: &mut Value, deployment: &Json, before: RolloutProgress) {
    let (status, _) = computed::rollout_state(deployment);
    let owner = state.attribute("replicas_owner").as_str();
    let is_fixed = owner == Some(ReplicasOwner::Terraform.as_str());
    let stored = state.attribute("scaling_status");
    let was_pending = before == RolloutProgress::Pending;
    let status = computed::refreshed_status(stored, status, is_fixed, was_pending);
    state.set("scaling_status", status);
    if let Some(hash) = secret_drift::configuration_hash(deployment) {
        state.set("configuration_hash", Value::string(hash));
    }
}

fn policy(state: &Value) -> DriftPolicy {
    match state.attribute("drift_policy").as_str() {
        Some("strict") => DriftPolicy::Strict,
        _ => DriftPolicy::Owned,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::private_state::decompressed;
    use super::*;
    use crate::provider::tests::test_provider::{TestProvider, errors, summaries};

    #[test]
    fn a_rollout_is_pending_until_every_deployment_is_complete() {
        let deployment = |ready: i32| {
            json!({
                "metadata": {"generation": 1},
                "spec": {"replicas": 1, "selector": {}, "template": {}},
                "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
                    "readyReplicas": ready, "availableReplicas": ready},
            })
        };
        let (ready, unready) = (deployment(1), deployment(0));
        use RolloutProgress::{Complete, Failed, Pending};
        for (before, job_has_failed, servers, lineage, expected) in [
            (Complete, false, &unready, None, Complete),
            (Pending, false, &unready, None, Pending),
            (Pending, false, &ready, None, Complete),
            (Pending, false, &ready, Some(&unready), Pending),
            (Pending, false, &ready, Some(&ready), Complete),
            (Complete, true, &ready, None, Failed),
            (Pending, true, &unready, None, Failed),
            (Failed, false, &unready, None, Pending),
            (Failed, false, &ready, None, Complete),
        ] {
            let deployments = Deployments { servers, lineage };
            let found = rollout(before, job_has_failed, Some(&deployments));
            assert_eq!(found, expected, "{before:?}, {job_has_failed}");
        }
        assert_eq!(rollout(Pending, false, None), Complete);
    }

    const SECRET: &str = "/api/v1/namespaces/ns/secrets/feast-x";
    const SERVICE: &str = "/api/v1/namespaces/ns/services/feast-x-online";
    const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/ns/deployments/feast-x";

    fn create(provider: &TestProvider) -> (Value, Value, Vec<u8>) {
        let config = provider.config(&json!({
            "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
            "services": {
                "scaling": {"replicas": 2},
                "onlineStore": {"persistence": {"store": {"type": "postgres", "secretRef": {"name": "s"}}}},
                "registry": {"local": {"persistence": {"store": {"type": "sql", "secretRef": {"name": "s"}}}}},
            },
        }));
        let (state, private) = provider.create(&config);
        let refreshed = provider.read(&state, &private);
        assert_eq!(refreshed.diagnostics, []);
        (config, refreshed.state, refreshed.private)
    }

    /// The drift in a state, as `object: kind`.
    fn drift_of(state: &Value) -> Vec<String> {
        let Value::List(entries) = state.attribute("drift") else {
            return Vec::new();
        };
        let text = |entry: &Value, name: &str| entry.attribute(name).as_str().unwrap().to_owned();
        let entries = entries.iter();
        entries
            .map(|entry| format!("{}: {}", text(entry, "object"), text(entry, "change")))
            .collect()
    }

    #[test]
    fn a_refresh_without_changes_changes_nothing() {
        let provider = TestProvider::new();
        let (config, state, private) = create(&provider);
        let refreshed = provider.read(&state, &private);
        assert_eq!((&refreshed.state, &refreshed.private), (&state, &private));
        // Earlier versions did not compress it.
        let uncompressed = decompressed(&private);
        assert_eq!(provider.read(&state, &uncompressed).private, private);
        let planned = provider.plan(&state, &private, &config);
        assert_eq!(planned.state, state);
    }

    /// What a refresh finds after a change in the cluster, and that it finds the same again, and nothing once the
    /// change is undone.
    #[test]
    fn changes_of_the_cluster_are_found_until_they_are_undone() {
        type Edit = fn(&TestProvider);
        let cases: [(&str, Edit, &[&str], bool); 6] = [
            (
                SERVICE,
                |provider| provider.server.remove(SERVICE),
                &["Service/feast-x-online: deleted"],
                false,
            ),
            (
                DEPLOYMENT,
                |provider| {
                    let edit = |live: &mut Json| live["spec"]["replicas"] = json!(5);
                    provider.server.edit(DEPLOYMENT, edit);
                },
                &["Deployment/feast-x: changed"],
                false,
            ),
            (
                DEPLOYMENT,
                |provider| provider.server.remove(DEPLOYMENT),
                &["Deployment/feast-x: deleted"],
                false,
            ),
            (
                SECRET,
                |provider| {
                    let edit = |live: &mut Json| live["data"]["feature_store.yaml"] = json!("YQ==");
                    provider.server.edit(SECRET, edit);
                },
                &["Secret/feast-x: changed"],
                true,
            ),
            (
                SECRET,
                |provider| provider.server.remove(SECRET),
                &["Secret/feast-x: deleted"],
                true,
            ),
            (
                "/api/v1/namespaces/ns/secrets/s",
                |provider| {
                    let data = json!({"postgres": "cGF0aDogeQ==", "sql": "cGF0aDogeA=="});
                    let rotated = json!({"metadata": {"name": "s"}, "data": data});
                    provider
                        .server
                        .put("/api/v1/namespaces/ns/secrets/s", rotated);
                },
                &["Secret/s: rotated"],
                true,
            ),
        ];
        for (path, edit, expected, secrets_changed) in cases {
            let provider = TestProvider::new();
            let (config, state, private) = create(&provider);
            let before = provider.server.get(path);
            edit(&provider);
            let refreshed = provider.read(&state, &private);
            assert_eq!(drift_of(&refreshed.state), expected);
            let decoded = provider.private(&refreshed.state, &refreshed.private);
            assert_eq!(decoded.secrets_changed, secrets_changed, "{expected:?}");
            let planned = provider.plan(&refreshed.state, &refreshed.private, &config);
            assert_ne!(planned.state, refreshed.state, "{expected:?}");

            let again = provider.read(&refreshed.state, &refreshed.private);
            assert_eq!(
                (&again.state, &again.private),
                (&refreshed.state, &refreshed.private)
            );
            match before {
                Some(object) => provider.server.put(path, object),
                None => provider.server.remove(path),
            }
            let undone = provider.read(&again.state, &again.private);
            assert_eq!(
                (&undone.state, &undone.private),
                (&state, &private),
                "{expected:?}"
            );
        }
    }

    /// The apply did not wait for the Job. Its failure is only in the private state, so that it is not drift.
    #[test]
    fn a_job_that_has_failed_since_the_apply_runs_again() {
        let provider = TestProvider::new();
        let (config, state, private) = create(&provider);
        let before = provider.private(&state, &private);
        let mut jobs = provider.server.paths();
        jobs.retain(|path| path.contains("/jobs/"));
        let [job] = jobs.as_slice() else {
            panic!("{jobs:?}");
        };
        let started = provider.server.get(job).unwrap();
        // A day later, the Job is still there.
        assert_eq!(started["spec"].get("ttlSecondsAfterFinished"), None);
        let ended = |condition: &str| {
            let status = json!({"conditions": [{"type": condition, "status": "True"}]});
            provider.server.edit(job, |live| live["status"] = status);
        };

        ended("Complete");
        let refreshed = provider.read(&state, &private);
        assert_eq!((&refreshed.state, &refreshed.private), (&state, &private));

        ended("Failed");
        provider.server.requests();
        let refreshed = provider.read(&state, &private);
        assert_eq!(refreshed.diagnostics, []);
        let requests = provider.server.requests();
        let is_about_jobs = |request: &&String| request.contains("/jobs");
        assert_eq!(
            Vec::from_iter(requests.iter().filter(is_about_jobs)),
            ["GET /apis/batch/v1/namespaces/ns/jobs"]
        );
        assert_eq!(refreshed.state, state);
        let expected = PrivateState {
            rollout: RolloutProgress::Failed,
            ..before.clone()
        };
        let found = provider.private(&refreshed.state, &refreshed.private);
        assert_eq!(found, expected);
        let again = provider.read(&refreshed.state, &refreshed.private);
        assert_eq!(
            (&again.state, &again.private),
            (&refreshed.state, &refreshed.private)
        );

        let planned = provider.plan(&refreshed.state, &refreshed.private, &config);
        assert!(planned.state.attribute("scaling_status").is_unknown());
        let applied = provider.apply(&refreshed.state, &planned, &config);
        assert_eq!(errors(&applied.diagnostics), [""; 0]);
        let restarted = provider.server.get(job).unwrap();
        assert_eq!(restarted["status"], started["status"]);
        let undone = provider.read(&applied.state, &applied.private);
        assert_eq!(undone.state, state);
        assert_eq!(provider.private(&undone.state, &undone.private), before);
    }

    /// The pods run with a `feature_store.yaml` that another version of the provider rendered, from no Secret.
    #[test]
    fn a_configuration_of_another_version_is_not_drift() {
        let provider = TestProvider::new();
        let config = provider.config(&json!({
            "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        }));
        let (state, private) = provider.create(&config);
        provider.server.edit(SECRET, |live| {
            live["data"]["feature_store.yaml"] = json!("YQ==");
        });
        let secret = provider.server.get(SECRET).unwrap();
        let hash = store_secret::configuration_hash(&secret, names::FEATURE_STORE_YAML).unwrap();
        provider.server.edit(DEPLOYMENT, |live| {
            let metadata = &mut live["spec"]["template"]["metadata"];
            metadata["annotations"][names::CONFIGURATION_HASH_ANNOTATION] = json!(hash);
        });
        let refreshed = provider.read(&state, &private);
        assert_eq!(drift_of(&refreshed.state), [""; 0]);
        let private = provider.private(&refreshed.state, &refreshed.private);
        assert!(private.secrets_changed);
    }

    #[test]
    fn a_changed_field_shows_at_its_attribute_until_an_apply_undoes_it() {
        let provider = TestProvider::new();
        let (config, state, private) = create(&provider);
        let edit = |live: &mut Json| live["spec"]["replicas"] = json!(5);
        provider.server.edit(DEPLOYMENT, edit);
        let refreshed = provider.read(&state, &private);
        let replicas = |state: &Value| state.attribute("services.scaling.replicas").clone();
        assert_eq!(replicas(&refreshed.state), Value::integer(5));
        let planned = provider.plan(&refreshed.state, &refreshed.private, &config);
        let applied = provider.apply(&refreshed.state, &planned, &config);
        assert_eq!(errors(&applied.diagnostics), Vec::<String>::new());
        assert_eq!(replicas(&applied.state), Value::integer(2));
        let live = provider.server.get(DEPLOYMENT).unwrap();
        assert_eq!(live["spec"]["replicas"], 2);
        let undone = provider.read(&applied.state, &applied.private);
        assert_eq!(drift_of(&undone.state), [""; 0]);
    }

    #[test]
    fn a_feature_store_without_objects_is_gone() {
        let provider = TestProvider::new();
        let (_, state, private) = create(&provider);
        for path in provider.server.paths() {
            if path.contains("feast-x") {
                provider.server.remove(&path);
            }
        }
        assert_eq!(provider.read(&state, &private).state, Value::Null);
    }

    #[test]
    fn a_refresh_that_fails_changes_nothing() {
        let provider = TestProvider::new();
        let (_, state, private) = create(&provider);
        let mut unreachable = provider.server.clone();
        unreachable.host = "http://127.0.0.1:1".to_owned();
        let unreachable = TestProvider::on(&unreachable, json!({}));
        let refreshed = unreachable.read(&state, &private);
        assert_eq!(
            summaries(&refreshed.diagnostics),
            ["Cannot read the feature store"]
        );
        assert_eq!((refreshed.state, refreshed.private), (state, private));
    }
}
