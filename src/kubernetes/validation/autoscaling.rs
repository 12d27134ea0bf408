//! Metrics and scaling behavior of a HorizontalPodAutoscaler (`autoscaling/v2`).

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingRules, HorizontalPodAutoscalerBehavior, MetricSpec, MetricTarget,
};

use super::metadata::{dns_label, path_segment};
use super::resources::container_resource;
use super::selector::label_selector;
use super::{Violation, seconds_in_range, supported};
use crate::kubernetes::quantity::Quantity;
use crate::schema::Path;

/// A type of metric.
struct MetricType {
    name: &'static str,
    /// The block that the type needs.
    block: &'static str,
    /// The types of target that it supports.
    targets: &'static [&'static str],
}

const METRIC_TYPES: [MetricType; 5] = [
    MetricType {
        name: "Resource",
        block: "resource",
        targets: &["Utilization", "AverageValue"],
    },
    MetricType {
        name: "ContainerResource",
        block: "container_resource",
        targets: &["Utilization", "AverageValue"],
    },
    MetricType {
        name: "Pods",
        block: "pods",
        targets: &["AverageValue"],
    },
    MetricType {
        name: "Object",
        block: "object",
        targets: &["Value", "AverageValue"],
    },
    MetricType {
        name: "External",
        block: "external",
        targets: &["Value", "AverageValue"],
    },
];

/// In seconds.
const MAX_STABILIZATION_WINDOW: i64 = 3600;
/// In seconds.
const MAX_POLICY_PERIOD: i64 = 1800;

/// Validates a metric: the block of its type and no other, with a target that the type supports.
pub fn metric(metric: &MetricSpec) -> Vec<Violation> {
    let MetricSpec {
        type_,
        resource,
        container_resource,
        pods,
        object,
        external,
    } = metric;
    let type_path = Path::of("type");
    let Some(metric_type) = METRIC_TYPES.iter().find(|it| it.name == type_) else {
        let names = METRIC_TYPES.map(|it| it.name);
        return supported(type_path, type_, &names).into_iter().collect();
    };
    let blocks = [
        ("resource", resource.as_ref().map(|it| &it.target)),
        (
            "container_resource",
            container_resource.as_ref().map(|it| &it.target),
        ),
        ("pods", pods.as_ref().map(|it| &it.target)),
        ("object", object.as_ref().map(|it| &it.target)),
        ("external", external.as_ref().map(|it| &it.target)),
    ];
    let mut violations = names(metric);
    for (block, target) in blocks {
        let path = Path::of(block);
        match (target, block == metric_type.block) {
            (Some(target), true) => {
                let path = path.attribute("target");
                violations.extend(self::target(&path, target, metric_type.targets));
            }
            (None, true) => violations.push(Violation::new(
                Path::root(),
                [type_path.clone(), path],
                format!("A metric of type {type_} needs `{block}`"),
                format!("Set `{block}`, or use another `type`."),
            )),
            (Some(_), false) => violations.push(Violation::new(
                path,
                [type_path.clone()],
                format!("`{block}` conflicts with the type {type_}"),
                format!(
                    "Remove `{block}`. A metric of this type uses `{}`.",
                    metric_type.block
                ),
            )),
            (None, false) => {}
        }
    }
    violations
}

/// Validates the names in a metric, and its label selector.
fn names(metric: &MetricSpec) -> Vec<Violation> {
    let mut violations = Vec::new();
    if let Some(source) = &metric.resource
        && source.name.is_empty()
    {
        violations.extend(path_segment(Path::of("resource.name"), &source.name));
    }
    if let Some(source) = &metric.container_resource {
        let path = Path::of("container_resource");
        violations.extend(container_resource(path.attribute("name"), &source.name));
        violations.extend(dns_label(path.attribute("container"), &source.container));
    }
    if let Some(source) = &metric.object {
        let described = &source.described_object;
        let path = Path::of("object.described_object");
        violations.extend(path_segment(path.attribute("kind"), &described.kind));
        violations.extend(path_segment(path.attribute("name"), &described.name));
        let version = described.api_version.as_deref().unwrap_or_default();
        violations.extend(api_version(path.attribute("api_version"), version));
    }
    let metrics = [
        ("pods", metric.pods.as_ref().map(|it| &it.metric)),
        ("object", metric.object.as_ref().map(|it| &it.metric)),
        ("external", metric.external.as_ref().map(|it| &it.metric)),
    ];
    for (block, metric) in metrics {
        let Some(metric) = metric else { continue };
        let path = Path::of(block).attribute("metric");
        violations.extend(path_segment(path.attribute("name"), &metric.name));
        let selector = metric.selector.as_ref();
        violations.extend(label_selector(&path.attribute("selector"), selector));
    }
    violations
}

