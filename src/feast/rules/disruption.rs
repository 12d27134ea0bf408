//! How many pods a drain may take away.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Violation;
use super::accessors::{AUTOSCALING, KEDA, SCALING, scaled_by, scaling, services};
use super::amount::Amount;
use crate::feast::config::{FeatureStore, PodDisruptionBudgets};
use crate::schema::Path;

const BUDGET: &str = "services.pod_disruption_budgets";

fn budget(store: &FeatureStore) -> Option<&PodDisruptionBudgets> {
    services(store)?.pod_disruption_budgets.as_ref()
}

/// An amount that may be asked for.
fn amount(value: &IntOrString) -> Option<Amount> {
    Amount::read(value)?.of_all()
}

/// The least and the most pods that there will be, with what says so; only where something does.
fn bounds(store: &FeatureStore) -> Option<(i32, i32, Vec<Path>)> {
    scaled_by(store)?;
    let scaling = scaling(store)?;
    let of = |path: &str, least: Option<i32>, most: i32| {
        let path = Path::of(path);
        let reads = vec![
            path.attribute("min_replicas"),
            path.attribute("max_replicas"),
        ];
        (least.unwrap_or(1), most, reads)
    };
    let fixed = scaling.replicas.map(|replicas| {
        let path = Path::of(SCALING).attribute("replicas");
        (replicas, replicas, vec![path])
    });
    let autoscaling = scaling.autoscaling.as_ref();
    let autoscaling = autoscaling.map(|it| of(AUTOSCALING, it.min_replicas, it.max_replicas));
    let keda = scaling.keda.as_ref();
    let keda = keda.map(|it| of(KEDA, it.min_replicas, it.max_replicas));
    fixed.or(autoscaling).or(keda)
}

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(budget) = budget(store) else {
        return Vec::new();
    };
    let path = Path::of(BUDGET);
    let PodDisruptionBudgets {
        min_available,
        max_unavailable,
    } = budget;
    let least = path.attribute("min_available");
    let most = path.attribute("max_unavailable");
    let mut found = Vec::new();
    if min_available.is_some() == max_unavailable.is_some() {
        // That there are both stays so, whatever is still unknown.
        let reads = min_available
            .is_none()
            .then(|| [least.clone(), most.clone()]);
        found.push(Violation::new(
            path,
            reads.into_iter().flatten(),
            "A budget is exactly one of min_available and max_unavailable",
            "Write `max_unavailable = 1` to let a drain take one pod after the other, or how many must stay \
             as `min_available`.",
        ));
    }
    for (at, written) in [(&least, min_available), (&most, max_unavailable)] {
        if written.as_ref().is_some_and(|it| amount(it).is_none()) {
            found.push(Violation::new(
                at.clone(),
                [at.clone()],
                "Not a number of pods or a percentage",
                "Write a whole number that is not negative (`1`) or a percentage from `\"0%\"` to `\"100%\"`.",
            ));
        }
    }
    let wanted = min_available.as_ref().and_then(amount);
    if let (Some(wanted @ Amount::Pods(number)), Some((_, pods, reads))) = (wanted, bounds(store))
        && wanted.of(pods) > i64::from(pods)
    {
        found.push(Violation::new(
            least.clone(),
            reads.into_iter().chain([least]),
            format!("{number} pods cannot stay where there are never more than {pods}"),
            format!("Write less than {pods}, or `max_unavailable = 1`."),
        ));
    }
    found
}

/// Budgets that are not made, and those that let nobody drain a node.
pub(super) fn warnings(store: &FeatureStore) -> Vec<Violation> {
    let Some(budget) = budget(store) else {
        return Vec::new();
    };
    let path = Path::of(BUDGET);
    let Some((pods, _, mut reads)) = bounds(store) else {
        return vec![Violation::new(
            path.clone(),
            [path, Path::of(SCALING)],
            "No PodDisruptionBudget is made for a single pod",
            "A budget on one pod would only keep its node from being drained. It is made when the feature \
             store is scaled: by `replicas` above 1, `autoscaling` or `keda`.",
        )];
    };
    let least = path.attribute("min_available");
    let most = path.attribute("max_unavailable");
    let stay = budget.min_available.as_ref().and_then(amount);
    let go = budget.max_unavailable.as_ref().and_then(amount);
    let (at, blocks) = match (stay, go) {
        (Some(stay), None) => (least, pods > 0 && stay.of(pods) >= i64::from(pods)),
        (None, Some(go)) => (most, go.of(pods.max(1)) == 0),
        _ => return Vec::new(),
    };
    if !blocks {
        return Vec::new();
    }
    reads.push(at.clone());
    vec![Violation::new(
        at,
        reads,
        format!("With {pods} pods this budget lets none of them go"),
        "A node with such a pod cannot be drained, which stops upgrades of the cluster. Write \
         `max_unavailable = 1`, or a `min_available` below the smallest number of pods.",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{advised, refused};

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
        refused("pod-disruption-budget", services, &expected);
    }

    #[test]
    fn one_amount() {
        check(json!({"maxUnavailable": 1}), &[]);
        check(json!({"maxUnavailable": "1"}), &[]);
        check(json!({"minAvailable": "50%"}), &[]);
        let summary = "A budget is exactly one of min_available and max_unavailable";
        check(json!({}), &[("", summary)]);
        check(
            json!({"minAvailable": 1, "maxUnavailable": 1}),
            &[("", summary)],
        );
        let summary = "Not a number of pods or a percentage";
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
    fn no_more_than_there_are() {
        check(
            json!({"minAvailable": 4}),
            &[(
                ".min_available",
                "4 pods cannot stay where there are never more than 3",
            )],
        );
        let keda =
            json!({"keda": {"maxReplicas": 5, "triggers": [{"type": "cron", "metadata": {}}]}});
        refused(
            "pod-disruption-budget",
            scaled(&keda, &json!({"minAvailable": "6"})),
            &[(
                "services.pod_disruption_budgets.min_available",
                "6 pods cannot stay where there are never more than 5",
            )],
        );
    }

    #[test]
    fn a_drain_that_never_ends() {
        let warnings = |scaling: Json, budget: Json, expected: &[(&str, &str)]| {
            advised("drainable", scaled(&scaling, &budget), expected);
        };
        let least = "services.pod_disruption_budgets.min_available";
        let most = "services.pod_disruption_budgets.max_unavailable";
        let three = json!({"replicas": 3});
        warnings(three.clone(), json!({"minAvailable": 2}), &[]);
        warnings(three.clone(), json!({"maxUnavailable": "1%"}), &[]);
        let none = "With 3 pods this budget lets none of them go";
        warnings(three.clone(), json!({"minAvailable": 3}), &[(least, none)]);
        warnings(
            three.clone(),
            json!({"minAvailable": "67%"}),
            &[(least, none)],
        );
        warnings(three, json!({"maxUnavailable": 0}), &[(most, none)]);
        let one = "With 1 pods this budget lets none of them go";
        warnings(
            json!({"autoscaling": {"maxReplicas": 5}}),
            json!({"minAvailable": 1}),
            &[(least, one)],
        );
        warnings(
            json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}),
            json!({"minAvailable": 1}),
            &[],
        );
    }

    #[test]
    fn none_for_a_single_pod() {
        advised(
            "drainable",
            json!({"podDisruptionBudgets": {"maxUnavailable": 1}}),
            &[(
                "services.pod_disruption_budgets",
                "No PodDisruptionBudget is made for a single pod",
            )],
        );
    }
}
