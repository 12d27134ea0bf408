//! What KEDA would refuse of a ScaledObject, or could not act on.

use super::Violation;
use super::accessors::{KEDA, keda};
use crate::feast::config::{FeatureStore, KedaMetricType, KedaTrigger};
use crate::feast::names;
use crate::schema::Path;

/// Triggers on what the pods use; without a pod they measure nothing.
const OF_PODS: [&str; 2] = ["cpu", "memory"];

pub(super) fn bounds(store: &FeatureStore) -> Vec<Violation> {
    let Some(keda) = keda(store) else {
        return Vec::new();
    };
    let at = |name: &str| Path::of(KEDA).attribute(name);
    let min = keda.min_replicas.unwrap_or(1);
    let max = keda.max_replicas;
    let mut found = Vec::new();
    if keda.min_replicas.is_some() && min > max {
        found.push(Violation::new(
            at("min_replicas"),
            [at("min_replicas"), at("max_replicas")],
            format!("min_replicas ({min}) is above max_replicas ({max})"),
            format!(
                "KEDA refuses that. Write a `min_replicas` of at most {max}, or a `max_replicas` of at least \
                 {min}."
            ),
        ));
    }
    if let Some(idle) = keda.idle_replicas.filter(|idle| *idle >= min) {
        found.push(Violation::new(
            at("idle_replicas"),
            [at("idle_replicas"), at("min_replicas")],
            format!("idle_replicas ({idle}) is not below min_replicas ({min})"),
            "It is the number of pods while nothing happens. Remove it, or write a `min_replicas` of at least 1.",
        ));
    }
    let to_zero = min == 0 || keda.idle_replicas == Some(0);
    let of_pods = |trigger: &KedaTrigger| OF_PODS.contains(&trigger.r#type.as_str());
    if to_zero && !keda.triggers.is_empty() && keda.triggers.iter().all(of_pods) {
        let place = if min == 0 {
            "min_replicas"
        } else {
            "idle_replicas"
        };
        found.push(Violation::new(
            at(place),
            [at("min_replicas"), at("idle_replicas"), at("triggers")],
            "Nothing would bring the first pod back",
            "CPU and memory are measured in pods: without any there is nothing to measure. Write a \
             `min_replicas` of at least 1, or add a trigger of another type.",
        ));
    }
    found
}

pub(super) fn triggers(store: &FeatureStore) -> Vec<Violation> {
    let triggers = keda(store).map_or(&[][..], |keda| &keda.triggers);
    let list = Path::of(KEDA).attribute("triggers");
    let mut found = Vec::new();
    for (index, trigger) in triggers.iter().enumerate() {
        let path = list.index(index);
        let at = |name: &str| path.attribute(name);
        let kind = trigger.r#type.as_str();
        let before = triggers[..index]
            .iter()
            .position(|it| it.name.is_some() && it.name == trigger.name);
        if let Some(before) = before {
            found.push(Violation::new(
                at("name"),
                [at("name"), list.index(before).attribute("name")],
                format!(
                    "Two triggers are called {:?}",
                    trigger.name.as_deref().unwrap_or_default()
                ),
                "Give one of them another name.",
            ));
        }
        let measured = OF_PODS.contains(&kind);
        if measured && trigger.metric_type == Some(KedaMetricType::Value) {
            found.push(Violation::new(
                at("metric_type"),
                [at("metric_type"), at("type")],
                format!("A trigger of type {kind} cannot have the metric type Value"),
                "Write `Utilization` or `AverageValue`.",
            ));
        }
        if !measured && trigger.metric_type == Some(KedaMetricType::Utilization) {
            found.push(Violation::new(
                at("metric_type"),
                [at("metric_type"), at("type")],
                "Only triggers on CPU and memory have the metric type Utilization",
                "Write `AverageValue` or `Value`.",
            ));
        }
        if (measured || kind == "cron") && trigger.use_cached_metrics == Some(true) {
            found.push(Violation::new(
                at("use_cached_metrics"),
                [at("use_cached_metrics"), at("type")],
                format!("A trigger of type {kind} has no values to keep"),
                "Remove `use_cached_metrics`.",
            ));
        }
    }
    found
}

pub(super) fn fallback(store: &FeatureStore) -> Vec<Violation> {
    let Some(keda) = keda(store).filter(|keda| keda.fallback.is_some()) else {
        return Vec::new();
    };
    let of_pods = |trigger: &KedaTrigger| OF_PODS.contains(&trigger.r#type.as_str());
    if keda.triggers.is_empty() || !keda.triggers.iter().all(of_pods) {
        return Vec::new();
    }
    let at = Path::of(KEDA).attribute("fallback");
    vec![Violation::new(
        at.clone(),
        [at, Path::of(KEDA).attribute("triggers")],
        "There is no trigger that could fail",
        "KEDA refuses a fallback where all triggers are on CPU or memory, which Kubernetes itself measures. Remove \
         `fallback`, or add a trigger of another type.",
    )]
}

/// The autoscaler of `services.scaling.autoscaling` has this name, and one takes over from the other.
pub(super) fn autoscaler_name(store: &FeatureStore) -> Vec<Violation> {
    let written = keda(store).and_then(|keda| keda.hpa_name.as_deref());
    let Some(name) = written.filter(|name| *name == names::main(&store.name)) else {
        return Vec::new();
    };
    let at = Path::of(KEDA).attribute("hpa_name");
    vec![Violation::new(
        at.clone(),
        [at, Path::of("name")],
        format!("{name:?} is the name of the feature store's own autoscaler"),
        "A change between `autoscaling` and `keda` would have two autoscalers of one name. Write another one.",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::refused;

    fn check(rule: &str, keda: Json, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(place, summary)| (format!("services.scaling.keda.{place}"), *summary))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(p, s)| (p.as_str(), *s)).collect();
        refused(rule, json!({"scaling": {"keda": keda}}), &expected);
    }

    #[test]
    fn bounds_in_order() {
        let redis = json!([{"type": "redis", "metadata": {}}]);
        let bounds = |min: Option<i32>, idle: Option<i32>, triggers: &Json| {
            let mut keda = json!({"maxReplicas": 3, "triggers": triggers});
            for (key, number) in [("minReplicas", min), ("idleReplicas", idle)] {
                if let Some(number) = number {
                    keda[key] = json!(number);
                }
            }
            keda
        };
        check("keda-bounds", bounds(Some(3), Some(0), &redis), &[]);
        check("keda-bounds", bounds(Some(0), None, &redis), &[]);
        check(
            "keda-bounds",
            bounds(Some(4), None, &redis),
            &[("min_replicas", "min_replicas (4) is above max_replicas (3)")],
        );
        check(
            "keda-bounds",
            bounds(Some(0), Some(0), &redis),
            &[(
                "idle_replicas",
                "idle_replicas (0) is not below min_replicas (0)",
            )],
        );
        let cpu = json!([{"type": "cpu", "metadata": {}}]);
        let never = "Nothing would bring the first pod back";
        check(
            "keda-bounds",
            bounds(Some(0), None, &cpu),
            &[("min_replicas", never)],
        );
        check(
            "keda-bounds",
            bounds(None, Some(0), &cpu),
            &[("idle_replicas", never)],
        );
    }

    #[test]
    fn a_fallback_needs_a_trigger_that_can_fail() {
        let fallback = |kinds: &[&str]| {
            let triggers = kinds
                .iter()
                .map(|kind| json!({"type": kind, "metadata": {}}));
            let triggers: Vec<Json> = triggers.collect();
            let fallback =
                json!({"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicas"});
            json!({"maxReplicas": 3, "fallback": fallback, "triggers": triggers})
        };
        check("keda-fallback", fallback(&["cpu", "redis"]), &[]);
        let expected = [("fallback", "There is no trigger that could fail")];
        check("keda-fallback", fallback(&["cpu", "memory"]), &expected);
    }

    #[test]
    fn two_autoscalers_have_two_names() {
        let named = |name: &str| {
            let triggers = json!([{"type": "redis", "metadata": {}}]);
            json!({"maxReplicas": 3, "hpaName": name, "triggers": triggers})
        };
        check("keda-autoscaler-name", named("other"), &[]);
        check(
            "keda-autoscaler-name",
            named("feast-demo"),
            &[(
                "hpa_name",
                "\"feast-demo\" is the name of the feature store's own autoscaler",
            )],
        );
    }

    #[test]
    fn triggers_that_keda_takes() {
        check(
            "keda-triggers",
            json!({"maxReplicas": 3, "triggers": [
                {"type": "redis", "metadata": {}, "name": "a", "metricType": "Utilization"},
                {"type": "cpu", "metadata": {}, "name": "a", "metricType": "Value"},
                {"type": "cron", "metadata": {}, "useCachedMetrics": true},
                {"type": "prometheus", "metadata": {}, "useCachedMetrics": true, "metricType": "Value"},
            ]}),
            &[
                (
                    "triggers[0].metric_type",
                    "Only triggers on CPU and memory have the metric type Utilization",
                ),
                ("triggers[1].name", "Two triggers are called \"a\""),
                (
                    "triggers[1].metric_type",
                    "A trigger of type cpu cannot have the metric type Value",
                ),
                (
                    "triggers[2].use_cached_metrics",
                    "A trigger of type cron has no values to keep",
                ),
            ],
        );
    }
}
