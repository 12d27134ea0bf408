//! The custom resource of the Feast operator, and the objects that the operator has created for it.
//!
//! An object belongs to the operator if it has the operator's label, or an owner reference to the custom resource with
//! the name of the feature store. The field manager that has written the label is the operator, whatever its name: it
//! is the name of the operator's program, `manager`, unless that was renamed.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use kube::api::ListParams;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::request::Request;
use super::resource::{FEATURE_STORES, Resource};
use super::{Cluster, StoreName};
use crate::feast::names::{MANAGED_BY_LABEL, NAME_LABEL, OPERATOR};
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::field_set::FieldSet;
use crate::kubernetes::kind::{Access, Key, Kind, Scope};
use crate::kubernetes::managed_fields::{Entry, ManagedFields, apply_entry};

/// The objects that the operator has created for one custom resource.
#[derive(Default)]
pub struct OperatorObjects {
    pub objects: BTreeMap<Key, Json>,
    /// Kinds that the account has no permission to list.
    pub unlisted: Vec<Kind>,
}

impl Cluster {
    /// Returns the FeatureStore custom resource with the name of the feature store, in the newest version that the
    /// cluster serves. `None` if there is none, or if the cluster does not have the kind.
    pub async fn custom_resource(
        &self,
        store: &StoreName,
        cancel: &CancellationToken,
    ) -> Result<Option<Json>, Error> {
        for resource in FEATURE_STORES {
            let request = Request::get(resource, &store.namespace, &store.name);
            match self.send(request, cancel).await {
                Ok(found) => return Ok(Some(found)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns the operator's objects of the feature store in its namespace. Cluster roles of the operator can serve
    /// other feature stores, too.
    pub async fn operator_objects(
        &self,
        store: &StoreName,
        cancel: &CancellationToken,
    ) -> Result<OperatorObjects, Error> {
        let selector = format!("{MANAGED_BY_LABEL}={OPERATOR}");
        let kinds = (Kind::ALL.iter().copied())
            // The operator creates no custom resources.
            .filter(|kind| kind.scope() == Scope::Namespace && !kind.is_custom());
        let lists = kinds.map(|kind| {
            let params = ListParams::default().labels(&selector);
            let request = Request::list(Resource::from(kind), &store.namespace, params);
            async move { (kind, self.send(request, cancel).await) }
        });
        let mut found = OperatorObjects::default();
        for (kind, answer) in join_all(lists).await {
            match answer {
                Ok(answer) => {
                    let elements = super::read::elements(kind, answer).into_iter();
                    let ours = elements.filter(|(_, live)| is_managed_by_operator(live, store));
                    found.objects.extend(ours);
                }
                Err(error) if error.is_forbidden() && kind.access() == Access::IfUsed => {
                    found.unlisted.push(kind);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// Returns whether the object belongs to the operator and to this feature store.
pub fn is_managed_by_operator(live: &Json, store: &StoreName) -> bool {
    let labels = &live["metadata"]["labels"];
    let labeled = labels[MANAGED_BY_LABEL] == OPERATOR && labels[NAME_LABEL] == store.name.as_str();
    let here = live["metadata"]["namespace"] == store.namespace.as_str();
    here && (labeled || is_owned_by_custom_resource(live, store))
}

/// Returns whether the custom resource owns the object, so that it is deleted together with it.
pub fn is_owned_by_custom_resource(live: &Json, store: &StoreName) -> bool {
    owners(live).any(|owner| is_custom_resource(owner, store))
}

fn owners(live: &Json) -> impl Iterator<Item = &Json> {
    let owners = live["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten()
}

fn is_custom_resource(owner: &Json, store: &StoreName) -> bool {
    let [resource, ..] = FEATURE_STORES;
    let group = owner["apiVersion"]
        .as_str()
        .and_then(|version| version.split('/').next());
    group == Some(resource.group)
        && owner["kind"] == resource.kind
        && owner["name"] == store.name.as_str()
}

/// Returns the fields of the object that the operator has written.
pub fn fields(live: &Json) -> FieldSet {
    let managed = ManagedFields::of(live);
    let managers = managers(live, &managed);
    let entries = managed.iter();
    let entries =
        entries.filter(|entry| entry.subresource.is_none() && managers.contains(entry.manager));
    FieldSet::union(entries.map(|entry| entry.fields()))
}

/// Returns the field managers of the operator: the name with which it applies, and the managers that have written its
/// label.
fn managers<'a>(live: &Json, managed: &ManagedFields<'a>) -> BTreeSet<&'a str> {
    let label = FieldPath::of(&["metadata", "labels", MANAGED_BY_LABEL]);
    let has_label = live["metadata"]["labels"][MANAGED_BY_LABEL] == OPERATOR;
    let owners = managed.owners(&label).filter(|_| has_label);
    owners
        .map(|entry| entry.manager)
        .chain([OPERATOR])
        .collect()
}

/// Returns the patch that gives the object to `manager`: the custom resource no longer owns it, and the fields of the
/// operator count as applied by `manager`, whose next apply removes those that it does not set. Nothing else of the
/// object changes. Returns `None` if the object is released already.
pub(super) fn take_over_patch(live: &Json, store: &StoreName, manager: &str) -> Option<Json> {
    let managed = ManagedFields::of(live);
    let managers = managers(live, &managed);
    let version = live["apiVersion"].as_str().unwrap_or_default();
    let (taken, others): (Vec<&Entry<'_>>, Vec<&Entry<'_>>) = managed.iter().partition(|entry| {
        let is_own = entry.is_apply_by(manager);
        let is_operators = entry.subresource.is_none() && managers.contains(entry.manager);
        entry.api_version == version && (is_own || is_operators)
    });
    if taken.iter().all(|entry| entry.manager == manager)
        && !is_owned_by_custom_resource(live, store)
    {
        return None;
    }
    let mut fields = FieldSet::union(taken.iter().map(|entry| entry.fields()));
    fields.remove(&FieldPath::of(&["metadata", "ownerReferences"]));
    let mut entry = apply_entry(manager, version, &fields);
    if let Some(time) = taken.iter().filter_map(|entry| entry.time).max() {
        entry["time"] = json!(time);
    }
    let others = others.into_iter().map(Entry::to_json);
    let owners = owners(live).filter(|owner| !is_custom_resource(owner, store));
    Some(json!({
        "metadata": {
            // Preconditions: the object is the one that was read, in the same version.
            "uid": live["metadata"]["uid"],
            "resourceVersion": live["metadata"]["resourceVersion"],
            "ownerReferences": owners.collect::<Vec<_>>(),
            "managedFields": others.chain([entry]).collect::<Vec<_>>(),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> StoreName {
        StoreName {
            namespace: "shop".to_owned(),
            name: "demo".to_owned(),
        }
    }

    /// An object of the operator that has another owner, too.
    fn live() -> Json {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "feast-demo-client",
                "namespace": "shop",
                "uid": "u",
                "resourceVersion": "7",
                "labels": {"app.kubernetes.io/managed-by": "feast-operator", "feast.dev/name": "demo"},
                "ownerReferences": [
                    {"apiVersion": "feast.dev/v1", "kind": "FeatureStore", "name": "demo", "uid": "f"},
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "demo", "uid": "c"},
                ],
                "managedFields": [
                    {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "time": "2026-11-24T04:00:00Z",
                     "fieldsV1": {"f:data": {"f:mine": {}}}},
                    {"manager": "manager", "operation": "Update", "apiVersion": "v1", "time": "2026-11-24T03:00:00Z",
                     "fieldsV1": {"f:data": {"f:feature_store.yaml": {}}, "f:metadata": {
                        "f:labels": {"f:app.kubernetes.io/managed-by": {}},
                        "f:ownerReferences": {"k:{\"uid\":\"f\"}": {}}}}},
                ],
            },
            "data": {"feature_store.yaml": "", "mine": ""},
        })
    }

    #[test]
    fn label_or_owner_reference_identify_the_operator() {
        let owned = live();
        assert!(
            is_managed_by_operator(&owned, &store())
                && is_owned_by_custom_resource(&owned, &store())
        );
        let mut lineage = live();
        lineage["metadata"]["labels"]["feast.dev/name"] = json!("demo-lineage");
        assert!(is_managed_by_operator(&lineage, &store()));
        let mut released = live();
        released["metadata"]["ownerReferences"] = json!([]);
        assert!(
            is_managed_by_operator(&released, &store())
                && !is_owned_by_custom_resource(&released, &store())
        );
        for (namespace, name) in [("other", "demo"), ("shop", "demo2")] {
            let other = StoreName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            assert!(
                !is_managed_by_operator(&owned, &other),
                "{namespace}/{name}"
            );
        }
        let mut ours = released;
        ours["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("feast");
        assert!(!is_managed_by_operator(&ours, &store()));
    }

    #[test]
    fn release_keeps_owners_and_fields_of_others() {
        let patch = take_over_patch(&live(), &store(), "ours").unwrap();
        assert_eq!(
            patch,
            json!({"metadata": {
                "uid": "u",
                "resourceVersion": "7",
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "demo", "uid": "c"}],
                "managedFields": [
                    {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "time": "2026-11-24T04:00:00Z",
                     "fieldsV1": {"f:data": {"f:mine": {}}}},
                    {"manager": "ours", "operation": "Apply", "apiVersion": "v1", "time": "2026-11-24T03:00:00Z",
                     "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:feature_store.yaml": {}}, "f:metadata": {
                        "f:labels": {"f:app.kubernetes.io/managed-by": {}}}}},
                ],
            }})
        );
        let mut released = live();
        for (field, value) in patch["metadata"].as_object().unwrap() {
            released["metadata"][field] = value.clone();
        }
        assert_eq!(take_over_patch(&released, &store(), "ours"), None);
    }

    #[test]
    fn release_joins_all_managers_of_the_operator() {
        let mut live = live();
        let applied = json!({"manager": "feast-operator", "operation": "Apply", "apiVersion": "v1",
            "time": "2026-11-24T05:00:00Z", "fieldsV1": {"f:data": {"f:other": {}}}});
        let status = json!({"manager": "manager", "operation": "Update", "apiVersion": "v1",
            "subresource": "status", "fieldsV1": {"f:status": {}}});
        let recorded = live["metadata"]["managedFields"].as_array_mut().unwrap();
        recorded.extend([applied, status.clone()]);
        let patch = take_over_patch(&live, &store(), "ours").unwrap();
        let entries = patch["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[1], status);
        assert_eq!(entries[2]["time"], "2026-11-24T05:00:00Z");
        assert_eq!(
            entries[2]["fieldsV1"]["f:data"],
            json!({"f:feature_store.yaml": {}, "f:other": {}})
        );
    }
}
