//! Refresh: the live objects, seen through what the state says that we own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::cluster::operator::is_operated;
use crate::cluster::rollout::{self, Progress};
use crate::cluster::{CancellationToken, Cluster, StoreName};
use crate::feast::config::{Deviation, Drift, DriftPolicy};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::provider::settings::Settings;
use crate::provider::wording;
use crate::schema::provider::{Deferred, Read, ReadAnswer};
use crate::schema::{Block, Diagnostic, Value};

use super::computed;
use super::content;
use super::drift::{self, Finding};
use super::memory::{AppliedBefore, Memory};

/// Reads what has become of a feature store; null when nothing of it is left.
pub async fn read(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: Read,
) -> ReadAnswer {
    let mut answer = ReadAnswer {
        identity: computed::identity(&request.state),
        state: request.state,
        private: request.private,
        ..ReadAnswer::default()
    };
    if !settings.names_a_cluster() {
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
    let before = Memory::recall(&answer.private);
    match refresh(block, &cluster, stop, &answer.state, &before).await {
        Ok(Some(Refreshed {
            state,
            memory,
            added,
            operated,
        })) => {
            answer.diagnostics.extend(wording::added_by_others(&added));
            answer.diagnostics.extend(operated);
            answer.private = Memory {
                rollout_incomplete: before.rollout_incomplete && memory.rollout_incomplete,
                ..memory
            }
            .keep();
            answer.state = state;
        }
        Ok(None) => answer.state = Value::Null,
        Err(diagnostic) => answer.diagnostics.push(diagnostic),
    }
    answer
}

struct Refreshed {
    state: Value,
    memory: Memory,
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
    before: &Memory,
) -> Result<Option<Refreshed>, Diagnostic> {
    let Some(store) = store_name(prior) else {
        return Ok(None);
    };
    let mut state = prior.clone();
    if let Some(applied) = &before.applied {
        applied.restore(block, &mut state);
    }
    let masks = computed::manifests(&state);
    let keys: BTreeSet<Key> = masks.keys().cloned().collect();
    let live = cluster
        .read_for_refresh(&store, &keys, stop)
        .await
        .map_err(|error| wording::cluster_error("Cannot read the feature store", &error))?;
    let seen: BTreeMap<&Key, Json> = masks
        .iter()
        .filter_map(|(key, mask)| Some((key, drift::seen(key, mask, live.get(key)?))))
        .collect();
    if seen.is_empty() {
        return Ok(None);
    }
    let mut findings = drift::find(cluster, policy(&state), &masks, &live);
    let mut memory = Memory {
        apply_failed: live.iter().any(|(key, live)| {
            key.kind == Kind::Job
                && live["metadata"]["deletionTimestamp"].is_null()
                && matches!(rollout::job_progress(live), Progress::Failed(_))
        }),
        sources: before.sources.clone(),
        creation: before.creation.clone(),
        ..Memory::default()
    };
    if findings
        .iter()
        .any(|finding| finding.deviation != Deviation::Added)
    {
        memory.applied = Some(AppliedBefore::of(block, &state));
    }
    let main = names::main(&store.name);
    if let Some(deployment) = live.get(&Key::new(Kind::Deployment, &main)) {
        let secret = Key::new(Kind::Secret, &main);
        let lineage = live.get(&Key::new(Kind::Deployment, names::lineage(&store.name)));
        let content = content::Content {
            block,
            cluster,
            stop,
            state: &state,
            deployment,
            lineage,
            secret: live.get(&secret).map(|live| (&secret, live)),
        };
        findings.extend(content.compare(&mut memory).await);
        let (status, complete) = computed::rollout_state(deployment);
        state.set("scaling_status", computed::scaling_status(status));
        memory.rollout_incomplete = [
            Some(complete),
            lineage.map(|it| computed::rollout_state(it).1),
        ]
        .contains(&Some(false));
        if let Some(carried) = content::carried_hash(deployment) {
            state.set("configuration_hash", Value::string(carried));
        }
    }
    state.set(
        "objects",
        Value::Map(
            seen.iter()
                .map(|(key, manifest)| (key.to_string(), Value::string(manifest.to_string())))
                .collect(),
        ),
    );
    for finding in &findings {
        finding.show(block, &mut state);
    }
    let listed: Vec<Drift> = findings.iter().map(Finding::described).collect();
    computed::set_drift(block, &mut state, &listed);
    let added = listed.into_iter();
    let operated: Vec<&Key> = (masks.keys())
        .filter(|key| live.get(key).is_some_and(|live| is_operated(live, &store)))
        .collect();
    Ok(Some(Refreshed {
        state,
        memory,
        added: added
            .filter(|drift| drift.change == Deviation::Added)
            .collect(),
        operated: (!operated.is_empty()).then(|| wording::operated(&store, &operated)),
    }))
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
