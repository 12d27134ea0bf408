//! The pod failure policy of a Job (`PodFailurePolicy`).

use k8s_openapi::api::batch::v1::{
    PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};

use super::metadata::qualified_name;
use super::{Violation, exactly_one, supported};
use crate::schema::Path;

const MAX_RULES: usize = 20;
const MAX_CONDITIONS: usize = 20;
const MAX_EXIT_CODES: usize = 255;

/// Validates the rules of a policy, except for what depends on other fields of the Job.
pub fn validate(policy: &PodFailurePolicy) -> Vec<Violation> {
    let list = Path::of("rules");
    let rules = policy.rules.iter().enumerate();
    let rules = rules.flat_map(|(index, rule)| self::rule(&list.index(index), rule));
    let too_many = at_most(&list, policy.rules.len(), MAX_RULES, "rules");
    too_many.into_iter().chain(rules).collect()
}

fn at_most(path: &Path, count: usize, max: usize, noun: &str) -> Option<Violation> {
    (count > max).then(|| {
        Violation::at(
            path.clone(),
            format!("There are {count} {noun}, but at most {max} are allowed"),
            "Remove some of them.",
        )
    })
}

fn conditions(
    list: &Path,
    conditions: &[PodFailurePolicyOnPodConditionsPattern],
) -> Vec<Violation> {
    let too_many = at_most(list, conditions.len(), MAX_CONDITIONS, "conditions");
    let mut violations = Vec::from_iter(too_many);
    for (index, condition) in conditions.iter().enumerate() {
        let PodFailurePolicyOnPodConditionsPattern { status, type_ } = condition;
        let path = list.index(index);
        let noun = "type of a condition";
        violations.extend(qualified_name(path.attribute("type"), type_, noun));
        if let Some(status) = status {
            let path = path.attribute("status");
            violations.extend(supported(path, status, &["True", "False", "Unknown"]));
        }
    }
    violations
}

fn rule(path: &Path, rule: &PodFailurePolicyRule) -> Vec<Violation> {
    let PodFailurePolicyRule {
        action,
        on_exit_codes,
        on_pod_conditions,
    } = rule;
    let actions = ["FailJob", "FailIndex", "Ignore", "Count"];
    let mut violations = Vec::from_iter(supported(path.attribute("action"), action, &actions));
    let has_conditions = on_pod_conditions.as_ref().is_some_and(|it| !it.is_empty());
    let requirements = [
        ("on_exit_codes", on_exit_codes.is_some()),
        ("on_pod_conditions", has_conditions),
    ];
    let hint = "A rule matches either exit codes or pod conditions.";
    violations.extend(exactly_one(path, &requirements, hint));
    let list = path.attribute("on_pod_conditions");
    violations.extend(conditions(
        &list,
        on_pod_conditions.as_deref().unwrap_or_default(),
    ));
    let Some(codes) = on_exit_codes else {
        return violations;
    };
    let path = path.attribute("on_exit_codes");
    let (operator, values) = (path.attribute("operator"), path.attribute("values"));
    if let Some(violation) = supported(operator.clone(), &codes.operator, &["In", "NotIn"]) {
        violations.push(violation);
    } else if codes.values.is_empty() || (codes.operator == "In" && codes.values.contains(&0)) {
        violations.push(Violation::new(
            values.clone(),
            [values.clone(), operator],
            "The exit codes are not those of a failure",
            "Set at least one exit code. With the operator `In`, 0 is not allowed.",
        ));
    }
    let count = codes.values.len();
    violations.extend(at_most(&values, count, MAX_EXIT_CODES, "exit codes"));
    if !codes.values.is_sorted_by(|one, next| one < next) {
        violations.push(Violation::at(
            values,
            "Exit codes must be unique and in ascending order",
            "Sort the list, and remove duplicates.",
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::kubernetes::validation::testing;

    fn check(rule: Json, expected: &[(&str, &str)]) {
        let expected: Vec<_> = (expected.iter())
            .map(|(path, summary)| (format!("rules[0]{path}"), *summary))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, it)| (path.as_str(), *it))
            .collect();
        testing::check(&json!({"rules": [rule]}), validate, &expected);
    }

    #[test]
    fn actions_and_requirements() {
        let conditions = json!([{"type": "DisruptionTarget", "status": "True"}]);
        check(
            json!({"action": "Ignore", "onPodConditions": conditions}),
            &[],
        );
        let one = "Exactly one of `on_exit_codes`, `on_pod_conditions` must be set";
        check(
            json!({"action": "Never"}),
            &[(".action", "Unsupported value \"Never\""), ("", one)],
        );
        let codes = json!({"operator": "In", "values": [1]});
        check(
            json!({"action": "Count", "onExitCodes": codes, "onPodConditions": conditions}),
            &[("", one)],
        );
    }

    #[test]
    fn pod_conditions() {
        check(
            json!({"action": "Ignore", "onPodConditions": [{"type": "a b", "status": "true"}]}),
            &[
                (
                    ".on_pod_conditions[0].type",
                    "\"a b\" is not a valid type of a condition",
                ),
                (".on_pod_conditions[0].status", "Unsupported value \"true\""),
            ],
        );
        let condition = json!({"type": "a"});
        check(
            json!({"action": "Ignore", "onPodConditions": vec![condition; 21]}),
            &[(
                ".on_pod_conditions",
                "There are 21 conditions, but at most 20 are allowed",
            )],
        );
    }

    #[test]
    fn exit_codes() {
        let codes = |operator: &str, values: Json, expected: &[(&str, &str)]| {
            let codes = json!({"operator": operator, "values": values});
            check(json!({"action": "FailJob", "onExitCodes": codes}), expected);
        };
        codes("In", json!([1, 2, 42]), &[]);
        codes("NotIn", json!([0]), &[]);
        codes(
            "Is",
            json!([1]),
            &[(".on_exit_codes.operator", "Unsupported value \"Is\"")],
        );
        let not_a_failure = [(
            ".on_exit_codes.values",
            "The exit codes are not those of a failure",
        )];
        codes("In", json!([0]), &not_a_failure);
        codes("NotIn", json!([]), &not_a_failure);
        let order = [(
            ".on_exit_codes.values",
            "Exit codes must be unique and in ascending order",
        )];
        codes("In", json!([2, 1]), &order);
        codes("In", json!([1, 1]), &order);
    }
}
