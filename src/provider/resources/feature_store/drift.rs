//! Drift where the user looks: the attribute `drift` lists each field that others have changed, and what an attribute
//! set shows at that attribute.

pub mod attributes;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::cluster::Cluster;
use crate::cluster::apply::to_apply_body;
use crate::cluster::drift::leftovers;
use crate::cluster::field_managers::OwnManagers;
use crate::feast::config::{Drift, DriftKind, DriftPolicy};
use crate::feast::secrets::shown;
use crate::feast::secrets::source::Source;
use crate::kubernetes::diff::foreign::foreign;
use crate::kubernetes::diff::{Change, changes};
use crate::kubernetes::field_path::{FieldPath, FieldStep};
use crate::kubernetes::kind::{Key, Kind};
use crate::kubernetes::managed_fields::{Author, ManagedFields, last_writer};
use crate::schema::{Block, Step, Value};

use super::manifests::Manifests;

/// One thing that is not as it was applied.
pub struct DriftEntry {
    pub object: Key,
    pub deviation: DriftKind,
    pub change: Change,
}

/// What has become of the objects: each manifest in `masks` against the live object of its name.
pub fn find(
    cluster: &Cluster,
    policy: DriftPolicy,
    masks: &BTreeMap<Key, Json>,
    live: &BTreeMap<Key, Json>,
) -> Vec<DriftEntry> {
    let manager = &cluster.options().field_manager;
    let ours = [manager.as_str(), &cluster.replicas_field_manager()];
    let mut findings = Vec::new();
    for (key, mask) in masks {
        let Some(live) = live.get(key) else {
            findings.push(DriftEntry::deleted(key));
            continue;
        };
        let mask = &to_apply_body(key, mask);
        let changed = changes(mask, live, manager).into_iter();
        findings.extend(changed.map(|change| DriftEntry {
            object: key.clone(),
            deviation: match change.live {
                Some(_) => DriftKind::Changed,
                None => DriftKind::Removed,
            },
            change,
        }));
        let left = leftovers(key.kind, mask, live, manager).into_iter();
        findings.extend(left.map(|change| DriftEntry {
            object: key.clone(),
            deviation: DriftKind::Leftover,
            change,
        }));
        if policy == DriftPolicy::Strict {
            let added = foreign(key.kind, mask, live, &ours).into_iter();
            findings.extend(added.map(|change| DriftEntry {
                object: key.clone(),
                deviation: DriftKind::Added,
                change,
            }));
        }
    }
    let unknown = live.iter().filter(|(key, _)| !masks.contains_key(*key));
    findings.extend(unknown.filter_map(|(key, live)| DriftEntry::leftover(key, live, manager)));
    findings
}

impl DriftEntry {
    fn deleted(key: &Key) -> Self {
        Self {
            object: key.clone(),
            deviation: DriftKind::Deleted,
            change: Change {
                field: FieldPath::default(),
                wanted: None,
                live: None,
                author: None,
            },
        }
    }

    /// An object that this provider applied and that the state does not have. A claim stays for its data, and a Job
    /// ends by itself.
    fn leftover(key: &Key, live: &Json, manager: &str) -> Option<Self> {
        let managed = ManagedFields::of(live);
        let own = OwnManagers::of(key.kind, live, &managed, manager, None);
        let applied = managed.iter().find(|entry| own.is_main(entry))?;
        let stays = matches!(key.kind, Kind::PersistentVolumeClaim | Kind::Job)
            || !live["metadata"]["deletionTimestamp"].is_null();
        (!stays).then(|| Self {
            object: key.clone(),
            deviation: DriftKind::Leftover,
            change: Change {
                field: FieldPath::default(),
                wanted: None,
                live: None,
                author: Some(Author::from(applied)),
            },
        })
    }

    /// A field in which the answer to an apply differs from what was applied.
    pub fn unsettled(key: &Key, change: &Change) -> Self {
        Self {
            object: key.clone(),
            deviation: match (&change.wanted, &change.live) {
                (None, _) => DriftKind::Added,
                (Some(_), Some(_)) => DriftKind::Changed,
                (Some(_), None) => DriftKind::Removed,
            },
            change: change.clone(),
        }
    }

    /// SecretDrift of a Secret that is not what the pods run with.
    pub fn of_content(
        deviation: DriftKind,
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
            deviation,
            change: Change {
                field,
                wanted: None,
                live: None,
                author,
            },
        }
    }

    /// A Secret or ConfigMap of the user's that has been given other content.
    pub fn rotated(source: &Source, live: Option<&Json>) -> Self {
        let object = source.object();
        Self::of_content(DriftKind::Rotated, &object, source.key(), live)
    }

    /// One element of the attribute `drift`.
    pub fn described(&self) -> Drift {
        let Self {
            object,
            deviation,
            change:
                Change {
                    field,
                    wanted,
                    live,
                    author,
                },
        } = self;
        // An annotation of `kubectl apply` quotes the whole Secret.
        let is_secret =
            object.kind == Kind::Secret && (is_content(field) || *deviation == DriftKind::Added);
        let shown = |value: &Option<Json>| {
            let value = value.as_ref().filter(|_| !is_secret)?;
            shown_at(field, value).as_ref().map(text)
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
            change: *deviation,
            field: field.to_string(),
            wanted: shown(wanted),
            live: shown(live),
            manager,
            operation,
            time,
        }
    }

    /// Writes a changed value to the attributes that set it, where there are any; whether there are.
    pub fn show(&self, block: &Block, state: &mut Value) -> bool {
        if !matches!(self.deviation, DriftKind::Changed | DriftKind::Removed) {
            return false;
        }
        let mut shown = false;
        for place in attributes::of(block, state, &self.object, &self.change.field) {
            let value = self.change.live.as_ref().map(|live| place.value(live));
            let Some((last, above)) = place.path.steps().split_last() else {
                continue;
            };
            let above = above.iter().cloned();
            let above = above.fold(crate::schema::Path::root(), |path, step| path.with(step));
            let Some(holder) = state.get_mut(&above) else {
                continue;
            };
            shown |= put(holder, last, value);
        }
        shown
    }
}

