//! The deletion of objects that must be gone before an apply continues, such as one that is created again, and the
//! check before the deletion of a Service.

use std::time::Duration;

use kube::api::PostParams;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::delete::Deadline;
use super::super::error::{Error, Reason, Verb};
use super::super::request::{Call, Request};
use super::super::resource::Resource;
use super::object::Writer;
use super::{Applier, immutable_change, is_terminating};
use crate::kubernetes::kind::{Key, Kind};
use crate::kubernetes::validation::metadata::DNS_LABEL_LENGTH;

/// The time for the deletion of an object that must be gone before the apply continues.
pub(super) const DELETION_TIMEOUT: Duration = Duration::from_secs(60);

/// The end of the name under which a dry run creates a Service that still exists.
const DRY_RUN_SUFFIX: &str = "-dry-run";

/// The fields of a Service whose values no two Services can have. Ports of the nodes are another such field.
const UNIQUE: [&str; 4] = [
    "clusterIP",
    "clusterIPs",
    "healthCheckNodePort",
    "loadBalancerIP",
];

impl Writer<'_> {
    /// Returns whether the apply deletes the live Service and creates it again.
    pub(super) fn recreates_service(&self, key: &Key, body: &Json, live: &Json) -> bool {
        key.kind == Kind::Service && immutable_change(body, self.prior.get(key), live).is_some()
    }

    /// Checks whether the Service could be created if the live one were gone: creates one with another name, and
    /// without the addresses and ports that the live one holds, as a dry run. It is a POST, because a permission to
    /// patch can be limited to names.
    pub(super) async fn check_recreated(
        &self,
        key: &Key,
        mut body: Json,
        live: &Json,
    ) -> Result<Json, Error> {
        let name = dry_run_name(&key.name);
        body["metadata"]["name"] = Json::from(name.as_str());
        remove_held_values(&mut body["spec"], &live["spec"]);
        let params = PostParams {
            dry_run: true,
            field_manager: Some(self.cluster.options().field_manager.clone()),
        };
        let request = Request {
            verb: Verb::Apply,
            resource: Resource::from(key.kind),
            namespace: &self.store.namespace,
            // For the error, which is about the Service itself.
            name: Some(&key.name),
            call: Call::Create(params, body),
        };
        let sent = self.cluster.send(request, self.cancel).await;
        sent.map_err(|mut error| {
            if let Reason::Invalid { message, .. }
            | Reason::Forbidden { message }
            | Reason::Denied { message }
            | Reason::Rejected { message, .. } = &mut error.reason
            {
                *message = message.replace(&name, &key.name);
            }
            error
        })
    }
}

/// Returns the name of a Service of which only dry runs are sent.
pub(super) fn dry_run_name(service: &str) -> String {
    let stem = service
        .chars()
        .take(DNS_LABEL_LENGTH - DRY_RUN_SUFFIX.len());
    stem.chain(DRY_RUN_SUFFIX.chars()).collect()
}

/// Removes the addresses and ports from the specification of a Service that the live Service holds.
fn remove_held_values(spec: &mut Json, live: &Json) {
    let Some(spec) = spec.as_object_mut() else {
        return;
    };
    for field in UNIQUE {
        if spec.get(field).is_some_and(|value| live[field] == *value) {
            spec.remove(field);
        }
    }
    let ports = live["ports"].as_array().into_iter().flatten();
    let held: Vec<&Json> = ports.map(|port| &port["nodePort"]).collect();
    let ports = spec.get_mut("ports").and_then(Json::as_array_mut);
    for port in ports.into_iter().flatten() {
        if held.contains(&&port["nodePort"])
            && let Some(port) = port.as_object_mut()
        {
            port.remove("nodePort");
        }
    }
}

impl Applier<'_> {
    /// Deletes a live object that cannot become the desired one, and waits for a deletion in progress. Returns whether
    /// the object is gone. A load balancer or a graceful termination can delay the deletion for minutes, and without the
    /// new object, the feature store does not serve.
    pub(super) async fn delete_for_replacement(
        &self,
        key: &Key,
        body: &Json,
        live: &Json,
    ) -> Result<bool, Error> {
        if !is_terminating(live) {
            if immutable_change(body, self.desired.prior.get(key), live).is_none() {
                return Ok(false);
            }
            let (cluster, store) = (self.cluster, self.desired.store);
            cluster.delete_one(store, key, live, self.cancel).await?;
        }
        let left = (self.desired.deadline).saturating_duration_since(Instant::now());
        let timeout = left.max(DELETION_TIMEOUT);
        self.wait_until_deleted(Verb::Apply, key, live, timeout)
            .await?;
        Ok(true)
    }

    /// Waits until the object is gone. `verb` is the operation that needs this.
    pub(super) async fn wait_until_deleted(
        &self,
        verb: Verb,
        key: &Key,
        live: &Json,
        timeout: Duration,
    ) -> Result<(), Error> {
        tracing::info!("waiting for the deletion of {key}");
        let (cluster, store) = (self.cluster, self.desired.store);
        let deadline = Deadline::after(timeout);
        let deleted = cluster.wait_until_deleted(verb, store, key, live, deadline, self.cancel);
        deleted.await
    }
}
