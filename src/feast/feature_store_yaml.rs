//! A `feature_store.yaml` with placeholders for the content of the user's Secrets and ConfigMaps.

mod default_parameters;
mod environment_references;
mod error;
mod file;
mod flow;
mod mapping;
mod placeholder;
mod yaml;

use serde_json::{Map, Value as Json};

use super::secrets::source::Contents;
use yaml::emit;

pub(super) use environment_references::{has_environment_reference, is_environment_reference};
pub use error::{SecretError, SecretProblem};
pub(super) use mapping::{KeyValue, Mapping, Node};
pub use placeholder::{Placeholder, Purpose};
pub(super) use yaml::{parse, value};

/// A part of the document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Section {
    /// Top-level keys whose values are known, except for single values.
    Plain(Mapping),
    /// A top-level key whose value comes from a placeholder.
    Placeholder(Placeholder),
    /// A top-level key whose value has these entries, followed by those of the placeholder.
    Merged(Mapping, Placeholder),
}

/// A `feature_store.yaml` with placeholders for the content of the user's Secrets and ConfigMaps.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureStoreYaml(pub(super) Vec<Section>);

impl FeatureStoreYaml {
    /// Returns the placeholders in the order of the document.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.0.iter().flat_map(|section| match section {
            Section::Placeholder(placeholder) | Section::Merged(_, placeholder) => {
                vec![placeholder]
            }
            Section::Plain(mapping) => mapping.placeholders(),
        })
    }

    /// Returns the document with more settings. Each key of `extra` is a section: its settings are added to the section
    /// of the same name, or the section is added.
    pub(super) fn with_extra(mut self, extra: &Map<String, Json>) -> Self {
        for (name, value) in extra {
            self.add_section(name, value);
        }
        self
    }

    /// Returns the document with those of the settings whose section it has.
    pub(super) fn with_extra_in_sections(mut self, extra: &Map<String, Json>) -> Self {
        for (name, value) in extra {
            if self.0.iter().any(|section| section.has(name)) {
                self.add_section(name, value);
            }
        }
        self
    }

    fn add_section(&mut self, name: &str, value: &Json) {
        let found = self.0.iter_mut().find(|section| section.has(name));
        match (found, value) {
            (Some(Section::Merged(entries, _)), Json::Object(settings)) => entries.merge(settings),
            (Some(section @ Section::Placeholder(_)), Json::Object(settings)) => {
                if let Section::Placeholder(placeholder) = section {
                    let mut entries = Mapping::default();
                    entries.merge(settings);
                    *section = Section::Merged(entries, placeholder.clone());
                }
            }
            // The rules reject another value than a mapping here.
            (Some(Section::Merged(..) | Section::Placeholder(_)), _) => {}
            (Some(Section::Plain(mapping)), value) => {
                mapping.merge(&Map::from_iter([(name.to_owned(), value.clone())]));
            }
            (None, value) => self.0.push(Section::Plain(Mapping(vec![(
                name.to_owned().into(),
                Node::Leaf(value.clone()),
            )]))),
        }
    }

    /// Returns the text with a comment or a note in place of the content of each placeholder.
    pub fn preview(&self) -> String {
        let mut text = String::new();
        for section in &self.0 {
            match section {
                Section::Plain(mapping) => text.push_str(&emit(&mapping.preview())),
                Section::Placeholder(placeholder) => {
                    text.push_str(&format!(
                        "{}:\n{}",
                        placeholder.section(),
                        placeholder.preview(&Mapping::default())
                    ));
                }
                Section::Merged(entries, placeholder) => {
                    text.push_str(&section_start(placeholder, entries));
                    text.push_str(&placeholder.preview(entries));
                }
            }
        }
        text
    }

    /// Returns the text with the content of each placeholder.
    ///
    /// # Errors
    ///
    /// Returns everything that is missing from the Secrets and ConfigMaps or invalid in them.
    pub(super) fn resolve(&self, contents: &Contents) -> Result<String, Vec<SecretError>> {
        let mut text = String::new();
        let mut errors = Vec::new();
        for section in &self.0 {
            match section {
                Section::Plain(mapping) => {
                    text.push_str(&emit(&mapping.resolve(contents, &mut errors)));
                }
                Section::Placeholder(placeholder) => {
                    match placeholder.resolve(contents, &Mapping::default()) {
                        Ok(lines) => text.push_str(&format!("{}:\n{lines}", placeholder.section())),
                        Err(error) => errors.push(error),
                    }
                }
                Section::Merged(entries, placeholder) => {
                    match placeholder.resolve(contents, entries) {
                        Ok(more) => {
                            text.push_str(&format!("{}{more}", section_start(placeholder, entries)))
                        }
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        if errors.is_empty() {
            Ok(text)
        } else {
            Err(errors)
        }
    }
}

impl Section {
    /// Returns whether it has this top-level key.
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Plain(mapping) => mapping.has(name),
            Self::Placeholder(placeholder) | Self::Merged(_, placeholder) => {
                placeholder.section() == name
            }
        }
    }
}

/// Returns the key of a section, and its first entries.
fn section_start(placeholder: &Placeholder, entries: &Mapping) -> String {
    emit(&Mapping(vec![(
        placeholder.section().into(),
        Node::Branch(entries.clone()),
    )]))
}
