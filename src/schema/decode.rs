//! What Terraform sent, as the serde form of the Rust types that the schema was lowered from.
//!
//! Unknown values end here. What is unknown and optional is left out; what is unknown and required gets
//! a placeholder that satisfies the schema, and so does an element of a list, or those behind it would move;
//! either way its path is reported, and nothing that is unknown is ever called missing or wrong.
//!
//! A null element of a map counts as absent. A null element of a list or set is an error.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number as JsonNumber, Value as Json};

use super::{
    Attribute, Block, Check, Diagnostic, Diagnostics, Kind, Nesting, Number, Path, Step, Type,
    Value, check,
};

/// A configuration in its serde form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    pub json: Json,
    /// Everything that is not known before apply.
    pub unknown: BTreeSet<Path>,
    /// What does not fit the schema, each at its attribute. When there is any, `json` may not either: it has the values
    /// that are out of bounds.
    pub diagnostics: Diagnostics,
}

/// Reads the value of a block: its settable attributes only, for computed ones have no say.
pub fn decode(block: &Block, value: &Value) -> Decoded {
    let mut decoded = Decoded::default();
    let root = Path::root();
    let mut json = decoded.attributes(&root, &block.attributes, value);
    for (name, inner) in &block.blocks {
        let path = root.attribute(name);
        // A nested block arrives as a list of at most one, and as a whole is unknown while it is not known
        // whether there is one (`dynamic`).
        let (path, item) = match value.attribute(name) {
            Value::List(items) => (path.index(0), items.first()),
            other => (path, Some(other)),
        };
        match item {
            None | Some(Value::Null) => {}
            Some(Value::Unknown) => {
                decoded.unknown.insert(path);
            }
            Some(item) => {
                let body = decoded.attributes(&path, &inner.attributes, item);
                json.insert(name.clone(), Json::Object(body));
            }
        }
    }
    decoded.json = Json::Object(json);
    decoded
}

impl Decoded {
    fn attributes(
        &mut self,
        path: &Path,
        attributes: &BTreeMap<String, Attribute>,
        value: &Value,
    ) -> Map<String, Json> {
        let mut json = Map::new();
        for (name, attribute) in attributes {
            if !attribute.required && !attribute.optional {
                continue;
            }
            let path = path.attribute(name);
            let inner = value.attribute(name);
            if let Some(inner) = self.attribute(&path, attribute, inner) {
                json.insert(attribute.key.clone(), inner);
            }
        }
        json
    }

    fn attribute(&mut self, path: &Path, attribute: &Attribute, value: &Value) -> Option<Json> {
        match value {
            Value::Unknown => {
                self.unknown.insert(path.clone());
                attribute.required.then(|| placeholder(attribute))
            }
            Value::Null => {
                if attribute.required {
                    self.diagnostics.push(missing(path));
                }
                None
            }
            known => match &attribute.kind {
                Kind::Plain(plain) => self.plain(path, attribute, plain, known),
                Kind::Nested(nesting, inner) => {
                    self.nested(path, attribute, *nesting, inner, known)
                }
            },
        }
    }

    fn plain(
        &mut self,
        path: &Path,
        attribute: &Attribute,
        plain: &Type,
        value: &Value,
    ) -> Option<Json> {
        self.diagnostics
            .extend(check::check(&attribute.checks, path, value));
        self.typed(path, plain, each(&attribute.checks), value)
    }

    /// `each` is what is checked of the elements of a collection.
    fn typed(&mut self, path: &Path, plain: &Type, each: &[Check], value: &Value) -> Option<Json> {
        match (plain, value) {
            (_, Value::Unknown) => {
                self.unknown.insert(path.clone());
                None
            }
            (_, Value::Null) => {
                self.diagnostics.push(null_element(path));
                None
            }
            (_, Value::Bool(value)) => Some(Json::Bool(*value)),
            (_, Value::String(text)) => Some(Json::String(text.clone())),
            (_, Value::Number(number)) => Some(number_to_json(number)),
            (Type::List(inner) | Type::Set(inner), Value::List(items)) => Some(Json::Array(
                (items.iter().enumerate())
                    .filter_map(|(index, item)| {
                        let known = self.typed(&path.index(index), inner, &[], item);
                        known.or_else(|| item.is_unknown().then(|| placeholder_of(inner, each)))
                    })
                    .collect(),
            )),
            (Type::Map(inner), Value::Map(items)) => Some(Json::Object(
                present(items)
                    .filter_map(|(key, item)| {
                        Some((key.clone(), self.typed(&path.key(key), inner, &[], item)?))
                    })
                    .collect(),
            )),
            _ => {
                self.diagnostics.push(
                    Diagnostic::error(
                        "Wrong type",
                        format!("The value of `{path}` does not have the type that the provider's schema gives it."),
                    )
                    .at(path.clone()),
                );
                None
            }
        }
    }

