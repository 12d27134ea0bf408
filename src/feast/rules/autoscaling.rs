//! What Kubernetes' API server would refuse of an autoscaler, said before anything is written.

use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, MetricSpec, MetricTarget};

use super::Violation;
use super::accessors::{AUTOSCALING, KEDA, autoscaling, keda, metrics as metrics_of};
use crate::feast::config::FeatureStore;
use crate::kubernetes::quantity::Quantity;
use crate::schema::Path;

/// The types of metric: word, block, and the types of target that they can have.
const TYPES: [(&str, &str, &[&str]); 5] = [
    ("Resource", "resource", &["Utilization", "AverageValue"]),
    (
        "ContainerResource",
        "container_resource",
        &["Utilization", "AverageValue"],
    ),
    ("Pods", "pods", &["AverageValue"]),
    ("Object", "object", &["Value", "AverageValue"]),
    ("External", "external", &["Value", "AverageValue"]),
];

/// The types of target and the attribute that holds the number of each.
const TARGETS: [(&str, &str); 3] = [
    ("Utilization", "average_utilization"),
    ("AverageValue", "average_value"),
    ("Value", "value"),
];

const WINDOW: i32 = 3600;
const PERIOD: i32 = 1800;

pub(super) fn metrics(store: &FeatureStore) -> Vec<Violation> {
    metrics_of(store)
        .into_iter()
        .flat_map(|(path, spec)| metric(&path, spec))
        .collect()
}

fn metric(path: &Path, spec: &MetricSpec) -> Vec<Violation> {
    let MetricSpec {
        type_,
        resource,
        container_resource,
        pods,
        object,
        external,
    } = spec;
    let type_path = path.attribute("type");
    let Some((_, block, targets)) = TYPES.iter().find(|(word, _, _)| word == type_) else {
        return vec![Violation::new(
            type_path.clone(),
            [type_path],
            format!("{type_:?} is not a type of metric"),
            "Write `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.",
        )];
    };
    let blocks = [
        ("resource", resource.as_ref().map(|source| &source.target)),
        (
            "container_resource",
            container_resource.as_ref().map(|source| &source.target),
        ),
        ("pods", pods.as_ref().map(|source| &source.target)),
        ("object", object.as_ref().map(|source| &source.target)),
        ("external", external.as_ref().map(|source| &source.target)),
    ];
    let mut violations = nameless(path, spec);
    for (name, found) in blocks {
        match found {
            Some(found) if name == *block => {
                violations.extend(target(
                    &path.attribute(name).attribute("target"),
                    found,
                    targets,
                ));
            }
            None if name == *block => violations.push(Violation::new(
                path.clone(),
                [type_path.clone(), path.attribute(name)],
                format!("A metric of type {type_} needs `{name}`"),
                format!("Write what to measure under `{name}`, or another `type`."),
            )),
            Some(_) => violations.push(Violation::new(
                path.attribute(name),
                [type_path.clone()],
                format!("A metric of type {type_} cannot have `{name}`"),
                format!("Remove `{name}`; what to measure stands under `{block}`."),
            )),
            None => {}
        }
    }
    violations
}

/// Names that are required and empty.
fn nameless(path: &Path, spec: &MetricSpec) -> Vec<Violation> {
    let mut names = Vec::new();
    if let Some(source) = &spec.resource {
        names.push(("resource.name", &source.name));
    }
    if let Some(source) = &spec.container_resource {
        names.push(("container_resource.name", &source.name));
    }
    if let Some(source) = &spec.pods {
        names.push(("pods.metric.name", &source.metric.name));
    }
    if let Some(source) = &spec.object {
        names.push(("object.metric.name", &source.metric.name));
        names.push((
            "object.described_object.kind",
            &source.described_object.kind,
        ));
        names.push((
            "object.described_object.name",
            &source.described_object.name,
        ));
    }
    if let Some(source) = &spec.external {
        names.push(("external.metric.name", &source.metric.name));
    }
    (names.into_iter())
        .filter(|(_, name)| name.is_empty())
        .map(|(place, _)| {
            let at = path.attribute(place);
            Violation::new(
                at.clone(),
                [at],
                "What is measured has no name",
                "Write the name that the cluster's metrics have for it.",
            )
        })
        .collect()
}

