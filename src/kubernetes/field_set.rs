//! A set of fields of one object, as `metadata.managedFields` records them for a manager (`FieldsV1`).
//!
//! A field without fields below it stands for everything below it: it is a scalar, or a list, map or object that is
//! owned as a whole.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::field_path::{FieldPath, FieldStep};
use super::list_keys::{is_same_element, list_keys};

/// Fields of an object, as a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// True if the object, list or map at this node is in the set by itself, beside the fields below it (`.`).
    is_member: bool,
    children: BTreeMap<FieldStep, FieldSet>,
}

impl FieldSet {
    /// Parses `FieldsV1`. Keys of unknown form are ignored.
    pub fn parse(fields_v1: &Json) -> Self {
        let mut set = Self::default();
        for (key, inner) in fields_v1.as_object().into_iter().flatten() {
            if key == "." {
                set.is_member = true;
            } else if let Some(step) = FieldStep::parse(key) {
                set.children.insert(step, Self::parse(inner));
            }
        }
        set
    }

    /// Returns the set as `FieldsV1`.
    pub fn to_json(&self) -> Json {
        let mut fields = Map::new();
        if self.is_member && !self.is_empty() {
            fields.insert(".".to_owned(), Json::Object(Map::new()));
        }
        fields.extend((self.children.iter()).map(|(step, inner)| (step.to_key(), inner.to_json())));
        Json::Object(fields)
    }

    /// Returns the fields that the API server records for a manager that applies `manifest`, as far as the live object
    /// has them. `recorded` is what any manager owns; it says which lists are keyed.
    pub fn of(manifest: &Json, live: &Json, recorded: &Self) -> Self {
        Self::of_field("", manifest, live, Some(recorded)).unwrap_or_default()
    }

    /// Returns `None` for an object or a keyed list of which the live object has nothing.
    fn of_field(name: &str, manifest: &Json, live: &Json, recorded: Option<&Self>) -> Option<Self> {
        let inner = |step: &FieldStep, name: &str, manifest: &Json, live: &Json| {
            let recorded = recorded.and_then(|recorded| recorded.child(step));
            Self::of_field(name, manifest, live, recorded)
        };
        let mut set = Self::default();
        let is_leaf = match (manifest, live) {
            (Json::Object(members), Json::Object(live)) => {
                set.children
                    .extend(members.iter().filter_map(|(name, value)| {
                        let step = FieldStep::Name(name.clone());
                        let fields = inner(&step, name, value, live.get(name)?)?;
                        Some((step, fields))
                    }));
                members.is_empty()
            }
            (Json::Array(elements), Json::Array(live)) => {
                let keys = list_keys(recorded, name, elements).filter(|_| !elements.is_empty());
                let is_leaf = keys.is_none();
                let keys = keys.unwrap_or_default();
                for element in elements.iter().filter(|_| !is_leaf) {
                    let is_it = |live: &&Json| is_same_element(live, element, &keys);
                    if let Some(live) = live.iter().find(is_it) {
                        let step = FieldStep::keyed(live, &keys);
                        let mut fields = inner(&step, "", element, live).unwrap_or_default();
                        fields.is_member = true;
                        set.children.insert(step, fields);
                    }
                }
                is_leaf
            }
            _ => true,
        };
        (is_leaf || !set.is_empty()).then_some(set)
    }

    /// Returns whether there are no fields below this one: the set is empty, or the field is a leaf.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Returns the steps to the fields directly below, and the fields below those.
    pub fn children(&self) -> impl Iterator<Item = (&FieldStep, &Self)> {
        self.children.iter()
    }

    /// Returns the fields below the step. Below a leaf this is the leaf itself.
    pub fn child(&self, step: &FieldStep) -> Option<&Self> {
        if self.is_empty() {
            return Some(self);
        }
        let inner = self.children.get(step);
        inner.or_else(|| {
            let mut children = self.children.iter();
            let (_, inner) = children.find(|(known, _)| known.is_same(step))?;
            Some(inner)
        })
    }

    /// Returns the fields below the path. Below a leaf this is the leaf itself.
    pub fn get(&self, path: &FieldPath) -> Option<&Self> {
        if self.is_empty() {
            return None;
        }
        (path.steps().iter()).try_fold(self, |set, step| set.child(step))
    }

    /// Returns whether the set has the field, or a field that stands for everything below it and contains the field.
    pub fn contains(&self, path: &FieldPath) -> bool {
        self.get(path).is_some()
    }

    /// Returns the keys of the elements, if this is a keyed list.
    pub fn list_keys(&self) -> Option<Vec<&str>> {
        self.children.keys().find_map(|step| match step {
            FieldStep::Keys(keys) => Some(keys.iter().map(|(name, _)| name.as_str()).collect()),
            _ => None,
        })
    }

    /// Adds all fields of another set.
    pub fn extend(&mut self, other: &Self) {
        self.is_member |= other.is_member;
        for (step, inner) in &other.children {
            self.children.entry(step.clone()).or_default().extend(inner);
        }
    }

