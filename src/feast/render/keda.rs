//! The ScaledObject of KEDA.

use serde_json::{Map, Value as Json, json};

use super::{metadata, object};
use crate::feast::config::{Keda, KedaFallback, KedaScalingModifiers, KedaTrigger};
use crate::feast::names;
use crate::feast::spec::{Replicas, Store};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Option<(Key, Json)> {
    let Replicas::Keda(keda) = &store.replicas else {
        return None;
    };
    let Keda {
        triggers,
        min_replicas,
        max_replicas,
        idle_replicas,
        polling_interval,
        cooldown_period,
        initial_cooldown_period,
        fallback,
        behavior,
        hpa_name,
        scaling_modifiers,
        restore_to_original_replica_count,
    } = keda.as_ref();
    let name = names::main(&store.name);
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        // The default of KEDA is 0, with which no server would answer.
        "minReplicaCount": min_replicas.unwrap_or(1),
        "maxReplicaCount": max_replicas,
        "triggers": triggers.iter().map(trigger).collect::<Vec<_>>(),
    });
    let numbers = [
        ("idleReplicaCount", idle_replicas),
        ("pollingInterval", polling_interval),
        ("cooldownPeriod", cooldown_period),
        ("initialCooldownPeriod", initial_cooldown_period),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            spec[key] = json!(number);
        }
    }
    if let Some(KedaFallback {
        failure_threshold,
        replicas,
        behavior,
    }) = fallback
    {
        spec["fallback"] = json!({"failureThreshold": failure_threshold, "replicas": replicas});
        if let Some(behavior) = behavior {
            spec["fallback"]["behavior"] = json!(behavior.as_str());
        }
    }
    let autoscaler = [
        ("behavior", behavior.as_ref().map(|it| json!(it))),
        ("name", hpa_name.as_ref().map(|it| json!(it))),
    ];
    for (key, value) in autoscaler {
        if let Some(value) = value {
            spec["advanced"]["horizontalPodAutoscalerConfig"][key] = value;
        }
    }
    if let Some(KedaScalingModifiers {
        formula,
        target,
        activation_target,
        metric_type,
    }) = scaling_modifiers
    {
        let mut modifiers = json!({"formula": formula, "target": target});
        if let Some(target) = activation_target {
            modifiers["activationTarget"] = json!(target);
        }
        if let Some(kind) = metric_type {
            modifiers["metricType"] = json!(kind.as_str());
        }
        spec["advanced"]["scalingModifiers"] = modifiers;
    }
    if let Some(restore) = restore_to_original_replica_count {
        spec["advanced"]["restoreToOriginalReplicaCount"] = json!(restore);
    }
    let scaled_object = json!({
        "apiVersion": Kind::ScaledObject.api_version(),
        "kind": Kind::ScaledObject.as_str(),
        "metadata": metadata::object(store, name, None),
        "spec": spec,
    });
    Some(object(Kind::ScaledObject, &scaled_object))
}

fn trigger(trigger: &KedaTrigger) -> Json {
    let KedaTrigger {
        r#type,
        metadata,
        metric_type,
        name,
        use_cached_metrics,
        authentication_ref,
    } = trigger;
    let mut fields = Map::new();
    fields.insert("type".to_owned(), json!(r#type));
    fields.insert("metadata".to_owned(), json!(metadata));
    let optional = [
        ("metricType", metric_type.map(|kind| json!(kind.as_str()))),
        ("name", name.as_ref().map(|name| json!(name))),
        ("useCachedMetrics", use_cached_metrics.map(|it| json!(it))),
        (
            "authenticationRef",
            authentication_ref.as_ref().map(|it| json!(it)),
        ),
    ];
    for (key, value) in optional {
        fields.extend(value.map(|value| (key.to_owned(), value)));
    }
    Json::Object(fields)
}
