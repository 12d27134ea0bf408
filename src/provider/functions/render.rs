//! `render`: the Kubernetes objects of a configuration as YAML, without a cluster.

use crate::feast::render;
use crate::feast::spec::{Defaults, Store};
use crate::provider::resources::feature_store::parse::{Parsed, parse};
use crate::schema::provider::{FunctionDefinition, FunctionError, FunctionResult};
use crate::schema::{Block, Type, Value, coerce};

pub const SUMMARY: &str = "Renders a feature store's Kubernetes objects as YAML";

pub const DESCRIPTION: &str = "\
Gives the manifests that `feast_feature_store` would apply, as a YAML text of several documents in the order in which \
they are applied. No cluster is asked and nothing is applied: for review, for policy checks, for GitOps. Broken rules are \
errors here as they are in a plan.";

pub fn definition() -> FunctionDefinition {
    super::definition(
        SUMMARY,
        DESCRIPTION,
        (
            "feature_store",
            Type::Dynamic,
            "An object with the attributes of `feast_feature_store`: written out, made by `from_manifest`, or a \
             resource itself.",
        ),
        Type::String,
    )
}

pub fn call(block: &Block, argument: &Value) -> FunctionResult {
    let value = coerce(&block.attributes, argument).map_err(super::told)?;
    let Parsed {
        config, unknown, ..
    } = parse(block, &value).map_err(super::told)?;
    if !unknown.is_empty() {
        return Ok(Value::Unknown);
    }
    // The provider block's namespace is not known here: functions have no configured provider.
    let store = Store::new(&config, &Defaults::default());
    let text = render::render(&store).yaml().map_err(|error| FunctionError {
        text: format!(
            "{error}. This is a defect of the provider; please report it with the configuration."
        ),
        argument: None,
    })?;
    Ok(Value::String(text))
}
