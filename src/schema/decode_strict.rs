//! JSON that others have written as the value of a schema. Unlike [`encode`](super::encode()), nothing is dropped.

use serde_json::Value as Json;

use super::encode::Encoder;
use super::walk::{Attributes, Part, walk};
use super::{Path, Value};

/// A part of the JSON that the schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{place}` {reason}")]
pub struct MismatchError {
    /// The path in the names of the JSON: `services.onlineStore.server.env[0].name`.
    pub place: String,
    pub reason: MismatchReason,
}

/// The reason of a [`MismatchError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MismatchReason {
    /// The schema has no such property.
    #[error("is not supported.")]
    Unknown,
    /// The value does not have this type.
    #[error("must be {0}.")]
    Type(&'static str),
}

/// Decodes the serde form of an object. Only attributes that a configuration can set are allowed. A null property
/// counts as absent.
///
/// # Errors
///
/// Every mismatch, in the order of the JSON's properties.
pub fn decode_strict(attributes: &Attributes, json: &Json) -> Result<Value, Vec<MismatchError>> {
    let mut encoder = Encoder {
        report_unknown: true,
        ..Encoder::default()
    };
    let value = walk(
        &mut encoder,
        Path::root(),
        Part::Attributes(attributes),
        json,
    );
    encoder.checked(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::schema::{Attribute, Kind, Nesting, Type};

    fn attribute(key: &str, kind: Kind) -> (String, Attribute) {
        let attribute = Attribute {
            key: key.to_owned(),
            ..Attribute::of_kind(kind)
        };
        (heck::ToSnakeCase::to_snake_case(key), attribute)
    }

    fn schema() -> Attributes {
        let plain = |ty| Kind::Plain(ty);
        let server = BTreeMap::from([attribute("portNumber", plain(Type::Number))]);
        let labels = Type::Map(Box::new(Type::String));
        BTreeMap::from([
            attribute("servers", Kind::nested(Nesting::List, server)),
            attribute("podLabels", plain(labels)),
            attribute("enabled", plain(Type::Bool)),
        ])
    }

    #[test]
    fn reports_every_mismatch_in_the_order_of_the_json() {
        let json = json!({
            "another": 1,
            "enabled": "yes",
            "podLabels": {"a b": true, "c": 1},
            "servers": [{"portNumber": 80}, {"host": "x", "portNumber": null}, 7],
        });
        let errors = decode_strict(&schema(), &json).unwrap_err();
        let found: Vec<(&str, &MismatchReason)> = (errors.iter())
            .map(|error| (error.place.as_str(), &error.reason))
            .collect();
        assert_eq!(
            found,
            [
                ("another", &MismatchReason::Unknown),
                ("enabled", &MismatchReason::Type("true or false")),
                ("podLabels[\"a b\"]", &MismatchReason::Type("a string")),
                ("servers[1].host", &MismatchReason::Unknown),
                ("servers[2]", &MismatchReason::Type("an object")),
            ]
        );
        let not_an_object = decode_strict(&schema(), &json!([])).unwrap_err();
        assert_eq!(not_an_object[0].reason, MismatchReason::Type("an object"));
    }

    #[test]
    fn null_properties_count_as_absent() {
        let json = json!({"enabled": null, "podLabels": {"a": 1}});
        let labels = BTreeMap::from([("a".to_owned(), Value::string("1"))]);
        let expected = BTreeMap::from([
            ("enabled".to_owned(), Value::Null),
            ("pod_labels".to_owned(), Value::Map(labels)),
            ("servers".to_owned(), Value::Null),
        ]);
        assert_eq!(decode_strict(&schema(), &json), Ok(Value::Object(expected)));
    }
}
