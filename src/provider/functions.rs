//! The provider's functions: what can be had without a cluster and without a resource.

pub mod from_manifest;
pub mod render;

use std::collections::BTreeMap;

use crate::schema::provider::{Function, FunctionError, FunctionResult};
use crate::schema::{Block, Diagnostics, Type, Value};

/// One function: its name, its signature and what it does, given the resource's schema.
struct Entry {
    name: &'static str,
    signature: fn() -> Function,
    call: fn(&Block, &Value) -> FunctionResult,
}

/// Every function. Each has one parameter.
const FUNCTIONS: [Entry; 2] = [
    Entry {
        name: "from_manifest",
        signature: from_manifest::signature,
        call: from_manifest::call,
    },
    Entry {
        name: "render",
        signature: render::signature,
        call: render::call,
    },
];

/// The signatures, by name.
pub fn signatures() -> BTreeMap<String, Function> {
    FUNCTIONS
        .iter()
        .map(|entry| (entry.name.to_owned(), (entry.signature)()))
        .collect()
}

/// Calls the function `name` with its argument.
pub fn call(block: &Block, name: &str, arguments: &[Value]) -> FunctionResult {
    match (FUNCTIONS.iter().find(|entry| entry.name == name), arguments) {
        (Some(entry), [argument]) => (entry.call)(block, argument),
        _ => Err(FunctionError {
            text: format!(
                "This provider has no function {name:?} of {} arguments.",
                arguments.len()
            ),
            argument: None,
        }),
    }
}

fn signature(
    summary: &str,
    description: &str,
    (name, parameter, about): (&str, Type, &str),
    returns: Type,
) -> Function {
    Function {
        summary: summary.to_owned(),
        description: description.to_owned(),
        parameters: vec![(name.to_owned(), parameter, about.to_owned())],
        returns,
    }
}

/// Everything that is wrong with the argument.
fn wrong(text: String) -> FunctionError {
    FunctionError {
        text,
        argument: Some(0),
    }
}

/// Diagnostics as one text, each with its path.
fn told(diagnostics: Diagnostics) -> FunctionError {
    let lines: Vec<String> = diagnostics
        .into_iter()
        .map(|diagnostic| match diagnostic.path {
            Some(path) if !path.steps().is_empty() => {
                format!("{path}: {}. {}", diagnostic.summary, diagnostic.detail)
            }
            _ => format!("{}. {}", diagnostic.summary, diagnostic.detail),
        })
        .collect();
    wrong(lines.join("\n\n"))
}