    fn nested(
        &mut self,
        path: &Path,
        attribute: &Attribute,
        nesting: Nesting,
        inner: &BTreeMap<String, Attribute>,
        value: &Value,
    ) -> Option<Json> {
        self.diagnostics
            .extend(check::check(&attribute.checks, path, value));
        match (nesting, value) {
            (Nesting::Single, object @ Value::Object(_)) => {
                Some(Json::Object(self.attributes(path, inner, object)))
            }
            (Nesting::List | Nesting::Set, Value::List(items)) => Some(Json::Array(
                (items.iter().enumerate())
                    .filter_map(|(index, item)| {
                        let known = self.element(path.index(index), inner, item);
                        known.or_else(|| item.is_unknown().then(|| placeholder_object(inner)))
                    })
                    .collect(),
            )),
            (Nesting::Map, Value::Map(items)) => Some(Json::Object(
                present(items)
                    .filter_map(|(key, item)| {
                        Some((key.clone(), self.element(path.key(key), inner, item)?))
                    })
                    .collect(),
            )),
            _ => self.typed(path, &Type::Bool, &[], value),
        }
    }

    fn element(
        &mut self,
        path: Path,
        inner: &BTreeMap<String, Attribute>,
        value: &Value,
    ) -> Option<Json> {
        match value {
            Value::Unknown => {
                self.unknown.insert(path);
                None
            }
            Value::Null => {
                self.diagnostics.push(null_element(&path));
                None
            }
            object => Some(Json::Object(self.attributes(&path, inner, object))),
        }
    }
}

fn missing(path: &Path) -> Diagnostic {
    Diagnostic::error(
        "Missing value",
        format!("`{path}` is required, but it is null or absent. Give it a value."),
    )
    .at(path.clone())
}

/// The elements of a map that are not null: an element that is null counts as absent.
fn present(items: &BTreeMap<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    items.iter().filter(|(_, item)| !item.is_null())
}

/// A null element of a list or set. Its position has a meaning, so it is not dropped.
fn null_element(path: &Path) -> Diagnostic {
    let names = path.steps().iter().filter_map(|step| match step {
        Step::Attribute(name) => Some(name.as_str()),
        Step::Index(_) | Step::Key(_) => None,
    });
    let name = names.last().unwrap_or("values");
    Diagnostic::error(
        "Null element",
        format!(
            "`{path}` is null, and a list cannot have null elements. Give the element a value, or remove the \
             null elements: `{name} = [for v in … : v if v != null]`."
        ),
    )
    .at(path.clone())
}

fn each(checks: &[Check]) -> &[Check] {
    let mut found = checks.iter().filter_map(|check| match check {
        Check::Each(each) => Some(each.as_slice()),
        _ => None,
    });
    found.next().unwrap_or_default()
}

/// A value that satisfies the schema of a required attribute whose real value is not known yet.
fn placeholder(attribute: &Attribute) -> Json {
    match &attribute.kind {
        Kind::Plain(plain) => placeholder_of(plain, &attribute.checks),
        Kind::Nested(Nesting::Single, inner) => placeholder_object(inner),
        Kind::Nested(Nesting::List | Nesting::Set, _) => Json::Array(Vec::new()),
        Kind::Nested(Nesting::Map, _) => Json::Object(Map::new()),
    }
}

fn placeholder_of(plain: &Type, checks: &[Check]) -> Json {
    match plain {
        Type::Bool => Json::Bool(false),
        Type::Number => {
            let least = checks.iter().find_map(|check| match check {
                Check::AtLeast(bound) => Some(*bound),
                _ => None,
            });
            number_to_json(&Number::from(least.unwrap_or_default().max(0.0)))
        }
        Type::Map(_) | Type::Object(_) => Json::Object(Map::new()),
        Type::List(_) | Type::Set(_) | Type::Tuple(_) => Json::Array(Vec::new()),
        Type::String | Type::Dynamic => {
            let word = checks.iter().find_map(|check| match check {
                Check::OneOf(words) => words.first().cloned(),
                _ => None,
            });
            Json::String(word.unwrap_or_default())
        }
    }
}

fn placeholder_object(inner: &BTreeMap<String, Attribute>) -> Json {
    let required = inner.values().filter(|attribute| attribute.required);
    let placed = required.map(|attribute| (attribute.key.clone(), placeholder(attribute)));
    Json::Object(placed.collect())
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
