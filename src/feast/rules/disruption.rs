//! The PodDisruptionBudget.

use super::Violation;
use super::accessors::{AUTOSCALING, KEDA, SCALING, scaled_by, scaling, services};
use crate::feast::config::{FeatureStore, PodDisruptionBudgets};
use crate::kubernetes::int_or_percent::IntOrPercent;
use crate::kubernetes::validation::{exactly_one, not_int_or_percent};
use crate::schema::Path;

const BUDGET: &str = "services.pod_disruption_budgets";

fn budget(store: &FeatureStore) -> Option<&PodDisruptionBudgets> {
    services(store)?.pod_disruption_budgets.as_ref()
}

/// The smallest and the largest number of pods of a feature store that is scaled.
struct PodCounts {
    min: i32,
    max: i32,
    reads: Vec<Path>,
}

fn pod_counts(store: &FeatureStore) -> Option<PodCounts> {
    scaled_by(store)?;
    let scaling = scaling(store)?;
    let autoscaled = |autoscaler: &str, min: Option<i32>, max: i32| PodCounts {
        min: min.unwrap_or(1),
        max,
        reads: ["min_replicas", "max_replicas"]
            .map(|name| Path::of(autoscaler).attribute(name))
            .into(),
    };
    let fixed = scaling.replicas.map(|replicas| PodCounts {
        min: replicas,
        max: replicas,
        reads: vec![Path::of(SCALING).attribute("replicas")],
    });
    let autoscaling = scaling.autoscaling.as_ref();
    let keda = scaling.keda.as_ref();
    fixed
        .or_else(|| autoscaling.map(|it| autoscaled(AUTOSCALING, it.min_replicas, it.max_replicas)))
        .or_else(|| keda.map(|it| autoscaled(KEDA, it.min_replicas, it.max_replicas)))
}

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(PodDisruptionBudgets {
        min_available,
        max_unavailable,
        unhealthy_pod_eviction_policy: _,
    }) = budget(store)
    else {
        return Vec::new();
    };
    let path = Path::of(BUDGET);
    let fields = [
        ("min_available", min_available.is_some()),
        ("max_unavailable", max_unavailable.is_some()),
    ];
    let hint = "With `max_unavailable = 1`, a drain evicts one pod at a time.";
    let mut violations = Vec::from_iter(exactly_one(&path, &fields, hint));
    let min_path = path.attribute("min_available");
    let values = [
        (min_path.clone(), min_available),
        (path.attribute("max_unavailable"), max_unavailable),
    ];
    for (path, value) in values {
        if value
            .as_ref()
            .is_some_and(|it| IntOrPercent::parse_share(it).is_none())
        {
            violations.push(not_int_or_percent(path));
        }
    }
    let min = min_available.as_ref().and_then(IntOrPercent::parse_share);
    if let (Some(IntOrPercent::Int(min)), Some(PodCounts { max, reads, .. })) =
        (min, pod_counts(store))
        && min > i64::from(max)
    {
        violations.push(Violation::new(
            min_path.clone(),
            reads.into_iter().chain([min_path]),
            format!("`min_available` ({min}) is greater than the largest number of pods ({max})"),
            format!("No pod could ever be evicted. Set a number less than {max}, or `max_unavailable = 1`."),
        ));
    }
    violations
}

