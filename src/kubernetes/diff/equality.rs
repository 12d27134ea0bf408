//! Equivalence of values in Kubernetes.
//!
//! The API server stores most values as they are written, but omits empty values and normalizes quantities. Both types
//! of an `IntOrString` are compared by their text.

use serde_json::Value as Json;

use crate::kubernetes::quantity::Quantity;

/// Fields that the API server omits when they are false.
const OMITTED_IF_FALSE: [&str; 11] = [
    "readOnly",
    "stdin",
    "stdinOnce",
    "tty",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "paused",
    "publishNotReadyAddresses",
    "chapAuthDiscovery",
    "chapAuthSession",
];

/// Objects that the API server stores when they are empty: a source of a volume, and selectors of everything.
const MEANINGFUL_IF_EMPTY: [&str; 3] = ["emptyDir", "namespaceSelector", "podSelector"];

/// Fields that the API server omits when they are zero.
const OMITTED_IF_ZERO: [&str; 3] = ["minReadySeconds", "initialDelaySeconds", "hostPort"];

/// Returns whether the API server leaves this value of an object out of its answers. `path` has the names of the fields
/// down to the value, without list elements.
pub fn is_omitted(path: &[&str], value: &Json) -> bool {
    // Elements of lists have neither kind nor version, and a Secret returns `stringData` as `data`.
    if let ["apiVersion" | "kind" | "stringData"] = path {
        return true;
    }
    let name = path.last().copied().unwrap_or_default();
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(elements) => elements.is_empty(),
        Json::Object(members) => members.is_empty() && !MEANINGFUL_IF_EMPTY.contains(&name),
        Json::Bool(false) => OMITTED_IF_FALSE.contains(&name),
        Json::Number(number) => number.as_i64() == Some(0) && OMITTED_IF_ZERO.contains(&name),
        Json::Bool(true) => false,
    }
}

/// Returns whether two values, of which at most one is an object and at most one is a list, mean the same.
pub fn is_equivalent(path: &[&str], desired: &Json, live: &Json) -> bool {
    if desired == live {
        return true;
    }
    match (desired, live) {
        (Json::Number(desired), Json::Number(live)) => desired.as_f64() == live.as_f64(),
        (Json::String(_) | Json::Number(_), Json::String(_) | Json::Number(_)) => {
            let (desired, live) = (text(desired), text(live));
            let quantities = || Some((Quantity::parse(&desired)?, Quantity::parse(&live)?));
            (is_quantity(path) && quantities().is_some_and(|(desired, live)| desired == live))
                || (is_volume_size(path)
                    && quantities().is_some_and(|(desired, live)| desired <= live))
                || (is_int_or_string(path) && desired == live)
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

fn is_quantity(path: &[&str]) -> bool {
    matches!(
        path,
        [.., "limits" | "requests" | "capacity", _]
            | [.., "target", "averageValue" | "value"]
            | [.., "sizeLimit" | "divisor" | "tolerance"]
    )
}

/// The requested size of a PersistentVolumeClaim, which can grow and never shrink. One that has grown has all that is
/// desired.
fn is_volume_size(path: &[&str]) -> bool {
    path == ["spec", "resources", "requests", "storage"]
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
