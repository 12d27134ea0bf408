//! The Feast operator's side: its custom resource, and the objects that it has made for one.
//!
//! An object is the operator's when it says so: by its label, or by an owner reference to the custom resource of
//! the store's name. Who wrote that label is the operator, under whatever name the API server has recorded it
//! (`manager`, after its program, unless somebody has renamed that).

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::{Map, Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::error::{Error, Reason};
use super::ownership;
use super::request::Request;
use super::resource::{FEATURE_STORES, Resource};
use super::{Cluster, StoreName};
use crate::feast::names::{MANAGED_BY_LABEL, NAME_LABEL, OPERATOR};
use crate::kubernetes::kind::{Access, Scope};
use crate::kubernetes::{Key, Kind};

/// What the operator has made of one custom resource.
#[derive(Default)]
pub struct Operated {
    pub objects: BTreeMap<Key, Json>,
    /// Kinds that this account may not list; nothing is known about them.
    pub unseen: Vec<Kind>,
}

impl Cluster {
    /// The FeatureStore custom resource of the store's name, of the newer version where both are served;
    /// `None` also where the cluster has no such kind.
    pub async fn custom_resource(
        &self,
        store: &StoreName,
        cancel: &CancellationToken,
    ) -> Result<Option<Json>, Error> {
        for resource in FEATURE_STORES {
            let request = Request::get(resource, &store.namespace, &store.name);
            match self.send(request, cancel).await {
                Ok(found) => return Ok(Some(found)),
                Err(Error {
                    reason: Reason::NotFound,
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The objects of the store that are the operator's, in its namespace: its roles in the cluster may
    /// serve other stores too.
    pub async fn operated(
        &self,
        store: &StoreName,
        cancel: &CancellationToken,
    ) -> Result<Operated, Error> {
        let selector = format!("{MANAGED_BY_LABEL}={OPERATOR}");
        let kinds = (Kind::ALL.iter().copied())
            // What is no kind of Kubernetes' own the operator does not make.
            .filter(|kind| kind.scope() == Scope::Namespace && !kind.is_custom());
        let lists = kinds.map(|kind| {
            let request = Request::list(
                Resource::from(kind),
                &store.namespace,
                vec![("labelSelector", &selector)],
            );
            async move { (kind, self.send(request, cancel).await) }
        });
        let mut found = Operated::default();
        for (kind, answer) in join_all(lists).await {
            match answer {
                Ok(answer) => {
                    let elements = super::read::elements(kind, answer).into_iter();
                    let ours = elements.filter(|(_, live)| is_operated(live, store));
                    found.objects.extend(ours);
                }
                Err(Error {
                    reason: Reason::Forbidden { .. },
                    ..
                }) if kind.access() == Access::IfUsed => found.unseen.push(kind),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// Whether the object is the operator's, and belongs to this store.
pub fn is_operated(live: &Json, store: &StoreName) -> bool {
    let labels = &live["metadata"]["labels"];
    let labelled =
        labels[MANAGED_BY_LABEL] == OPERATOR && labels[NAME_LABEL] == store.name.as_str();
    let here = live["metadata"]["namespace"] == store.namespace.as_str();
    here && (labelled || is_owned(live, store))
}

/// Whether the object goes when the custom resource goes.
pub fn is_owned(live: &Json, store: &StoreName) -> bool {
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

/// What the operator has written of the object, as one tree of fields.
pub fn fields(live: &Json) -> Json {
    let managers = managers(live);
    let entries = ownership::entries(live);
    let theirs = entries
        .filter(|entry| entry.subresource.is_none() && managers.contains(entry.manager))
        .map(|entry| entry.fields);
    ownership::union(theirs)
}

/// Who wrote the label, besides the name that the operator gives when it applies.
fn managers(live: &Json) -> BTreeSet<&str> {
    let labelled = ["metadata", "labels", MANAGED_BY_LABEL];
    let wrote = ownership::owners(live, &labelled);
    let operated = live["metadata"]["labels"][MANAGED_BY_LABEL] == OPERATOR;
    let wrote = wrote.into_iter().filter(|_| operated);
    wrote.map(|entry| entry.manager).chain([OPERATOR]).collect()
}

/// The patch that gives the object to `manager`: it goes out of the custom resource's ownership, and what the
/// operator wrote counts as applied by `manager`, whose next apply so takes away what it does not want. Nothing
/// that the object does changes. `None` when all that has been done.
pub(super) fn release(live: &Json, store: &StoreName, manager: &str) -> Option<Json> {
    let managers = managers(live);
    let recorded = live["metadata"]["managedFields"].as_array();
    let recorded = recorded.map(Vec::as_slice).unwrap_or_default();
    let version = &live["apiVersion"];
    let (taken, left): (Vec<&Json>, Vec<&Json>) = recorded.iter().partition(|entry| {
        let name = entry["manager"].as_str().unwrap_or_default();
        let ours = name == manager && entry["operation"] == "Apply";
        let plain = entry["subresource"].as_str().is_none_or(str::is_empty);
        plain && entry["apiVersion"] == *version && (ours || managers.contains(name))
    });
    let mut theirs = taken.iter().filter(|entry| entry["manager"] != manager);
    if theirs.next().is_none() && !is_owned(live, store) {
        return None;
    }
    let mut fields = ownership::union(taken.iter().map(|entry| &entry["fieldsV1"]));
    if let Some(metadata) = fields["f:metadata"].as_object_mut() {
        metadata.remove("f:ownerReferences");
    }
    let time = taken
        .iter()
        .filter_map(|entry| entry["time"].as_str())
        .max();
    let mut entry = Map::from_iter([
        ("manager".to_owned(), json!(manager)),
        ("operation".to_owned(), json!("Apply")),
        ("apiVersion".to_owned(), version.clone()),
        ("fieldsType".to_owned(), json!("FieldsV1")),
        ("fieldsV1".to_owned(), fields),
    ]);
    if let Some(time) = time {
        entry.insert("time".to_owned(), json!(time));
    }
    let others: Vec<&Json> = owners(live)
        .filter(|owner| !is_custom_resource(owner, store))
        .collect();
    let managed: Vec<Json> = (left.into_iter().cloned())
        .chain([Json::Object(entry)])
        .collect();
    Some(json!({
        "metadata": {
            // Of this very object, as it was read.
            "uid": live["metadata"]["uid"],
            "resourceVersion": live["metadata"]["resourceVersion"],
            "ownerReferences": others,
            "managedFields": managed,
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

    /// As the operator and the API server leave it; somebody else owns it as well.
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
    fn an_object_is_the_operators_by_label_or_owner() {
        let owned = live();
        assert!(is_operated(&owned, &store()) && is_owned(&owned, &store()));
        let mut lineage = live();
        lineage["metadata"]["labels"]["feast.dev/name"] = json!("demo-lineage");
        assert!(is_operated(&lineage, &store()));
        let mut released = live();
        released["metadata"]["ownerReferences"] = json!([]);
        assert!(is_operated(&released, &store()) && !is_owned(&released, &store()));
        for (namespace, name) in [("other", "demo"), ("shop", "demo2")] {
            let other = StoreName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            assert!(!is_operated(&owned, &other), "{namespace}/{name}");
        }
        let mut ours = released;
        ours["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("feast");
        assert!(!is_operated(&ours, &store()));
    }

    #[test]
    fn release_leaves_the_owners_and_fields_of_others() {
        let patch = release(&live(), &store(), "ours").unwrap();
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
        assert_eq!(release(&released, &store(), "ours"), None);
    }

    #[test]
    fn both_names_of_the_operator_become_one() {
        let mut live = live();
        let applied = json!({"manager": "feast-operator", "operation": "Apply", "apiVersion": "v1",
            "time": "2026-11-24T05:00:00Z", "fieldsV1": {"f:data": {"f:other": {}}}});
        let status = json!({"manager": "manager", "operation": "Update", "apiVersion": "v1",
            "subresource": "status", "fieldsV1": {"f:status": {}}});
        let recorded = live["metadata"]["managedFields"].as_array_mut().unwrap();
        recorded.extend([applied, status.clone()]);
        let patch = release(&live, &store(), "ours").unwrap();
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
