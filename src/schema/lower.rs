//! The lowering of Rust types to Terraform schemas, by way of JSON Schema.
//!
//! An unknown keyword, and a property without a description, is an error that names the property. The golden test of
//! the schemas lowers every type, so users do not meet these errors.

mod description;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use heck::ToSnakeCase;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::types::Pattern;
use super::{Attribute, Block, Check, Kind, Nesting, Type};
use description::{brief, describe, file_mode};

/// The reason why a Rust type cannot be lowered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot lower the JSON Schema at {place}: {reason}")]
pub struct LowerError {
    /// The property names from the root, separated by dots.
    pub place: String,
    pub reason: String,
}

/// The properties of an attribute that JSON Schema cannot express (extension keyword `x-terraform`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Extension {
    computed: bool,
    sensitive: bool,
    write_only: bool,
    requires_replace: bool,
    /// What to use in place of a deprecated attribute, as a sentence.
    deprecated: Option<String>,
    /// True for a list whose order does not matter.
    set: bool,
    /// True for a nested block instead of a nested attribute.
    block: bool,
    /// The pattern of values that are allowed besides those of the enum.
    or_pattern: Option<String>,
}

/// Returns the Terraform schema of `T`.
///
/// # Errors
/// The first property that cannot be lowered.
pub fn lower<T: JsonSchema>() -> Result<Block, LowerError> {
    let root = schemars::schema_for!(T).to_value();
    let lowering = Lowering {
        definitions: root.get("$defs").and_then(Json::as_object),
        nested: RefCell::default(),
    };
    lowering.block(&Property::default(), &root)
}

/// A property: the names from the root, and the definitions on the way to it.
#[derive(Default, Clone)]
struct Property {
    names: Vec<String>,
    entered: Vec<String>,
}

impl Property {
    fn step(&self, name: &str) -> Self {
        let mut place = self.clone();
        place.names.push(name.to_owned());
        place
    }

    /// Returns whether the property belongs to a type of Kubernetes.
    fn is_of_kubernetes(&self) -> bool {
        self.entered.iter().any(|name| name.starts_with("io.k8s."))
    }

    fn error(&self, reason: impl Into<String>) -> LowerError {
        LowerError {
            place: self.names.join("."),
            reason: reason.into(),
        }
    }
}

struct Lowering<'schema> {
    definitions: Option<&'schema Map<String, Json>>,
    /// The attributes of the objects so far, by their schemas: most objects are used in several places.
    nested: RefCell<BTreeMap<*const Json, Arc<BTreeMap<String, Attribute>>>>,
}

/// The schema of a property, with references resolved and without nullability.
struct Resolved<'schema> {
    keywords: BTreeMap<&'schema str, &'schema Json>,
    place: Property,
    /// True if the description is a text of Kubernetes.
    described_by_kubernetes: bool,
}

impl<'schema> Resolved<'schema> {
    fn get(&self, keyword: &str) -> Option<&'schema Json> {
        self.keywords.get(keyword).copied()
    }

    fn text(&self, keyword: &str) -> Option<&'schema str> {
        self.get(keyword).and_then(Json::as_str)
    }

    fn number(&self, keyword: &str) -> Option<f64> {
        self.get(keyword).and_then(Json::as_f64)
    }

    fn size(&self, keyword: &str) -> Option<usize> {
        let size = self.get(keyword).and_then(Json::as_u64)?;
        usize::try_from(size).ok()
    }
}

/// The keywords that the lowering understands. Any other is an error.
const KEYWORDS: [&str; 24] = [
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "x-kubernetes-int-or-string",
    "x-terraform",
];

impl<'schema> Lowering<'schema> {
    fn block(&self, place: &Property, schema: &'schema Json) -> Result<Block, LowerError> {
        let resolved = self.resolve(place, schema)?;
        let mut block = Block {
            description: resolved.text("description").unwrap_or_default().to_owned(),
            ..Block::default()
        };
        for (name, key, property) in self.properties(&resolved)? {
            let place = resolved.place.step(key);
            let inner = self.resolve(&place, property)?;
            if self.extension(&inner)?.block {
                block.blocks.insert(name, self.block(&place, property)?);
            } else {
                let attribute = self.attribute(key, inner, required(&resolved, key))?;
                block.attributes.insert(name, attribute);
            }
        }
        Ok(block)
    }

