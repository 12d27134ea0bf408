//! What has to happen to a Deployment before our next apply of it.
//!
//! A field that its last owner no longer applies falls back to its default. So before our manager
//! leaves out `spec.replicas` (the count goes to an autoscaler, or to whoever scales from outside), a
//! second manager of ours applies the count as it is, and keeps it until someone else sets another.
//! Numbers of a rolling update, in contrast, must go when the strategy becomes `Recreate`.

use serde_json::{Value as Json, json};

use super::super::error::{Error, Reason, Verb};
use super::super::ownership;
use super::super::request::Request;
use super::super::resource::Resource;
use super::{ATTEMPTS, Run};
use crate::feast::objects::Key;

const REPLICAS: [&str; 2] = ["spec", "replicas"];
const ROLLING_UPDATE: [&str; 3] = ["spec", "strategy", "rollingUpdate"];

impl Run<'_> {
    pub(super) async fn hand_over(&self, key: &Key, wire: &Json, live: &Json) -> Result<(), Error> {
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
            let manager = self.cluster.handover_manager();
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
        let manager = self.cluster.handover_manager();
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
