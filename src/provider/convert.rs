//! The subcommand `convert`: FeatureStore custom resources as Terraform configuration.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::{fs, path::Path};

use super::custom_resource::{Converted, feature_stores};
use super::resources::feature_store::{TYPE_NAME, block};
use crate::schema::{Value, hcl};

/// The command line.
pub const USAGE: &str = "terraform-provider-feast convert <file, or - for standard input>";

/// Reads the file, or standard input for `-`, and returns the configuration.
///
/// # Errors
///
/// The usage, or the reason why the file cannot be read or converted, as a sentence.
pub fn run(arguments: &[String]) -> Result<String, String> {
    let [file] = arguments else {
        return Err(format!("Usage: {USAGE}"));
    };
    let mut text = String::new();
    let read = if file == "-" {
        io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(Path::new(file)).map(|content| text = content)
    };
    read.map_err(|error| format!("Cannot read {file}: {error}."))?;
    convert(&text)
}

/// Returns a `resource` block for each FeatureStore in `yaml`, with comments about added defaults and dropped fields.
///
/// # Errors
///
/// The fields of the custom resource that cannot be converted.
pub fn convert(yaml: &str) -> Result<String, String> {
    let stores = feature_stores(&block(), yaml)?;
    let blocks = stores.iter().zip(labels(&stores));
    let blocks: Vec<String> = blocks
        .map(|(store, label)| resource(store, &label))
        .collect();
    Ok(blocks.join("\n"))
}

/// Returns a label for the block of each feature store, made from its name. Equal ones are followed by the namespace
/// and, if that is not enough, by a number.
fn labels(stores: &[Converted]) -> Vec<String> {
    let text = |store: &Converted, name: &str| {
        let value = store.attributes.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for store in stores {
        *counts
            .entry(hcl::identifier(&text(store, "name")))
            .or_default() += 1;
    }
    let mut labels: Vec<String> = Vec::new();
    for store in stores {
        let name = hcl::identifier(&text(store, "name"));
        let namespace = text(store, "namespace");
        let base = match counts[&name] {
            1 => name,
            _ if namespace.is_empty() => name,
            _ => hcl::identifier(&format!("{name}_{namespace}")),
        };
        let mut label = base.clone();
        let mut number = 2;
        while labels.contains(&label) {
            label = format!("{base}_{number}");
            number += 1;
        }
        labels.push(label);
    }
    labels
}

fn resource(store: &Converted, label: &str) -> String {
    let Converted { attributes, notes } = store;
    let mut text = String::new();
    for note in notes {
        for line in wrap(note) {
            text.push_str(&format!("# {line}\n"));
        }
    }
    text.push_str(&hcl::block("resource", &[TYPE_NAME, label], attributes));
    text
}

/// Splits a text into lines of at most 100 characters.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last].push_str(word);
        } else if lines[last].chars().count() + word.chars().count() < 100 {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_its_own_label() {
        let stores = [
            ("demo", "team-a"),
            ("demo", "team-b"),
            ("other", "team-a"),
            ("a-b", ""),
            ("a.b", ""),
        ];
        let documents = stores.map(|(name, namespace)| {
            let namespace = match namespace {
                "" => String::new(),
                namespace => format!(", namespace: {namespace}"),
            };
            format!(
                "apiVersion: feast.dev/v1\nkind: FeatureStore\nmetadata: {{name: {name}{namespace}}}\n\
                 spec: {{feastProject: p}}\n"
            )
        });
        let text = convert(&documents.join("---\n")).unwrap();
        let lines = text.lines();
        let labels: Vec<&str> = lines
            .filter_map(|line| line.strip_prefix("resource \"feast_feature_store\" "))
            .collect();
        assert_eq!(
            labels,
            [
                "\"demo_team_a\" {",
                "\"demo_team_b\" {",
                "\"other\" {",
                "\"a_b\" {",
                "\"a_b_2\" {",
            ]
        );
    }
}
