//! Drift: the attribute `drift` lists each field that others have changed, and an attribute that set a field shows its
//! live value.

pub mod attributes;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::cluster::Cluster;
use crate::cluster::apply::to_apply_body;
use crate::cluster::field_managers::OwnManagers;
use crate::cluster::leftover_fields::leftover_fields;
use crate::feast::config::{Drift, DriftKind, DriftPolicy};
use crate::feast::secrets::manifest_redaction::redact_field;
use crate::feast::secrets::source::Source;
use crate::kubernetes::diff::foreign::foreign;
use crate::kubernetes::diff::{FieldChange, changes};
use crate::kubernetes::field_path::{FieldPath, FieldStep};
use crate::kubernetes::kind::{Key, Kind};
use crate::kubernetes::managed_fields::{Author, ManagedFields, last_writer};
use crate::schema::{Block, Path, Step, Value};

use super::manifests::Manifests;

/// A difference between an object and what the last apply wrote.
pub struct DriftEntry {
    pub object: Key,
    pub kind: DriftKind,
    pub change: FieldChange,
}

/// Compares the manifests of the last apply with the live objects.
pub fn find(
    cluster: &Cluster,
    policy: DriftPolicy,
    manifests: &Manifests,
    live: &BTreeMap<Key, Json>,
) -> Vec<DriftEntry> {
    let manager = &cluster.options().field_manager;
    let ours = [manager.as_str(), &cluster.replicas_field_manager()];
    let mut entries = Vec::new();
    for (key, manifest) in manifests {
        let Some(live) = live.get(key) else {
            entries.push(DriftEntry::of_object(key, DriftKind::Deleted, None));
            continue;
        };
        let entry = |kind: DriftKind, change: FieldChange| DriftEntry {
            object: key.clone(),
            kind,
            change,
        };
        let manifest = &*to_apply_body(key, manifest);
        let changed = changes(manifest, live, manager).into_iter();
        entries.extend(changed.map(|change| match change.live {
            Some(_) => entry(DriftKind::Changed, change),
            None => entry(DriftKind::Removed, change),
        }));
        let leftovers = leftover_fields(key.kind, manifest, live, manager).into_iter();
        entries.extend(leftovers.map(|change| entry(DriftKind::Leftover, change)));
        if policy == DriftPolicy::Strict {
            let added = foreign(key.kind, manifest, live, &ours).into_iter();
            entries.extend(added.map(|change| entry(DriftKind::Added, change)));
        }
    }
    let unrecorded = (live.iter()).filter(|(key, _)| !manifests.contains_key(*key));
    entries.extend(unrecorded.filter_map(|(key, live)| DriftEntry::leftover(key, live, manager)));
    entries
}

impl DriftEntry {
    fn of_object(key: &Key, kind: DriftKind, author: Option<Author>) -> Self {
        Self {
            object: key.clone(),
            kind,
            change: FieldChange {
                field: FieldPath::default(),
                wanted: None,
                live: None,
                author,
            },
        }
    }

    /// Returns whether a field of the manifest has another value.
    pub fn is_of_manifest(&self) -> bool {
        matches!(self.kind, DriftKind::Changed | DriftKind::Removed)
    }

    /// An object that this provider applied and that the state does not have. A PVC stays for its data, and a Job ends
    /// by itself.
    fn leftover(key: &Key, live: &Json, manager: &str) -> Option<Self> {
        let managed = ManagedFields::of(live);
        let own = OwnManagers::of(key.kind, live, &managed, manager, None);
        let applied = managed.iter().find(|entry| own.is_main(entry))?;
        let stays = matches!(key.kind, Kind::PersistentVolumeClaim | Kind::Job)
            || !live["metadata"]["deletionTimestamp"].is_null();
        (!stays).then(|| Self::of_object(key, DriftKind::Leftover, Some(Author::from(applied))))
    }

