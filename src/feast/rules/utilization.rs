//! Utilization is a share of the resources that a container requests. Without a request it cannot be measured, and the
//! autoscaler does nothing without reporting an error.

use super::Violation;
use super::accessors::{AUTOSCALING, KEDA, ServerConfig, autoscaling, keda, pod_servers};
use super::keda::is_resource_trigger;
use crate::feast::config::FeatureStore;
use crate::schema::Path;

/// A metric that needs resource requests.
struct Metric {
    resource: String,
    /// The container that is measured; `None` for all of them.
    container: Option<String>,
    /// For use in sentences.
    description: String,
    reads: Vec<Path>,
    /// The attribute that names the container.
    container_path: Path,
    /// The attribute of the autoscaler that has the metric.
    autoscaler: &'static str,
    /// The alternative to a request.
    alternative: &'static str,
}

const OTHER_METRIC: &str = "a metric with an `AverageValue` target";

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let servers = pod_servers(store);
    let mut violations = Vec::new();
    for metric in utilizations(store).into_iter().chain(triggers(store)) {
        let measured: Vec<_> = servers
            .iter()
            .filter(|container| {
                let name = container.kind.as_str();
                metric.container.as_ref().is_none_or(|only| only == name)
            })
            .collect();
        if measured.is_empty() {
            violations.push(no_such_container(&metric, &servers));
        }
        for container in measured {
            violations.extend(without_request(&metric, container));
        }
    }
    violations
}

fn utilizations(store: &FeatureStore) -> Vec<Metric> {
    let Some(autoscaling) = autoscaling(store) else {
        return Vec::new();
    };
    let list = Path::of(AUTOSCALING).attribute("metrics");
    if autoscaling.metrics.as_ref().is_none_or(Vec::is_empty) {
        return vec![Metric {
            resource: "cpu".to_owned(),
            container: None,
            description: "the default metric (80% CPU utilization)".to_owned(),
            reads: vec![list.clone()],
            container_path: list,
            autoscaler: AUTOSCALING,
            alternative: OTHER_METRIC,
        }];
    }
    let mut found = Vec::new();
    for (index, spec) in autoscaling.metrics.iter().flatten().enumerate() {
        let path = list.index(index);
        let (block, name, container, target) = match (&spec.resource, &spec.container_resource) {
            (Some(source), _) => ("resource", &source.name, None, &source.target),
            (None, Some(source)) => (
                "container_resource",
                &source.name,
                Some(source.container.clone()),
                &source.target,
            ),
            (None, None) => continue,
        };
        if target.type_ != "Utilization" {
            continue;
        }
        let path = path.attribute(block);
        let mut reads = vec![path.attribute("name"), path.attribute("target.type")];
        if container.is_some() {
            reads.push(path.attribute("container"));
        }
        found.push(Metric {
            resource: name.clone(),
            container,
            description: format!("metric {index} (`{name}` utilization)"),
            reads,
            container_path: path.attribute("container"),
            autoscaler: AUTOSCALING,
            alternative: OTHER_METRIC,
        });
    }
    found
}

