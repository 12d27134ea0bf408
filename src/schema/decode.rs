//! Values from Terraform in the serde form of the Rust types that the schema was lowered from.
//!
//! Unknown values end here, and their paths are reported. An unknown value that is optional is left out. One that is
//! required gets a placeholder that the Rust type accepts, and so does an element of a list, because the elements after
//! it would move otherwise. No unknown value is reported as missing or invalid, and no placeholder is checked.
//!
//! A null entry of a map counts as absent. A null element of a list or a set is an error.

use std::collections::BTreeSet;

use serde_json::{Map, Number as JsonNumber, Value as Json};

use super::walk::{Attributes, Expected, Part, Role, Shape, Visitor, walk_object};
use super::{
    Attribute, Block, Check, Diagnostic, Diagnostics, Number, Path, Step, Type, Value, check,
};

/// A configuration in its serde form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    pub json: Json,
    /// The paths of the values that are not known before apply.
    pub unknown: BTreeSet<Path>,
    /// The values that do not fit the schema, each at its attribute. If there are any, `json` does not have to fit it
    /// either: it contains values that are out of bounds.
    pub diagnostics: Diagnostics,
}

/// Decodes the value of a block. Attributes that a configuration cannot set are left out.
pub fn decode(block: &Block, value: &Value) -> Decoded {
    let mut decoder = Decoder::default();
    let root = Path::root();
    let mut json = decoder.attributes(&root, &block.attributes, value);
    for (name, inner) in &block.blocks {
        let path = root.attribute(name);
        // A nested block is a list of at most one element, or unknown while the number of elements is (`dynamic`).
        let (path, item) = match value.attribute(name) {
            Value::List(items) => (path.index(0), items.first()),
            other => (path, Some(other)),
        };
        match item {
            None | Some(Value::Null) => {}
            Some(Value::Unknown) => {
                decoder.unknown.insert(path);
            }
            Some(item) => {
                let body = decoder.attributes(&path, &inner.attributes, item);
                json.insert(name.clone(), Json::Object(body));
            }
        }
    }
    Decoded {
        json: Json::Object(json),
        unknown: decoder.unknown,
        diagnostics: decoder.diagnostics,
    }
}

#[derive(Default)]
struct Decoder {
    unknown: BTreeSet<Path>,
    diagnostics: Diagnostics,
}

impl Decoder {
    fn attributes(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        value: &Value,
    ) -> Map<String, Json> {
        match walk_object(self, path.clone(), attributes, value) {
            Some(Json::Object(json)) => json,
            _ => Map::new(),
        }
    }

    fn wrong_type(&mut self, path: &Path) {
        let detail = format!(
            "The value of `{path}` does not have the type that the provider's schema gives it."
        );
        self.diagnostics
            .push(Diagnostic::error("Wrong type", detail).at(path.clone()));
    }
}

impl<'s> Visitor<'s, Value> for Decoder {
    /// `None` for a value that is left out.
    type Output = Option<Json>;

    fn includes(&self, attribute: &Attribute) -> bool {
        attribute.required || attribute.optional
    }

    fn enter(&mut self, path: &Path, role: Role<'s>, value: &Value) -> Option<Option<Json>> {
        match (value, role) {
            (Value::Unknown, role) => {
                self.unknown.insert(path.clone());
                Some(match role {
                    Role::Attribute(attribute) => (attribute.required)
                        .then(|| placeholder(Part::Kind(&attribute.kind), &attribute.checks)),
                    Role::Element(part, checks) => Some(placeholder(part, checks)),
                    Role::Entry => None,
                })
            }
            (Value::Null, role) => {
                match role {
                    Role::Attribute(attribute) if attribute.required => {
                        self.diagnostics.push(missing(path));
                    }
                    Role::Element(..) => self.diagnostics.push(null_element(path)),
                    Role::Attribute(_) | Role::Entry => {}
                }
                Some(None)
            }
            (known, Role::Attribute(attribute)) => {
                let violations = check::check(&attribute.checks, path, known);
                self.diagnostics.extend(violations);
                None
            }
            _ => None,
        }
    }

    fn scalar(&mut self, path: &Path, _: &Type, value: &Value) -> Option<Json> {
        match value {
            Value::Bool(value) => Some(Json::Bool(*value)),
            Value::String(text) => Some(Json::String(text.clone())),
            Value::Number(number) => Some(number_to_json(number)),
            _ => {
                self.wrong_type(path);
                None
            }
        }
    }

    fn mismatch(&mut self, path: &Path, _: Expected, _: &Value) -> Option<Json> {
        self.wrong_type(path);
        None
    }
}

fn missing(path: &Path) -> Diagnostic {
    Diagnostic::error(
        "Missing value",
        format!("`{path}` is required, but it is null or absent. Give it a value."),
    )
    .at(path.clone())
}

/// Reports a null element of a list or a set. It is not dropped, because positions have a meaning.
fn null_element(path: &Path) -> Diagnostic {
    let mut names = path.steps().iter().filter_map(|step| match step {
        Step::Attribute(name) => Some(name.as_str()),
        Step::Index(_) | Step::Key(_) => None,
    });
    let name = names.next_back().unwrap_or("values");
    Diagnostic::error(
        "Null element",
        format!(
            "`{path}` is null, and a list cannot have null elements. Give the element a value, or remove the \
             null elements: `{name} = [for v in … : v if v != null]`."
        ),
    )
    .at(path.clone())
}

/// Returns a value that the Rust type accepts, for a required value that is unknown. It can violate a check of text.
fn placeholder(part: Part<'_>, checks: &[Check]) -> Json {
    match part.shape() {
        Shape::Object(attributes) => {
            let required = attributes.values().filter(|attribute| attribute.required);
            let entries = required.map(|attribute| {
                let part = Part::Kind(&attribute.kind);
                (attribute.key.clone(), placeholder(part, &attribute.checks))
            });
            Json::Object(entries.collect())
        }
        Shape::List(_) | Shape::Scalar(Type::List(_) | Type::Set(_) | Type::Tuple(_)) => {
            Json::Array(Vec::new())
        }
        Shape::Map(_) | Shape::Scalar(Type::Map(_) | Type::Object(_)) => Json::Object(Map::new()),
        Shape::Scalar(Type::Bool) => Json::Bool(false),
        Shape::Scalar(Type::Number) => {
            let minimum = checks.iter().find_map(|check| match check {
                Check::AtLeast(bound) => Some(*bound),
                _ => None,
            });
            number_to_json(&Number::from(minimum.unwrap_or_default().max(0.0)))
        }
        Shape::Scalar(Type::String | Type::Dynamic) => {
            let word = checks.iter().find_map(|check| match check {
                Check::OneOf(words) | Check::OneOfOrPattern(words, _) => words.first().cloned(),
                _ => None,
            });
            Json::String(word.unwrap_or_default())
        }
    }
}

fn number_to_json(number: &Number) -> Json {
    if let Some(integer) = number.as_i64() {
        return Json::from(integer);
    }
    match number {
        Number::Integer(integer) => Json::from(*integer),
        Number::Float(float) => JsonNumber::from_f64(*float).map_or(Json::Null, Json::Number),
        Number::Decimal(text) => serde_json::from_str(text).unwrap_or(Json::Null),
    }
}