/// Warns about a budget that is not created, or that allows no evictions.
pub(super) fn warnings(store: &FeatureStore) -> Vec<Violation> {
    let Some(budget) = budget(store) else {
        return Vec::new();
    };
    let path = Path::of(BUDGET);
    let Some(PodCounts {
        min: pods,
        mut reads,
        ..
    }) = pod_counts(store)
    else {
        return vec![Violation::new(
            path.clone(),
            [path, Path::of(SCALING)],
            "A single pod gets no PodDisruptionBudget",
            "A budget for a single pod would only prevent its node from being drained. The budget is created when the \
             feature store is scaled: with `replicas` above 1, `autoscaling` or `keda`.",
        )];
    };
    let min_available = budget
        .min_available
        .as_ref()
        .and_then(IntOrPercent::parse_share);
    let max_unavailable = budget
        .max_unavailable
        .as_ref()
        .and_then(IntOrPercent::parse_share);
    let (name, is_blocking) = match (min_available, max_unavailable) {
        (Some(min), None) => (
            "min_available",
            pods > 0 && min.scaled(pods) >= i64::from(pods),
        ),
        (None, Some(max)) => ("max_unavailable", max.scaled(pods.max(1)) == 0),
        _ => return Vec::new(),
    };
    if !is_blocking {
        return Vec::new();
    }
    let path = path.attribute(name);
    reads.push(path.clone());
    let counted = match pods {
        1 => "1 pod".to_owned(),
        _ => format!("{pods} pods"),
    };
    vec![Violation::new(
        path,
        reads,
        format!("With {counted}, this budget allows no evictions"),
        "A node that runs such a pod cannot be drained, which blocks cluster upgrades. Set `max_unavailable = 1`, or a \
         `min_available` below the smallest number of pods.",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{rejects, warns};

    fn scaled(scaling: &Json, budget: &Json) -> Json {
        let store = |name: &str| json!({"persistence": {"store": {"type": name, "secretRef": {"name": "s"}}}});
        let mut online = store("postgres");
        online["server"] = json!({"resources": {"requests": {"cpu": "1"}}});
        json!({
            "scaling": scaling,
            "podDisruptionBudgets": budget,
            "onlineStore": online,
            "registry": {"local": store("sql")},
        })
    }

    fn check(budget: Json, expected: &[(&str, &str)]) {
        let prefix = "services.pod_disruption_budgets";
        let expected: Vec<_> = expected
            .iter()
            .map(|(place, summary)| (format!("{prefix}{place}"), *summary))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(p, s)| (p.as_str(), *s)).collect();
        let services = scaled(&json!({"replicas": 3}), &budget);
        rejects("pod-disruption-budget", services, &expected);
    }

    #[test]
    fn one_number_or_percentage() {
        check(json!({"maxUnavailable": 1}), &[]);
        check(json!({"maxUnavailable": "1"}), &[]);
        check(json!({"minAvailable": "50%"}), &[]);
        let summary = "Exactly one of `min_available`, `max_unavailable` must be set";
        check(json!({}), &[("", summary)]);
        check(
            json!({"minAvailable": 1, "maxUnavailable": 1}),
            &[("", summary)],
        );
        let summary = "Not a number or percentage of pods";
        for wrong in [
            json!("abc"),
            json!("150%"),
            json!("-5%"),
            json!(-1),
            json!("%"),
        ] {
            check(
                json!({"minAvailable": wrong}),
                &[(".min_available", summary)],
            );
            check(
                json!({"maxUnavailable": wrong}),
                &[(".max_unavailable", summary)],
            );
        }
    }

    #[test]
    fn rejects_more_pods_than_there_can_be() {
        check(
            json!({"minAvailable": 4}),
            &[(
                ".min_available",
                "`min_available` (4) is greater than the largest number of pods (3)",
            )],
        );
        let keda =
            json!({"keda": {"maxReplicas": 5, "triggers": [{"type": "cron", "metadata": {}}]}});
        rejects(
            "pod-disruption-budget",
            scaled(&keda, &json!({"minAvailable": "6"})),
            &[(
                "services.pod_disruption_budgets.min_available",
                "`min_available` (6) is greater than the largest number of pods (5)",
            )],
        );
    }

    #[test]
    fn warns_about_budgets_that_allow_no_evictions() {
        let check = |scaling: Json, budget: Json, expected: &[(&str, &str)]| {
            warns("drainable", scaled(&scaling, &budget), expected);
        };
        let least = "services.pod_disruption_budgets.min_available";
        let most = "services.pod_disruption_budgets.max_unavailable";
        let three = json!({"replicas": 3});
        check(three.clone(), json!({"minAvailable": 2}), &[]);
        check(three.clone(), json!({"maxUnavailable": "1%"}), &[]);
        let none = "With 3 pods, this budget allows no evictions";
        check(three.clone(), json!({"minAvailable": 3}), &[(least, none)]);
        check(
            three.clone(),
            json!({"minAvailable": "67%"}),
            &[(least, none)],
        );
        check(three, json!({"maxUnavailable": 0}), &[(most, none)]);
        let one = "With 1 pod, this budget allows no evictions";
        check(
            json!({"autoscaling": {"maxReplicas": 5}}),
            json!({"minAvailable": 1}),
            &[(least, one)],
        );
        check(
            json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}),
            json!({"minAvailable": 1}),
            &[],
        );
    }

    #[test]
    fn warns_about_a_budget_for_a_single_pod() {
        warns(
            "drainable",
            json!({"podDisruptionBudgets": {"maxUnavailable": 1}}),
            &[(
                "services.pod_disruption_budgets",
                "A single pod gets no PodDisruptionBudget",
            )],
        );
    }
}
