//! The replica count and the strategy of a Deployment, which need more than one apply to change hands.
//!
//! A field that its last owner no longer applies falls back to its default. So before the configured field manager
//! leaves out `spec.replicas`, because an autoscaler or another scaler sets it, a second manager of the provider
//! applies the current count and owns it until somebody else sets another. The limits of a rolling update, in contrast,
//! must go when the strategy becomes `Recreate`.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::super::Cluster;
use super::super::error::{Error, Verb};
use super::super::request::Request;
use super::super::resource::Resource;
use super::super::rollout::is_observed;
use super::super::watch::{Selection, Unfinished};
use super::object::apply_request;
use super::{ATTEMPTS, Applier};
use crate::feast::names;
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::kind::{Key, Kind, Tier};
use crate::kubernetes::managed_fields::{ManagedFields, Operation};

const REPLICAS: [&str; 2] = ["spec", "replicas"];
const ROLLING_UPDATE: [&str; 3] = ["spec", "strategy", "rollingUpdate"];

/// The time for the Deployment controller to observe a replica count.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

impl Applier<'_> {
    /// Waits until the Deployment controller has observed the replica count that was just applied. Applies it again if
    /// somebody changes it before that.
    ///
    /// The controller of a deleted autoscaler can have one more write in flight. That write has the version of the
    /// Deployment as its precondition, and the status that the Deployment controller writes changes the version: the
    /// API server rejects the write from then on. If the apply waits for the rollout, it reverts a later change at the
    /// end.
    pub(super) async fn settle_replicas(&mut self) {
        let key = Key::new(Kind::Deployment, names::main(&self.desired.store.name));
        for _ in 0..ATTEMPTS {
            if !self.ok_so_far() {
                return;
            }
            // The count as it was stored: admission control can have changed the configured one.
            let Some(applied) = self.outcome.objects.get(&key) else {
                return;
            };
            let replicas = applied["spec"]["replicas"].clone();
            let settled = self.cluster.watch_until(
                Resource::from(key.kind),
                &self.desired.store.namespace,
                Selection::Named(&key.name),
                Instant::now() + SETTLE_TIMEOUT,
                self.cancel,
                |objects| {
                    let live = objects.get(&key.name)?;
                    let is_changed = live["spec"]["replicas"] != replicas;
                    let generation = live["metadata"]["generation"].as_i64();
                    let observed = live["status"]["observedGeneration"].as_i64();
                    (is_changed || is_observed(generation, observed))
                        .then(|| (live.clone(), is_changed))
                },
            );
            match settled.await {
                Ok((live, is_changed)) => {
                    self.outcome.objects.insert(key.clone(), live);
                    if !is_changed {
                        return;
                    }
                    self.apply_tier(Tier::Workload).await;
                }
                // Nobody has changed the count, and the Deployment controller does not run.
                Err(Unfinished::TimedOut { .. }) => return,
                Err(Unfinished::Failed(error)) => return self.outcome.errors.push(error),
            }
        }
    }

    /// Prepares the live Deployment for a body without a replica count or with the strategy `Recreate`.
    pub(super) async fn release_fields(
        &self,
        key: &Key,
        body: &Json,
        live: &Json,
    ) -> Result<(), Error> {
        if body["spec"].get("replicas").is_none() {
            self.release_replicas(key, live).await?;
        }
        if body["spec"]["strategy"]["type"] == "Recreate" {
            self.clear_rolling_update(key, live).await?;
        }
        Ok(())
    }

    async fn release_replicas(&self, key: &Key, live: &Json) -> Result<(), Error> {
        let namespace = &self.desired.store.namespace;
        let manager = self.cluster.replicas_field_manager();
        let call = |live: &Json| {
            // The version is a precondition, so that no newer count is overwritten.
            is_sole_owner(self.cluster, live, &REPLICAS).then(|| {
                let body = json!({
                    "apiVersion": live["apiVersion"],
                    "kind": live["kind"],
                    "metadata": {
                        "name": key.name,
                        "resourceVersion": live["metadata"]["resourceVersion"],
                    },
                    "spec": {"replicas": live["spec"]["replicas"]},
                });
                apply_request(namespace, key, &manager, false, body).call
            })
        };
        let released = self.writer.write_current(Verb::Apply, key, live, call);
        released.await.map(drop)
    }

    /// Removes the limits of a rolling update that the provider does not own: those of an object that somebody else has
    /// created or edited. No pod is changed.
    async fn clear_rolling_update(&self, key: &Key, live: &Json) -> Result<(), Error> {
        if !has_foreign_limits(self.cluster, live) {
            return Ok(());
        }
        // Not the configured manager: its entry would get the operation Update beside Apply. `may_take` treats this
        // manager as the provider's own.
        let manager = self.cluster.replicas_field_manager();
        let patch = json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
        let namespace = &self.desired.store.namespace;
        let request = Request::merge(Verb::Patch, namespace, key, &manager, patch);
        self.cluster.send(request, self.cancel).await?;
        Ok(())
    }
}

/// Returns whether the limits of a rolling update must be removed before the body with the strategy `Recreate` is
/// applied.
pub(super) fn has_foreign_strategy(cluster: &Cluster, body: &Json, live: &Json) -> bool {
    body["spec"]["strategy"]["type"] == "Recreate" && has_foreign_limits(cluster, live)
}

fn has_foreign_limits(cluster: &Cluster, live: &Json) -> bool {
    let limits = live["spec"]["strategy"]["rollingUpdate"].as_object();
    limits.is_some_and(|limits| {
        limits.keys().any(|limit| {
            let path = [ROLLING_UPDATE.as_slice(), &[limit.as_str()]].concat();
            !is_sole_owner(cluster, live, &path)
        })
    })
}

fn is_sole_owner(cluster: &Cluster, live: &Json, path: &[&str]) -> bool {
    let manager = &cluster.options().field_manager;
    let managed = ManagedFields::of(live);
    let path = FieldPath::of(path);
    let mut owners = managed.owners(&path).peekable();
    owners.peek().is_some()
        && owners.all(|entry| entry.operation == Operation::Apply && entry.manager == manager)
}
