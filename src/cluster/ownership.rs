//! Who owns which field: `metadata.managedFields`, read.
//!
//! The API server records, for each manager, the fields that it set, as a tree: `f:name` is a field,
//! `k:{…}` the element of a list with those keys, `v:…` an element of a set; an empty node is a leaf,
//! or a list or map that is owned as a whole.

mod edit;
mod field_path;
mod own;

use serde_json::Value as Json;

pub use edit::{insert, remove};
pub use field_path::{FieldPath, FieldStep, at};
pub use own::{DEFAULT_FIELD_MANAGER, OwnManagers, beyond, replicas_field_manager};

/// What one manager owns in one object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry<'a> {
    pub manager: &'a str,
    /// By server-side apply, not by plain update.
    pub applied: bool,
    /// `scale` or `status` when it was written there.
    pub subresource: Option<&'a str>,
    /// When it was last written, RFC 3339.
    pub time: Option<&'a str>,
    pub fields: &'a Json,
}

/// Everything that is recorded about the object.
pub fn entries(live: &Json) -> impl Iterator<Item = Entry<'_>> {
    let recorded = live["metadata"]["managedFields"].as_array();
    recorded.into_iter().flatten().filter_map(entry)
}

/// One element of `metadata.managedFields`; `None` where it records no fields.
pub fn entry(recorded: &Json) -> Option<Entry<'_>> {
    Some(Entry {
        manager: recorded["manager"].as_str().unwrap_or_default(),
        applied: recorded["operation"] == "Apply",
        subresource: recorded["subresource"]
            .as_str()
            .filter(|text| !text.is_empty()),
        time: recorded["time"].as_str(),
        fields: recorded.get("fieldsV1")?,
    })
}

/// What the manager applied.
pub fn applied_by<'a>(live: &'a Json, manager: &str) -> Option<&'a Json> {
    entries(live)
        .find(|entry| entry.applied && entry.subresource.is_none() && entry.manager == manager)
        .map(|entry| entry.fields)
}

/// All fields of several trees.
pub fn union<'a>(trees: impl IntoIterator<Item = &'a Json>) -> Json {
    let mut all = Json::Object(serde_json::Map::new());
    for tree in trees {
        add(&mut all, tree);
    }
    all
}

fn add(all: &mut Json, tree: &Json) {
    let (Some(all), Some(tree)) = (all.as_object_mut(), tree.as_object()) else {
        return;
    };
    for (key, fields) in tree {
        let inner = all.entry(key.clone());
        add(inner.or_insert_with(|| serde_json::json!({})), fields);
    }
}

/// The managers that own the field at this path of plain names (`["spec", "replicas"]`) or anything
/// below it.
pub fn owners<'a>(live: &'a Json, path: &[&str]) -> Vec<Entry<'a>> {
    entries(live)
        .filter(|entry| owns(entry.fields, path))
        .collect()
}

/// Whether the recorded fields hold this path of plain names.
pub fn owns(fields: &Json, path: &[&str]) -> bool {
    let mut node = fields;
    for name in path {
        match node.get(format!("f:{name}")) {
            Some(next) => node = next,
            None => return false,
        }
    }
    true
}

/// Whether the recorded fields hold the field at the path, by itself or as a part of something that is owned
/// as a whole.
pub fn holds(fields: &Json, path: &FieldPath) -> bool {
    path.steps()
        .iter()
        .try_fold(fields, |node, step| below(node, step))
        .is_some()
}

/// The value of the field at the path as far as it is recorded: without what the API server has added to it.
pub fn recorded_part(fields: &Json, path: &FieldPath, value: &Json) -> Json {
    let inner = path
        .steps()
        .iter()
        .try_fold(fields, |node, step| below(node, step));
    inner.map_or_else(|| value.clone(), |inner| only_recorded(inner, value))
}

fn only_recorded(fields: &Json, value: &Json) -> Json {
    let is_whole = fields.as_object().is_none_or(serde_json::Map::is_empty);
    match value {
        Json::Object(members) if !is_whole => {
            let recorded = members.iter().filter_map(|(name, value)| {
                let inner = fields.get(format!("f:{name}"))?;
                Some((name.clone(), only_recorded(inner, value)))
            });
            Json::Object(recorded.collect())
        }
        Json::Array(elements) if !is_whole => {
            let children = fields.as_object().into_iter().flatten();
            let recorded = elements.iter().filter_map(|element| {
                let (_, inner) = children.clone().find(|(key, _)| is_element(key, element))?;
                Some(only_recorded(inner, element))
            });
            recorded.collect()
        }
        whole => whole.clone(),
    }
}

/// What the recorded fields hold of this step; the same again below something that is owned as a whole.
pub fn below<'a>(fields: &'a Json, step: &FieldStep) -> Option<&'a Json> {
    let children = fields.as_object()?;
    if children.is_empty() {
        return Some(fields);
    }
    let mut children = children.iter();
    let (_, child) = children.find(|(key, _)| is_step(key, step))?;
    Some(child)
}

/// Whether a key of recorded fields (`f:…`, `k:…`, `v:…`, `i:…`) is this step.
fn is_step(key: &str, step: &FieldStep) -> bool {
    match (step, key.split_once(':')) {
        (FieldStep::Name(name), Some(("f", key))) => name == key,
        (FieldStep::Index(position), Some(("i", key))) => key.parse() == Ok(*position),
        (FieldStep::Value(value), Some(("v", key))) => {
            serde_json::from_str::<Json>(key).is_ok_and(|key| key == *value)
        }
        (FieldStep::Keys(keys), Some(("k", _))) => {
            let element: Json = keys
                .iter()
                .cloned()
                .collect::<serde_json::Map<_, _>>()
                .into();
            is_element(key, &element)
        }
        _ => false,
    }
}

