//! Label selectors, and the requirements of node selectors.

use k8s_openapi::api::core::v1::NodeSelectorRequirement;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::metadata::{label_value, object_name, qualified_name};
use super::{Violation, supported};
use crate::schema::Path;

/// Operators of a `LabelSelector`.
const LABEL_OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];
/// Operators of a `NodeSelectorRequirement` on labels.
const NODE_OPERATORS: [&str; 6] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
/// Operators of a `NodeSelectorRequirement` on fields.
const FIELD_OPERATORS: [&str; 2] = ["In", "NotIn"];

/// Validates a label selector at `path` (`ValidateLabelSelector`).
pub fn label_selector(path: &Path, selector: Option<&LabelSelector>) -> Vec<Violation> {
    let Some(selector) = selector else {
        return Vec::new();
    };
    let LabelSelector {
        match_expressions,
        match_labels,
    } = selector;
    let labels = path.attribute("match_labels");
    let mut violations: Vec<Violation> = (match_labels.iter().flatten())
        .flat_map(|(key, value)| {
            let path = labels.key(key);
            [
                qualified_name(path.clone(), key, "label key"),
                label_value(path, value),
            ]
        })
        .flatten()
        .collect();
    let list = path.attribute("match_expressions");
    for (index, it) in match_expressions.iter().flatten().enumerate() {
        let path = list.index(index);
        let values = it.values.as_deref();
        violations.extend(requirement(&path, &it.operator, values, &LABEL_OPERATORS));
        violations.extend(key_and_values(&path, &it.key, values));
    }
    violations
}

/// Validates a requirement on labels of nodes at `path` (`ValidateNodeSelectorRequirement`). The values of a preference
/// can be any text.
pub fn node_requirement(
    path: &Path,
    it: &NodeSelectorRequirement,
    is_preference: bool,
) -> Vec<Violation> {
    let values = it.values.as_deref();
    let violation = requirement(path, &it.operator, values, &NODE_OPERATORS);
    let values = values.filter(|_| !is_preference);
    let names = key_and_values(path, &it.key, values);
    violation.into_iter().chain(names).collect()
}

/// Validates a requirement on fields of nodes at `path` (`ValidateNodeFieldSelectorRequirement`).
pub fn field_requirement(path: &Path, it: &NodeSelectorRequirement) -> Vec<Violation> {
    let mut violations = Vec::from_iter(supported(
        path.attribute("key"),
        &it.key,
        &["metadata.name"],
    ));
    let operators = &FIELD_OPERATORS;
    let operator = path.attribute("operator");
    violations.extend(supported(operator, &it.operator, operators));
    let list = path.attribute("values");
    let values = it.values.as_deref().unwrap_or_default();
    if values.len() != 1 {
        violations.push(Violation::at(
            list.clone(),
            "Exactly one value is required",
            "Set the name of one node. Use one requirement for each node.",
        ));
    }
    for (index, value) in values.iter().enumerate() {
        violations.extend(object_name(list.index(index), value));
    }
    violations
}

fn key_and_values(path: &Path, key: &str, values: Option<&[String]>) -> Vec<Violation> {
    let list = path.attribute("values");
    let key = qualified_name(path.attribute("key"), key, "label key");
    let values = values.unwrap_or_default().iter().enumerate();
    let values = values.filter_map(|(index, value)| label_value(list.index(index), value));
    key.into_iter().chain(values).collect()
}

/// Validates label keys whose values are those of the pod (`ValidateMatchLabelKeysAndMismatchLabelKeys`). Kubernetes
/// adds the keys in `match_label_keys` to the label selector, which must not have them.
pub fn label_keys(
    path: &Path,
    match_label_keys: Option<&[String]>,
    mismatch_label_keys: Option<&[String]>,
    selector: Option<&LabelSelector>,
) -> Vec<Violation> {
    let selector_path = path.attribute("label_selector");
    let lists = [
        ("match_label_keys", match_label_keys.unwrap_or_default()),
        (
            "mismatch_label_keys",
            mismatch_label_keys.unwrap_or_default(),
        ),
    ];
    let mut violations = Vec::new();
    for (name, keys) in lists {
        let list = path.attribute(name);
        if !keys.is_empty() && selector.is_none() {
            violations.push(Violation::new(
                list.clone(),
                [list.clone(), selector_path.clone()],
                format!("`{name}` requires `label_selector`"),
                format!("Set `label_selector`, or remove `{name}`."),
            ));
        }
        for (index, key) in keys.iter().enumerate() {
            violations.extend(qualified_name(list.index(index), key, "label key"));
        }
    }
    let [(_, matched), (_, mismatched)] = lists;
    let selector = selector.cloned().unwrap_or_default();
    for (index, key) in matched.iter().enumerate() {
        let path = path.attribute("match_label_keys").index(index);
        let expressions = selector.match_expressions.iter().flatten();
        let labels = selector.match_labels.iter().flatten();
        let mut selected = expressions
            .map(|it| &it.key)
            .chain(labels.map(|(key, _)| key));
        let other = if mismatched.contains(key) {
            "mismatch_label_keys"
        } else if selected.any(|it| it == key) {
            "label_selector"
        } else {
            continue;
        };
        violations.push(Violation::at(
            path,
            format!("The label key {key:?} is also in `{other}`"),
            "Remove it from one of the two.",
        ));
    }
    violations
}

/// Validates a requirement at `path`: the operator, and the number of values that it needs.
fn requirement(
    path: &Path,
    operator: &str,
    values: Option<&[String]>,
    operators: &[&str],
) -> Option<Violation> {
    let operator_path = path.attribute("operator");
    if let Some(violation) = supported(operator_path.clone(), operator, operators) {
        return Some(violation);
    }
    let values = values.unwrap_or_default();
    let (is_valid, needs) = match operator {
        "In" | "NotIn" => (!values.is_empty(), "at least one value"),
        "Gt" | "Lt" => (
            matches!(values, [number] if number.parse::<i64>().is_ok()),
            "exactly one value, a whole number",
        ),
        _ => (values.is_empty(), "an empty list of values"),
    };
    (!is_valid).then(|| {
        Violation::new(
            path.attribute("values"),
            [operator_path, path.attribute("values")],
            format!("The operator {operator} needs {needs}"),
            "Change `values`, or use another `operator`.",
        )
    })
}