fn target(path: &Path, target: &MetricTarget, allowed: &[&str]) -> Vec<Violation> {
    let MetricTarget {
        type_,
        average_utilization,
        average_value,
        value,
    } = target;
    let type_path = path.attribute("type");
    if !allowed.contains(&type_.as_str()) {
        let words: Vec<_> = allowed.iter().map(|word| format!("`{word}`")).collect();
        // Which types are allowed follows from the metric's own type, one object up.
        let metric = Path::root();
        let metric = path.steps()[..path.steps().len() - 2]
            .iter()
            .fold(metric, |above, step| above.with(step.clone()));
        return vec![Violation::new(
            type_path.clone(),
            [type_path, metric.attribute("type")],
            format!("A target of type {type_:?} is not possible here"),
            format!("Write {}.", words.join(" or ")),
        )];
    }
    let positive = |text: &str| Quantity::parse(text).is_some_and(|value| value > Quantity::ZERO);
    let numbers = [
        (
            "average_utilization",
            average_utilization.map(|percent| percent >= 1),
        ),
        (
            "average_value",
            average_value.as_ref().map(|value| positive(&value.0)),
        ),
        ("value", value.as_ref().map(|value| positive(&value.0))),
    ];
    let wanted = TARGETS
        .iter()
        .find(|(word, _)| word == type_)
        .map_or("", |(_, attribute)| attribute);
    let mut violations = Vec::new();
    for (name, number) in numbers {
        let at = path.attribute(name);
        match number {
            None if name == wanted => violations.push(Violation::new(
                path.clone(),
                [type_path.clone(), at],
                format!("A target of type {type_} needs `{name}`"),
                format!("Write the number to aim at as `{name}`."),
            )),
            Some(_) if name != wanted => violations.push(Violation::new(
                at,
                [type_path.clone()],
                format!("A target of type {type_} cannot have `{name}`"),
                format!("Remove `{name}`; the number to aim at stands under `{wanted}`."),
            )),
            Some(false) => violations.push(Violation::new(
                at.clone(),
                [at],
                format!("`{name}` must be a number above 0"),
                "Write a whole percentage for `average_utilization`, or a quantity such as `100m` or `1Gi`.",
            )),
            Some(true) | None => {}
        }
    }
    violations
}

pub(super) fn behavior(store: &FeatureStore) -> Vec<Violation> {
    let behaviors = [
        (
            AUTOSCALING,
            autoscaling(store).and_then(|it| it.behavior.as_ref()),
        ),
        (KEDA, keda(store).and_then(|it| it.behavior.as_ref())),
    ];
    let mut violations = Vec::new();
    for (autoscaler, behavior) in behaviors {
        let path = Path::of(autoscaler).attribute("behavior");
        let directions = behavior.into_iter().flat_map(|behavior| {
            [
                ("scale_up", &behavior.scale_up),
                ("scale_down", &behavior.scale_down),
            ]
        });
        for (name, rules) in directions {
            if let Some(rules) = rules {
                violations.extend(direction(&path.attribute(name), rules));
            }
        }
    }
    violations
}

