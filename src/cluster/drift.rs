//! What has become of our fields: the live object seen through our manifest.
//!
//! The manifest is the mask. What it does not name (server defaults, fields and list elements of
//! others) never shows; what it names shows as it is now; what it names and is gone is absent. Where
//! the live value means the same as the mask's (`1` and `1000m`, another order of metrics), the mask's
//! own text is kept, so that an untouched object projects to exactly the manifest.

pub mod changes;
mod dropped;
pub mod foreign;
pub mod leftovers;
mod lists;
mod widen;

use serde_json::{Map, Value as Json};

pub use dropped::{Dropped, dropped};
pub use widen::with_foreign_elements;

use crate::kubernetes::quantity::Quantity;

/// The live object, as far as the mask names it.
pub fn project(mask: &Json, live: &Json) -> Json {
    value(&[], mask, live)
}

/// `path` holds the names of the fields above, outermost first; list positions are left out.
fn value(path: &[&str], mask: &Json, live: &Json) -> Json {
    match (mask, live) {
        (Json::Object(mask), Json::Object(live)) => object(path, mask, live),
        (Json::Array(mask), Json::Array(live)) => Json::Array(lists::project(path, mask, live)),
        _ if same(path, mask, live) => mask.clone(),
        _ => live.clone(),
    }
}

fn object(path: &[&str], mask: &Map<String, Json>, live: &Map<String, Json>) -> Json {
    let mut seen = Map::new();
    for (name, wanted) in mask {
        let path = [path, &[name.as_str()]].concat();
        match live.get(name) {
            Some(found) => {
                seen.insert(name.clone(), value(&path, wanted, found));
            }
            None if means_absent(name, wanted) => {
                seen.insert(name.clone(), wanted.clone());
            }
            // Lists come without the kind and version of their elements.
            None if path.len() == 1 && (name == "apiVersion" || name == "kind") => {
                seen.insert(name.clone(), wanted.clone());
            }
            None => {}
        }
    }
    Json::Object(seen)
}

/// Whether the API server leaves this value out when it answers.
fn means_absent(name: &str, value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(elements) => elements.is_empty(),
        // A volume's source of this kind is there even when it is empty.
        Json::Object(members) => members.is_empty() && name != "emptyDir",
        Json::Bool(false) => [
            "readOnly",
            "stdin",
            "stdinOnce",
            "tty",
            "hostNetwork",
            "hostPID",
            "hostIPC",
            "paused",
            "publishNotReadyAddresses",
        ]
        .contains(&name),
        Json::Number(number) => {
            number.as_i64() == Some(0)
                && ["minReadySeconds", "initialDelaySeconds", "hostPort"].contains(&name)
        }
        Json::Bool(true) => false,
    }
}

/// Equal in meaning, for values that are not both objects or both lists.
fn same(path: &[&str], mask: &Json, live: &Json) -> bool {
    if mask == live {
        return true;
    }
    match (mask, live) {
        (Json::Number(mask), Json::Number(live)) => mask.as_f64() == live.as_f64(),
        (Json::String(_) | Json::Number(_), Json::String(_) | Json::Number(_)) => {
            let (mask, live) = (text(mask), text(live));
            (is_quantity(path) && same_quantity(&mask, &live))
                || (is_size_of_claim(path) && is_at_least(&live, &mask))
                || (is_int_or_string(path) && mask == live)
        }
        _ => false,
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether both are quantities and mean the same.
fn same_quantity(left: &str, right: &str) -> bool {
    matches!((Quantity::parse(left), Quantity::parse(right)), (Some(left), Some(right)) if left == right)
}

/// A claim that somebody has grown cannot shrink again, and has all that was asked for.
fn is_size_of_claim(path: &[&str]) -> bool {
    path == ["spec", "resources", "requests", "storage"]
}

fn is_at_least(live: &str, wanted: &str) -> bool {
    matches!((Quantity::parse(live), Quantity::parse(wanted)), (Some(live), Some(wanted)) if live >= wanted)
}

fn is_quantity(path: &[&str]) -> bool {
    matches!(
        path,
        [.., "limits" | "requests" | "capacity", _]
            | [.., "target", "averageValue" | "value"]
            | [.., "sizeLimit" | "divisor" | "tolerance"]
    )
}

fn is_int_or_string(path: &[&str]) -> bool {
    matches!(
        path,
        [
            ..,
            "maxSurge" | "maxUnavailable" | "minAvailable" | "targetPort" | "port"
        ]
    )
}

#[cfg(test)]
mod tests;