/// Validates `<group>/<version>`, or a version of the core group (`ParseGroupVersion`).
fn api_version(path: Path, version: &str) -> Option<Violation> {
    (version.matches('/').count() > 1).then(|| {
        Violation::at(
            path,
            format!("{version:?} is not a valid API version"),
            "Set the version with its group, such as `networking.k8s.io/v1`.",
        )
    })
}

fn target(path: &Path, target: &MetricTarget, supported_types: &[&str]) -> Vec<Violation> {
    let MetricTarget {
        type_,
        average_utilization,
        average_value,
        value,
    } = target;
    let type_path = path.attribute("type");
    if let Some(violation) = supported(type_path.clone(), type_, supported_types) {
        // The supported types follow from the type of the metric.
        return vec![violation.reading(&[Path::of("type")])];
    }
    let is_positive = |text: &str| Quantity::parse(text).is_some_and(|it| it > Quantity::ZERO);
    let numbers = [
        (
            "Utilization",
            "average_utilization",
            average_utilization.map(|percent| percent >= 1),
        ),
        (
            "AverageValue",
            "average_value",
            average_value.as_ref().map(|it| is_positive(&it.0)),
        ),
        (
            "Value",
            "value",
            value.as_ref().map(|it| is_positive(&it.0)),
        ),
    ];
    let mut violations = Vec::new();
    for (number_type, name, number) in numbers {
        let number_path = path.attribute(name);
        match (number, number_type == type_) {
            (None, true) => violations.push(Violation::new(
                path.clone(),
                [type_path.clone(), number_path],
                format!("A target of type {type_} needs `{name}`"),
                format!("Set `{name}`, or use another `type`."),
            )),
            (Some(_), false) => violations.push(Violation::new(
                number_path,
                [type_path.clone()],
                format!("`{name}` conflicts with the type {type_}"),
                format!("Remove `{name}`, or set `type = \"{number_type}\"`."),
            )),
            (Some(false), true) => violations.push(Violation::at(
                number_path,
                format!("`{name}` must be greater than 0"),
                "Set a whole percentage for `average_utilization`, or a quantity such as `100m` or `1Gi`.",
            )),
            (Some(true), true) | (None, false) => {}
        }
    }
    violations
}

/// Validates the scaling rules of both directions.
pub fn behavior(behavior: &HorizontalPodAutoscalerBehavior) -> Vec<Violation> {
    let HorizontalPodAutoscalerBehavior {
        scale_down,
        scale_up,
    } = behavior;
    [("scale_up", scale_up), ("scale_down", scale_down)]
        .into_iter()
        .filter_map(|(name, rules)| Some(scaling_rules(&Path::of(name), rules.as_ref()?)))
        .flatten()
        .collect()
}