fn direction(path: &Path, rules: &HPAScalingRules) -> Vec<Violation> {
    let HPAScalingRules {
        policies,
        select_policy,
        stabilization_window_seconds,
        tolerance,
    } = rules;
    let mut violations = Vec::new();
    let mut refuse = |at: Path, wrong: bool, summary: String, detail: &str| {
        if wrong {
            violations.push(Violation::new(at.clone(), [at], summary, detail));
        }
    };
    if let Some(seconds) = stabilization_window_seconds {
        refuse(
            path.attribute("stabilization_window_seconds"),
            !(0..=WINDOW).contains(seconds),
            format!("A stabilization window of {seconds} seconds is out of bounds"),
            "Kubernetes allows 0 to 3600 seconds.",
        );
    }
    if let Some(word) = select_policy {
        refuse(
            path.attribute("select_policy"),
            !["Max", "Min", "Disabled"].contains(&word.as_str()),
            format!("{word:?} does not select a policy"),
            "Write `Max` (the policy that moves most), `Min` (that moves least) or `Disabled`.",
        );
    }
    if let Some(tolerance) = tolerance {
        refuse(
            path.attribute("tolerance"),
            Quantity::parse(&tolerance.0).is_none_or(|value| value < Quantity::ZERO),
            format!("A tolerance of {:?} is not a quantity", tolerance.0),
            "Write a ratio that is not negative, such as `0.1` or `50m`.",
        );
    }
    refuse(
        path.attribute("policies"),
        policies.as_ref().is_some_and(Vec::is_empty),
        "There is no scaling policy".to_owned(),
        "Write at least one, or leave `policies` out for Kubernetes' own.",
    );
    for (index, policy) in policies.iter().flatten().enumerate() {
        let path = path.attribute("policies").index(index);
        refuse(
            path.attribute("type"),
            !["Pods", "Percent"].contains(&policy.type_.as_str()),
            format!("{:?} is not a type of scaling policy", policy.type_),
            "Write `Pods` (`value` is a number of pods) or `Percent` (`value` is a share of them).",
        );
        refuse(
            path.attribute("value"),
            policy.value < 1,
            "The value of a scaling policy must be above 0".to_owned(),
            "To keep the autoscaler from moving in this direction, write `select_policy = \"Disabled\"`.",
        );
        refuse(
            path.attribute("period_seconds"),
            !(1..=PERIOD).contains(&policy.period_seconds),
            format!(
                "A period of {} seconds is out of bounds",
                policy.period_seconds
            ),
            "Kubernetes allows 1 to 1800 seconds.",
        );
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::refused;

    fn metrics(metrics: Json, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, summary)| {
                (
                    format!("services.scaling.autoscaling.metrics{path}"),
                    *summary,
                )
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, s)| (path.as_str(), *s))
            .collect();
        refused(
            "autoscaling-metrics",
            json!({"scaling": {"autoscaling": {"maxReplicas": 3, "metrics": metrics}}}),
            &expected,
        );
    }

    #[test]
    fn every_type_of_metric_stands_with_its_own_block() {
        let average = json!({"type": "AverageValue", "averageValue": "100"});
        metrics(
            json!([
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
                {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "online", "target": average}},
                {"type": "Pods", "pods": {"metric": {"name": "r"}, "target": average}},
                {"type": "Object", "object": {"metric": {"name": "r"}, "describedObject": {"kind": "Ingress", "name": "i"}, "target": {"type": "Value", "value": "10k"}}},
                {"type": "External", "external": {"metric": {"name": "q"}, "target": average}},
            ]),
            &[],
        );
    }

    #[test]
    fn what_is_measured_has_a_name() {
        let target = json!({"type": "AverageValue", "averageValue": "1"});
        let nameless = "What is measured has no name";
        metrics(
            json!([
                {"type": "Pods", "pods": {"metric": {"name": ""}, "target": target}},
                {"type": "Object", "object": {"metric": {"name": "r"}, "describedObject": {"kind": "", "name": ""}, "target": target}},
            ]),
            &[
                ("[0].pods.metric.name", nameless),
                ("[1].object.described_object.kind", nameless),
                ("[1].object.described_object.name", nameless),
            ],
        );
    }

    #[test]
    fn the_behavior_of_keda_is_the_same() {
        refused(
            "autoscaling-behavior",
            json!({"scaling": {"keda": {
                "maxReplicas": 5,
                "triggers": [],
                "behavior": {"scaleUp": {"policies": []}},
            }}}),
            &[(
                "services.scaling.keda.behavior.scale_up.policies",
                "There is no scaling policy",
            )],
        );
    }

    #[test]
    fn types_and_blocks_must_match() {
        metrics(
            json!([
                {"type": "Cpu"},
                {"type": "Resource", "pods": {"metric": {"name": "r"}, "target": {"type": "AverageValue", "averageValue": "1"}}},
            ]),
            &[
                ("[0].type", "\"Cpu\" is not a type of metric"),
                ("[1]", "A metric of type Resource needs `resource`"),
                ("[1].pods", "A metric of type Resource cannot have `pods`"),
            ],
        );
    }

    #[test]
    fn targets_must_match_the_metric_and_their_number() {
        let resource = |target: Json| json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
        metrics(
            json!([
                resource(json!({"type": "Value", "value": "1"})),
                resource(json!({"type": "Utilization", "averageValue": "1"})),
                resource(json!({"type": "Utilization", "averageUtilization": 0})),
                resource(json!({"type": "AverageValue", "averageValue": "lots"})),
            ]),
            &[
                (
                    "[0].resource.target.type",
                    "A target of type \"Value\" is not possible here",
                ),
                (
                    "[1].resource.target",
                    "A target of type Utilization needs `average_utilization`",
                ),
                (
                    "[1].resource.target.average_value",
                    "A target of type Utilization cannot have `average_value`",
                ),
                (
                    "[2].resource.target.average_utilization",
                    "`average_utilization` must be a number above 0",
                ),
                (
                    "[3].resource.target.average_value",
                    "`average_value` must be a number above 0",
                ),
            ],
        );
    }

    #[test]
    fn behavior_stays_within_bounds() {
        let at = |place: &str| format!("services.scaling.autoscaling.behavior.{place}");
        let paths = [
            at("scale_up.select_policy"),
            at("scale_up.policies[0].type"),
            at("scale_up.policies[0].value"),
            at("scale_up.policies[0].period_seconds"),
            at("scale_down.stabilization_window_seconds"),
        ];
        let summaries = [
            "\"Most\" does not select a policy",
            "\"Nodes\" is not a type of scaling policy",
            "The value of a scaling policy must be above 0",
            "A period of 1801 seconds is out of bounds",
            "A stabilization window of 99999 seconds is out of bounds",
        ];
        let expected: Vec<_> = paths.iter().map(String::as_str).zip(summaries).collect();
        refused(
            "autoscaling-behavior",
            json!({"scaling": {"autoscaling": {"maxReplicas": 5, "behavior": {
                "scaleUp": {"selectPolicy": "Most", "policies": [{"type": "Nodes", "value": 0, "periodSeconds": 1801}]},
                "scaleDown": {"stabilizationWindowSeconds": 99999},
            }}}}),
            &expected,
        );
    }
}
