//! Keeps what the prior state holds where the configuration means the same.
//!
//! Terraform accepts a planned value that equals the configuration or the prior state.

use std::collections::BTreeMap;

use super::{Attribute, Kind, Nesting, Value};

/// Replaces each attribute of `planned` that differs from `prior` only in null elements of maps by its prior
/// value. Without this, a plan after an import, which cannot know of null elements, would show an update that
/// changes nothing.
pub fn keep_prior(attributes: &BTreeMap<String, Attribute>, planned: &mut Value, prior: &Value) {
    let (Value::Object(planned), Value::Object(prior)) = (planned, prior) else {
        return;
    };
    for (name, attribute) in attributes {
        let (Some(planned), Some(prior)) = (planned.get_mut(name), prior.get(name)) else {
            continue;
        };
        match &attribute.kind {
            Kind::Plain(_) => {
                if planned != prior
                    && without_null_elements(planned) == without_null_elements(prior)
                {
                    planned.clone_from(prior);
                }
            }
            Kind::Nested(Nesting::Single, inner) => keep_prior(inner, planned, prior),
            Kind::Nested(Nesting::List, inner) => {
                if let (Value::List(planned), Value::List(prior)) = (planned, prior) {
                    for (planned, prior) in planned.iter_mut().zip(prior) {
                        keep_prior(inner, planned, prior);
                    }
                }
            }
            // An element of a set has no position, and one of a map may be absent on either side.
            Kind::Nested(Nesting::Set | Nesting::Map, _) => {}
        }
    }
}

fn without_null_elements(value: &Value) -> Value {
    match value {
        Value::Map(items) => Value::Map(
            (items.iter())
                .filter(|(_, item)| !item.is_null())
                .map(|(key, item)| (key.clone(), without_null_elements(item)))
                .collect(),
        ),
        Value::List(items) => Value::List(items.iter().map(without_null_elements).collect()),
        other => other.clone(),
    }
}
