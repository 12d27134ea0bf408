//! The server-side apply of one object: its body, and the conflicts that it resolves.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kube::api::{PatchParams, ValidationDirective};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, FieldConflict, Reason, Verb};
use super::super::request::{Call, Request};
use super::super::resource::Resource;
use super::super::{Cluster, StoreName};
use super::conflict::explained;
use super::{ATTEMPTS, Applier, owner};
use crate::feast::secrets::store_secret;
use crate::kubernetes::diff::{agrees, project};
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::kind::{Key, Kind};

/// Returns the body of the request that applies the manifest.
///
/// `maxSurge` and `maxUnavailable` of a rolling update are always part of the body, with their defaults if the manifest
/// leaves them out. So the provider owns them and can remove them: the API server rejects the strategy `Recreate` while
/// the object has defaulted values without an owner, which `rollingUpdate: null` does not remove.
pub fn to_apply_body<'a>(key: &Key, manifest: &'a Json) -> Cow<'a, Json> {
    if key.kind != Kind::Deployment {
        return Cow::Borrowed(manifest);
    }
    let mut body = manifest.clone();
    if let Some(strategy) = body["spec"]
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
    Cow::Owned(body)
}

/// Keeps the live size of a volume if it is all that is desired: the API server rejects a smaller one.
fn keep_volume_size(key: &Key, body: &mut Json, live: &Json) {
    const SIZE: &str = "/spec/resources/requests/storage";
    let is_volume = key.kind == Kind::PersistentVolumeClaim;
    if is_volume
        && project(body, live).pointer(SIZE) == body.pointer(SIZE)
        && let (Some(desired), Some(size)) = (body.pointer_mut(SIZE), live.pointer(SIZE))
    {
        desired.clone_from(size);
    }
}

/// Returns the field that the body changes and that is immutable in the live object, so that an apply deletes the
/// object and creates it again. `last` is what was last applied: a field that only others have set keeps its value.
///
/// The selector of a Deployment is immutable; the Feast operator's lineage server has another selector.
pub fn immutable_change(body: &Json, last: Option<&Json>, live: &Json) -> Option<FieldPath> {
    let spec = |object: &Json, path: &str| object["spec"].pointer(path).cloned();
    let is_changed = |path: &str| {
        let (body, live) = (spec(body, path), spec(live, path));
        body.is_some() && live.is_some() && body != live
    };
    let is_balancer = |object: &Json| object["spec"]["type"] == "LoadBalancer";
    let class = |object: &Json| spec(object, "/loadBalancerClass");
    let is_class_changed = || {
        let stays_balancer = is_balancer(body) && is_balancer(live);
        let is_applied = class(body).is_some() || last.and_then(class).is_some();
        stays_balancer && is_applied && class(body) != class(live)
    };
    let field = match body["kind"].as_str() {
        Some("Deployment") if spec(body, SELECTOR) != spec(live, SELECTOR) => "selector",
        Some("Service") if is_changed("/ipFamilies/0") => "ipFamilies",
        Some("Service") if is_changed("/healthCheckNodePort") => "healthCheckNodePort",
        Some("Service") if is_class_changed() => "loadBalancerClass",
        _ => return None,
    };
    Some(FieldPath::of(&["spec", field]))
}

const SELECTOR: &str = "/selector/matchLabels";

/// A version that no object has. An apply with it creates an object and never changes one.
const NO_VERSION: &str = "1";

/// The number of attempts of a create that is answered with a conflict although the object does not exist.
const CREATE_ATTEMPTS: usize = 3;

/// The result of a create.
pub(super) enum Created {
    New(Json),
    /// The object existed already and belongs to the feature store.
    Existing(Json),
}

