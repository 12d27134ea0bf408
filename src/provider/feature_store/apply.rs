//! Apply: bring the cluster to the plan, wait for the rollout, and answer with what exists, whatever
//! happened on the way.

mod wait;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cluster::apply::{self, Outcome};
use crate::cluster::rollout::Wait;
use crate::cluster::{self, CancellationToken, Claims, Cluster, Reason, StoreName};
use crate::feast::config::ScalingStatus;
use crate::feast::fill::{Filled, Secrets};
use crate::feast::kept;
use crate::feast::names;
use crate::feast::objects::{Key, Kind, Objects};
use crate::feast::redaction::Redaction;
use crate::feast::spec::Registry;
use crate::provider::settings::Settings;
use crate::provider::wording;
use crate::schema::provider::{Applied, Apply};
use crate::schema::{Block, Diagnostic, Diagnostics, Value};

use super::computed::{self, Desired};
use super::memory::Memory;
use super::parse::{Parsed, parse};
use super::{conflicts, content, drift};

/// Creates or updates a feature store.
pub async fn apply(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    request: Apply,
) -> Applied {
    let recipe = Recipe {
        block,
        stop,
        prior: &request.prior_state,
        planned: &request.planned_state,
        before: Memory::recall(&request.planned_private),
    };
    let identity = computed::identity(&request.planned_state);
    match recipe.prepare(settings).await {
        Ok(prepared) => Applied {
            identity,
            ..recipe.carry_out(settings, prepared).await
        },
        // Nothing was written: what was, is.
        Err(diagnostics) => Applied {
            identity: computed::identity(&request.prior_state),
            private: request.planned_private,
            state: request.prior_state,
            diagnostics,
        },
    }
}

struct Recipe<'a> {
    block: &'a Block,
    stop: &'a CancellationToken,
    /// Null on create.
    prior: &'a Value,
    planned: &'a Value,
    before: Memory,
}

/// Everything that can be refused has been, and nothing has been written yet.
struct Prepared {
    cluster: std::sync::Arc<Cluster>,
    store: StoreName,
    desired: Desired,
    merged: Merged,
    /// What the last state holds, as the plan has shown it.
    known: BTreeMap<Key, Json>,
    /// What is there.
    live: BTreeMap<Key, Json>,
}

/// The objects with the content of the user's Secrets in them.
struct Merged {
    filled: Objects<Filled>,
    /// Fingerprints of what went into them.
    sources: BTreeMap<String, String>,
    /// What must not be shown of a container's log.
    secrets: Redaction,
}

