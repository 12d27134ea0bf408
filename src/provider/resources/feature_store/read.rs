//! Refresh: the live objects, seen through what the state says that we own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::cluster::operator::is_operated;
use crate::cluster::rollout::{self, Progress};
use crate::cluster::{self, CancellationToken, Cluster, StoreName};
use crate::feast::config::{Drift, DriftKind, DriftPolicy};
use crate::feast::objects::{Key, Kind};
use crate::feast::{names, secrets::store_secret};
use crate::kubernetes::kind::Scope;
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{Deferred, ReadResourceRequest, ReadResourceResponse};
use crate::schema::{Block, Diagnostic, Value};

use super::computed;
use super::drift::{self, DriftEntry};
use super::manifests::{self, Manifests};
use super::private_state::{LastApplied, PrivateState};
use super::secret_drift::{self, SecretDrift};

/// Reads what has become of a feature store; null when nothing of it is left.
pub async fn read(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: ReadResourceRequest,
) -> ReadResourceResponse {
    let mut answer = ReadResourceResponse {
        identity: computed::identity(&request.state),
        state: request.state,
        private: request.private,
        ..ReadResourceResponse::default()
    };
    if !settings.cluster_is_known() {
        // A cluster that is made or changed in the same run: what was known stands until then.
        answer.deferred =
            (request.client.deferral_allowed).then_some(Deferred::ProviderConfigUnknown);
        return answer;
    }
    let cluster = match settings.cluster().await {
        Ok(cluster) => cluster,
        Err(diagnostic) => {
            answer.diagnostics.push(diagnostic);
            return answer;
        }
    };
    let before = PrivateState::decode(&answer.private);
    match refresh(block, &cluster, stop, &answer.state, &before).await {
        Ok(Some(Refreshed {
            state,
            private_state,
            added,
            operated,
        })) => {
            answer
                .diagnostics
                .extend(diagnostics::added_by_others(&added));
            answer.diagnostics.extend(operated);
            answer.private = PrivateState {
                rollout_incomplete: before.rollout_incomplete && private_state.rollout_incomplete,
                ..private_state
            }
            .encode();
            answer.state = state;
        }
        Ok(None) => answer.state = Value::Null,
        Err(diagnostic) => answer.diagnostics.push(diagnostic),
    }
    answer
}

struct Refreshed {
    state: Value,
    private_state: PrivateState,
    /// What others have added, where that is asked for.
    added: Vec<Drift>,
    /// A word about what is the Feast operator's.
    operated: Option<Diagnostic>,
}

async fn refresh(
    block: &Block,
    cluster: &Arc<Cluster>,
    stop: &CancellationToken,
    prior: &Value,
    before: &PrivateState,
) -> Result<Option<Refreshed>, Diagnostic> {
    let Some(store) = store_name(prior) else {
        return Ok(None);
    };
    let mut state = prior.clone();
    let masks = before.last_applied(block, &mut state);
    let keys: BTreeSet<Key> = masks.keys().cloned().collect();
    let live = read_objects(cluster, &store, &keys, stop)
        .await
        .map_err(|error| diagnostics::cluster_error("Cannot read the feature store", &error))?;
    let seen = seen(&masks, &live);
    if seen.is_empty() {
        return Ok(None);
    }
    let mut findings = drift::find(cluster, policy(&state), &masks, &live);
    let mut private_state = PrivateState {
        apply_failed: live.iter().any(|(key, live)| has_failed(key, live)),
        sources: before.sources.clone(),
        creation: before.creation.clone(),
        ..PrivateState::default()
    };
    if findings
        .iter()
        .any(|finding| finding.deviation != DriftKind::Added)
    {
        private_state.applied = Some(LastApplied::of(block, &state, &masks));
    }
    let pods = Pods::of(&store, &live);
    if let Some(pods) = &pods {
        let content = SecretDrift {
            block,
            cluster,
            stop,
            state: &state,
            deployment: pods.servers,
            lineage: pods.lineage,
            secret: pods.secret.as_ref().map(|(key, live)| (key, *live)),
        };
        findings.extend(content.compare(&mut private_state).await);
        pods.show(&mut state, before, &mut private_state);
    }
    state.set("objects", manifests::attribute(&seen));
    private_state.unshown = manifests::unshown(&seen);
    for finding in &findings {
        finding.show(block, &mut state);
    }
    let mut listed: Vec<Drift> = findings.iter().map(DriftEntry::described).collect();
    computed::set_drift(block, &mut state, &listed);
    listed.retain(|drift| drift.change == DriftKind::Added);
    let operated: Vec<&Key> = (masks.keys())
        .filter(|key| live.get(key).is_some_and(|live| is_operated(live, &store)))
        .collect();
    Ok(Some(Refreshed {
        state,
        private_state,
        added: listed,
        operated: (!operated.is_empty()).then(|| diagnostics::operated(&store, &operated)),
    }))
}