impl Applier<'_> {
    /// Applies an object that did not exist. An object that was created since then is not changed. It is an error
    /// unless it belongs to the feature store: the answer to an earlier attempt can have been lost. A Secret with
    /// another hash key belongs to another create, whose pods carry hashes with that key.
    pub(super) async fn create(&self, key: &Key, body: &Json) -> Result<Created, Error> {
        let manager = &self.cluster.options().field_manager;
        let mut first = body.clone();
        first["metadata"]["resourceVersion"] = Json::from(NO_VERSION);
        let mut attempts = 0;
        let live = loop {
            attempts += 1;
            let error = match self
                .writer
                .apply_as(key, manager, false, first.clone())
                .await
            {
                Ok(object) => return Ok(Created::New(object)),
                Err(error) => error,
            };
            // The API server merges before it compares versions, so an object with other values is a conflict.
            if !matches!(error.reason, Reason::Stale { .. } | Reason::Conflict(_)) {
                return Err(error);
            }
            let namespace = &self.desired.store.namespace;
            match self.cluster.get(namespace, key, self.cancel).await? {
                Some(live) => break live,
                // It was deleted in between, or a proxy has answered.
                None if attempts < CREATE_ATTEMPTS => {}
                None => return Err(error),
            }
        };
        if !self.cluster.is_ours(self.desired.store, &live, false) {
            let reason = Reason::Foreign {
                owner: owner(&live),
            };
            return Err(self.writer.apply_error(key, reason));
        }
        if key.kind == Kind::Secret && store_secret::hash_key(&live) != store_secret::hash_key(body)
        {
            return Err(self.writer.apply_error(key, Reason::OwnerChanged));
        }
        Ok(Created::Existing(live))
    }
}

/// Sends the requests of an apply, or checks them by dry runs.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub cluster: &'a Cluster,
    pub store: &'a StoreName,
    /// See [`DesiredState::prior`](super::DesiredState::prior).
    pub prior: &'a BTreeMap<Key, Json>,
    /// True if nothing is stored.
    pub dry_run: bool,
    pub cancel: &'a CancellationToken,
}

