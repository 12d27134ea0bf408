//! Values and messages of the test provider.

use std::collections::BTreeMap;

use terraform_provider_feast::schema::{Type, Value};
use terraform_provider_feast::tfplugin::codec;
use terraform_provider_feast::tfplugin::proto::tfplugin6::{
    Diagnostic, DynamicValue, ResourceIdentityData, apply_resource_change, diagnostic::Severity,
};

/// The resource and the list resource.
pub const ECHO: &str = "feast_echo";

/// The action.
pub const SAY: &str = "feast_say";

pub fn echo_type() -> Type {
    let env = [("name", Type::String), ("value", Type::String)];
    object_type([
        ("id", Type::String),
        ("name", Type::String),
        ("size", Type::Number),
        ("tags", Type::Map(Box::new(Type::String))),
        ("any", Type::Dynamic),
        ("env", Type::List(Box::new(object_type(env)))),
    ])
}

pub fn object_type<const N: usize>(attributes: [(&str, Type); N]) -> Type {
    Type::Object(attributes.map(|(name, ty)| (name.to_owned(), ty)).into())
}

pub fn object<const N: usize>(attributes: [(&str, Value); N]) -> Value {
    Value::Object(
        attributes
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
    )
}

/// Returns a `feast_echo` of that name whose other attributes are null.
pub fn echo(name: &str) -> Value {
    object([
        ("id", Value::Null),
        ("name", Value::string(name)),
        ("size", Value::Null),
        ("tags", Value::Null),
        ("any", Value::Null),
        ("env", Value::Null),
    ])
}

pub fn with(mut value: Value, name: &str, attribute: Value) -> Value {
    value.set(name, attribute);
    value
}

pub fn wire(value: &Value) -> Option<DynamicValue> {
    Some(codec::write(value, &echo_type()).unwrap())
}

pub fn value(wire: Option<DynamicValue>) -> Value {
    codec::read(wire.as_ref(), &echo_type()).unwrap()
}

pub fn identity(name: &str) -> Option<ResourceIdentityData> {
    let ty = object_type([("name", Type::String)]);
    let identity = object([("name", Value::string(name))]);
    Some(ResourceIdentityData {
        identity_data: Some(codec::write(&identity, &ty).unwrap()),
    })
}

/// Returns the request that creates a `feast_echo`.
pub fn create(name: &str) -> apply_resource_change::Request {
    apply_resource_change::Request {
        type_name: ECHO.to_owned(),
        prior_state: wire(&Value::Null),
        planned_state: wire(&with(echo(name), "id", Value::Unknown)),
        config: wire(&echo(name)),
        planned_private: b"planned".to_vec(),
        planned_identity: identity(name),
        ..Default::default()
    }
}

pub fn tags<const N: usize>(tags: [(&str, &str); N]) -> Value {
    let tags = tags.map(|(key, text)| (key.to_owned(), Value::string(text)));
    Value::Map(BTreeMap::from(tags))
}

/// Returns severity, summary and attribute path of each diagnostic: `Error Bad value env [1] value`.
pub fn summaries(diagnostics: &[Diagnostic]) -> Vec<String> {
    use terraform_provider_feast::tfplugin::proto::tfplugin6::attribute_path::step::Selector;
    let summaries = diagnostics.iter().map(|diagnostic| {
        let severity = Severity::try_from(diagnostic.severity).unwrap();
        let mut text = format!("{severity:?} {}", diagnostic.summary);
        for step in diagnostic.attribute.iter().flat_map(|path| &path.steps) {
            match step.selector.as_ref().unwrap() {
                Selector::AttributeName(name) => text += &format!(" {name}"),
                Selector::ElementKeyInt(index) => text += &format!(" [{index}]"),
                Selector::ElementKeyString(key) => text += &format!(" [{key:?}]"),
            }
        }
        text
    });
    summaries.collect()
}
