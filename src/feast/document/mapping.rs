//! Lines of a text that has slots.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value as Json;

use super::error::FillError;
use super::slot::Slot;
use crate::feast::source::Contents;

/// A key and what stands at it.
pub(in crate::feast) type Line = (Cow<'static, str>, Node);

/// A mapping in its written order.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::feast) struct Mapping(pub Vec<Line>);

#[derive(Debug, Clone, PartialEq)]
pub(in crate::feast) enum Node {
    Leaf(Json),
    Branch(Mapping),
    /// A value that is still to be read.
    Slot(Slot),
}

impl Serialize for Mapping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, node) in &self.0 {
            match node {
                Node::Leaf(value) => map.serialize_entry(key, value)?,
                Node::Branch(mapping) => map.serialize_entry(key, mapping)?,
                Node::Slot(_) => map.serialize_entry(key, &Json::Null)?,
            }
        }
        map.end()
    }
}

impl Mapping {
    pub(super) fn slots(&self) -> Vec<&Slot> {
        self.0
            .iter()
            .flat_map(|(_, node)| match node {
                Node::Leaf(_) => Vec::new(),
                Node::Slot(slot) => vec![slot],
                Node::Branch(mapping) => mapping.slots(),
            })
            .collect()
    }

    /// With words that say where each value is.
    pub(super) fn prepared(&self) -> Self {
        self.resolve(&mut |slot| Json::from(format!("({})", slot.source)))
    }

    pub(super) fn filled(&self, contents: &Contents, errors: &mut Vec<FillError>) -> Self {
        self.resolve(&mut |slot| match slot.value(contents) {
            Ok(value) => value,
            Err(error) => {
                errors.push(error);
                Json::Null
            }
        })
    }

    fn resolve(&self, value: &mut impl FnMut(&Slot) -> Json) -> Self {
        let mut lines = Vec::new();
        for (key, node) in &self.0 {
            let node = match node {
                Node::Leaf(leaf) => Node::Leaf(leaf.clone()),
                Node::Slot(slot) => Node::Leaf(value(slot)),
                Node::Branch(mapping) => Node::Branch(mapping.resolve(value)),
            };
            lines.push((key.clone(), node));
        }
        Self(lines)
    }
}
