//! A text for Feast, with places where the content of the user's Secrets and ConfigMaps goes.

mod environment_references;
mod error;
mod file;
mod flow;
mod mapping;
mod placeholder;
mod yaml;

use super::secrets::source::Contents;
use yaml::emit;

pub use error::{Problem, SecretError};
pub(super) use mapping::{KeyValue, Mapping, Node};
pub use placeholder::{Placeholder, Purpose};
#[cfg(test)]
pub(super) use yaml::parse;
pub(super) use yaml::value;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Section {
    Plain(Mapping),
    /// A section that the placeholder makes.
    Placeholder(Placeholder),
    /// A section that begins with these lines and goes on with the placeholder's.
    Merged(Mapping, Placeholder),
}

/// A `feature_store.yaml`, with placeholders where the user's Secrets go.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureStoreYaml(pub(super) Vec<Section>);

impl FeatureStoreYaml {
    /// The placeholders, in the order of the text.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.0.iter().flat_map(|part| match part {
            Section::Placeholder(placeholder) | Section::Merged(_, placeholder) => {
                vec![placeholder]
            }
            Section::Plain(mapping) => mapping.placeholders(),
        })
    }

    /// The text with a comment in each placeholder.
    pub fn prepared(&self) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Section::Plain(mapping) => text.push_str(&emit(&mapping.prepared())),
                Section::Placeholder(placeholder) => {
                    text.push_str(&format!(
                        "{}:\n{}",
                        placeholder.section(),
                        placeholder.prepared()
                    ));
                }
                Section::Merged(lines, placeholder) => {
                    text.push_str(&begin(placeholder, lines));
                    text.push_str(&placeholder.prepared());
                }
            }
        }
        text
    }

    /// The text with what the user's Secrets and ConfigMaps hold in each placeholder, or everything that is wrong
    /// with them.
    pub(super) fn filled(&self, contents: &Contents) -> Result<String, Vec<SecretError>> {
        let mut text = String::new();
        let mut errors = Vec::new();
        for part in &self.0 {
            match part {
                Section::Plain(mapping) => {
                    text.push_str(&emit(&mapping.filled(contents, &mut errors)));
                }
                Section::Placeholder(placeholder) => {
                    match placeholder.filled(contents, &Mapping(Vec::new())) {
                        Ok(lines) => text.push_str(&format!("{}:\n{lines}", placeholder.section())),
                        Err(error) => errors.push(error),
                    }
                }
                Section::Merged(lines, placeholder) => match placeholder.filled(contents, lines) {
                    Ok(more) => text.push_str(&format!("{}{more}", begin(placeholder, lines))),
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

fn begin(placeholder: &Placeholder, lines: &Mapping) -> String {
    emit(&Mapping(vec![(
        placeholder.section().into(),
        Node::Branch(lines.clone()),
    )]))
}
