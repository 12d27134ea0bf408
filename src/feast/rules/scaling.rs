//! The ways to scale, and the HorizontalPodAutoscaler.

use super::Violation;
use super::accessors::{AUTOSCALING, KEDA, SCALING, autoscaling, keda, scaling};
use crate::feast::config::FeatureStore;
use crate::kubernetes::validation::{autoscaling as kubernetes, below, each};
use crate::schema::Path;

pub(super) fn replicas_or_autoscaling(store: &FeatureStore) -> Vec<Violation> {
    let Some(scaling) = scaling(store) else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    if scaling.replicas.is_some() && scaling.autoscaling.is_some() {
        violations.push(Violation::at(
            Path::of(SCALING).attribute("replicas"),
            "replicas and autoscaling are mutually exclusive",
            "The autoscaler and a fixed number of pods would undo each other's changes. Remove \
             `services.scaling.replicas` to let the autoscaler choose, with `min_replicas` as the lower bound, or \
             remove `services.scaling.autoscaling` to keep the number fixed.",
        ));
    }
    let others = [
        ("replicas", scaling.replicas.is_some()),
        ("autoscaling", scaling.autoscaling.is_some()),
    ];
    let others = others.into_iter().filter(|(_, is_set)| *is_set);
    violations.extend(others.filter(|_| scaling.keda.is_some()).map(|(other, _)| {
        Violation::new(
            Path::of(KEDA),
            [Path::of(SCALING).attribute(other)],
            format!("keda and {other} are mutually exclusive"),
            format!(
                "KEDA and `{other}` would undo each other's changes. Remove `services.scaling.{other}` or \
                 `services.scaling.keda`."
            ),
        )
    }));
    violations
}

pub(super) fn replica_bounds(store: &FeatureStore) -> Vec<Violation> {
    let bounds = autoscaling(store).map(|it| (it.min_replicas, it.max_replicas));
    let Some((Some(min), max)) = bounds else {
        return Vec::new();
    };
    min_above_max(AUTOSCALING, min, max).into_iter().collect()
}

/// Returns a violation if an autoscaler's `min_replicas` is greater than its `max_replicas`.
pub(super) fn min_above_max(autoscaler: &str, min: i32, max: i32) -> Option<Violation> {
    let path = Path::of(autoscaler).attribute("min_replicas");
    (min > max).then(|| {
        Violation::new(
            path.clone(),
            [path, Path::of(autoscaler).attribute("max_replicas")],
            format!("min_replicas ({min}) is greater than max_replicas ({max})"),
            format!("Set `min_replicas` to at most {max}, or `max_replicas` to at least {min}."),
        )
    })
}

pub(super) fn metrics(store: &FeatureStore) -> Vec<Violation> {
    let metrics = autoscaling(store).and_then(|it| it.metrics.as_deref());
    let path = Path::of(AUTOSCALING).attribute("metrics");
    each(&path, metrics.unwrap_or_default(), kubernetes::metric)
}

pub(super) fn behavior(store: &FeatureStore) -> Vec<Violation> {
    let autoscaling = autoscaling(store).and_then(|it| it.behavior.as_ref());
    let keda = keda(store).and_then(|it| it.behavior.as_ref());
    [(AUTOSCALING, autoscaling), (KEDA, keda)]
        .into_iter()
        .filter_map(|(autoscaler, behavior)| {
            let path = Path::of(autoscaler).attribute("behavior");
            Some(below(&path, kubernetes::behavior(behavior?)))
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{accepts, rejects};

    #[test]
    fn replicas_conflict_with_autoscaling() {
        accepts(json!({"scaling": {}}));
        accepts(json!({"scaling": {"replicas": 1}}));
        rejects(
            "replicas-or-autoscaling",
            json!({"scaling": {"replicas": 1, "autoscaling": {"maxReplicas": 3}}}),
            &[(
                "services.scaling.replicas",
                "replicas and autoscaling are mutually exclusive",
            )],
        );
    }

    #[test]
    fn keda_conflicts_with_replicas_and_autoscaling() {
        let keda = json!({"maxReplicas": 3, "triggers": [{"type": "cron", "metadata": {}}]});
        rejects(
            "replicas-or-autoscaling",
            json!({"scaling": {"keda": keda}}),
            &[],
        );
        rejects(
            "replicas-or-autoscaling",
            json!({"scaling": {"keda": keda, "replicas": 1, "autoscaling": {"maxReplicas": 3}}}),
            &[
                (
                    "services.scaling.replicas",
                    "replicas and autoscaling are mutually exclusive",
                ),
                (
                    "services.scaling.keda",
                    "keda and replicas are mutually exclusive",
                ),
                (
                    "services.scaling.keda",
                    "keda and autoscaling are mutually exclusive",
                ),
            ],
        );
    }

    #[test]
    fn rejects_min_replicas_above_max_replicas() {
        rejects(
            "replica-bounds",
            json!({"scaling": {"autoscaling": {"maxReplicas": 1}}}),
            &[],
        );
        rejects(
            "replica-bounds",
            json!({"scaling": {"autoscaling": {"minReplicas": 2, "maxReplicas": 2}}}),
            &[],
        );
        rejects(
            "replica-bounds",
            json!({"scaling": {"autoscaling": {"minReplicas": 5, "maxReplicas": 3}}}),
            &[(
                "services.scaling.autoscaling.min_replicas",
                "min_replicas (5) is greater than max_replicas (3)",
            )],
        );
    }

    #[test]
    fn violations_of_kubernetes_types_are_at_their_attributes() {
        rejects(
            "autoscaling-metrics",
            json!({"scaling": {"autoscaling": {"maxReplicas": 3, "metrics": [
                {"type": "Cpu"},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Value", "value": "1"}}},
            ]}}}),
            &[
                (
                    "services.scaling.autoscaling.metrics[0].type",
                    "Unsupported value \"Cpu\"",
                ),
                (
                    "services.scaling.autoscaling.metrics[1].resource.target.type",
                    "Unsupported value \"Value\"",
                ),
            ],
        );
        let behavior = json!({"scaleUp": {"policies": []}});
        let summary = "At least one scaling policy is required";
        for (scaling, path) in [
            (
                json!({"autoscaling": {"maxReplicas": 5, "behavior": behavior}}),
                "services.scaling.autoscaling.behavior.scale_up.policies",
            ),
            (
                json!({"keda": {"maxReplicas": 5, "triggers": [], "behavior": behavior}}),
                "services.scaling.keda.behavior.scale_up.policies",
            ),
        ] {
            rejects(
                "autoscaling-behavior",
                json!({"scaling": scaling}),
                &[(path, summary)],
            );
        }
    }
}
