//! The attributes that set a field of an object.
//!
//! A table maps subtrees of the objects to attributes of the configuration. Below these, both have the same structure,
//! because the types of the configuration are those of Kubernetes: the rest of the path follows by the serde names in
//! the schema.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::feast::names::{self, Endpoint, FeastService, ServerKind};
use crate::kubernetes::field_path::{FieldPath, FieldStep};
use crate::kubernetes::{Key, Kind};
use crate::schema::encode::{encode, of_kind, of_type};
use crate::schema::{self, Attribute, Block, Nesting, Number, Path, Step, Type, Value};

/// A field of an object and the attribute that sets it. Fields below the one are set by attributes below the other.
type Row = (FieldPath, String);

/// Returns the rows of an object. `field` is the field that is looked up.
fn rows(key: &Key, store: &str, field: &FieldPath) -> Vec<Row> {
    let row = |names: &[&str], attribute: &str| (FieldPath::of(names), attribute.to_owned());
    let mut rows = vec![
        row(&["metadata", "labels"], "labels"),
        row(&["metadata", "annotations"], "annotations"),
    ];
    match key.kind {
        Kind::Deployment if key.name == names::lineage(store) => {
            rows.extend([
                row(
                    &["spec", "replicas"],
                    "openlineage.consumer.lineage_server.replicas",
                ),
                row(&POD, "services"),
            ]);
            rows.extend(pod_metadata());
            rows.extend(containers(&[ServerKind::Lineage]));
        }
        Kind::Deployment => {
            rows.extend([
                row(&["spec", "replicas"], "services.scaling.replicas"),
                row(&["spec", "strategy"], "services.deployment_strategy"),
                row(&["spec", "strategy", "type"], "strategy"),
                row(&["spec", "minReadySeconds"], "services.min_ready_seconds"),
                // `services` has tolerations, volumes and others by the names of a PodSpec.
                row(&POD, "services"),
            ]);
            rows.extend(pod_metadata());
            rows.extend(containers(&ServerKind::ALL));
            rows.extend(init_containers());
        }
        Kind::HorizontalPodAutoscaler => {
            rows.push(row(&["spec"], "services.scaling.autoscaling"));
        }
        Kind::ScaledObject => {
            rows.push(row(&["spec"], "services.scaling.keda"));
            rows.extend(KEDA_BOUNDS.map(|(field, attribute)| row(&["spec", field], attribute)));
        }
        Kind::CronJob => {
            rows.push(row(&["spec"], "cron_job"));
            let pod = FieldPath::of(&CRON_JOB_POD);
            rows.extend(CRON_JOB_PODS.map(|(field, attribute)| {
                let field = pod.with(FieldStep::Name(field.to_owned()));
                (field, attribute.to_owned())
            }));
            rows.extend(cron_job_container(&pod, field));
        }
        Kind::PersistentVolumeClaim => {
            let mut services = SERVICES.iter();
            let own = services.find(|(service, _)| key.name == names::pvc(store, *service));
            rows.extend(own.map(|(_, place)| {
                let create = format!("{place}.persistence.file.pvc.create");
                row(&["spec"], &create)
            }));
        }
        Kind::Service => {
            let mut endpoints = Endpoint::ALL.into_iter();
            let own = endpoints.find(|endpoint| key.name == names::service(store, *endpoint));
            rows.extend(own.into_iter().flat_map(|endpoint| {
                let settings = service_attribute(endpoint);
                let metadata = ["labels", "annotations"].map(|field| {
                    let attribute = format!("{settings}.{field}");
                    row(&["metadata", field], &attribute)
                });
                [row(&["spec"], &settings)].into_iter().chain(metadata)
            }));
        }
        // No attribute has the structure of the other objects.
        _ => {}
    }
    rows
}

/// Returns the attribute with the settings of the Service of an endpoint.
fn service_attribute(endpoint: Endpoint) -> String {
    let name = match endpoint {
        Endpoint::RegistryRest => "rest_service",
        _ => "service",
    };
    format!("{}.{name}", endpoint.server().attribute())
}