    /// Returns Terraform name, serde name and schema of each property of an object.
    fn properties(
        &self,
        object: &Resolved<'schema>,
    ) -> Result<Vec<(String, &'schema str, &'schema Json)>, LowerError> {
        let Some(properties) = object.get("properties").and_then(Json::as_object) else {
            return Err(object.place.error("an object without properties"));
        };
        let mut named = BTreeMap::new();
        for (key, schema) in properties {
            let name = key.to_snake_case();
            let place = object.place.step(key);
            if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
                return Err(place.error(format!("{name:?} is no Terraform attribute name")));
            }
            if let Some((other, _)) = named.insert(name.clone(), (key.as_str(), schema)) {
                return Err(place.error(format!("{name:?} is also the name of {other:?}")));
            }
        }
        Ok(named
            .into_iter()
            .map(|(name, (key, schema))| (name, key, schema))
            .collect())
    }

    fn attribute(
        &self,
        key: &str,
        schema: Resolved<'schema>,
        required: bool,
    ) -> Result<Attribute, LowerError> {
        let extension = self.extension(&schema)?;
        let Some(description) = schema.text("description") else {
            return Err(schema.place.error("a property without a description"));
        };
        let description = if schema.described_by_kubernetes {
            file_mode(key, description).unwrap_or_else(|| brief(description))
        } else {
            description
        };
        let checks = self.checks(&schema)?;
        let description = describe(description, &checks, schema.get("default"));
        let kind = self.kind(&schema, extension.set)?;
        Ok(Attribute {
            description,
            kind,
            required: required && !extension.computed,
            optional: !required,
            computed: extension.computed,
            sensitive: extension.sensitive,
            write_only: extension.write_only,
            requires_replace: extension.requires_replace,
            deprecated: extension.deprecated,
            checks,
            key: key.to_owned(),
        })
    }

    fn kind(&self, schema: &Resolved<'schema>, set: bool) -> Result<Kind, LowerError> {
        match self.shape(schema)? {
            Shape::Scalar(plain) => Ok(Kind::Plain(plain)),
            Shape::Object => self.nested(Nesting::Single, schema),
            Shape::List(items) if set => self.elements(schema, items, Nesting::Set, Type::Set),
            Shape::List(items) => self.elements(schema, items, Nesting::List, Type::List),
            Shape::Map(items) => self.elements(schema, items, Nesting::Map, Type::Map),
        }
    }

    fn elements(
        &self,
        schema: &Resolved<'schema>,
        items: &'schema Json,
        nesting: Nesting,
        plain: fn(Box<Type>) -> Type,
    ) -> Result<Kind, LowerError> {
        let items = self.resolve(&schema.place, items)?;
        match self.shape(&items)? {
            Shape::Object => self.nested(nesting, &items),
            Shape::Scalar(scalar) => Ok(Kind::Plain(plain(Box::new(scalar)))),
            Shape::List(_) | Shape::Map(_) => {
                Err(schema.place.error("a collection of collections"))
            }
        }
    }

    fn nested(&self, nesting: Nesting, object: &Resolved<'schema>) -> Result<Kind, LowerError> {
        let schema = object.get("properties").map(std::ptr::from_ref);
        let known = schema.and_then(|schema| self.nested.borrow().get(&schema).cloned());
        if let Some(attributes) = known {
            return Ok(Kind::Nested(nesting, attributes));
        }
        let mut attributes = BTreeMap::new();
        for (name, key, property) in self.properties(object)? {
            let inner = self.resolve(&object.place.step(key), property)?;
            let attribute = self.attribute(key, inner, required(object, key))?;
            attributes.insert(name, attribute);
        }
        let attributes = Arc::new(attributes);
        if let Some(schema) = schema {
            let mut nested = self.nested.borrow_mut();
            nested.insert(schema, Arc::clone(&attributes));
        }
        Ok(Kind::Nested(nesting, attributes))
    }

    fn shape(&self, schema: &Resolved<'schema>) -> Result<Shape<'schema>, LowerError> {
        let keywords = &schema.keywords;
        if keywords.contains_key("x-kubernetes-int-or-string") || keywords.contains_key("oneOf") {
            return Ok(Shape::Scalar(Type::String));
        }
        match schema.text("type") {
            Some("string") => Ok(Shape::Scalar(Type::String)),
            Some("boolean") => Ok(Shape::Scalar(Type::Bool)),
            Some("integer" | "number") => Ok(Shape::Scalar(Type::Number)),
            Some("array") => match schema.get("items") {
                Some(items) => Ok(Shape::List(items)),
                None => Err(schema.place.error("an array without items")),
            },
            Some("object") => match schema.get("additionalProperties") {
                Some(items @ Json::Object(_)) => Ok(Shape::Map(items)),
                _ => Ok(Shape::Object),
            },
            other => Err(schema.place.error(format!("type {other:?}"))),
        }
    }

    fn checks(&self, schema: &Resolved<'schema>) -> Result<Vec<Check>, LowerError> {
        let mut checks = Vec::new();
        if schema.text("type") == Some("integer") {
            checks.push(Check::Whole);
        }
        if let Shape::Scalar(Type::Number) = self.shape(schema)? {
            let (least, most) = integer_bounds(schema)?.unzip();
            checks.extend(schema.number("minimum").or(least).map(Check::AtLeast));
            checks.extend(schema.number("maximum").or(most).map(Check::AtMost));
        }
        checks.extend(schema.size("minLength").map(Check::MinLength));
        checks.extend(schema.size("maxLength").map(Check::MaxLength));
        checks.extend(schema.size("minItems").map(Check::MinItems));
        let compile = |pattern: &str| {
            let pattern = Pattern::new(pattern);
            pattern.map_err(|error| schema.place.error(format!("pattern: {error}")))
        };
        if let Some(pattern) = schema.text("pattern") {
            checks.push(Check::Pattern(compile(pattern)?));
        }
        if let Some(words) = words(schema)? {
            checks.push(match self.extension(schema)?.or_pattern {
                Some(pattern) => Check::OneOfOrPattern(words, compile(&pattern)?),
                None => Check::OneOf(words),
            });
        }
        if let Shape::List(items) | Shape::Map(items) = self.shape(schema)? {
            let items = self.resolve(&schema.place, items)?;
            // Nested attributes have their own checks.
            if let Shape::Scalar(_) = self.shape(&items)? {
                let each = self.checks(&items)?;
                checks.extend((!each.is_empty()).then_some(Check::Each(each)));
            }
        }
        Ok(checks)
    }

    fn extension(&self, schema: &Resolved<'schema>) -> Result<Extension, LowerError> {
        match schema.get("x-terraform") {
            None => Ok(Extension::default()),
            Some(extension) => Extension::deserialize(extension)
                .map_err(|error| schema.place.error(format!("x-terraform: {error}"))),
        }
    }

    /// Resolves `$ref` and removes `null`. Keywords beside a reference override the referenced ones.
    fn resolve(
        &self,
        place: &Property,
        schema: &'schema Json,
    ) -> Result<Resolved<'schema>, LowerError> {
        let Some(keywords) = schema.as_object() else {
            return Err(place.error("a schema that is not an object"));
        };
        let keywords = keywords.iter().map(|(name, value)| (name.as_str(), value));
        let mut keywords: BTreeMap<&str, &Json> = keywords.collect();
        if let Some(unknown) = keywords.keys().find(|key| !KEYWORDS.contains(key)) {
            return Err(place.error(format!("unknown keyword {unknown:?}")));
        }
        let described_by_kubernetes = place.is_of_kubernetes();
        let mut place = place.clone();
        let reference = keywords.remove("$ref").and_then(Json::as_str);
        let choices = keywords.remove("anyOf").and_then(Json::as_array);
        let target = match (reference, choices) {
            (Some(reference), None) => {
                let name = reference.trim_start_matches("#/$defs/");
                if place.entered.iter().any(|entered| entered == name) {
                    return Err(place.error(format!("{name} contains itself")));
                }
                let definition = self.definitions.and_then(|all| all.get(name));
                let definition =
                    definition.ok_or_else(|| place.error(format!("no definition {name}")))?;
                place.entered.push(name.to_owned());
                Some(definition)
            }
            (None, Some(choices)) => {
                let is_null = |choice: &&Json| choice.get("type") == Some(&Json::from("null"));
                let mut schemas = choices.iter().filter(|choice| !is_null(choice));
                match (schemas.next(), schemas.next()) {
                    (Some(choice), None) => Some(choice),
                    _ => return Err(place.error("anyOf other than one schema or null")),
                }
            }
            (None, None) => None,
            _ => return Err(place.error("both $ref and anyOf")),
        };
        if let Some(target) = target {
            let mut resolved = self.resolve(&place, target)?;
            if keywords.contains_key("description") {
                resolved.described_by_kubernetes = described_by_kubernetes;
            }
            resolved.keywords.extend(keywords);
            return Ok(resolved);
        }
        if let Some(Json::Array(types)) = keywords.get("type") {
            let mut types = types.iter().filter(|name| *name != &Json::from("null"));
            match (types.next(), types.next()) {
                (Some(only), None) => keywords.insert("type", only),
                _ => return Err(place.error("more than one type")),
            };
        }
        Ok(Resolved {
            keywords,
            place,
            described_by_kubernetes,
        })
    }
}

