//! Settings of the ScaledObject that KEDA rejects or cannot act on.

use super::Violation;
use super::accessors::{KEDA, keda};
use super::scaling::min_above_max;
use crate::feast::config::{FeatureStore, KedaFallbackBehavior, KedaMetricType, KedaTrigger};
use crate::feast::names;
use crate::kubernetes::validation::unique;
use crate::schema::Path;

/// Returns whether a trigger is measured in running pods, by Kubernetes itself.
pub(super) fn is_resource_trigger(trigger: &KedaTrigger) -> bool {
    ["cpu", "memory"].contains(&trigger.r#type.as_str())
}

pub(super) fn bounds(store: &FeatureStore) -> Vec<Violation> {
    let Some(keda) = keda(store) else {
        return Vec::new();
    };
    let at = |name: &str| Path::of(KEDA).attribute(name);
    let min = keda.min_replicas.unwrap_or(1);
    let max = keda.max_replicas;
    let mut violations =
        Vec::from_iter(min_above_max(KEDA, min, max).filter(|_| keda.min_replicas.is_some()));
    if let Some(idle) = keda.idle_replicas.filter(|idle| *idle >= min) {
        violations.push(Violation::new(
            at("idle_replicas"),
            [at("idle_replicas"), at("min_replicas")],
            format!("idle_replicas ({idle}) must be less than min_replicas ({min})"),
            "It is the number of pods while no trigger is active. Remove it, or set `min_replicas` to at least 1.",
        ));
    }
    let to_zero = min == 0 || keda.idle_replicas == Some(0);
    if to_zero && !keda.triggers.is_empty() && keda.triggers.iter().all(is_resource_trigger) {
        let name = if min == 0 {
            "min_replicas"
        } else {
            "idle_replicas"
        };
        violations.push(Violation::new(
            at(name),
            [at("min_replicas"), at("idle_replicas"), at("triggers")],
            "No trigger can scale up from zero pods",
            "CPU and memory are measured in running pods. Set `min_replicas` to at least 1, or add a trigger of another \
             type.",
        ));
    }
    violations
}

pub(super) fn triggers(store: &FeatureStore) -> Vec<Violation> {
    let triggers = keda(store).map_or(&[][..], |keda| &keda.triggers);
    let list = Path::of(KEDA).attribute("triggers");
    let names = triggers.iter().map(|trigger| trigger.name.as_deref());
    let mut violations = unique(&list, "name", "trigger", names);
    for (index, trigger) in triggers.iter().enumerate() {
        let path = list.index(index);
        let type_ = trigger.r#type.as_str();
        let is_resource = is_resource_trigger(trigger);
        let mut conflict = |name: &str, summary: String, detail: &str| {
            let reads = [path.attribute(name), path.attribute("type")];
            violations.push(Violation::new(path.attribute(name), reads, summary, detail));
        };
        if is_resource && trigger.metric_type == Some(KedaMetricType::Value) {
            conflict(
                "metric_type",
                format!("The metric type Value is not supported by the trigger type {type_}"),
                "Use `Utilization` or `AverageValue`.",
            );
        }
        if !is_resource && trigger.metric_type == Some(KedaMetricType::Utilization) {
            conflict(
                "metric_type",
                format!("The metric type Utilization is not supported by the trigger type {type_}"),
                "Only CPU and memory triggers support it. Use `AverageValue` or `Value`.",
            );
        }
        if (is_resource || type_ == "cron") && trigger.use_cached_metrics == Some(true) {
            conflict(
                "use_cached_metrics",
                format!("Cached metrics are not supported by the trigger type {type_}"),
                "Remove `use_cached_metrics`.",
            );
        }
    }
    violations
}

pub(super) fn fallback(store: &FeatureStore) -> Vec<Violation> {
    let Some(keda) = keda(store).filter(|keda| keda.fallback.is_some()) else {
        return Vec::new();
    };
    if keda.triggers.is_empty() || !keda.triggers.iter().all(is_resource_trigger) {
        return Vec::new();
    }
    let at = Path::of(KEDA).attribute("fallback");
    vec![Violation::new(
        at.clone(),
        [at, Path::of(KEDA).attribute("triggers")],
        "`fallback` requires a trigger other than CPU and memory",
        "KEDA rejects a fallback if all triggers are measured by Kubernetes itself. Remove `fallback`, or add a trigger of \
         another type.",
    )]
}

pub(super) fn scaling_modifiers(store: &FeatureStore) -> Vec<Violation> {
    let Some(keda) = keda(store) else {
        return Vec::new();
    };
    let path = Path::of(KEDA);
    let at = path.attribute("scaling_modifiers");
    let fallback = keda.fallback.as_ref().and_then(|it| it.behavior);
    let Some(modifiers) = &keda.scaling_modifiers else {
        let behavior = path.attribute("fallback.behavior");
        return (fallback == Some(KedaFallbackBehavior::ScalingModifiers))
            .then(|| {
                Violation::new(
                    behavior.clone(),
                    [behavior, at],
                    "`behavior = \"scalingModifiers\"` requires `scaling_modifiers`",
                    "Set `scaling_modifiers`, or another `behavior`.",
                )
            })
            .into_iter()
            .collect();
    };
    let mut violations = Vec::new();
    if modifiers.metric_type == Some(KedaMetricType::Utilization) {
        violations.push(Violation::at(
            at.attribute("metric_type"),
            "A formula does not support the metric type Utilization",
            "Use `AverageValue` or `Value`.",
        ));
    }
    // The pattern of the attribute admits only decimal numbers.
    let target = modifiers.target.parse::<f64>().unwrap_or(1.0);
    if target <= 0.0 {
        violations.push(Violation::at(
            at.attribute("target"),
            "The target must be above 0",
            "KEDA divides the value of the formula by it.",
        ));
    } else if keda.fallback.is_some() && modifiers.target.contains('.') {
        violations.push(Violation::new(
            at.attribute("target"),
            [at.attribute("target"), path.attribute("fallback")],
            "With `fallback`, the target must be a whole number",
            "KEDA ignores the fallback otherwise. Use a whole number, or remove `fallback`.",
        ));
    }
    // The metrics of the others are not external, and KEDA does not pass them to the formula.
    let named = keda.triggers.iter().filter(|it| !is_resource_trigger(it));
    let names = named.filter_map(|it| it.name.as_deref());
    if !names
        .into_iter()
        .any(|name| modifiers.formula.contains(name))
    {
        violations.push(Violation::new(
            at.attribute("formula"),
            [at.attribute("formula"), path.attribute("triggers")],
            "The formula does not refer to any trigger",
            "A formula refers to a trigger by its `name`. Set `name` for the triggers, and use these names. CPU and memory \
             triggers cannot be in a formula.",
        ));
    }
    violations
}

/// A change between `keda` and `autoscaling` creates one HorizontalPodAutoscaler before it deletes the other. KEDA
/// rejects a name that is longer than the value of a label.
pub(super) fn autoscaler_name(store: &FeatureStore) -> Vec<Violation> {
    let Some(keda) = keda(store) else {
        return Vec::new();
    };
    let main = names::main(&store.name);
    let (summary, detail) = match &keda.hpa_name {
        Some(name) if *name == main => (
            format!("The autoscaler name {name:?} is reserved for the provider"),
            "It is the name of the HorizontalPodAutoscaler that `services.scaling.autoscaling` creates. Use another name.",
        ),
        None if KEDA_PREFIX.len() + main.len() > 63 => (
            format!("The autoscaler name \"{KEDA_PREFIX}{main}\" is longer than 63 characters"),
            "It is the default of KEDA. Set `hpa_name`, or use a shorter `name` of the feature store.",
        ),
        _ => return Vec::new(),
    };
    let at = Path::of(KEDA).attribute("hpa_name");
    vec![Violation::new(
        at.clone(),
        [at, Path::of("name")],
        summary,
        detail,
    )]
}

/// The start of the default name of a HorizontalPodAutoscaler of KEDA; the name of the ScaledObject follows.
const KEDA_PREFIX: &str = "keda-hpa-";

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::config::FeatureStore;
    use crate::feast::rules::testing::rejects;

    fn check(rule: &str, keda: Json, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(place, summary)| (format!("services.scaling.keda.{place}"), *summary))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(p, s)| (p.as_str(), *s)).collect();
        rejects(rule, json!({"scaling": {"keda": keda}}), &expected);
    }

    #[test]
    fn bounds() {
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
            &[(
                "min_replicas",
                "min_replicas (4) is greater than max_replicas (3)",
            )],
        );
        check(
            "keda-bounds",
            bounds(Some(0), Some(0), &redis),
            &[(
                "idle_replicas",
                "idle_replicas (0) must be less than min_replicas (0)",
            )],
        );
        let cpu = json!([{"type": "cpu", "metadata": {}}]);
        let never = "No trigger can scale up from zero pods";
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
    fn a_fallback_requires_an_external_trigger() {
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
        let expected = [(
            "fallback",
            "`fallback` requires a trigger other than CPU and memory",
        )];
        check("keda-fallback", fallback(&["cpu", "memory"]), &expected);
    }

    #[test]
    fn a_formula_uses_the_names_of_triggers() {
        let keda = |formula: &str, kind: &str| {
            let triggers = json!([{"type": "redis", "metadata": {}, "name": "queue"}]);
            let modifiers = json!({"formula": formula, "target": "5", "metricType": kind});
            json!({"maxReplicas": 3, "triggers": triggers, "scalingModifiers": modifiers})
        };
        let rule = "keda-scaling-modifiers";
        check(rule, keda("queue / 2", "Value"), &[]);
        check(
            rule,
            keda("other / 2", "Utilization"),
            &[
                (
                    "scaling_modifiers.metric_type",
                    "A formula does not support the metric type Utilization",
                ),
                (
                    "scaling_modifiers.formula",
                    "The formula does not refer to any trigger",
                ),
            ],
        );
        let mut of_resource = keda("queue", "Value");
        of_resource["triggers"][0]["type"] = json!("cpu");
        check(
            rule,
            of_resource,
            &[(
                "scaling_modifiers.formula",
                "The formula does not refer to any trigger",
            )],
        );
        let fallback =
            json!({"failureThreshold": 3, "replicas": 2, "behavior": "scalingModifiers"});
        for (target, with_fallback, expected) in [
            ("0", false, Some("The target must be above 0")),
            ("0.0", true, Some("The target must be above 0")),
            ("0.5", false, None),
            (
                "0.5",
                true,
                Some("With `fallback`, the target must be a whole number"),
            ),
        ] {
            let mut keda = keda("queue", "Value");
            keda["scalingModifiers"]["target"] = json!(target);
            if with_fallback {
                keda["fallback"] = fallback.clone();
            }
            let expected = expected.map(|summary| ("scaling_modifiers.target", summary));
            check(rule, keda, &Vec::from_iter(expected));
        }
        let mut with_formula = keda("queue", "Value");
        with_formula["fallback"] = fallback.clone();
        check(rule, with_formula, &[]);
        let triggers = json!([{"type": "redis", "metadata": {}}]);
        check(
            rule,
            json!({"maxReplicas": 3, "triggers": triggers, "fallback": fallback}),
            &[(
                "fallback.behavior",
                "`behavior = \"scalingModifiers\"` requires `scaling_modifiers`",
            )],
        );
    }

    #[test]
    fn rejects_the_name_of_the_autoscaler() {
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
                "The autoscaler name \"feast-demo\" is reserved for the provider",
            )],
        );
    }

    #[test]
    fn rejects_a_default_name_that_keda_rejects() {
        let long = "a".repeat(49);
        for (name, hpa_name, is_rejected) in [
            (&long[1..], None, false),
            (&long, None, true),
            (&long, Some("short"), false),
        ] {
            let keda = json!({
                "maxReplicas": 3, "hpaName": hpa_name, "triggers": [{"type": "redis", "metadata": {}}],
            });
            let store = serde_json::from_value::<FeatureStore>(
                json!({"name": name, "feastProject": "p", "services": {"scaling": {"keda": keda}}}),
            );
            let violations = super::autoscaler_name(&store.unwrap());
            assert_eq!(
                violations.len(),
                usize::from(is_rejected),
                "{name} {hpa_name:?}"
            );
        }
    }

    #[test]
    fn trigger_settings() {
        check(
            "keda-triggers",
            json!({"maxReplicas": 3, "triggers": [
                {"type": "redis", "metadata": {}, "name": "a", "metricType": "Utilization"},
                {"type": "cpu", "metadata": {}, "name": "a", "metricType": "Value"},
                {"type": "cron", "metadata": {}, "useCachedMetrics": true},
                {"type": "prometheus", "metadata": {}, "useCachedMetrics": true, "metricType": "Value"},
            ]}),
            &[
                ("triggers[1].name", "Duplicate trigger \"a\""),
                (
                    "triggers[0].metric_type",
                    "The metric type Utilization is not supported by the trigger type redis",
                ),
                (
                    "triggers[1].metric_type",
                    "The metric type Value is not supported by the trigger type cpu",
                ),
                (
                    "triggers[2].use_cached_metrics",
                    "Cached metrics are not supported by the trigger type cron",
                ),
            ],
        );
    }
}
