//! Label selectors, and the requirements of node selectors.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Violation, supported};
use crate::schema::Path;

/// Operators of a `LabelSelector`.
const LABEL_OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];
/// Operators of a `NodeSelectorRequirement` on labels.
pub const NODE_OPERATORS: [&str; 6] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
/// Operators of a `NodeSelectorRequirement` on fields.
pub const FIELD_OPERATORS: [&str; 2] = ["In", "NotIn"];

/// Validates a label selector at `path`.
pub fn label_selector(path: &Path, selector: Option<&LabelSelector>) -> Vec<Violation> {
    let requirements = selector.and_then(|selector| selector.match_expressions.as_deref());
    let list = path.attribute("match_expressions");
    (requirements.unwrap_or_default().iter().enumerate())
        .filter_map(|(index, it)| {
            let values = it.values.as_deref();
            requirement(&list.index(index), &it.operator, values, &LABEL_OPERATORS)
        })
        .collect()
}

/// Validates a requirement at `path`: the operator, and the number of values that it needs.
pub fn requirement(
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