/// The live objects of these keys, and those of the feature store that the last apply made and the state does not know.
pub async fn read_objects(
    cluster: &Cluster,
    store: &StoreName,
    keys: &BTreeSet<Key>,
    stop: &CancellationToken,
) -> Result<BTreeMap<Key, Json>, cluster::Error> {
    let mut live = cluster.read_for_refresh(store, keys, stop).await?;
    let secret = live.get(&Key::new(Kind::Secret, names::main(&store.name)));
    let kinds: BTreeSet<Kind> = keys.iter().map(|key| key.kind).collect();
    let mut listed = secret.map(store_secret::objects).unwrap_or_default();
    // Of the other kinds everything has been listed.
    listed.retain(|key| match key.kind.scope() {
        Scope::Namespace => !kinds.contains(&key.kind),
        Scope::Cluster => !keys.contains(key),
    });
    if !listed.is_empty() {
        live.extend(cluster.read_leftovers(store, &listed, stop).await?);
    }
    Ok(live)
}

/// What is there of the objects, through the manifests.
fn seen(masks: &Manifests, live: &BTreeMap<Key, Json>) -> Manifests {
    let there = masks
        .iter()
        .filter_map(|(key, mask)| Some((key, mask, live.get(key)?)));
    there
        .map(|(key, mask, live)| (key.clone(), drift::seen(key, mask, live)))
        .collect()
}

/// Whether it is a Job that has failed, and stays.
fn has_failed(key: &Key, live: &Json) -> bool {
    key.kind == Kind::Job
        && live["metadata"]["deletionTimestamp"].is_null()
        && matches!(rollout::job_progress(live), Progress::Failed(_))
}

/// What makes the pods, as it is.
struct Pods<'a> {
    servers: &'a Json,
    /// The lineage server's Deployment, where there is one.
    lineage: Option<&'a Json>,
    /// The feature store's own.
    secret: Option<(Key, &'a Json)>,
}

impl<'a> Pods<'a> {
    /// `None` without the servers' Deployment.
    fn of(store: &StoreName, live: &'a BTreeMap<Key, Json>) -> Option<Self> {
        let main = names::main(&store.name);
        let secret = Key::new(Kind::Secret, &main);
        Some(Self {
            servers: live.get(&Key::new(Kind::Deployment, &main))?,
            lineage: live.get(&Key::new(Kind::Deployment, names::lineage(&store.name))),
            secret: live.get(&secret).map(|live| (secret, live)),
        })
    }

    /// How far they are, and what they run with.
    fn show(&self, state: &mut Value, before: &PrivateState, private_state: &mut PrivateState) {
        let (status, complete) = computed::rollout_state(self.servers);
        let lineage = self.lineage.map(|it| computed::rollout_state(it).1);
        private_state.rollout_incomplete = !complete || lineage == Some(false);
        let is_fixed = state.attribute("replicas_owner").as_str() == Some("terraform");
        let stored = state.attribute("scaling_status");
        let was_unfinished = before.rollout_incomplete;
        let status = computed::refreshed_status(stored, status, is_fixed, was_unfinished);
        state.set("scaling_status", status);
        if let Some(carried) = secret_drift::carried_hash(self.servers) {
            state.set("configuration_hash", Value::string(carried));
        }
    }
}

fn policy(state: &Value) -> DriftPolicy {
    match state.attribute("drift_policy").as_str() {
        Some("strict") => DriftPolicy::Strict,
        _ => DriftPolicy::Owned,
    }
}

/// Which feature store a state is about.
pub fn store_name(state: &Value) -> Option<StoreName> {
    Some(StoreName {
        namespace: state.attribute("namespace").as_str()?.to_owned(),
        name: state.attribute("name").as_str()?.to_owned(),
    })
}
