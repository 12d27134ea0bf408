//! Schemas as protocol messages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::codec::type_to_json;
use super::proto::tfplugin6 as proto;
use crate::schema::provider::{FunctionDefinition, IdentitySchema};
use crate::schema::{Attribute, Block, Kind, Nesting, Schema};

/// The format of all descriptions.
const MARKDOWN: i32 = proto::StringKind::Markdown as i32;

/// Converts each registered object, by name.
pub(super) fn each<T: ?Sized, M>(
    objects: &BTreeMap<String, Arc<T>>,
    convert: impl Fn(&T) -> M,
) -> HashMap<String, M> {
    let objects = objects.iter();
    objects
        .map(|(name, object)| (name.clone(), convert(object)))
        .collect()
}

/// Writes the protocol message `Schema`.
pub(super) fn schema(schema: &Schema) -> proto::Schema {
    proto::Schema {
        version: schema.version,
        block: Some(proto::schema::Block {
            version: schema.version,
            ..block(&schema.block)
        }),
    }
}

fn block(block: &Block) -> proto::schema::Block {
    proto::schema::Block {
        version: 0,
        attributes: attributes(&block.attributes),
        block_types: block.blocks.iter().map(nested_block).collect(),
        description: block.description.clone(),
        description_kind: MARKDOWN,
        ..Default::default()
    }
}

/// Writes a nested block as a list of at most one element. A block with the nesting `single` could not be left out.
fn nested_block((name, nested): (&String, &Block)) -> proto::schema::NestedBlock {
    proto::schema::NestedBlock {
        type_name: name.clone(),
        block: Some(block(nested)),
        nesting: proto::schema::nested_block::NestingMode::List.into(),
        min_items: 0,
        max_items: 1,
    }
}

fn attributes(attributes: &BTreeMap<String, Attribute>) -> Vec<proto::schema::Attribute> {
    attributes.iter().map(attribute).collect()
}

fn attribute((name, attribute): (&String, &Attribute)) -> proto::schema::Attribute {
    let (plain, nested) = match &attribute.kind {
        Kind::Plain(ty) => (type_to_json(ty), None),
        Kind::Nested(nesting, inner) => (
            Vec::new(),
            Some(proto::schema::Object {
                attributes: attributes(inner),
                nesting: nesting_mode(*nesting).into(),
                ..Default::default()
            }),
        ),
    };
    proto::schema::Attribute {
        name: name.clone(),
        r#type: plain,
        nested_type: nested,
        description: attribute.description.clone(),
        required: attribute.required,
        optional: attribute.optional,
        computed: attribute.computed,
        sensitive: attribute.sensitive,
        description_kind: MARKDOWN,
        deprecated: attribute.deprecated.is_some(),
        write_only: attribute.write_only,
        // Since 1.15, Terraform shows it in its warning about the use of the attribute.
        deprecation_message: attribute.deprecated.clone().unwrap_or_default(),
    }
}

fn nesting_mode(nesting: Nesting) -> proto::schema::object::NestingMode {
    use proto::schema::object::NestingMode;
    match nesting {
        Nesting::Single => NestingMode::Single,
        Nesting::List => NestingMode::List,
        Nesting::Set => NestingMode::Set,
        Nesting::Map => NestingMode::Map,
    }
}

/// Writes the protocol message `ResourceIdentitySchema`.
pub(super) fn identity(schema: &IdentitySchema) -> proto::ResourceIdentitySchema {
    let attributes = schema.attributes.iter().map(|attribute| {
        proto::resource_identity_schema::IdentityAttribute {
            name: attribute.name.clone(),
            r#type: type_to_json(&attribute.r#type),
            required_for_import: attribute.required_for_import,
            optional_for_import: !attribute.required_for_import,
            description: attribute.description.clone(),
        }
    });
    proto::ResourceIdentitySchema {
        version: schema.version,
        identity_attributes: attributes.collect(),
    }
}

/// Writes the protocol message `Function`.
pub(super) fn function(function: &FunctionDefinition) -> proto::Function {
    let parameters = (function.parameters.iter()).map(|parameter| proto::function::Parameter {
        name: parameter.name.clone(),
        r#type: type_to_json(&parameter.r#type),
        allow_null_value: false,
        allow_unknown_values: false,
        description: parameter.description.clone(),
        description_kind: MARKDOWN,
    });
    proto::Function {
        parameters: parameters.collect(),
        variadic_parameter: None,
        r#return: Some(proto::function::Return {
            r#type: type_to_json(&function.returns),
        }),
        summary: function.summary.clone(),
        description: function.description.clone(),
        description_kind: MARKDOWN,
        deprecation_message: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Type;

    #[test]
    fn nested_attributes_have_their_nesting_and_flags() {
        use proto::schema::object::NestingMode;
        let inner = Attribute {
            write_only: true,
            ..Attribute::of_kind(Kind::Plain(Type::Bool))
        };
        for (nesting, mode) in [
            (Nesting::Single, NestingMode::Single),
            (Nesting::List, NestingMode::List),
            (Nesting::Set, NestingMode::Set),
            (Nesting::Map, NestingMode::Map),
        ] {
            let attributes = BTreeMap::from([("inner".to_owned(), inner.clone())]);
            let outer = Attribute {
                sensitive: true,
                ..Attribute::of_kind(Kind::nested(nesting, attributes))
            };
            let message = |name: &str, of: &Attribute| proto::schema::Attribute {
                name: name.to_owned(),
                description: of.description.clone(),
                optional: true,
                description_kind: MARKDOWN,
                ..Default::default()
            };
            let expected = proto::schema::Attribute {
                sensitive: true,
                nested_type: Some(proto::schema::Object {
                    attributes: vec![proto::schema::Attribute {
                        r#type: br#""bool""#.to_vec(),
                        write_only: true,
                        ..message("inner", &inner)
                    }],
                    nesting: mode.into(),
                    ..Default::default()
                }),
                ..message("outer", &outer)
            };
            assert_eq!(attribute((&"outer".to_owned(), &outer)), expected);
        }
    }

    #[test]
    fn a_deprecated_attribute_has_its_message() {
        let plain = Attribute::of_kind(Kind::Plain(Type::String));
        let deprecated = Attribute {
            deprecated: Some("Use `b`.".to_owned()),
            ..plain.clone()
        };
        let name = "a".to_owned();
        let written = |of: &Attribute| {
            let message = attribute((&name, of));
            (message.deprecated, message.deprecation_message)
        };
        assert_eq!(written(&plain), (false, String::new()));
        assert_eq!(written(&deprecated), (true, "Use `b`.".to_owned()));
    }
}
