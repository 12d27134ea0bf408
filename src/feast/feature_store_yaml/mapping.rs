//! YAML mappings with placeholders.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

use super::error::SecretError;
use super::placeholder::Placeholder;
use crate::feast::secrets::source::Contents;

/// An entry of a mapping.
pub(in crate::feast) type KeyValue = (Cow<'static, str>, Node);

/// A mapping whose entries are written in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::feast) struct Mapping(pub Vec<KeyValue>);

#[derive(Debug, Clone, PartialEq)]
pub(in crate::feast) enum Node {
    Leaf(Json),
    Branch(Mapping),
    /// A value from a Secret.
    Placeholder(Placeholder),
}

impl Serialize for Mapping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, node) in &self.0 {
            match node {
                Node::Leaf(value) => map.serialize_entry(key, value)?,
                Node::Branch(mapping) => map.serialize_entry(key, mapping)?,
                Node::Placeholder(_) => map.serialize_entry(key, &Json::Null)?,
            }
        }
        map.end()
    }
}

impl Mapping {
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(it, _)| it == key)
    }

    /// Adds settings. Nested mappings are merged, and other values replaced.
    pub(super) fn merge(&mut self, settings: &Map<String, Json>) {
        for (key, value) in settings {
            let node = (self.0.iter_mut()).find_map(|(it, node)| (it == key).then_some(node));
            match (node, value) {
                (Some(Node::Branch(mapping)), Json::Object(nested)) => mapping.merge(nested),
                (Some(Node::Leaf(Json::Object(mapping))), Json::Object(nested)) => {
                    mapping.extend(nested.clone());
                }
                (Some(node), value) => *node = Node::Leaf(value.clone()),
                (None, value) => self.0.push((key.clone().into(), Node::Leaf(value.clone()))),
            }
        }
    }

    pub(super) fn placeholders(&self) -> Vec<&Placeholder> {
        self.0
            .iter()
            .flat_map(|(_, node)| match node {
                Node::Leaf(_) => Vec::new(),
                Node::Placeholder(placeholder) => vec![placeholder],
                Node::Branch(mapping) => mapping.placeholders(),
            })
            .collect()
    }

    /// Returns the mapping with a note in place of each placeholder that says where the value comes from.
    pub(super) fn preview(&self) -> Self {
        self.map_placeholders(&mut |placeholder| Json::from(format!("({})", placeholder.source)))
    }

    /// Returns the mapping with the value of each placeholder. Adds an error for each value that cannot be read.
    pub(super) fn resolve(&self, contents: &Contents, errors: &mut Vec<SecretError>) -> Self {
        self.map_placeholders(
            &mut |placeholder| match placeholder.resolve_value(contents) {
                Ok(value) => value,
                Err(error) => {
                    errors.push(error);
                    Json::Null
                }
            },
        )
    }

    fn map_placeholders(&self, value: &mut impl FnMut(&Placeholder) -> Json) -> Self {
        let mut entries = Vec::new();
        for (key, node) in &self.0 {
            let node = match node {
                Node::Leaf(leaf) => Node::Leaf(leaf.clone()),
                Node::Placeholder(placeholder) => Node::Leaf(value(placeholder)),
                Node::Branch(mapping) => Node::Branch(mapping.map_placeholders(value)),
            };
            entries.push((key.clone(), node));
        }
        Self(entries)
    }
}
