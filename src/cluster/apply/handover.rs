//! What has to happen to a Deployment before our next apply of it.
//!
//! A field that its last owner no longer applies falls back to its default. So before our manager
//! leaves out `spec.replicas` (the count goes to an autoscaler, or to whoever scales from outside), a
//! second manager of ours applies the count as it is, and keeps it until someone else sets another.
//! Numbers of a rolling update, in contrast, must go when the strategy becomes `Recreate`.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::super::error::{Error, Reason, Verb};
use super::super::ownership;
use super::super::request::Request;
use super::super::resource::Resource;
use super::super::watch::{Selection, Unfinished};
use super::{ATTEMPTS, Run};
use crate::feast::names;
use crate::kubernetes::kind::Tier;
use crate::kubernetes::{Key, Kind};

const REPLICAS: [&str; 2] = ["spec", "replicas"];
const ROLLING_UPDATE: [&str; 3] = ["spec", "strategy", "rollingUpdate"];

/// How long the Deployment's controller gets to observe a number of replicas.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Waits until the Deployment's controller has observed the number of replicas that was just applied, and applies
    /// it again as long as somebody moves it before that.
    ///
    /// A deleted autoscaler's controller may have one more write under way. It writes with the version of the Deployment
    /// that it has read, and the status that the Deployment's controller writes makes that version an old one: what
    /// was under way before is refused from then on. Where the rollout is waited for, a later move is undone at its end.
    pub(super) async fn settle_replicas(&mut self) {
        let key = Key::new(Kind::Deployment, names::main(&self.plan.store.name));
        let Some(wanted) = self.plan.wanted.get(&key) else {
            return;
        };
        let replicas = wanted["spec"]["replicas"].clone();
        for _ in 0..ATTEMPTS {
            if !self.goes_on() {
                return;
            }
            let seen = self.cluster.watch_until(
                Resource::from(key.kind),
                &self.plan.store.namespace,
                Selection::Named(&key.name),
                Instant::now() + SETTLE_TIMEOUT,
                self.cancel,
                |objects| {
                    let live = objects.get(&key.name)?;
                    let moved = live["spec"]["replicas"] != replicas;
                    (moved || is_observed(live)).then(|| (live.clone(), moved))
                },
            );
            match seen.await {
                Ok((live, moved)) => {
                    self.outcome.exists.insert(key.clone(), live);
                    if !moved {
                        return;
                    }
                    self.tier(Tier::Workload).await;
                }
                // Nothing has moved it, and the Deployment's controller is not at work.
                Err(Unfinished::TimedOut) => return,
                Err(Unfinished::Failed(error)) => return self.outcome.errors.push(error),
            }
        }
    }

    pub(super) async fn release_replicas(
        &self,
        key: &Key,
        wire: &Json,
        live: &Json,
    ) -> Result<(), Error> {
        if wire["spec"].get("replicas").is_none() {
            self.hand_over_replicas(key, live).await?;
        }
        if wire["spec"]["strategy"]["type"] == "Recreate" {
            self.clear_rolling_update(key, live).await?;
        }
        Ok(())
    }

    async fn hand_over_replicas(&self, key: &Key, live: &Json) -> Result<(), Error> {
        let mut live = live.clone();
        for _ in 0..ATTEMPTS {
            if !self.owned_by_us_alone(&live, &REPLICAS) {
                return Ok(());
            }
            // With the version as a precondition, no other count can have been set meanwhile.
            let body = json!({
                "apiVersion": live["apiVersion"],
                "kind": live["kind"],
                "metadata": {
                    "name": key.name,
                    "resourceVersion": live["metadata"]["resourceVersion"],
                },
                "spec": {"replicas": live["spec"]["replicas"]},
            });
            let manager = self.cluster.replicas_field_manager();
            match self.apply_as(key, &manager, false, body).await {
                Ok(_) => return Ok(()),
                Err(Error {
                    reason: Reason::Stale { .. } | Reason::Conflict(_),
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
            let namespace = &self.plan.store.namespace;
            match self.cluster.get(namespace, key, self.cancel).await? {
                Some(now) => live = now,
                None => return Ok(()),
            }
        }
        let message = "its replica count could not be handed over".to_owned();
        Err(self.refused(key, Reason::Stale { message }))
    }

    /// Needed only for numbers that are not ours to drop: of an object that this provider did not
    /// write, or that someone has edited. No pod is touched by it.
    async fn clear_rolling_update(&self, key: &Key, live: &Json) -> Result<(), Error> {
        let rolling = &live["spec"]["strategy"]["rollingUpdate"];
        let all_ours = rolling.as_object().is_none_or(|numbers| {
            numbers.keys().all(|number| {
                let path = [ROLLING_UPDATE.as_slice(), &[number.as_str()]].concat();
                self.owned_by_us_alone(live, &path)
            })
        });
        if all_ours {
            return Ok(());
        }
        let manager = self.cluster.replicas_field_manager();
        let request = Request {
            verb: Verb::Patch,
            resource: Resource::from(key.kind),
            namespace: &self.plan.store.namespace,
            name: Some(&key.name),
            query: vec![("fieldManager", &manager)],
            body: Some(json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}})),
        };
        self.cluster.send(request, self.cancel).await?;
        Ok(())
    }

    fn owned_by_us_alone(&self, live: &Json, path: &[&str]) -> bool {
        let ours = &self.cluster.options().field_manager;
        let owners = ownership::owners(live, path);
        !owners.is_empty()
            && owners
                .iter()
                .all(|entry| entry.applied && entry.manager == ours)
    }
}

/// Whether the Deployment's controller has seen the spec as it is.
fn is_observed(live: &Json) -> bool {
    live["status"]["observedGeneration"].as_i64() >= live["metadata"]["generation"].as_i64()
}