/// Whether the recorded fields are exactly those of the manifest: none missing, none left over from an
/// earlier manifest. Only then does an equal live object mean that there is nothing to send.
pub fn matches(fields: &Json, manifest: &Json) -> bool {
    let (Some(recorded), Some(members)) = (fields.as_object(), manifest.as_object()) else {
        return false;
    };
    let wanted = |name: &str| name != "apiVersion" && name != "kind";
    recorded.keys().all(|key| {
        key.strip_prefix("f:")
            .is_some_and(|name| members.contains_key(name))
    }) && members
        .iter()
        .filter(|(name, _)| wanted(name))
        .all(|(name, value)| {
            let node = fields.get(format!("f:{name}"));
            if name == "metadata" {
                metadata_matches(node, value)
            } else {
                node.is_some_and(|node| covers(node, value))
            }
        })
}

/// `name` and `namespace` say which object it is; they are owned by nobody.
fn metadata_matches(node: Option<&Json>, metadata: &Json) -> bool {
    let mut rest = metadata.clone();
    if let Some(rest) = rest.as_object_mut() {
        rest.remove("name");
        rest.remove("namespace");
    }
    match node {
        Some(node) => covers(node, &rest),
        None => rest.as_object().is_none_or(serde_json::Map::is_empty),
    }
}

fn covers(node: &Json, value: &Json) -> bool {
    let Some(children) = node.as_object() else {
        return false;
    };
    let mut children = children.iter().filter(|(key, _)| *key != ".").peekable();
    if children.peek().is_none() {
        return true;
    }
    match value {
        Json::Object(members) => {
            let count = children
                .clone()
                .filter(|(key, _)| {
                    key.strip_prefix("f:")
                        .is_some_and(|name| members.contains_key(name))
                })
                .count();
            count == children.count()
                && members.iter().all(|(name, value)| {
                    node.get(format!("f:{name}"))
                        .is_some_and(|node| covers(node, value))
                })
        }
        Json::Array(elements) => {
            let children: Vec<_> = children.collect();
            children.len() == elements.len()
                && elements.iter().all(|element| {
                    children.iter().any(|(key, node)| {
                        is_element(key, element) && (key.starts_with("v:") || covers(node, element))
                    })
                })
        }
        _ => false,
    }
}

pub(super) fn is_element(key: &str, element: &Json) -> bool {
    if let Some(value) = key.strip_prefix("v:") {
        return serde_json::from_str::<Json>(value).is_ok_and(|value| value == *element);
    }
    let keys = key
        .strip_prefix("k:")
        .and_then(|keys| serde_json::from_str::<Json>(keys).ok());
    keys.as_ref().and_then(Json::as_object).is_some_and(|keys| {
        keys.iter().all(|(name, value)| match element.get(name) {
            Some(own) => own == value,
            // The one list key that has a default.
            None => name == "protocol" && value == "TCP",
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As the API server recorded it.
    fn recorded() -> Json {
        json!({"f:metadata":{"f:labels":{"f:feast.dev/name":{}}},"f:spec":{"f:replicas":{},"f:selector":{},
        "f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{},
          "f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},
          "f:ports":{"k:{\"containerPort\":53,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{}},
                     "k:{\"containerPort\":53,\"protocol\":\"UDP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}}}}}}}})
    }

    fn manifest() -> Json {
        json!({"apiVersion":"apps/v1","kind":"Deployment",
        "metadata":{"name":"d","namespace":"n","labels":{"feast.dev/name":"x"}},
        "spec":{"replicas":3,"selector":{"matchLabels":{"a":"b"}},
        "template":{"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"}],
          "ports":[{"containerPort":53,"name":"u","protocol":"UDP"},{"containerPort":53,"name":"t"}]}]}}}})
    }

    #[test]
    fn exactly_the_manifest() {
        assert!(matches(&recorded(), &manifest()));
    }

    #[test]
    fn a_field_that_is_no_longer_wanted() {
        let mut fewer = manifest();
        fewer["spec"]
            .as_object_mut()
            .expect("an object")
            .remove("replicas");
        assert!(!matches(&recorded(), &fewer));
        let mut fewer = manifest();
        fewer["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
        assert!(!matches(&recorded(), &fewer));
    }

    #[test]
    fn a_field_that_is_not_yet_ours() {
        let mut more = manifest();
        more["spec"]["template"]["spec"]["containers"][0]["image"] = json!("i");
        assert!(!matches(&recorded(), &more));
        let mut more = manifest();
        more["metadata"]["labels"]["b"] = json!("c");
        assert!(!matches(&recorded(), &more));
    }

    #[test]
    fn who_owns_the_replicas() {
        let live = json!({"metadata":{"managedFields":[
            {"manager":"ours","operation":"Apply","fieldsV1":recorded(),"time":"2026-08-21T10:00:00Z"},
            {"manager":"kubectl","operation":"Update","subresource":"scale","fieldsV1":{"f:spec":{"f:replicas":{}}}},
            {"manager":"kube-controller-manager","operation":"Update","subresource":"status","fieldsV1":{"f:status":{}}},
        ]}});
        let names: Vec<_> = owners(&live, &["spec", "replicas"])
            .into_iter()
            .map(|entry| (entry.manager, entry.applied, entry.subresource))
            .collect();
        assert_eq!(
            names,
            [("ours", true, None), ("kubectl", false, Some("scale"))]
        );
        assert!(applied_by(&live, "ours").is_some());
        assert!(applied_by(&live, "kubectl").is_none());
    }
}