/// Whether an attribute of the state sets the field of this drift.
pub fn sets_field(block: &Block, state: &Value, manifests: &Manifests, drift: &Drift) -> bool {
    let Some(key) = Key::parse(&drift.object) else {
        return false;
    };
    let manifest = manifests.get(&key);
    let field = manifest.and_then(|manifest| FieldPath::resolve(manifest, &drift.field));
    field.is_some_and(|field| !attributes::of(block, state, &key, &field).is_empty())
}

/// Of the attribute `drift`, what an apply leaves as it is.
pub fn added(drift: &Value) -> Value {
    let Value::List(elements) = drift else {
        return Value::List(Vec::new());
    };
    let is_added = |element: &&Value| element.attribute("change").as_str() == Some("added");
    Value::List(elements.iter().filter(is_added).cloned().collect())
}

/// Sets or removes one element of a value; whether that was possible.
fn put(holder: &mut Value, step: &Step, value: Option<Value>) -> bool {
    match (holder, step, value) {
        (Value::Object(items), Step::Attribute(name), value) => {
            items.insert(name.clone(), value.unwrap_or_default());
            true
        }
        // What the user has not put there is another attribute's, or the provider's.
        (Value::Map(items), Step::Key(key), value) if items.contains_key(key) => {
            match value {
                Some(value) => items.insert(key.clone(), value),
                None => items.remove(key),
            };
            true
        }
        (Value::List(items), Step::Index(index), value) if *index < items.len() => {
            match value {
                Some(value) => items[*index] = value,
                None => drop(items.remove(*index)),
            }
            true
        }
        _ => false,
    }
}

/// The value of a field as far as it is shown; `None` for the literal value of an environment variable and for a
/// credential in the settings of a trigger.
fn shown_at(field: &FieldPath, value: &Json) -> Option<Json> {
    let is = |step: &FieldStep, name: &str| *step == FieldStep::Name(name.to_owned());
    match field.steps() {
        [.., env, FieldStep::Keys(keys), part] if is(env, "env") && is(part, "value") => {
            let is_own = keys.iter().any(|(_, name)| shown::is_own(name));
            is_own.then(|| value.clone())
        }
        [.., env, FieldStep::Keys(_)] if is(env, "env") => Some(shown::variable(value)),
        [
            ..,
            triggers,
            FieldStep::Index(_),
            settings,
            FieldStep::Name(name),
        ] if is(triggers, "triggers") && is(settings, "metadata") && shown::is_secret(name) => None,
        // The name of the field says what its value holds.
        [.., FieldStep::Name(name)] => {
            let holder = serde_json::json!({ name: value });
            shown::shown(&holder).get(name).cloned()
        }
        _ => Some(shown::shown(value)),
    }
}

fn is_content(field: &FieldPath) -> bool {
    let first = field.steps().first();
    ["data", "stringData"]
        .iter()
        .any(|name| first == Some(&FieldStep::Name((*name).to_owned())))
}

/// As the attribute `drift` writes a value.
pub fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secrets_content_is_not_told() {
        let described = |kind: Kind, deviation: DriftKind, names: &[&str]| {
            let finding = DriftEntry {
                object: Key::new(kind, "feast-x"),
                deviation,
                change: Change {
                    field: FieldPath::of(names),
                    wanted: Some(json!("was")),
                    live: Some(json!("hunter2")),
                    author: None,
                },
            };
            let Drift { wanted, live, .. } = finding.described();
            (wanted, live)
        };
        let told = (Some("was".to_owned()), Some("hunter2".to_owned()));
        let last_applied = [
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/last-applied-configuration",
        ];
        for (kind, deviation, names, expected) in [
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
                &told,
            ),
            (
                Kind::ConfigMap,
                DriftKind::Changed,
                &["data", "feature_store.yaml"],
                &told,
            ),
        ] {
            assert_eq!(described(kind, deviation, names), *expected, "{names:?}");
        }
    }

    #[test]
    fn values_that_may_be_credentials_are_not_told() {
        let variable = |name: &str| json!({"name": name, "value": "hunter2"});
        let hidden = json!([{"name": "A", "value": "(not shown)"}]);
        let trigger = |password: &str| json!({"type": "redis", "metadata": {"password": password}});
        let object =
            json!({"env": [variable("A")], "triggers": [trigger("hunter2")], "image": "i"});
        for (field, expected) in [
            (".env", Some(hidden.clone())),
            (".env[name=\"A\"]", Some(hidden[0].clone())),
            (".env[name=\"A\"].value", None),
            (".env[name=\"A\"].name", Some(json!("A"))),
            (".triggers", Some(json!([trigger("(not shown)")]))),
            (".triggers[0].metadata.password", None),
            (".triggers[0].type", Some(json!("redis"))),
            (".image", Some(json!("i"))),
        ] {
            let path = FieldPath::resolve(&object, field).unwrap();
            assert_eq!(
                shown_at(&path, path.get(&object).unwrap()),
                expected,
                "{field}"
            );
        }
    }
}