    /// A field in which the response to an apply differs from what was applied.
    pub fn of_stored_difference(key: &Key, change: &FieldChange) -> Self {
        Self {
            object: key.clone(),
            kind: match (&change.wanted, &change.live) {
                (None, _) => DriftKind::Added,
                (Some(_), Some(_)) => DriftKind::Changed,
                (Some(_), None) => DriftKind::Removed,
            },
            change: change.clone(),
        }
    }

    /// A Secret or ConfigMap, or one `key` of it, whose content differs from what the pods run with.
    pub fn of_content(
        kind: DriftKind,
        object: &Key,
        key: Option<&str>,
        live: Option<&Json>,
    ) -> Self {
        let data = FieldPath::default().with(FieldStep::Name("data".to_owned()));
        let field = match key {
            Some(key) => data.with(FieldStep::Name(key.to_owned())),
            None => data,
        };
        let author = live.and_then(|live| last_writer(ManagedFields::of(live).owners(&field)));
        Self {
            object: object.clone(),
            kind,
            change: FieldChange {
                field,
                wanted: None,
                live: None,
                author,
            },
        }
    }

    /// A Secret or ConfigMap of the user's with other content.
    pub fn rotated(source: &Source, live: Option<&Json>) -> Self {
        let object = source.object();
        Self::of_content(DriftKind::Rotated, &object, source.key(), live)
    }

    /// Returns the element of the attribute `drift`, without content of Secrets.
    pub fn described(&self) -> Drift {
        let Self {
            object,
            kind,
            change:
                FieldChange {
                    field,
                    wanted,
                    live,
                    author,
                },
        } = self;
        // The annotation `kubectl.kubernetes.io/last-applied-configuration` holds the whole Secret.
        let is_secret =
            object.kind == Kind::Secret && (is_content(field) || *kind == DriftKind::Added);
        let shown = |value: &Option<Json>| {
            let value = value.as_ref().filter(|_| !is_secret)?;
            redact_field(field, value).as_ref().map(text)
        };
        let (manager, operation, time) = match author.clone() {
            Some(Author {
                manager,
                operation,
                time,
            }) => (Some(manager), Some(operation.as_str().to_owned()), time),
            None => (None, None, None),
        };
        Drift {
            object: object.to_string(),
            change: *kind,
            field: field.to_string(),
            wanted: shown(wanted),
            live: shown(live),
            manager,
            operation,
            time,
        }
    }

    /// Writes a changed value to the attributes that set the field. A required attribute keeps its value if the field was
    /// removed, because the state could not be decoded without it.
    pub fn show(&self, block: &Block, state: &mut Value) {
        if !self.is_of_manifest() {
            return;
        }
        for place in attributes::of(block, state, &self.object, &self.change.field) {
            let value = self.change.live.as_ref().map(|live| place.value(live));
            if value.is_none() && place.is_required {
                continue;
            }
            let Some((last, parents)) = place.path.steps().split_last() else {
                continue;
            };
            let parents = parents.iter().cloned();
            let parent = parents.fold(Path::root(), |path, step| path.with(step));
            if let Some(parent) = state.get_mut(&parent) {
                put(parent, last, value);
            }
        }
    }
}

/// Returns whether an attribute of the state sets the field of this drift.
pub fn is_set_by_attribute(
    block: &Block,
    state: &Value,
    manifests: &Manifests,
    drift: &Drift,
) -> bool {
    let Some(key) = Key::parse(&drift.object) else {
        return false;
    };
    let manifest = manifests.get(&key);
    let field = manifest.and_then(|manifest| FieldPath::resolve(manifest, &drift.field));
    field.is_some_and(|field| !attributes::of(block, state, &key, &field).is_empty())
}

/// Returns the entries of the attribute `drift` that an apply does not undo.
pub fn added(drift: &Value) -> Value {
    let Value::List(elements) = drift else {
        return Value::List(Vec::new());
    };
    let is_added = |element: &&Value| element.attribute("change").as_str() == Some("added");
    Value::List(elements.iter().filter(is_added).cloned().collect())
}