/// Returns the CPU and memory triggers. KEDA needs requests for them whatever their metric type is.
fn triggers(store: &FeatureStore) -> Vec<Metric> {
    let triggers = keda(store).map_or(&[][..], |keda| &keda.triggers);
    let list = Path::of(KEDA).attribute("triggers");
    (triggers.iter().enumerate())
        .filter(|(_, trigger)| is_resource_trigger(trigger))
        .map(|(index, trigger)| {
            let path = list.index(index);
            let container_path = path.attribute("metadata").key("containerName");
            Metric {
                resource: trigger.r#type.clone(),
                container: trigger.metadata.get("containerName").cloned(),
                description: format!("trigger {index} (`{}`)", trigger.r#type),
                reads: vec![path.attribute("type"), container_path.clone()],
                container_path,
                autoscaler: KEDA,
                alternative: "a trigger of another type",
            }
        })
        .collect()
}

fn no_such_container(metric: &Metric, servers: &[ServerConfig<'_>]) -> Violation {
    let names: Vec<_> = servers
        .iter()
        .map(|container| format!("`{}`", container.kind.as_str()))
        .collect();
    let mut reads = metric.reads.clone();
    // Each server that is absent may only be unknown.
    reads.extend([
        Path::of("services.online_store.disabled"),
        Path::of("services.offline_store.server"),
        Path::of("services.registry.local.server"),
        Path::of("services.ui"),
    ]);
    Violation::new(
        metric.container_path.clone(),
        reads,
        format!(
            "The feature store has no container {:?}",
            metric.container.as_deref().unwrap_or_default()
        ),
        format!("Set one of its containers: {}.", names.join(", ")),
    )
}

fn without_request(metric: &Metric, container: &ServerConfig<'_>) -> Option<Violation> {
    let resources = container.resources();
    // A limit alone is enough: Kubernetes uses it as the request.
    let requested = resources.is_some_and(|resources| {
        [&resources.requests, &resources.limits]
            .into_iter()
            .flatten()
            .any(|map| map.contains_key(&metric.resource))
    });
    if requested {
        return None;
    }
    let at = container.path.attribute("resources");
    let path = match (resources, &container.configured_path) {
        (Some(_), _) => at.clone(),
        (None, Some(path)) => path.clone(),
        (None, None) => Path::of(metric.autoscaler),
    };
    let mut reads = metric.reads.clone();
    reads.extend(container.reads.iter().cloned());
    for map in ["requests", "limits"] {
        reads.push(at.attribute(map).key(&metric.resource));
    }
    let name = container.kind.as_str();
    let resource = &metric.resource;
    Some(Violation::new(
        path,
        reads,
        format!("The container {name:?} needs a {resource} request for the autoscaler"),
        format!(
            "Utilization is a share of the request. If one container has no request, {} cannot be measured, and the \
             autoscaler does nothing. Set `{at} = {{ requests = {{ {resource} = \"…\" }} }}`, or use {}.",
            metric.description, metric.alternative
        ),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::rejects;

    const ONLINE: &str = "The container \"online\" needs a cpu request for the autoscaler";

    fn with(online: Json, metrics: Json, expected: &[(&str, &str)]) {
        rejects(
            "utilization-requests",
            json!({
                "scaling": {"autoscaling": {"maxReplicas": 3, "metrics": metrics}},
                "onlineStore": online,
                "registry": {"local": {"server": {"resources": {"limits": {"cpu": "1"}}}}},
            }),
            expected,
        );
    }

    #[test]
    fn the_default_metric_requires_a_cpu_request_on_every_server() {
        with(
            json!({"server": {"resources": {"requests": {"cpu": "100m"}}}}),
            json!([]),
            &[],
        );
        with(
            json!({"server": {"resources": {"requests": {"memory": "1Gi"}}}}),
            json!([]),
            &[("services.online_store.server.resources", ONLINE)],
        );
        with(
            json!({"server": {}}),
            json!([]),
            &[("services.online_store.server", ONLINE)],
        );
        with(json!({}), json!([]), &[("services.online_store", ONLINE)]);
        rejects(
            "utilization-requests",
            json!({"scaling": {"autoscaling": {"maxReplicas": 3}}}),
            &[("services.scaling.autoscaling", ONLINE)],
        );
        with(json!({"disabled": true}), json!([]), &[]);
    }

    #[test]
    fn a_container_metric_requires_a_request_on_its_container() {
        let of = |container: &str| {
            json!([{"type": "ContainerResource", "containerResource": {
                "name": "cpu", "container": container,
                "target": {"type": "Utilization", "averageUtilization": 60},
            }}])
        };
        with(json!({}), of("registry"), &[]);
        with(
            json!({}),
            of("online"),
            &[("services.online_store", ONLINE)],
        );
        with(
            json!({}),
            of("sidecar"),
            &[(
                "services.scaling.autoscaling.metrics[0].container_resource.container",
                "The feature store has no container \"sidecar\"",
            )],
        );
    }

    #[test]
    fn cpu_triggers_require_requests() {
        let with = |kind: &str, metadata: Json, expected: &[(&str, &str)]| {
            let trigger = json!({"type": kind, "metadata": metadata});
            rejects(
                "utilization-requests",
                json!({"scaling": {"keda": {"maxReplicas": 3, "triggers": [trigger]}}}),
                expected,
            );
        };
        with("redis", json!({}), &[]);
        with("cpu", json!({}), &[("services.scaling.keda", ONLINE)]);
        with(
            "cpu",
            json!({"containerName": "sidecar"}),
            &[(
                "services.scaling.keda.triggers[0].metadata[\"containerName\"]",
                "The feature store has no container \"sidecar\"",
            )],
        );
    }

    #[test]
    fn average_values_require_no_request() {
        with(
            json!({}),
            json!([{"type": "Resource", "resource": {
                "name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"},
            }}]),
            &[],
        );
    }
}