fn scaling_rules(path: &Path, rules: &HPAScalingRules) -> Vec<Violation> {
    let HPAScalingRules {
        policies,
        select_policy,
        stabilization_window_seconds,
        tolerance,
    } = rules;
    let mut violations = Vec::new();
    if let Some(seconds) = stabilization_window_seconds {
        let path = path.attribute("stabilization_window_seconds");
        violations.extend(seconds_in_range(
            path,
            (*seconds).into(),
            0,
            MAX_STABILIZATION_WINDOW,
        ));
    }
    if let Some(policy) = select_policy {
        let path = path.attribute("select_policy");
        violations.extend(supported(path, policy, &["Max", "Min", "Disabled"]));
    }
    if let Some(tolerance) = tolerance
        && Quantity::parse(&tolerance.0).is_none_or(|it| it < Quantity::ZERO)
    {
        violations.push(Violation::at(
            path.attribute("tolerance"),
            format!("{:?} is not a valid tolerance", tolerance.0),
            "Set a ratio that is not negative, such as `0.1` or `50m`.",
        ));
    }
    let list = path.attribute("policies");
    if policies.as_ref().is_some_and(Vec::is_empty) {
        violations.push(Violation::at(
            list.clone(),
            "At least one scaling policy is required",
            "Add a policy, or remove `policies` to use the defaults of Kubernetes.",
        ));
    }
    for (index, policy) in policies.iter().flatten().enumerate() {
        let path = list.index(index);
        let type_path = path.attribute("type");
        violations.extend(supported(type_path, &policy.type_, &["Pods", "Percent"]));
        if policy.value < 1 {
            violations.push(Violation::at(
                path.attribute("value"),
                "The value of a scaling policy must be greater than 0",
                "To disable scaling in this direction, set `select_policy = \"Disabled\"`.",
            ));
        }
        let path = path.attribute("period_seconds");
        violations.extend(seconds_in_range(
            path,
            policy.period_seconds.into(),
            1,
            MAX_POLICY_PERIOD,
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::kubernetes::validation::testing;

    fn check(metric: Json, expected: &[(&str, &str)]) {
        testing::check(&metric, super::metric, expected);
    }

    #[test]
    fn accepts_every_type_of_metric_with_its_own_block() {
        let average = json!({"type": "AverageValue", "averageValue": "100"});
        for metric in [
            json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}),
            json!({"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "online", "target": average}}),
            json!({"type": "Pods", "pods": {"metric": {"name": "r"}, "target": average}}),
            json!({"type": "Object", "object": {"metric": {"name": "r"}, "describedObject": {"kind": "Ingress", "name": "i"}, "target": {"type": "Value", "value": "10k"}}}),
            json!({"type": "External", "external": {"metric": {"name": "q"}, "target": average}}),
        ] {
            check(metric, &[]);
        }
    }

    #[test]
    fn rejects_invalid_names() {
        let target = json!({"type": "AverageValue", "averageValue": "1"});
        let empty = "\"\" is not a valid name";
        check(
            json!({"type": "Pods", "pods": {"metric": {"name": ""}, "target": target}}),
            &[("pods.metric.name", empty)],
        );
        check(
            json!({"type": "Object", "object": {
                "metric": {"name": "a/b", "selector": {"matchLabels": {"a b": "c"}}},
                "describedObject": {"apiVersion": "a/b/c", "kind": "", "name": ""},
                "target": target,
            }}),
            &[
                ("object.described_object.kind", empty),
                ("object.described_object.name", empty),
                (
                    "object.described_object.api_version",
                    "\"a/b/c\" is not a valid API version",
                ),
                ("object.metric.name", "\"a/b\" is not a valid name"),
                (
                    "object.metric.selector.match_labels[\"a b\"]",
                    "\"a b\" is not a valid label key",
                ),
            ],
        );
        check(
            json!({"type": "ContainerResource", "containerResource": {"name": "gpu", "container": "A", "target": target}}),
            &[
                (
                    "container_resource.name",
                    "\"gpu\" is not a resource of a container",
                ),
                ("container_resource.container", "\"A\" is not a valid name"),
            ],
        );
    }

    #[test]
    fn rejects_a_block_of_another_type() {
        check(
            json!({"type": "Cpu"}),
            &[("type", "Unsupported value \"Cpu\"")],
        );
        check(
            json!({"type": "Resource", "pods": {"metric": {"name": "r"}, "target": {"type": "AverageValue", "averageValue": "1"}}}),
            &[
                ("", "A metric of type Resource needs `resource`"),
                ("pods", "`pods` conflicts with the type Resource"),
            ],
        );
    }

    #[test]
    fn rejects_targets_that_do_not_fit() {
        let check = |target: Json, expected: &[(&str, &str)]| {
            check(
                json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}),
                expected,
            );
        };
        check(
            json!({"type": "Value", "value": "1"}),
            &[("resource.target.type", "Unsupported value \"Value\"")],
        );
        check(
            json!({"type": "Utilization", "averageValue": "1"}),
            &[
                (
                    "resource.target",
                    "A target of type Utilization needs `average_utilization`",
                ),
                (
                    "resource.target.average_value",
                    "`average_value` conflicts with the type Utilization",
                ),
            ],
        );
        check(
            json!({"type": "Utilization", "averageUtilization": 0}),
            &[(
                "resource.target.average_utilization",
                "`average_utilization` must be greater than 0",
            )],
        );
        check(
            json!({"type": "AverageValue", "averageValue": "lots"}),
            &[(
                "resource.target.average_value",
                "`average_value` must be greater than 0",
            )],
        );
    }

    #[test]
    fn rejects_behavior_out_of_range() {
        let behavior = json!({
            "scaleUp": {
                "selectPolicy": "Most",
                "tolerance": "-1",
                "policies": [{"type": "Nodes", "value": 0, "periodSeconds": 1801}],
            },
            "scaleDown": {"stabilizationWindowSeconds": 99999, "policies": []},
        });
        testing::check(
            &behavior,
            super::behavior,
            &[
                ("scale_up.select_policy", "Unsupported value \"Most\""),
                ("scale_up.tolerance", "\"-1\" is not a valid tolerance"),
                ("scale_up.policies[0].type", "Unsupported value \"Nodes\""),
                (
                    "scale_up.policies[0].value",
                    "The value of a scaling policy must be greater than 0",
                ),
                (
                    "scale_up.policies[0].period_seconds",
                    "1801 seconds is out of range",
                ),
                (
                    "scale_down.stabilization_window_seconds",
                    "99999 seconds is out of range",
                ),
                (
                    "scale_down.policies",
                    "At least one scaling policy is required",
                ),
            ],
        );
    }
}