fn pod_metadata() -> impl Iterator<Item = Row> {
    let rows = [
        ("labels", "services.pod_labels"),
        ("annotations", "services.pod_annotations"),
    ];
    rows.into_iter().map(|(field, attribute)| {
        let place = FieldPath::of(&["spec", "template", "metadata", field]);
        (place, attribute.to_owned())
    })
}

/// Returns the path of a container of the servers' pods.
fn container(list: &str, name: &str) -> FieldPath {
    let containers = FieldPath::of(&POD).with(FieldStep::Name(list.to_owned()));
    let name = ("name".to_owned(), Json::from(name));
    containers.with(FieldStep::Keys(vec![name]))
}

fn containers(kinds: &[ServerKind]) -> impl Iterator<Item = Row> {
    kinds.iter().flat_map(|kind| {
        let container = container("containers", kind.as_str());
        let sleep = PRE_STOP_SLEEP.map(|name| FieldStep::Name(name.to_owned()));
        let sleep = sleep
            .into_iter()
            .fold(container.clone(), |path, step| path.with(step));
        let context = container.with(FieldStep::Name("securityContext".to_owned()));
        [
            (container, kind.attribute().to_owned()),
            (context, "services.container_security_context".to_owned()),
            (sleep, "services.pre_stop_sleep_seconds".to_owned()),
        ]
    })
}

/// The init containers have the same image and resources.
fn init_containers() -> impl Iterator<Item = Row> {
    let names = [names::INIT_CONTAINER, names::APPLY_CONTAINER];
    names.into_iter().flat_map(|name| {
        let container = container("initContainers", name);
        INIT_CONTAINERS.map(|(field, attribute)| {
            let field = container.with(FieldStep::Name(field.to_owned()));
            (field, attribute.to_owned())
        })
    })
}

/// Returns the row of the container of the CronJob's pods that the field belongs to. There is one for each command, and
/// all have the same settings.
fn cron_job_container(pod: &FieldPath, field: &FieldPath) -> Option<Row> {
    let [FieldStep::Name(list), element, ..] = field.below(pod)? else {
        return None;
    };
    let is_container = ["containers", "initContainers"].contains(&list.as_str());
    is_container.then(|| {
        let containers = pod.with(FieldStep::Name(list.clone()));
        let attribute = "cron_job.container_configs".to_owned();
        (containers.with(element.clone()), attribute)
    })
}

const POD: [&str; 3] = ["spec", "template", "spec"];
const CRON_JOB_POD: [&str; 5] = ["spec", "jobTemplate", "spec", "template", "spec"];
/// Below a container.
const PRE_STOP_SLEEP: [&str; 4] = ["lifecycle", "preStop", "sleep", "seconds"];

/// The fields of the init containers that attributes set.
const INIT_CONTAINERS: [(&str, &str); 2] = [
    ("image", "services.init_image"),
    ("resources", "services.init_resources"),
];

/// The fields of a ScaledObject whose attributes have other names.
const KEDA_BOUNDS: [(&str, &str); 3] = [
    ("minReplicaCount", "services.scaling.keda.min_replicas"),
    ("maxReplicaCount", "services.scaling.keda.max_replicas"),
    ("idleReplicaCount", "services.scaling.keda.idle_replicas"),
];

/// The fields of the CronJob's pods that attributes set.
const CRON_JOB_PODS: [(&str, &str); 5] = [
    ("tolerations", "services.tolerations"),
    ("affinity", "services.affinity"),
    ("priorityClassName", "services.priority_class_name"),
    ("runtimeClassName", "services.runtime_class_name"),
    ("nodeSelector", "cron_job.container_configs.node_selector"),
];

/// The attribute with the settings of each service.
const SERVICES: [(FeastService, &str); 3] = [
    (FeastService::Online, "services.online_store"),
    (FeastService::Offline, "services.offline_store"),
    (FeastService::Registry, "services.registry.local"),
];

/// An attribute that sets a field, and its type.
pub struct AttributeRef<'a> {
    pub path: Path,
    /// True for an attribute without which the state cannot be decoded.
    pub is_required: bool,
    shape: AttributeShape<'a>,
}

