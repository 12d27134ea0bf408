//! Refresh: the live objects, seen through what the state says that we own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::cluster::drift::changes::changes;
use crate::cluster::drift::project as project_live;
use crate::cluster::operator::is_operated;
use crate::cluster::rollout::{self, Progress};
use crate::cluster::{CancellationToken, Cluster, StoreName};
use crate::feast::fill::Secrets;
use crate::feast::kept;
use crate::feast::names;
use crate::feast::objects::{Filled, Key, Kind, Objects};
use crate::provider::settings::Settings;
use crate::provider::wording;
use crate::schema::provider::{Deferred, Read, ReadAnswer};
use crate::schema::{Block, Diagnostic, Diagnostics, Value};

use super::computed::{self, Desired};
use super::drift;
use super::memory::Memory;
use super::parse::parse;

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
    match refresh(block, &cluster, stop, &answer.state).await {
        Ok(Some((state, memory, warnings))) => {
            answer.diagnostics.extend(warnings);
            let before = Memory::recall(&answer.private);
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

async fn refresh(
    block: &Block,
    cluster: &Arc<Cluster>,
    stop: &CancellationToken,
    prior: &Value,
) -> Result<Option<(Value, Memory, Diagnostics)>, Diagnostic> {
    let Some(store) = store_name(prior) else {
        return Ok(None);
    };
    let masks = computed::manifests(prior);
    let keys: BTreeSet<Key> = masks.keys().cloned().collect();
    let live = cluster
        .read(&store, &keys, stop)
        .await
        .map_err(|error| wording::cluster_error("Cannot read the feature store", &error))?;
    let seen: BTreeMap<&Key, Json> = masks
        .iter()
        .filter_map(|(key, mask)| Some((key, project(key, mask, live.get(key)?))))
        .collect();
    if seen.is_empty() {
        return Ok(None);
    }
    let mut state = prior.clone();
    state.set(
        "objects",
        Value::Map(
            seen.iter()
                .map(|(key, manifest)| (key.to_string(), Value::string(manifest.to_string())))
                .collect(),
        ),
    );
    let manager = &cluster.options().field_manager;
    let mut listed = Vec::new();
    for (key, mask) in &masks {
        let found = match (seen.get(key), live.get(key)) {
            (Some(seen), Some(live)) => changes(mask, seen, live, manager),
            _ => vec![drift::deleted(key)],
        };
        for change in &found {
            drift::show(&mut state, key, change);
            listed.push(drift::described(key, change));
        }
    }
    computed::set_drift(block, &mut state, &listed);
    let main = names::main(&store.name);
    let mut memory = Memory {
        apply_failed: live.iter().any(|(key, live)| {
            key.kind == Kind::Job
                && live["metadata"]["deletionTimestamp"].is_null()
                && matches!(rollout::job_progress(live), Progress::Failed(_))
        }),
        ..Memory::default()
    };
    if let Some(deployment) = live.get(&Key::new(Kind::Deployment, &main)) {
        let (status, complete) = computed::rollout_state(deployment);
        state.set("scaling_status", computed::scaling_status(status));
        memory.rollout_incomplete = !complete;
        let carried = configuration_hash(deployment);
        let secret = live.get(&Key::new(Kind::Secret, &main));
        let wanted = wanted(block, cluster, stop, prior, secret).await;
        memory.secrets_changed = wanted.is_some_and(|wanted| {
            Some(wanted.configuration_hash()) != carried || wanted.applied() != applied(deployment)
        }) || secret.and_then(kept::configuration_hash).as_deref()
            != carried;
        if let Some(carried) = carried {
            state.set("configuration_hash", Value::string(carried));
        }
    }
    let operated: Vec<&Key> = masks
        .keys()
        .filter(|key| live.get(key).is_some_and(|live| is_operated(live, &store)))
        .collect();
    let warnings = match operated.as_slice() {
        [] => Vec::new(),
        keys => vec![wording::operated(&store, keys)],
    };
    Ok(Some((state, memory, warnings)))
}

/// Which feature store a state is about.
pub fn store_name(state: &Value) -> Option<StoreName> {
    Some(StoreName {
        namespace: state.attribute("namespace").as_str()?.to_owned(),
        name: state.attribute("name").as_str()?.to_owned(),
    })
}

/// A live object as far as the mask names it. The content of our Secret is never taken over: the mask
/// has text in its place, and [`Memory::secrets_changed`] tells of a change.
fn project(key: &Key, mask: &Json, live: &Json) -> Json {
    let mut seen = project_live(mask, live);
    if key.kind == Kind::Secret
        && let (Some(seen), Some(text)) = (seen.as_object_mut(), mask.get("stringData"))
    {
        seen.insert("stringData".to_owned(), text.clone());
    }
    seen
}

fn configuration_hash(deployment: &Json) -> Option<&str> {
    let annotations = deployment.pointer("/spec/template/metadata/annotations")?;
    annotations[names::CONFIGURATION_HASH_ANNOTATION].as_str()
}

/// The hash of what `feast apply` has been run with.
fn applied(deployment: &Json) -> Option<&str> {
    deployment["metadata"]["annotations"][names::APPLIED_ANNOTATION].as_str()
}

/// What should run today, the user's Secrets as they are now; `None` when it cannot be told, which is for the
/// next apply to explain.
async fn wanted(
    block: &Block,
    cluster: &Arc<Cluster>,
    stop: &CancellationToken,
    state: &Value,
    secret: Option<&Json>,
) -> Option<Objects<Filled>> {
    let hash_key = kept::hash_key(secret?)?;
    let parsed = parse(block, state).ok()?;
    let desired = Desired::of(&parsed, state.attribute("namespace").as_str()?)?;
    let namespace = &desired.store.namespace;
    let wanted = desired.objects.sources();
    let contents = cluster.contents(namespace, &wanted, stop).await.ok()?;
    let filled = desired.objects.fill(&Secrets {
        contents: &contents,
        hash_key: &hash_key,
        configuration: "",
    });
    filled.ok()
}