/// Sets or removes one element of a value.
fn put(parent: &mut Value, step: &Step, value: Option<Value>) {
    match (parent, step, value) {
        (Value::Object(items), Step::Attribute(name), value) => {
            items.insert(name.clone(), value.unwrap_or_default());
        }
        // A key that is not there is set by another attribute, or by the provider.
        (Value::Map(items), Step::Key(key), value) if items.contains_key(key) => {
            match value {
                Some(value) => items.insert(key.clone(), value),
                None => items.remove(key),
            };
        }
        (Value::List(items), Step::Index(index), value) if *index < items.len() => match value {
            Some(value) => items[*index] = value,
            None => drop(items.remove(*index)),
        },
        _ => {}
    }
}

/// Returns whether the field is the content of a Secret or ConfigMap.
pub fn is_content(field: &FieldPath) -> bool {
    let first = field.steps().first();
    ["data", "stringData"]
        .iter()
        .any(|name| first == Some(&FieldStep::Name((*name).to_owned())))
}

/// Returns a value as the attribute `drift` writes it.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::testing;

    #[test]
    fn a_required_attribute_keeps_the_value_of_a_removed_field() {
        let block = testing::block();
        let keda = json!({"triggers": [], "minReplicas": 2, "maxReplicas": 4});
        let state =
            json!({"name": "x", "feastProject": "p", "services": {"scaling": {"keda": keda}}});
        let state = testing::value(&block, &state);
        let shown = |field: &str, live: Option<Json>| {
            let entry = DriftEntry {
                object: Key::new(Kind::ScaledObject, "feast-x"),
                kind: match live {
                    Some(_) => DriftKind::Changed,
                    None => DriftKind::Removed,
                },
                change: FieldChange {
                    field: FieldPath::of(&["spec", field]),
                    wanted: Some(json!(1)),
                    live,
                    author: None,
                },
            };
            let mut state = state.clone();
            entry.show(&block, &mut state);
            let keda = state.attribute("services.scaling.keda");
            ["min_replicas", "max_replicas"].map(|name| keda.attribute(name).clone())
        };
        let [two, three, four] = [2, 3, 4].map(Value::integer);
        for (field, live, expected) in [
            ("minReplicaCount", Some(json!(3)), [&three, &four]),
            ("minReplicaCount", None, [&Value::Null, &four]),
            ("maxReplicaCount", Some(json!(3)), [&two, &three]),
            ("maxReplicaCount", None, [&two, &four]),
        ] {
            let found = shown(field, live.clone());
            assert_eq!(found.each_ref(), expected, "{field}: {live:?}");
        }
    }

    #[test]
    fn hides_the_content_of_secrets() {
        let described = |object: Kind, kind: DriftKind, names: &[&str]| {
            let entry = DriftEntry {
                object: Key::new(object, "feast-x"),
                kind,
                change: FieldChange {
                    field: FieldPath::of(names),
                    wanted: Some(json!("was")),
                    live: Some(json!("hunter2")),
                    author: None,
                },
            };
            let Drift { wanted, live, .. } = entry.described();
            (wanted, live)
        };
        let shown = (Some("was".to_owned()), Some("hunter2".to_owned()));
        let last_applied = [
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/last-applied-configuration",
        ];
        for (object, kind, names, expected) in [
            (
                Kind::Secret,
                DriftKind::Changed,
                &["data", "feature_store.yaml"][..],
                &(None, None),
            ),
            (Kind::Secret, DriftKind::Added, &last_applied, &(None, None)),
            (
                Kind::Secret,
                DriftKind::Changed,
                &["metadata", "labels", "team"],
                &shown,
            ),
            (
                Kind::ConfigMap,
                DriftKind::Changed,
                &["data", "feature_store.yaml"],
                &shown,
            ),
        ] {
            assert_eq!(described(object, kind, names), *expected, "{names:?}");
        }
    }
}