    /// Returns the fields of all these sets.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut union = Self::default();
        for set in sets {
            union.extend(set);
        }
        union
    }

    /// Adds the field at the path, with the given fields below it.
    pub fn insert(&mut self, path: &FieldPath, fields: &Self) {
        let mut set = self;
        for step in path.steps() {
            set = set.children.entry(step.clone()).or_default();
            // A manager that owns a field of a list element owns the element, too.
            set.is_member |= matches!(step, FieldStep::Keys(_));
        }
        set.extend(fields);
    }

    /// Removes the field at the path, everything below it, and what is then empty above it. A leaf above the field is
    /// removed as a whole.
    pub fn remove(&mut self, path: &FieldPath) {
        self.remove_steps(path.steps());
    }

    /// Returns whether nothing is left.
    fn remove_steps(&mut self, steps: &[FieldStep]) -> bool {
        let Some((step, rest)) = steps.split_first() else {
            return true;
        };
        let known = self.children.keys().find(|known| known.is_same(step));
        if let Some(known) = known.cloned()
            && let Some(inner) = self.children.get_mut(&known)
            && inner.remove_steps(rest)
        {
            self.children.remove(&known);
        }
        self.children.is_empty()
    }

    /// Returns the fields that the manifest does not have, with the fields below each of them. A missing field is one
    /// entry unless `descends` returns true for it; then the fields below it are entries of their own.
    pub fn not_in_manifest(
        &self,
        manifest: &Json,
        descends: impl Fn(&FieldStep, &Self) -> bool,
    ) -> Vec<(FieldPath, &Self)> {
        let mut found = Vec::new();
        self.collect_not_in_manifest(&FieldPath::default(), Some(manifest), &descends, &mut found);
        found
    }

    /// Returns true for an object or map with fields in the set, so that [`FieldSet::not_in_manifest`] returns
    /// list elements as a whole and everything else leaf by leaf.
    pub fn is_object(step: &FieldStep, fields: &Self) -> bool {
        matches!(step, FieldStep::Name(_)) && !fields.is_empty()
    }

    fn collect_not_in_manifest<'a>(
        &'a self,
        path: &FieldPath,
        manifest: Option<&Json>,
        descends: &impl Fn(&FieldStep, &Self) -> bool,
        found: &mut Vec<(FieldPath, &'a Self)>,
    ) {
        for (step, inner) in &self.children {
            let path = path.with(step.clone());
            match manifest.and_then(|manifest| step.get(manifest)) {
                None if !descends(step, inner) => found.push((path, inner)),
                manifest => inner.collect_not_in_manifest(&path, manifest, descends, found),
            }
        }
    }

    /// Returns whether the set has exactly the fields of the manifest: it lacks none, and has none of an earlier
    /// manifest. `apiVersion`, `kind`, `metadata.name` and `metadata.namespace` identify the object; no manager owns
    /// them.
    pub fn is_exactly(&self, manifest: &Json) -> bool {
        let mut manifest = manifest.clone();
        let Some(members) = manifest.as_object_mut() else {
            return false;
        };
        members.retain(|name, _| name != "apiVersion" && name != "kind");
        if let Some(Json::Object(metadata)) = members.get_mut("metadata") {
            metadata.retain(|name, _| name != "name" && name != "namespace");
            if metadata.is_empty() {
                members.remove("metadata");
            }
        }
        self.covers_members(members)
    }

    fn covers(&self, value: &Json) -> bool {
        if self.is_empty() {
            return true;
        }
        match value {
            Json::Object(members) => self.covers_members(members),
            Json::Array(elements) => {
                let covers = |element: &Json| {
                    (self.children.iter()).any(|(step, inner)| {
                        step.leads_to(element)
                            && (matches!(step, FieldStep::Value(_)) || inner.covers(element))
                    })
                };
                self.children.len() == elements.len() && elements.iter().all(covers)
            }
            _ => false,
        }
    }

    fn covers_members(&self, members: &Map<String, Json>) -> bool {
        let covers = |(name, value): (&String, &Json)| {
            let inner = self.children.get(&FieldStep::Name(name.clone()));
            inner.is_some_and(|inner| inner.covers(value))
        };
        self.children.len() == members.len() && members.iter().all(covers)
    }

    /// Returns the part of the value that consists of fields of this set. It leaves out what the API server has added.
    pub fn extract(&self, value: &Json) -> Json {
        match value {
            Json::Object(members) if !self.is_empty() => {
                let members = members.iter().filter_map(|(name, value)| {
                    let inner = self.children.get(&FieldStep::Name(name.clone()))?;
                    Some((name.clone(), inner.extract(value)))
                });
                Json::Object(members.collect())
            }
            Json::Array(elements) if !self.is_empty() => {
                let elements = elements.iter().filter_map(|element| {
                    let mut children = self.children.iter();
                    let (_, inner) = children.find(|(step, _)| step.leads_to(element))?;
                    Some(inner.extract(element))
                });
                elements.collect()
            }
            whole => whole.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `FieldsV1` as an API server has recorded it.
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

    fn is_exactly(manifest: &Json) -> bool {
        FieldSet::parse(&recorded()).is_exactly(manifest)
    }

    fn element(name: &str) -> FieldStep {
        FieldStep::Keys(vec![("name".to_owned(), json!(name))])
    }

    #[test]
    fn fields_v1_round_trips() {
        assert_eq!(FieldSet::parse(&recorded()).to_json(), recorded());
        assert_eq!(FieldSet::parse(&json!(null)), FieldSet::default());
    }

    #[test]
    fn is_exactly_accepts_the_applied_manifest() {
        assert!(is_exactly(&manifest()));
    }

    #[test]
    fn is_exactly_rejects_a_manifest_with_fewer_fields() {
        let mut fewer = manifest();
        fewer["spec"].as_object_mut().unwrap().remove("replicas");
        assert!(!is_exactly(&fewer));
        let mut fewer = manifest();
        fewer["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
        assert!(!is_exactly(&fewer));
        let mut fewer = manifest();
        fewer["metadata"].as_object_mut().unwrap().remove("labels");
        assert!(!is_exactly(&fewer));
    }

    #[test]
    fn is_exactly_rejects_a_manifest_with_more_fields() {
        let mut more = manifest();
        more["spec"]["template"]["spec"]["containers"][0]["image"] = json!("i");
        assert!(!is_exactly(&more));
        let mut more = manifest();
        more["metadata"]["labels"]["b"] = json!("c");
        assert!(!is_exactly(&more));
    }

    #[test]
    fn contains_fields_and_everything_below_leaves() {
        let set = FieldSet::parse(&recorded());
        let containers = FieldPath::of(&["spec", "template", "spec", "containers"]);
        let ports = containers
            .with(element("c"))
            .with(FieldStep::Name("ports".to_owned()));
        let port = |keys: Json| ports.with(FieldStep::keyed(&keys, &["containerPort", "protocol"]));
        for (path, expected) in [
            (FieldPath::of(&["spec", "replicas"]), true),
            (FieldPath::of(&["spec", "selector", "matchLabels"]), true),
            (FieldPath::of(&["spec", "paused"]), false),
            (containers.with(element("c")), true),
            (containers.with(element("d")), false),
            (port(json!({"containerPort": 53})), true),
            (port(json!({"containerPort": 54})), false),
        ] {
            assert_eq!(set.contains(&path), expected, "{path}");
        }
        assert!(!FieldSet::default().contains(&FieldPath::of(&["spec"])));
    }

    #[test]
    fn remove_also_removes_empty_parents() {
        let mut set = FieldSet::parse(&json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {"f:nodeSelector": {}, "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:value": {}}}}}));
        set.remove(&FieldPath::of(&["spec", "env"]).with(element("A")));
        set.remove(&FieldPath::of(&["metadata", "labels", "a"]));
        set.remove(&FieldPath::of(&["metadata", "labels", "b"]));
        assert_eq!(set.to_json(), json!({"f:spec": {"f:nodeSelector": {}}}));
        set.remove(&FieldPath::of(&["spec", "nodeSelector", "disk"]));
        assert_eq!(set, FieldSet::default());
    }

    #[test]
    fn insert_keeps_other_fields_and_adds_list_elements() {
        let mut set = FieldSet::parse(&json!({"f:metadata": {"f:labels": {"f:a": {}}}}));
        let leaf = FieldSet::default();
        set.insert(&FieldPath::of(&["metadata", "labels", "b"]), &leaf);
        let container = FieldPath::of(&["spec", "containers"]).with(element("online"));
        set.insert(&container.with(FieldStep::Name("image".to_owned())), &leaf);
        assert_eq!(
            set.to_json(),
            json!({"f:metadata": {"f:labels": {"f:a": {}, "f:b": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"online\"}": {".": {}, "f:image": {}}}}})
        );
    }

    #[test]
    fn extract_leaves_out_defaults() {
        let set = FieldSet::parse(
            &json!({"f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}}},
            "f:selector": {}}),
        );
        let value = json!({"env": [{"name": "A", "default": 1}, {"name": "B"}], "selector": {"a": "b"}, "c": 1});
        let expected = json!({"env": [{"name": "A"}], "selector": {"a": "b"}});
        assert_eq!(set.extract(&value), expected);
    }

    #[test]
    fn the_fields_of_a_manifest_are_those_that_the_api_server_records() {
        let mut live = manifest();
        let recorded_fields = FieldSet::parse(&recorded());
        live["spec"]["template"]["spec"]["containers"][0]["ports"][1]["protocol"] = json!("TCP");
        let mut applied = manifest();
        applied["spec"]["paused"] = json!(true);
        let fields = FieldSet::of(
            &applied["spec"]["template"],
            &live["spec"]["template"],
            &FieldSet::default(),
        );
        let template = FieldPath::of(&["spec", "template"]);
        assert_eq!(Some(&fields), recorded_fields.get(&template));
        let fields = FieldSet::of(&applied, &live, &recorded_fields);
        assert!(fields.contains(&FieldPath::of(&["spec", "replicas"])));
        assert!(!fields.contains(&FieldPath::of(&["spec", "paused"])));
    }
}
