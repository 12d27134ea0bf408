//! Semantic equality: keeps the prior value where the planned one means the same.
//!
//! Terraform accepts a planned value that equals the configuration or the prior state.

use std::collections::BTreeMap;

use super::{Attribute, Kind, Nesting, Value};

/// Replaces each attribute of `planned` that differs from `prior` only in null entries of maps by its prior value. An
/// import cannot know null entries, so a plan after it would show an update that changes nothing.
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
                if planned != prior && without_null_entries(planned) == without_null_entries(prior)
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
            // Elements of sets have no position, and entries of maps can be absent on either side.
            Kind::Nested(Nesting::Set | Nesting::Map, _) => {}
        }
    }
}

fn without_null_entries(value: &Value) -> Value {
    match value {
        Value::Map(items) => Value::Map(
            (items.iter())
                .filter(|(_, item)| !item.is_null())
                .map(|(key, item)| (key.clone(), without_null_entries(item)))
                .collect(),
        ),
        Value::List(items) => Value::List(items.iter().map(without_null_entries).collect()),
        other => other.clone(),
    }
}
