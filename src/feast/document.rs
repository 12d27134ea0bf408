//! A text for Feast, with places where the content of the user's Secrets and ConfigMaps goes.

mod error;
mod file;
mod flow;
mod mapping;
mod placeholders;
mod slot;
mod yaml;

use super::source::Contents;
use yaml::emit;

pub use error::{FillError, Problem};
pub(super) use mapping::{Line, Mapping, Node};
pub use slot::{Purpose, Slot};
#[cfg(test)]
pub(super) use yaml::parse;
pub(super) use yaml::value;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Plain(Mapping),
    /// A section that the slot makes.
    Slot(Slot),
    /// A section that begins with these lines and goes on with the slot's.
    Joined(Mapping, Slot),
}

/// A `feature_store.yaml`, with slots where the user's Secrets go.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(pub(super) Vec<Part>);

impl Document {
    /// The slots, in the order of the text.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().flat_map(|part| match part {
            Part::Slot(slot) | Part::Joined(_, slot) => vec![slot],
            Part::Plain(mapping) => mapping.slots(),
        })
    }

    /// The text with a comment in each slot.
    pub fn prepared(&self) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(mapping) => text.push_str(&emit(&mapping.prepared())),
                Part::Slot(slot) => {
                    text.push_str(&format!("{}:\n{}", slot.section(), slot.prepared()));
                }
                Part::Joined(lines, slot) => {
                    text.push_str(&begin(slot, lines));
                    text.push_str(&slot.prepared());
                }
            }
        }
        text
    }

    /// The text with what the user's Secrets and ConfigMaps hold in each slot, or everything that is wrong
    /// with them.
    pub(super) fn filled(&self, contents: &Contents) -> Result<String, Vec<FillError>> {
        let mut text = String::new();
        let mut errors = Vec::new();
        for part in &self.0 {
            match part {
                Part::Plain(mapping) => {
                    text.push_str(&emit(&mapping.filled(contents, &mut errors)));
                }
                Part::Slot(slot) => match slot.filled(contents, &Mapping(Vec::new())) {
                    Ok(lines) => text.push_str(&format!("{}:\n{lines}", slot.section())),
                    Err(error) => errors.push(error),
                },
                Part::Joined(lines, slot) => match slot.filled(contents, lines) {
                    Ok(more) => text.push_str(&format!("{}{more}", begin(slot, lines))),
                    Err(error) => errors.push(error),
                },
            }
        }
        if errors.is_empty() {
            Ok(text)
        } else {
            Err(errors)
        }
    }
}

fn begin(slot: &Slot, lines: &Mapping) -> String {
    emit(&Mapping(vec![(
        slot.section().into(),
        Node::Branch(lines.clone()),
    )]))
}
