//! One server-side apply: what is sent, whether it needs to be, and which conflicts stand.

use serde_json::{Value as Json, json};

use super::super::drift;
use super::super::error::{Error, FieldConflict, Reason, Verb};
use super::super::ownership;
use super::super::request::Request;
use super::super::resource::Resource;
use super::{Run, owner};
use crate::feast::objects::{Key, Kind};

/// The manifest as it is sent.
///
/// A rolling update's two numbers are always sent, at their defaults where the manifest leaves them
/// out. Only so are they ours to take away again: the API server refuses `Recreate` while defaulted
/// numbers, owned by nobody, are still in the object (`rollingUpdate: null` does not remove them), and
/// with numbers of ours the change of strategy is one write.
pub fn on_the_wire(key: &Key, manifest: &Json) -> Json {
    let mut wire = manifest.clone();
    if key.kind != Kind::Deployment {
        return wire;
    }
    if let Some(strategy) = wire["spec"]
        .get_mut("strategy")
        .and_then(Json::as_object_mut)
    {
        if strategy
            .get("type")
            .is_some_and(|kind| kind == "RollingUpdate")
        {
            let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
            for number in ["maxSurge", "maxUnavailable"] {
                if rolling[number].is_null() {
                    rolling[number] = json!("25%");
                }
            }
        } else {
            strategy.remove("rollingUpdate");
        }
    }
    wire
}

/// Nothing to send: every field of ours is as wanted, and none is owned that is no longer wanted.
pub(super) fn is_as_wanted(wire: &Json, live: &Json, manager: &str) -> bool {
    ownership::applied_by(live, manager).is_some_and(|fields| ownership::matches(fields, wire))
        && drift::project(wire, live) == *wire
}

/// A version that no object has: an apply with it creates, and changes nothing that exists.
const NO_VERSION: &str = "1";

impl Run<'_> {
    /// Applies what has not been there. An object that has come into being since is not merged into, unless it
    /// is our own: the answer to the first attempt may have been lost.
    pub(super) async fn create(&self, key: &Key, body: Json) -> Result<Json, Error> {
        let manager = &self.cluster.options().field_manager;
        let mut first = body.clone();
        first["metadata"]["resourceVersion"] = Json::from(NO_VERSION);
        match self.apply_as(key, manager, false, first).await {
            Err(Error {
                reason: Reason::Stale { .. },
                ..
            }) => {}
            other => return other,
        }
        let namespace = &self.plan.store.namespace;
        let live = self.cluster.get(namespace, key, self.cancel).await?;
        if let Some(live) = &live
            && !self.cluster.is_ours(self.plan.store, live, false)
        {
            let reason = Reason::Foreign { owner: owner(live) };
            return Err(self
                .cluster
                .object_error(Verb::Apply, self.plan.store, key, reason));
        }
        self.send_apply(key, body, live.as_ref()).await
    }

    /// Applies as our field manager; takes fields from others where [`Run::may_take`] says so.
    pub(super) async fn send_apply(
        &self,
        key: &Key,
        body: Json,
        live: Option<&Json>,
    ) -> Result<Json, Error> {
        let seen = live.map(|live| drift::project(&body, live));
        let may_take = |conflict: &FieldConflict, body: &Json| {
            self.may_take(conflict) || (conflict.by_update && agrees(conflict, body, seen.as_ref()))
        };
        let options = self.cluster.options();
        let force = options.force_conflicts;
        let first = self
            .apply_as(key, &options.field_manager, force, body.clone())
            .await;
        match first {
            Err(Error {
                reason: Reason::Conflict(conflicts),
                ..
            }) if conflicts.iter().all(|conflict| may_take(conflict, &body)) => {
                for conflict in &conflicts {
                    tracing::info!("{key}: taking {conflict}");
                }
                self.apply_as(key, &options.field_manager, true, body).await
            }
            // Only those that stand in the way are worth reporting.
            Err(
                error @ Error {
                    reason: Reason::Conflict(_),
                    ..
                },
            ) => Err(self
                .explained(key, &body, live, error, |conflict| {
                    !may_take(conflict, &body)
                })
                .await),
            other => other,
        }
    }

    /// Whether a field of another manager is ours to take: our own helper's always; a replica count
    /// that was set by plain update (an autoscaler, `kubectl scale`), because whoever writes a number
    /// into the configuration means it; and what others set by plain update, when the user has seen it
    /// in the plan. Never what another manager applied.
    fn may_take(&self, conflict: &FieldConflict) -> bool {
        let ours = conflict.manager == self.cluster.options().field_manager
            || conflict.manager == self.cluster.handover_manager();
        let replicas = conflict.field == ".spec.replicas";
        ours || (conflict.by_update && (replicas || self.plan.repair_drift))
    }

    pub(super) async fn apply_as(
        &self,
        key: &Key,
        manager: &str,
        force: bool,
        body: Json,
    ) -> Result<Json, Error> {
        let force = if force { "true" } else { "false" };
        let request = Request {
            verb: Verb::Apply,
            resource: Resource::from(key.kind),
            namespace: &self.plan.store.namespace,
            name: Some(&key.name),
            query: vec![
                ("fieldManager", manager),
                ("force", force),
                ("fieldValidation", "Strict"),
            ],
            body: Some(body),
        };
        self.cluster.send(request, self.cancel).await
    }
}

/// Whether both sides mean the same, and only write it differently (`512Mi`, `0.5Gi`): the API server
/// compares letter by letter.
fn agrees(conflict: &FieldConflict, body: &Json, seen: Option<&Json>) -> bool {
    seen.and_then(|seen| ownership::at(seen, &conflict.field))
        .is_some_and(|seen| Some(seen) == ownership::at(body, &conflict.field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolling_update_numbers_are_always_ours() {
        let key = Key::new(Kind::Deployment, "d");
        let wire = |strategy: Json| {
            on_the_wire(&key, &json!({"spec": {"strategy": strategy}}))["spec"]["strategy"].clone()
        };
        assert_eq!(
            wire(json!({"type": "RollingUpdate"})),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        );
        assert_eq!(
            wire(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}})
        );
        assert_eq!(
            wire(json!({"type": "Recreate", "rollingUpdate": null})),
            json!({"type": "Recreate"})
        );
        let service = Key::new(Kind::Service, "s");
        let manifest = json!({"spec": {"strategy": {"type": "RollingUpdate"}}});
        assert_eq!(on_the_wire(&service, &manifest), manifest);
    }
}