#[derive(Clone, Copy)]
enum AttributeShape<'a> {
    Attributes(&'a BTreeMap<String, Attribute>),
    Kind(&'a schema::Kind),
    Type(&'a Type),
}

/// Returns the attributes of this state that set the field.
pub fn of<'a>(
    block: &'a Block,
    state: &Value,
    key: &Key,
    field: &FieldPath,
) -> Vec<AttributeRef<'a>> {
    let store = state.attribute("name").as_str().unwrap_or_default();
    (rows(key, store, field).iter())
        .filter_map(|(above, attribute)| {
            let mut rest = field.below(above)?.iter();
            let root = AttributeRef {
                path: Path::root(),
                is_required: false,
                shape: AttributeShape::Attributes(&block.attributes),
            };
            rest.try_fold(root.descend(attribute)?, |place, step| {
                let value = state.get(&place.path)?;
                place.child(value, step)
            })
        })
        .collect()
}

impl<'a> AttributeRef<'a> {
    /// Follows attribute names that are separated by dots.
    fn descend(self, dotted: &str) -> Option<Self> {
        dotted.split('.').try_fold(self, |place, name| {
            let attribute = place.attributes()?.get(name)?;
            Some(AttributeRef {
                path: place.path.attribute(name),
                is_required: attribute.required,
                shape: AttributeShape::Kind(&attribute.kind),
            })
        })
    }

    fn attributes(&self) -> Option<&'a BTreeMap<String, Attribute>> {
        match self.shape {
            AttributeShape::Attributes(attributes) => Some(attributes),
            AttributeShape::Kind(schema::Kind::Nested(Nesting::Single, attributes)) => {
                Some(attributes)
            }
            _ => None,
        }
    }

    /// Follows a step of a field path. `value` is the value of this place in the state.
    fn child(self, value: &Value, step: &FieldStep) -> Option<Self> {
        use schema::Kind::{Nested, Plain};
        let mut is_required = false;
        let (step, shape) = match (step, self.shape) {
            (
                FieldStep::Name(key),
                AttributeShape::Type(Type::Map(inner))
                | AttributeShape::Kind(Plain(Type::Map(inner))),
            ) => (Step::Key(key.clone()), AttributeShape::Type(inner)),
            (FieldStep::Name(key), _) => {
                let mut attributes = self.attributes()?.iter();
                let (name, attribute) = attributes.find(|(_, attribute)| attribute.key == *key)?;
                is_required = attribute.required;
                (
                    Step::Attribute(name.clone()),
                    AttributeShape::Kind(&attribute.kind),
                )
            }
            (step, AttributeShape::Kind(Nested(Nesting::List | Nesting::Set, inner))) => {
                let position = position(inner, value, step)?;
                (Step::Index(position), AttributeShape::Attributes(inner))
            }
            (FieldStep::Index(position), AttributeShape::Kind(Plain(Type::List(inner)))) => {
                (Step::Index(*position), AttributeShape::Type(inner))
            }
            _ => return None,
        };
        Some(AttributeRef {
            path: self.path.with(step),
            is_required,
            shape,
        })
    }

    /// Returns a value of the object as the attribute holds it.
    pub fn value(&self, json: &Json) -> Value {
        match self.shape {
            AttributeShape::Attributes(attributes) => encode(attributes, json),
            AttributeShape::Kind(kind) => of_kind(kind, json),
            AttributeShape::Type(plain) => of_type(plain, json),
        }
    }
}

/// Returns the index of the element of a list in the state that a step selects.
fn position(inner: &BTreeMap<String, Attribute>, list: &Value, step: &FieldStep) -> Option<usize> {
    let Value::List(elements) = list else {
        return None;
    };
    match step {
        FieldStep::Index(position) => (*position < elements.len()).then_some(*position),
        FieldStep::Keys(keys) => elements.iter().position(|element| {
            keys.iter().all(|(key, wanted)| {
                let mut attributes = inner.iter();
                let named = attributes.find(|(_, attribute)| attribute.key == *key);
                named.is_some_and(|(name, _)| is_same(element.attribute(name), wanted))
            })
        }),
        FieldStep::Name(_) | FieldStep::Value(_) => None,
    }
}

