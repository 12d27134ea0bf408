//! The function `render`: the Kubernetes objects of a configuration as YAML, without a cluster.

use crate::feast::render;
use crate::feast::spec::{Defaults, Store};
use crate::provider::resources::feature_store::parse::{Parsed, parse};
use crate::schema::provider::{FunctionDefinition, FunctionError, FunctionResult};
use crate::schema::{Block, Type, Value, coerce};

pub const SUMMARY: &str = "Renders a feature store's Kubernetes objects as YAML";

pub const DESCRIPTION: &str = "\
Returns the manifests that `feast_feature_store` would apply, as YAML documents in the order in which they are applied. \
The function contacts no cluster and applies nothing. Use it for reviews and policy checks. Violations of rules are \
errors, as in a plan.";

pub fn definition() -> FunctionDefinition {
    super::definition(
        SUMMARY,
        DESCRIPTION,
        (
            "feature_store",
            Type::Dynamic,
            "An object with the attributes of `feast_feature_store`: a literal, the result of `from_manifest`, or a \
             resource.",
        ),
        Type::String,
    )
}

pub fn call(block: &Block, argument: &Value) -> FunctionResult {
    let value = coerce(&block.attributes, argument).map_err(super::argument_errors)?;
    let Parsed {
        config, unknown, ..
    } = parse(block, &value).map_err(super::argument_errors)?;
    if !unknown.is_empty() {
        return Ok(Value::Unknown);
    }
    // Terraform calls functions without a configured provider, so the namespace of the provider block is unknown.
    let store = Store::new(&config, &Defaults::default());
    let text = render::render(&store).yaml().map_err(|error| FunctionError {
        text: format!(
            "{error}. This is a defect of the provider. Please report it with the configuration."
        ),
        argument: None,
    })?;
    Ok(Value::String(text))
}
