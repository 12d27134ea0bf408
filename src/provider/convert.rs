//! The subcommand `convert`: FeatureStore custom resources as Terraform configuration.

use std::io::{self, Read as _};
use std::{fs, path::Path};

use super::functions::from_manifest::{Converted, feature_stores};
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
    let blocks: Vec<String> = stores.iter().map(resource).collect();
    Ok(blocks.join("\n"))
}

fn resource(store: &Converted) -> String {
    let Converted { attributes, notes } = store;
    let mut text = String::new();
    for note in notes {
        for line in wrap(note) {
            text.push_str(&format!("# {line}\n"));
        }
    }
    let name = attributes.get("name").and_then(Value::as_str);
    let label = hcl::identifier(name.unwrap_or_default());
    text.push_str(&hcl::block("resource", &[TYPE_NAME, &label], attributes));
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
