//! The provider functions, which need neither a cluster nor a resource.

pub mod from_manifest;
pub mod render;

use std::sync::Arc;

use crate::schema::provider::{
    Function, FunctionDefinition, FunctionError, FunctionParameter, FunctionResult,
};
use crate::schema::{Block, Diagnostics, Type, Value};

/// A function with one parameter that reads or returns a configuration of the resource.
pub struct FeatureStoreFunction {
    name: &'static str,
    definition: FunctionDefinition,
    /// The block of the resource.
    block: Arc<Block>,
    call: fn(&Block, &Value) -> FunctionResult,
}

/// Returns all functions. `block` is that of the resource.
pub fn all(block: &Arc<Block>) -> [FeatureStoreFunction; 2] {
    [
        FeatureStoreFunction {
            name: "from_manifest",
            definition: from_manifest::definition(),
            block: Arc::clone(block),
            call: from_manifest::call,
        },
        FeatureStoreFunction {
            name: "render",
            definition: render::definition(),
            block: Arc::clone(block),
            call: render::call,
        },
    ]
}

impl Function for FeatureStoreFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn definition(&self) -> &FunctionDefinition {
        &self.definition
    }

    fn call(&self, arguments: &[Value]) -> FunctionResult {
        let argument = arguments.first().unwrap_or(&Value::Null);
        // Terraform and OpenTofu add a full stop to the text.
        (self.call)(&self.block, argument).map_err(|error| FunctionError {
            text: error
                .text
                .strip_suffix('.')
                .unwrap_or(&error.text)
                .to_owned(),
            ..error
        })
    }
}

fn definition(
    summary: &str,
    description: &str,
    (name, parameter, parameter_description): (&str, Type, &str),
    returns: Type,
) -> FunctionDefinition {
    FunctionDefinition {
        summary: summary.to_owned(),
        description: description.to_owned(),
        parameters: vec![FunctionParameter {
            name: name.to_owned(),
            r#type: parameter,
            description: parameter_description.to_owned(),
        }],
        returns,
    }
}

/// Everything that is wrong with the argument.
fn argument_error(text: String) -> FunctionError {
    FunctionError {
        text,
        argument: Some(0),
    }
}

/// Diagnostics as one text, each with its path.
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
        let feast = Feast::new();
        let result = feast.registry().functions[function].call(&[argument]);
        let FunctionError { text, argument } = result.unwrap_err();
        assert_eq!(argument, Some(0));
        text
    }

    /// Terraform ends the text with a full stop of its own.
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
