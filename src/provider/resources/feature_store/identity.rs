//! The identity of the resource: its schema and its value.

use std::collections::BTreeMap;

use crate::schema::provider::{IdentityAttribute, IdentitySchema};
use crate::schema::{Type, Value};

/// Returns the schema of the identity.
pub fn schema() -> IdentitySchema {
    let attribute = |name: &str, required: bool, description: &str| IdentityAttribute {
        name: name.to_owned(),
        r#type: Type::String,
        description: description.to_owned(),
        required_for_import: required,
    };
    IdentitySchema {
        version: 0,
        attributes: vec![
            attribute(
                "namespace",
                false,
                "Kubernetes namespace; the provider's default when left out.",
            ),
            attribute("name", true, "Name of the feature store."),
        ],
    }
}

/// Returns the identity of the resource (`{namespace, name}`), or `None` while it is unknown.
pub fn of(state: &Value) -> Option<Value> {
    let part = |name: &str| state.attribute(name).as_str().map(Value::string);
    Some(Value::Object(BTreeMap::from([
        ("namespace".to_owned(), part("namespace")?),
        ("name".to_owned(), part("name")?),
    ])))
}