fn is_same(value: &Value, json: &Json) -> bool {
    match (value, json) {
        (Value::String(value), Json::String(json)) => value == json,
        (Value::Number(Number::Integer(value)), Json::Number(json)) => {
            json.as_i64() == Some(*value)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::testing;

    #[test]
    fn maps_fields_to_the_attributes_that_set_them() {
        let block = &testing::block();
        let server = json!({
            "image": "feast:1",
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "resources": {"limits": {"memory": "1Gi"}},
        });
        let store = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "stores"}}});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 70}}});
        let pvc =
            json!({"create": {"resources": {"requests": {"storage": "5Gi"}}}, "mountPath": "/o"});
        let keda =
            json!({"triggers": [{"type": "cpu", "metadata": {"value": "60"}}], "maxReplicas": 3});
        let state = encode(
            &block.attributes,
            &json!({
                "name": "x", "feastProject": "p", "labels": {"example.com/team": "a"},
                "cronJob": {"schedule": "@daily", "containerConfigs": {"nodeSelector": {"disk": "ssd"}, "image": "cli:1"}},
                "services": {
                    "scaling": {"replicas": 2, "keda": keda, "autoscaling": {"minReplicas": 1, "maxReplicas": 3,
                        "metrics": [metric], "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}},
                    "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
                    "onlineStore": {"persistence": store("postgres"), "server": server},
                    "offlineStore": {"persistence": {"file": {"pvc": pvc}}, "server": {"image": "feast:1"}},
                    "registry": {"local": {"persistence": store("sql"), "server": {"image": "feast:1"}}},
                    "ui": {"image": "feast:1"}, "tolerations": [{"key": "a"}], "nodeSelector": {"disk": "ssd"},
                    "affinity": {"nodeAffinity": {}}, "priorityClassName": "a", "runtimeClassName": "a",
                    "volumes": [{"name": "extra", "secret": {"secretName": "s"}}],
                    "podAnnotations": {"example.com/a": "b"}, "podLabels": {"team": "b"},
                    "containerSecurityContext": {"readOnlyRootFilesystem": true},
                    "initImage": "feast:1", "initResources": {"limits": {"memory": "1Gi"}},
                },
            }),
        );
        let object = json!({
            "metadata": {"labels": {"example.com/team": "b", "feast.dev/name": "x"}},
            "spec": {
                "replicas": 3, "minReadySeconds": 1, "minReplicas": 1, "maxReplicas": 3, "metrics": [metric], "schedule": "@hourly",
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 1}},
                "strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 2}},
                "resources": {"requests": {"storage": "6Gi"}},
                "jobTemplate": {"spec": {"template": {"spec": {
                    "initContainers": [{"name": "feast-0", "image": "i"}],
                    "containers": [{"name": "feast-1", "image": "i", "resources": {"limits": {"memory": "2Gi"}}, "command": ["a"]}],
                    "tolerations": [{"key": "b"}], "affinity": {"nodeAffinity": {}}, "priorityClassName": "b", "runtimeClassName": "b",
                    "nodeSelector": {"disk": "hdd"}, "serviceAccountName": "b"}}}},
                "template": {"metadata": {"annotations": {"example.com/a": "c"}, "labels": {"team": "c"}}, "spec": {
                    "tolerations": [{"key": "b"}], "nodeSelector": {"disk": "hdd"}, "priorityClassName": "b", "runtimeClassName": "b",
                    "volumes": [{"name": "feast-data"}, {"name": "extra", "secret": {"secretName": "t"}}],
                    "enableServiceLinks": true, "terminationGracePeriodSeconds": 1, "dnsPolicy": "None",
                    "containers": [
                    {"name": "online", "image": "i", "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}, "env": [{"name": "B", "value": "3"}, {"name": "C"}],
                     "securityContext": {"readOnlyRootFilesystem": false, "capabilities": {"drop": ["KILL"]}},
                     "resources": {"limits": {"memory": "2Gi"}}, "command": ["feast"]},
                    {"name": "offline", "image": "i"},
                    {"name": "registry", "image": "i"}, {"name": "ui", "image": "i"}],
                    "initContainers": [
                    {"name": "feast-init", "image": "i", "resources": {"limits": {"memory": "2Gi"}}, "args": ["a"]},
                    {"name": "feast-apply", "image": "i"}]}},
                "minReplicaCount": 1, "maxReplicaCount": 3, "idleReplicaCount": 0, "pollingInterval": 1, "cooldownPeriod": 1,
                "scaleTargetRef": {"name": "feast-x"}, "triggers": [{"type": "cpu", "metadata": {"value": "70"}}],
            },
        });
        let found = |kind: Kind, name: &str, field: &str| {
            let field = FieldPath::resolve(&object, field).unwrap();
            let places = of(block, &state, &Key::new(kind, name), &field).into_iter();
            let texts: Vec<String> = places.map(|place| place.path.to_string()).collect();
            texts.join(" ")
        };
        let main = "feast-x";
        let server = "services.online_store.server";
        let online = ".spec.template.spec.containers[name=\"online\"]";
        let autoscaling = "services.scaling.autoscaling";
        let keda = "services.scaling.keda";
        let init = ".spec.template.spec.initContainers[name=\"feast-init\"]";
        let job = ".spec.jobTemplate.spec.template.spec";
        let command = format!("{job}.containers[name=\"feast-1\"]");
        for (kind, name, field, expected) in [
            (Kind::Deployment, main, ".spec.replicas".to_owned(), "services.scaling.replicas".to_owned()),
            (Kind::Deployment, main, ".spec.strategy.type".into(), "services.deployment_strategy.type strategy".into()),
            (Kind::Deployment, main, ".spec.strategy.rollingUpdate.maxSurge".into(),
                "services.deployment_strategy.rolling_update.max_surge".into()),
            (Kind::Deployment, main, format!("{online}.image"), format!("{server}.image")),
            (Kind::Deployment, main, format!("{online}.env[name=\"B\"].value"), format!("{server}.env[1].value")),
            (Kind::Deployment, main, format!("{online}.env[name=\"C\"]"), String::new()),
            (Kind::Deployment, main, format!("{online}.resources.limits.memory"),
                format!("{server}.resources.limits[\"memory\"]")),
            (Kind::Deployment, main, format!("{online}.command"), String::new()),
            (Kind::Deployment, main, online.replace("online", "registry") + ".image",
                "services.registry.local.server.image".into()),
            (Kind::Deployment, main, online.replace("online", "offline") + ".image",
                "services.offline_store.server.image".into()),
            (Kind::Deployment, main, online.replace("online", "ui") + ".image", "services.ui.image".into()),
            (Kind::Deployment, main, ".spec.template.spec.tolerations[0].key".into(), "services.tolerations[0].key".into()),
            (Kind::Deployment, main, ".spec.template.spec.nodeSelector.disk".into(), "services.node_selector[\"disk\"]".into()),
            (Kind::Deployment, main, ".spec.template.spec.priorityClassName".into(), "services.priority_class_name".into()),
            (Kind::Deployment, main, ".spec.template.spec.runtimeClassName".into(), "services.runtime_class_name".into()),
            (Kind::Deployment, main, ".spec.template.spec.volumes[name=\"extra\"].secret.secretName".into(),
                "services.volumes[0].secret.secret_name".into()),
            (Kind::Deployment, main, ".spec.template.metadata.annotations.example.com/a".into(),
                "services.pod_annotations[\"example.com/a\"]".into()),
            (Kind::Deployment, main, ".spec.template.metadata.labels.team".into(), "services.pod_labels[\"team\"]".into()),
            (Kind::Deployment, main, format!("{online}.securityContext.readOnlyRootFilesystem"),
                "services.container_security_context.read_only_root_filesystem".into()),
            (Kind::Deployment, main, format!("{online}.securityContext.capabilities.drop"),
                "services.container_security_context.capabilities.drop".into()),
            (Kind::Deployment, main, ".spec.template.spec.enableServiceLinks".into(), "services.enable_service_links".into()),
            (Kind::Deployment, main, ".spec.template.spec.terminationGracePeriodSeconds".into(),
                "services.termination_grace_period_seconds".into()),
            (Kind::Deployment, main, format!("{online}.lifecycle.preStop.sleep.seconds"),
                "services.pre_stop_sleep_seconds".into()),
            (Kind::Deployment, main, ".spec.minReadySeconds".into(), "services.min_ready_seconds".into()),
            (Kind::Deployment, main, ".spec.template.spec.dnsPolicy".into(), String::new()),
            (Kind::Service, "feast-x-online", ".metadata.labels.example.com/team".into(),
                "labels[\"example.com/team\"]".into()),
            (Kind::HorizontalPodAutoscaler, main, ".spec.minReplicas".into(), format!("{autoscaling}.min_replicas")),
            (Kind::HorizontalPodAutoscaler, main, ".spec.metrics".into(), format!("{autoscaling}.metrics")),
            (Kind::HorizontalPodAutoscaler, main, ".spec.metrics[0].resource.target.averageUtilization".into(),
                format!("{autoscaling}.metrics[0].resource.target.average_utilization")),
            (Kind::HorizontalPodAutoscaler, main, ".spec.behavior.scaleDown.stabilizationWindowSeconds".into(),
                format!("{autoscaling}.behavior.scale_down.stabilization_window_seconds")),
            (Kind::Deployment, main, format!("{init}.image"), "services.init_image".into()),
            (Kind::Deployment, main, init.replace("feast-init", "feast-apply") + ".image", "services.init_image".into()),
            (Kind::Deployment, main, format!("{init}.resources.limits.memory"),
                "services.init_resources.limits[\"memory\"]".into()),
            (Kind::Deployment, main, format!("{init}.args"), String::new()),
            (Kind::ScaledObject, main, ".spec.minReplicaCount".into(), format!("{keda}.min_replicas")),
            (Kind::ScaledObject, main, ".spec.maxReplicaCount".into(), format!("{keda}.max_replicas")),
            (Kind::ScaledObject, main, ".spec.idleReplicaCount".into(), format!("{keda}.idle_replicas")),
            (Kind::ScaledObject, main, ".spec.pollingInterval".into(), format!("{keda}.polling_interval")),
            (Kind::ScaledObject, main, ".spec.cooldownPeriod".into(), format!("{keda}.cooldown_period")),
            (Kind::ScaledObject, main, ".spec.triggers[0].metadata.value".into(),
                format!("{keda}.triggers[0].metadata[\"value\"]")),
            (Kind::ScaledObject, main, ".spec.scaleTargetRef.name".into(), String::new()),
            (Kind::PersistentVolumeClaim, "feast-x-offline", ".spec.resources.requests.storage".into(),
                "services.offline_store.persistence.file.pvc.create.resources.requests[\"storage\"]".into()),
            (Kind::PersistentVolumeClaim, "another", ".spec.resources.requests.storage".into(), String::new()),
            (Kind::CronJob, main, ".spec.schedule".into(), "cron_job.schedule".into()),
            (Kind::CronJob, main, format!("{job}.tolerations[0].key"), "services.tolerations[0].key".into()),
            (Kind::CronJob, main, format!("{job}.affinity.nodeAffinity"), "services.affinity.node_affinity".into()),
            (Kind::CronJob, main, format!("{job}.priorityClassName"), "services.priority_class_name".into()),
            (Kind::CronJob, main, format!("{job}.runtimeClassName"), "services.runtime_class_name".into()),
            (Kind::CronJob, main, format!("{job}.nodeSelector.disk"),
                "cron_job.container_configs.node_selector[\"disk\"]".into()),
            (Kind::CronJob, main, format!("{job}.serviceAccountName"), String::new()),
            (Kind::CronJob, main, format!("{command}.image"), "cron_job.container_configs.image".into()),
            (Kind::CronJob, main, format!("{job}.initContainers[name=\"feast-0\"].image"),
                "cron_job.container_configs.image".into()),
            (Kind::CronJob, main, format!("{command}.resources"), "cron_job.container_configs.resources".into()),
            (Kind::CronJob, main, format!("{command}.command"), String::new()),
        ] {
            assert_eq!(found(kind, name, &field), expected, "{field}");
        }
    }
}