impl Recipe<'_> {
    async fn prepare(&self, settings: &Settings) -> Result<Prepared, Diagnostics> {
        let parsed = parse(self.block, self.planned)?;
        let namespace = settings.namespace().unwrap_or(names::DEFAULT_NAMESPACE);
        let Some(desired) = Desired::of(&parsed, namespace) else {
            return Err(vec![wording::still_unknown(&parsed.unknown)]);
        };
        let cluster = settings.cluster().await.map_err(|error| vec![error])?;
        let store = StoreName {
            namespace: desired.store.namespace.clone(),
            name: desired.store.name.clone(),
        };
        self.peer(&cluster, &desired).await?;
        let known = computed::manifests(self.prior);
        let keys = desired.objects.manifests.keys().chain(known.keys());
        let live = cluster
            .read_before_apply(
                &store,
                &keys.cloned().collect(),
                self.prior.is_null(),
                self.stop,
            )
            .await
            .map_err(|error| unprepared(&[error]))?;
        let secret = live.get(&Key::new(Kind::Secret, names::main(&store.name)));
        let merged = self.fill(&cluster, &store, &desired, &parsed, secret);
        let merged = merged.await?;
        Ok(Prepared {
            cluster,
            store,
            desired,
            merged,
            known,
            live,
        })
    }

    /// Looks whether the registry of another feature store is served. Who may not look into the other's
    /// namespace is believed.
    async fn peer(&self, cluster: &Cluster, desired: &Desired) -> Result<(), Diagnostics> {
        let Registry::Remote(remote) = &desired.store.registry else {
            return Ok(());
        };
        let Some(peer) = &remote.peer else {
            return Ok(());
        };
        let key = Key::new(Kind::Service, peer.service());
        let service = match cluster.get(&peer.namespace, &key, self.stop).await {
            Ok(service) => service,
            Err(error) if matches!(error.reason, Reason::Forbidden { .. }) => return Ok(()),
            Err(error) => {
                let summary = "Cannot look at the remote registry";
                return Err(vec![wording::cluster_error(summary, &error)]);
            }
        };
        let judged = peer.judge(service.as_ref());
        judged.map_err(|error| vec![wording::peer_error(&error)])
    }

    /// Merges the user's Secrets and ConfigMaps into our Secret.
    async fn fill(
        &self,
        cluster: &Cluster,
        store: &StoreName,
        desired: &Desired,
        parsed: &Parsed,
        live: Option<&Json>,
    ) -> Result<Merged, Diagnostics> {
        let configuration = parsed.json.to_string();
        if self.prior.is_null() {
            self.may_create(store, live, &parsed.json)?;
        }
        let contents = cluster
            .contents(&store.namespace, &desired.objects.sources(), self.stop)
            .await
            .map_err(|errors| unread(desired, &errors))?;
        let hash_key = match live.and_then(kept::hash_key) {
            Some(key) => key,
            None => new_hash_key()?,
        };
        let filled = desired.objects.clone().fill(&Secrets {
            contents: &contents,
            hash_key: &hash_key,
            configuration: &configuration,
        });
        let filled = filled.map_err(|errors| {
            errors
                .iter()
                .map(wording::fill_error)
                .collect::<Diagnostics>()
        })?;
        Ok(Merged {
            filled,
            sources: content::remembered(&contents, &hash_key),
            secrets: Redaction::of(&contents),
        })
    }

    /// A feature store that is there already is taken up only when it is what an interrupted create of
    /// this very configuration left behind.
    fn may_create(
        &self,
        store: &StoreName,
        secret: Option<&Json>,
        configuration: &Json,
    ) -> Result<(), Diagnostics> {
        // One that is being destroyed is waited for.
        let stays = |secret: &&Json| secret["metadata"]["deletionTimestamp"].is_null();
        match secret.filter(stays).and_then(kept::configuration) {
            Some(kept) if kept != *configuration => Err(vec![wording::exists_already(store)]),
            _ => Ok(()),
        }
    }

    async fn write(&self, prepared: &mut Prepared) -> Result<Outcome, Vec<cluster::Error>> {
        let live = std::mem::take(&mut prepared.live);
        let desired = &prepared.desired;
        let wait = desired.store.wait_for_rollout;
        let plan = apply::Plan {
            store: &prepared.store,
            wanted: &prepared.merged.filled.manifests,
            known: &prepared.known,
            claims: &Claims {
                delete: desired.store.delete_data,
                used: desired.store.referenced_claims(),
            },
            repair_drift: !self.prior.is_null(),
            wait_for_job: wait.then(|| Wait::new(self.timeout(desired), &prepared.merged.secrets)),
        };
        prepared.cluster.apply(live, &plan, self.stop).await
    }

    async fn carry_out(&self, settings: &Settings, mut prepared: Prepared) -> Applied {
        let deadline = Instant::now() + self.timeout(&prepared.desired);
        let mut written = self.write(&mut prepared).await;
        if self.prior.is_null() && matches!(&written, Ok(outcome) if was_overtaken(outcome)) {
            match self.prepare(settings).await {
                Ok(again) => prepared = again,
                // The other one made another store of it, and it is theirs.
                Err(diagnostics) => {
                    return Applied {
                        diagnostics,
                        ..Applied::default()
                    };
                }
            }
            written = self.write(&mut prepared).await;
        }
        let Prepared {
            cluster,
            store,
            desired,
            merged,
            ..
        } = prepared;
        let Merged {
            filled,
            sources,
            secrets,
        } = merged;
        let outcome = match written {
            Ok(outcome) => outcome,
            Err(errors) => {
                return Applied {
                    state: self.prior.clone(),
                    private: self.before.clone().keep(),
                    diagnostics: self.failures(&desired, &errors),
                    ..Applied::default()
                };
            }
        };
        let mut diagnostics = self.failures(&desired, &outcome.errors);
        diagnostics.extend(outcome.kept.iter().map(wording::claim_kept));
        if outcome.errors.is_empty() && !outcome.taken_over.is_empty() {
            diagnostics.push(wording::taken_over(&store, &outcome.taken_over));
        }
        let mut memory = Memory {
            // After a failure the pods may still run with the old.
            sources: match outcome.errors.is_empty() {
                true => sources,
                false => self.before.sources.clone(),
            },
            ..Memory::default()
        };
        let mut status = deployment_status(&outcome.exists, &desired);
        if outcome.errors.is_empty() && desired.store.wait_for_rollout {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = Wait::new(left, &secrets);
            let complete = wait::complete(&cluster, &desired.store, &wait, self.stop);
            let (servers, unfinished) = complete.await;
            if let Some(live) = servers {
                status = Some(computed::rollout_state(&live).0);
            }
            memory.rollout_incomplete = !unfinished.is_empty();
            let told = unfinished.iter();
            diagnostics.extend(
                told.map(|error| wording::cluster_error("The rollout did not finish", error)),
            );
        }
        let mut state = self.planned.clone();
        let mut observed = desired.observed();
        observed.configuration_hash = filled.servers().configuration.clone();
        computed::write(self.block, &mut state, &observed);
        // What was planned as known stands, and the next refresh tells how it has become.
        state.set("drift", drift::added(self.planned.attribute("drift")));
        let planned = self.planned.attribute("scaling_status");
        state.set(
            "scaling_status",
            match planned.is_wholly_known() {
                true => planned.clone(),
                false => status.map_or(Value::Null, computed::scaling_status),
            },
        );
        if !outcome.errors.is_empty() {
            memory.rollout_incomplete = true;
            state.set("objects", self.existing(&desired, &outcome));
        }
        if let Value::Map(objects) = state.attribute("objects")
            && objects.is_empty()
        {
            // The very first write failed: there is nothing to remember.
            state = Value::Null;
        }
        Applied {
            state,
            private: memory.keep(),
            diagnostics,
            identity: None,
        }
    }

    /// For all of the waiting.
    fn timeout(&self, desired: &Desired) -> Duration {
        let timeouts = &desired.store.timeouts;
        if self.prior.is_null() {
            timeouts.create
        } else {
            timeouts.update
        }
    }

    fn failures(&self, desired: &Desired, errors: &[cluster::Error]) -> Diagnostics {
        let summary = if self.prior.is_null() {
            "Cannot create the feature store"
        } else {
            "Cannot update the feature store"
        };
        let diagnostics = errors.iter().map(|error| {
            let diagnostic = wording::cluster_error(summary, error);
            let manifests = &desired.objects.manifests;
            let places = conflicts::places(self.block, self.planned, manifests, error);
            wording::at_attributes(diagnostic, places)
        });
        diagnostics.collect()
    }

    /// The attribute `objects` after a failure: what was written is as planned, what was not is as it was
    /// applied before, what is gone is gone.
    fn existing(&self, desired: &Desired, outcome: &Outcome) -> Value {
        let planned = &desired.objects.manifests;
        let mut before = self.prior.clone();
        if let Some(applied) = &self.before.applied {
            // Or drift that was not repaired would be taken for what was applied.
            applied.restore(self.block, &mut before);
        }
        let prior = computed::manifests(&before);
        let text = |key: &Key| {
            let manifest = if outcome.changed.contains(key) {
                planned.get(key)
            } else {
                prior.get(key)
            };
            // An object that an earlier, interrupted create has left is ours from now on.
            manifest.or_else(|| planned.get(key))
        };
        Value::Map(
            outcome
                .exists
                .keys()
                .filter_map(|key| Some((key.to_string(), Value::string(text(key)?.to_string()))))
                .collect(),
        )
    }
}