enum Shape<'schema> {
    Scalar(Type),
    Object,
    List(&'schema Json),
    Map(&'schema Json),
}

fn required(object: &Resolved, key: &str) -> bool {
    object
        .get("required")
        .and_then(Json::as_array)
        .is_some_and(|names| names.iter().any(|name| name == key))
}

/// Returns the allowed words of an enum, in any of the forms that schemars uses.
fn words(schema: &Resolved) -> Result<Option<Vec<String>>, LowerError> {
    let mut words = Vec::new();
    let choices = match (schema.get("oneOf"), schema.get("enum")) {
        (Some(Json::Array(choices)), None) => choices.as_slice(),
        (None, Some(Json::Array(names))) => {
            words.extend(names.iter().filter_map(Json::as_str).map(str::to_owned));
            &[]
        }
        (None, None) => match schema.get("const") {
            Some(Json::String(only)) => return Ok(Some(vec![only.clone()])),
            Some(_) => return Err(schema.place.error("const that is not a string")),
            None => return Ok(None),
        },
        _ => return Err(schema.place.error("oneOf and enum together")),
    };
    for choice in choices {
        match (choice.get("const"), choice.get("enum")) {
            (Some(Json::String(word)), None) => words.push(word.clone()),
            (None, Some(Json::Array(names))) => {
                words.extend(names.iter().filter_map(Json::as_str).map(str::to_owned));
            }
            _ => return Err(schema.place.error("oneOf of more than words")),
        }
    }
    Ok(Some(words))
}

/// Returns the range of a number's format. For 64-bit integers, [`Check::Whole`] checks it.
fn integer_bounds(schema: &Resolved) -> Result<Option<(f64, f64)>, LowerError> {
    match schema.text("format") {
        Some("int32") => Ok(Some((i32::MIN.into(), i32::MAX.into()))),
        Some("uint16") => Ok(Some((0.0, u16::MAX.into()))),
        Some("uint32") => Ok(Some((0.0, u32::MAX.into()))),
        None | Some("int64" | "double") => Ok(None),
        Some(other) => Err(schema.place.error(format!("a number of format {other:?}"))),
    }
}
