//! One server-side apply: what is sent, whether it needs to be, and which conflicts stand.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::super::drift;
use super::super::error::{Error, FieldConflict, Reason, Verb};
use super::super::ownership;
use super::super::request::Request;
use super::super::resource::Resource;
use super::conflict::explained;
use super::{ATTEMPTS, Run, owner};
use crate::feast::objects::{Key, Kind};
use crate::feast::secrets::store_secret;

/// The manifest as it is sent.
///
/// A rolling update's two numbers are always sent, at their defaults where the manifest leaves them
/// out. Only so are they ours to take away again: the API server refuses `Recreate` while defaulted
/// numbers, owned by nobody, are still in the object (`rollingUpdate: null` does not remove them), and
/// with numbers of ours the change of strategy is one write.
pub fn to_apply_body(key: &Key, manifest: &Json) -> Json {
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

/// Whether the API server lets the live object become this one. What a Deployment selects it lets nobody change; the
/// Feast operator's lineage server selects its pods by the operator's own label.
pub(super) fn can_become(wire: &Json, live: &Json) -> bool {
    let selector = |object: &Json| object["spec"]["selector"]["matchLabels"].clone();
    wire["kind"] != Kind::Deployment.as_str() || selector(wire) == selector(live)
}

/// Nothing to send: every field of ours is as wanted, and none is owned that is no longer wanted.
pub(super) fn is_as_wanted(wire: &Json, live: &Json, manager: &str) -> bool {
    ownership::applied_by(live, manager).is_some_and(|fields| ownership::matches(fields, wire))
        && drift::project(wire, live) == *wire
}

/// A version that no object has: an apply with it creates, and changes nothing that exists.
const NO_VERSION: &str = "1";

/// How often a create is sent while it is answered with a conflict and the object does not exist.
const CREATE_ATTEMPTS: usize = 3;

/// What became of a create.
pub(super) enum Created {
    Now(Json),
    /// It exists already, and is ours.
    Before(Json),
}

impl Run<'_> {
    /// Applies an object that did not exist. If it exists by now, nothing is merged into it: that is an error, unless it
    /// is our own, because the response to an earlier attempt was lost. A Secret with another hash key was written by
    /// another apply, whose pods carry fingerprints by that key.
    pub(super) async fn create(&self, key: &Key, body: &Json) -> Result<Created, Error> {
        let manager = &self.cluster.options().field_manager;
        let mut first = body.clone();
        first["metadata"]["resourceVersion"] = Json::from(NO_VERSION);
        let mut attempts = 0;
        let live = loop {
            attempts += 1;
            let error = match self.apply_as(key, manager, false, first.clone()).await {
                Ok(object) => return Ok(Created::Now(object)),
                Err(error) => error,
            };
            // The API server merges before it looks at the version: an object with other values is a conflict to it.
            if !matches!(error.reason, Reason::Stale { .. } | Reason::Conflict(_)) {
                return Err(error);
            }
            let namespace = &self.plan.store.namespace;
            match self.cluster.get(namespace, key, self.cancel).await? {
                Some(live) => break live,
                // It was deleted in between, or a proxy has answered.
                None if attempts < CREATE_ATTEMPTS => {}
                None => return Err(error),
            }
        };
        if !self.cluster.is_ours(self.plan.store, &live, false) {
            let reason = Reason::Foreign {
                owner: owner(&live),
            };
            return Err(self.refused(key, reason));
        }
        if key.kind == Kind::Secret && store_secret::hash_key(&live) != store_secret::hash_key(body)
        {
            return Err(self.refused(key, Reason::OwnerChanged));
        }
        Ok(Created::Before(live))
    }

    /// Applies as our field manager; takes fields from others where [`Run::may_take`] says so, judged by the object
    /// at that very moment: `live` may be minutes old.
    pub(super) async fn send_apply(
        &self,
        key: &Key,
        body: Json,
        mut live: Cow<'_, Json>,
    ) -> Result<Json, Error> {
        let options = self.cluster.options();
        let (manager, force) = (&options.field_manager, options.force_conflicts);
        let mut is_fresh = false;
        for _ in 0..ATTEMPTS {
            let sent = self.apply_as(key, manager, force, body.clone()).await;
            let Err(error) = sent else {
                return sent;
            };
            let Reason::Conflict(conflicts) = &error.reason else {
                return Err(error);
            };
            let stands = |conflict: &FieldConflict| !self.may_take(key, conflict, &body, &live);
            if !conflicts.iter().any(stands) {
                for conflict in conflicts {
                    tracing::info!("{key}: taking {conflict}");
                }
                // With the version as a precondition, nothing else is taken than what was judged.
                let mut forced = body.clone();
                forced["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
                match self.apply_as(key, manager, true, forced).await {
                    Err(Error {
                        reason: Reason::Stale { .. },
                        ..
                    }) => {}
                    answer => return answer,
                }
            } else if is_fresh {
                // Only those that stand in the way are worth reporting.
                return Err(self.dated(explained(error, key, &body, &live, stands)));
            }
            let namespace = &self.plan.store.namespace;
            if let Some(now) = self.cluster.get(namespace, key, self.cancel).await? {
                (live, is_fresh) = (Cow::Owned(now), true);
            }
        }
        let message = "it changes too often to be applied".to_owned();
        Err(self.refused(key, Reason::Stale { message }))
    }

    /// Whether a field of another manager is ours to take: our own helper's always; a replica count
    /// that was set by plain update (an autoscaler, `kubectl scale`), because whoever writes a number
    /// into the configuration means it; and what others set by plain update, when it means the same or when the user
    /// has seen it in the plan. Never what another manager applied.
    fn may_take(&self, key: &Key, conflict: &FieldConflict, body: &Json, live: &Json) -> bool {
        let ours = conflict.manager == self.cluster.options().field_manager
            || conflict.manager == self.cluster.replicas_field_manager();
        let replicas = conflict.field == ".spec.replicas";
        let repair = || self.plan.repair_drift && self.is_as_planned(key, conflict, live);
        let same = || agrees(conflict, body, &drift::project(body, live));
        ours || (conflict.by_update && (replicas || repair() || same()))
    }

    /// Whether the field still has the value that the plan was made with. A field that the plan did not know
    /// of is new in the configuration, which says what it shall be. Of our Secret, plans show no content.
    fn is_as_planned(&self, key: &Key, conflict: &FieldConflict, live: &Json) -> bool {
        let Some(known) = self.plan.known.get(key) else {
            return true;
        };
        let planned = ownership::at(known, &conflict.field);
        let seen = drift::project(known, live);
        key.kind == Kind::Secret
            || planned.is_none()
            || planned == ownership::at(&seen, &conflict.field)
    }

    /// Conflicts that the plan would have shown, had it been made later, are no quarrel about a field.
    fn dated(&self, error: Error) -> Error {
        match error.reason {
            Reason::Conflict(conflicts)
                if self.plan.repair_drift
                    && conflicts.iter().all(|conflict| conflict.by_update) =>
            {
                Error {
                    reason: Reason::ChangedSincePlan(conflicts),
                    ..error
                }
            }
            _ => error,
        }
    }

    pub(super) async fn apply_as(
        &self,
        key: &Key,
        manager: &str,
        force: bool,
        body: Json,
    ) -> Result<Json, Error> {
        let namespace = &self.plan.store.namespace;
        let request = apply_request(namespace, key, manager, force, body);
        self.cluster.send(request, self.cancel).await
    }
}

/// One server-side apply.
pub(super) fn apply_request<'a>(
    namespace: &'a str,
    key: &'a Key,
    manager: &'a str,
    force: bool,
    body: Json,
) -> Request<'a> {
    let force = if force { "true" } else { "false" };
    Request {
        verb: Verb::Apply,
        resource: Resource::from(key.kind),
        namespace,
        name: Some(&key.name),
        query: vec![
            ("fieldManager", manager),
            ("force", force),
            ("fieldValidation", "Strict"),
        ],
        body: Some(body),
    }
}

/// Whether both sides mean the same, and only write it differently (`512Mi`, `0.5Gi`): the API server
/// compares letter by letter.
fn agrees(conflict: &FieldConflict, body: &Json, seen: &Json) -> bool {
    let seen = ownership::at(seen, &conflict.field);
    seen.is_some() && seen == ownership::at(body, &conflict.field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolling_update_numbers_are_always_ours() {
        let key = Key::new(Kind::Deployment, "d");
        let wire = |strategy: Json| {
            to_apply_body(&key, &json!({"spec": {"strategy": strategy}}))["spec"]["strategy"]
                .clone()
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
        assert_eq!(to_apply_body(&service, &manifest), manifest);
    }
}