impl Writer<'_> {
    /// Applies as the configured field manager. Takes the fields of others that [`Writer::may_take`] allows, decided on
    /// the current object: `live` can be minutes old.
    pub(super) async fn send_apply(
        &self,
        key: &Key,
        mut body: Json,
        mut live: Cow<'_, Json>,
    ) -> Result<Json, Error> {
        keep_volume_size(key, &mut body, &live);
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
            let remains = |conflict: &FieldConflict| !self.may_take(key, conflict, &body, &live);
            if !conflicts.iter().any(remains) {
                for conflict in conflicts {
                    tracing::info!("{key}: taking {conflict}");
                }
                // The version is a precondition, so that only these fields are taken.
                let mut forced = body.clone();
                forced["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
                match self.apply_as(key, manager, true, forced).await {
                    Err(error) if error.is_stale() => {}
                    answer => return answer,
                }
            } else if is_fresh {
                return Err(self.since_plan(explained(error, key, &body, &live, remains)));
            }
            let namespace = &self.store.namespace;
            if let Some(now) = self.cluster.get(namespace, key, self.cancel).await? {
                (live, is_fresh) = (Cow::Owned(now), true);
            }
        }
        Err(self.apply_error(key, Reason::changes_too_often()))
    }

    /// Returns whether the apply takes the field from its owner. It takes:
    ///
    /// - fields of the provider's own managers;
    /// - a replica count that was set by an update (by an autoscaler or `kubectl scale`), because the configuration
    ///   sets one;
    /// - other fields that were set by an update, if the value means the same or the plan has shown it.
    ///
    /// It never takes a field that another manager has applied.
    fn may_take(&self, key: &Key, conflict: &FieldConflict, body: &Json, live: &Json) -> bool {
        let is_own = conflict.manager == self.cluster.options().field_manager
            || conflict.manager == self.cluster.replicas_field_manager();
        let is_replica_count = conflict.field == ".spec.replicas";
        let is_shown = || self.repairs_drift() && self.is_as_planned(key, conflict, live);
        is_own
            || (conflict.by_update
                && (is_replica_count || is_shown() || agrees(body, live, &conflict.field)))
    }

    /// Returns whether fields are taken that others have changed by an update, where the plan has shown that to the
    /// user. The plan of a create shows no live objects.
    fn repairs_drift(&self) -> bool {
        !self.prior.is_empty()
    }

    /// Returns whether the field still has the value of the plan. A field that the prior manifest does not have is new
    /// in the configuration, which takes precedence. Plans do not show the content of the store's Secret.
    fn is_as_planned(&self, key: &Key, conflict: &FieldConflict, live: &Json) -> bool {
        let Some(last) = self.prior.get(key) else {
            return true;
        };
        let planned = FieldPath::find(last, &conflict.field);
        key.kind == Kind::Secret
            || planned.is_none()
            || planned == FieldPath::find(&project(last, live), &conflict.field)
    }

    /// Turns conflicts with updates into changes since the plan: a new plan would show them.
    fn since_plan(&self, error: Error) -> Error {
        match error.reason {
            Reason::Conflict(conflicts)
                if self.repairs_drift() && conflicts.iter().all(|conflict| conflict.by_update) =>
            {
                Error {
                    reason: Reason::ChangedSincePlan(conflicts),
                    ..error
                }
            }
            _ => error,
        }
    }

    /// Sends a merge patch for the current object, as [`Writer::write_current`] does.
    pub(super) async fn patch_current<'b>(
        &self,
        verb: Verb,
        key: &Key,
        live: &'b Json,
        patch: impl Fn(&Json) -> Option<Json>,
    ) -> Result<Option<Cow<'b, Json>>, Error> {
        let manager = &self.cluster.options().field_manager;
        let call = move |live: &Json| Some(Call::merge(manager, patch(live)?));
        self.write_current(verb, key, live, call).await
    }

    /// Writes the current object. `call` returns the write with the version of the object as a precondition, or `None`
    /// if nothing is to be changed; it is called again if the object was changed by then. Returns the object, or `None`
    /// if it is gone.
    pub(super) async fn write_current<'b>(
        &self,
        verb: Verb,
        key: &Key,
        live: &'b Json,
        call: impl Fn(&Json) -> Option<Call>,
    ) -> Result<Option<Cow<'b, Json>>, Error> {
        let namespace = &self.store.namespace;
        let mut live = Cow::Borrowed(live);
        for _ in 0..ATTEMPTS {
            let Some(call) = call(&live) else {
                return Ok(Some(live));
            };
            let request = Request {
                verb,
                resource: Resource::from(key.kind),
                namespace,
                name: Some(&key.name),
                call,
            };
            match self.cluster.send(request, self.cancel).await {
                Ok(written) => return Ok(Some(Cow::Owned(written))),
                Err(error) if error.is_stale() || matches!(error.reason, Reason::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
            match self.cluster.get(namespace, key, self.cancel).await? {
                Some(now) => live = Cow::Owned(now),
                None => return Ok(None),
            }
        }
        let reason = Reason::changes_too_often();
        Err((self.cluster).object_error(verb, self.store, key, reason))
    }

    pub(super) async fn apply_as(
        &self,
        key: &Key,
        manager: &str,
        force: bool,
        body: Json,
    ) -> Result<Json, Error> {
        let namespace = &self.store.namespace;
        let mut request = apply_request(namespace, key, manager, force, body);
        if self.dry_run {
            request = request.dry_run();
        }
        self.cluster.send(request, self.cancel).await
    }

    /// Returns an error about applying the object.
    pub(super) fn apply_error(&self, key: &Key, reason: Reason) -> Error {
        (self.cluster).object_error(Verb::Apply, self.store, key, reason)
    }
}

/// Returns the request for a server-side apply.
pub(super) fn apply_request<'a>(
    namespace: &'a str,
    key: &'a Key,
    manager: &str,
    force: bool,
    body: Json,
) -> Request<'a> {
    let params = PatchParams {
        force,
        field_manager: Some(manager.to_owned()),
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::default()
    };
    Request::apply(namespace, key, params, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_always_sets_the_limits_of_a_rolling_update() {
        let key = Key::new(Kind::Deployment, "d");
        let body = |strategy: Json| {
            to_apply_body(&key, &json!({"spec": {"strategy": strategy}}))["spec"]["strategy"]
                .clone()
        };
        assert_eq!(
            body(json!({"type": "RollingUpdate"})),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        );
        assert_eq!(
            body(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}})
        );
        assert_eq!(
            body(json!({"type": "Recreate", "rollingUpdate": null})),
            json!({"type": "Recreate"})
        );
        let service = Key::new(Kind::Service, "s");
        let manifest = json!({"spec": {"strategy": {"type": "RollingUpdate"}}});
        assert_eq!(*to_apply_body(&service, &manifest), manifest);
    }
}
