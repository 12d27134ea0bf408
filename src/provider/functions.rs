//! The provider's functions. They need no cluster and no resource.

pub mod from_manifest;
pub mod render;

use std::collections::BTreeMap;

use crate::schema::provider::{Function, FunctionError, FunctionResult};
use crate::schema::{Block, Diagnostics, Type, Value};

/// A function. It is called with the schema of the resource and its argument.
struct Entry {
    name: &'static str,
    signature: fn() -> Function,
    call: fn(&Block, &Value) -> FunctionResult,
}

/// All functions. Each has one parameter.
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

/// Returns the signatures by name.
pub fn signatures() -> BTreeMap<String, Function> {
    FUNCTIONS
        .iter()
        .map(|entry| (entry.name.to_owned(), (entry.signature)()))
        .collect()
}

/// Calls the function `name` with its argument.
pub fn call(block: &Block, name: &str, arguments: &[Value]) -> FunctionResult {
    let result = match (FUNCTIONS.iter().find(|entry| entry.name == name), arguments) {
        (Some(entry), [argument]) => (entry.call)(block, argument),
        _ => Err(FunctionError {
            text: format!(
                "This provider has no function {name:?} with {} arguments.",
                arguments.len()
            ),
            argument: None,
        }),
    };
    // Terraform and OpenTofu add a period to the text.
    result.map_err(|error| FunctionError {
        text: error
            .text
            .strip_suffix('.')
            .unwrap_or(&error.text)
            .to_owned(),
        ..error
    })
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

/// Returns an error about the argument.
fn argument_error(text: String) -> FunctionError {
    FunctionError {
        text,
        argument: Some(0),
    }
}

/// Returns the diagnostics as one error about the argument, each with its path.
fn argument_errors(diagnostics: Diagnostics) -> FunctionError {
    let lines: Vec<String> = diagnostics
        .into_iter()
        .map(|diagnostic| match diagnostic.path {
            Some(path) if !path.steps().is_empty() => {
                format!("{path}: {}. {}", diagnostic.summary, diagnostic.detail)
            }
            _ => format!("{}. {}", diagnostic.summary, diagnostic.detail),
        })
        .collect();
    argument_error(lines.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::provider::Feast;
    use crate::schema::provider::FunctionError;
    use crate::schema::{Provider, Value};

    /// The error of a call with this argument.
    fn error(function: &str, argument: Value) -> String {
        let result = Feast::new().call_function(function, vec![argument]);
        let FunctionError { text, argument } = result.unwrap_err();
        assert_eq!(argument, Some(0));
        text
    }

    /// Terraform adds the period.
    #[test]
    fn errors_are_sentences_without_the_last_period() {
        let manifest = |text: &str| error("from_manifest", Value::string(text));
        let head = "kind: FeatureStore\napiVersion: feast.dev/v1\nmetadata: {name: a}";
        for (text, expected) in [
            (
                "a: 1\na: 2",
                "The manifest cannot be read: the text is not valid YAML: line 2, column 1: the same key occurs \
                 twice in one mapping",
            ),
            (
                "kind: Secret",
                "The manifest cannot be read: the text has no FeatureStore (`kind: FeatureStore` with `apiVersion: \
                 feast.dev/v1`)",
            ),
            (
                &format!(
                    "{head}\nspec: {{feastProject: 1.5, replicas: x, services: {{bogus: 1}}}}"
                ),
                "The manifest cannot be read: `spec.replicas` must be a whole number",
            ),
            (
                &format!("{head}\nspec: {{feastProject: [p], services: {{bogus: 1}}}}"),
                "`spec.feastProject` must be a string.\n`spec.services.bogus` is not a field of a FeatureStore that \
                 this provider knows. Correct its name, or remove it",
            ),
        ] {
            assert_eq!(manifest(text), expected);
        }
        let both =
            format!("{head}\nspec: {{feastProject: p}}\n---\n{head}\nspec: {{feastProject: q}}");
        assert_eq!(
            manifest(&both),
            "The manifest cannot be read: the text has 2 FeatureStores, and only one can be converted at a time. Split \
             the text"
        );
        let store = |items: &[(&str, Value)]| {
            let items = items
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()));
            error("render", Value::Object(items.collect::<BTreeMap<_, _>>()))
        };
        assert_eq!(
            store(&[
                ("name", Value::string("a")),
                ("feast_project", Value::List(vec![]))
            ]),
            "feast_project: Wrong type. `feast_project` must be a string, but is a list"
        );
        assert_eq!(
            store(&[("name", Value::string("a"))]),
            "feast_project: Missing value. `feast_project` is required, but it is null or absent. Give it a value"
        );
    }
}