fn unprepared(errors: &[cluster::Error]) -> Diagnostics {
    let summary = "Cannot prepare the feature store";
    (errors.iter())
        .map(|error| wording::cluster_error(summary, error))
        .collect()
}

/// Whether another create was faster by a moment: the Secret, which decides whose the store is, is there.
fn was_overtaken(outcome: &Outcome) -> bool {
    let mut errors = outcome.errors.iter();
    errors.any(|error| {
        matches!(error.reason, Reason::Stale { .. }) && error.target.kind == Kind::Secret.as_str()
    })
}

/// The same of Secrets and ConfigMaps of the user's: what is missing is told at the attribute that names it.
fn unread(desired: &Desired, errors: &[cluster::Error]) -> Diagnostics {
    let attribute = |error: &cluster::Error| match (&error.reason, &error.target.name) {
        (Reason::NotFound | Reason::KeyMissing(_) | Reason::NotText(_), Some(name)) => {
            desired.objects.attribute(error.target.kind, name)
        }
        _ => None,
    };
    let placed = |(diagnostic, error): (Diagnostic, &cluster::Error)| match attribute(error) {
        Some(path) => diagnostic.at(path),
        None => diagnostic,
    };
    let diagnostics = unprepared(errors).into_iter();
    diagnostics.zip(errors).map(placed).collect()
}

fn deployment_status(exists: &BTreeMap<Key, Json>, desired: &Desired) -> Option<ScalingStatus> {
    let key = Key::new(Kind::Deployment, names::main(&desired.store.name));
    Some(computed::rollout_state(exists.get(&key)?).0)
}

/// 32 random bytes, so that the configuration's hash tells nobody anything of a guessed password.
fn new_hash_key() -> Result<Vec<u8>, Diagnostics> {
    let mut key = vec![0; 32];
    getrandom::fill(&mut key).map_err(|error| {
        vec![Diagnostic::error(
            "No random numbers",
            format!("The operating system gave no random bytes for the configuration's hash key: {error}."),
        )]
    })?;
    Ok(key)
}
