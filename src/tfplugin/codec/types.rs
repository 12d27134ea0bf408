//! Types in the JSON form of go-cty, such as `["list","string"]`.

use serde_json::{Value as Json, json};

use crate::schema::Type;

/// Returns the JSON of a type, as the bytes of a schema message.
pub fn to_json(ty: &Type) -> Vec<u8> {
    tree(ty).to_string().into_bytes()
}

fn tree(ty: &Type) -> Json {
    match ty {
        Type::Bool => json!("bool"),
        Type::Number => json!("number"),
        Type::String => json!("string"),
        Type::Dynamic => json!("dynamic"),
        Type::List(element) => json!(["list", tree(element)]),
        Type::Set(element) => json!(["set", tree(element)]),
        Type::Map(element) => json!(["map", tree(element)]),
        Type::Object(attributes) => {
            let attributes: serde_json::Map<_, _> = attributes
                .iter()
                .map(|(name, ty)| (name.clone(), tree(ty)))
                .collect();
            json!(["object", attributes])
        }
        Type::Tuple(elements) => {
            json!(["tuple", elements.iter().map(tree).collect::<Vec<_>>()])
        }
    }
}

/// Reads the JSON of a type; `None` if it is malformed. `serde_json` limits the depth.
pub fn from_json(bytes: &[u8]) -> Option<Type> {
    parse(&serde_json::from_slice(bytes).ok()?)
}

fn parse(json: &Json) -> Option<Type> {
    if let Some(word) = json.as_str() {
        return match word {
            "bool" => Some(Type::Bool),
            "number" => Some(Type::Number),
            "string" => Some(Type::String),
            "dynamic" => Some(Type::Dynamic),
            _ => None,
        };
    }
    let parts = json.as_array()?;
    let (word, of) = (parts.first()?.as_str()?, parts.get(1)?);
    let element = || parse(of).map(Box::new);
    match word {
        "list" => element().map(Type::List),
        "set" => element().map(Type::Set),
        "map" => element().map(Type::Map),
        "tuple" => {
            let elements: Option<_> = of.as_array()?.iter().map(parse).collect();
            elements.map(Type::Tuple)
        }
        // A third element lists optional attributes. It matters for configuration, not for values.
        "object" => {
            let attributes: Option<_> = of
                .as_object()?
                .iter()
                .map(|(name, ty)| Some((name.clone(), parse(ty)?)))
                .collect();
            attributes.map(Type::Object)
        }
        _ => None,
    }
}

/// Returns a type with its article, for error messages.
pub(super) fn name(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "a bool",
        Type::Number => "a number",
        Type::String => "a string",
        Type::Dynamic => "a value of any type",
        Type::List(_) => "a list",
        Type::Set(_) => "a set",
        Type::Map(_) => "a map",
        Type::Object(_) => "an object",
        Type::Tuple(_) => "a tuple",
    }
}
