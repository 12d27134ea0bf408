//! The attributes of the configuration that set fields of objects: where the errors of the API server are reported.

use serde_json::Value as Json;

use crate::cluster::{Error, Reason, Verb};
use crate::feast::names;
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::{Key, Kind, pod_template};
use crate::provider::diagnostics;
use crate::schema::{Block, Path, Value};

use super::drift::attributes;
use super::manifests::Manifests;

/// A planned state, in which attributes are looked up.
#[derive(Clone, Copy)]
pub struct AttributePaths<'a> {
    pub block: &'a Block,
    pub planned: &'a Value,
}

impl AttributePaths<'_> {
    /// Returns the attributes that set what the error is about, in one of these objects, each once. Empty if there are
    /// none.
    pub fn of_error(self, manifests: &Manifests, error: &Error) -> Vec<Path> {
        let key = Key::parse(&error.target.to_string());
        let target = key.and_then(|key| manifests.get_key_value(&key));
        let paths: Vec<Path> = match (&error.reason, target) {
            (Reason::NamespaceMissing(_) | Reason::NamespaceTerminating(_), _) => {
                vec![Path::of("namespace")]
            }
            (Reason::Foreign { .. } | Reason::Terminating(_), Some(_)) => vec![Path::of("name")],
            (Reason::NotIssued { .. }, _) => vec![Path::of(names::SERVING_CERTIFICATES)],
            (Reason::Forbidden { message }, _) => {
                let is_cron_job = error.target.kind == Kind::CronJob.as_str();
                let resources = diagnostics::required_resources_attributes(message, is_cron_job);
                let violated = diagnostics::pod_security_attribute(message);
                let class = error.reason.missing_pod_class();
                let class = class.map(|class| Path::of(class.attribute));
                violated.into_iter().chain(resources).chain(class).collect()
            }
            (
                Reason::Conflict(conflicts) | Reason::ChangedSincePlan(conflicts),
                Some((key, manifest)),
            ) => conflicts
                .iter()
                .filter_map(|conflict| FieldPath::resolve(manifest, &conflict.field))
                .flat_map(|field| self.of_field(key, &field))
                .collect(),
            (Reason::Invalid { fields, .. }, Some((key, manifest))) => fields
                .iter()
                .map(|invalid| rejected_field(key, manifest, error.verb, &invalid.field))
                .filter_map(|field| self.closest(key, &field))
                .collect(),
            (Reason::NotStored { fields, .. }, Some((key, manifest))) => fields
                .iter()
                .filter_map(|unstored| FieldPath::resolve(manifest, &unstored.field))
                .filter_map(|field| self.closest(key, &field))
                .collect(),
            _ => Vec::new(),
        };
        let mut unique = Vec::new();
        for path in paths {
            if !unique.contains(&path) {
                unique.push(path);
            }
        }
        unique
    }

    /// Returns the attributes that set the field.
    pub fn of_field(self, key: &Key, field: &FieldPath) -> Vec<Path> {
        let places = attributes::of(self.block, self.planned, key, field).into_iter();
        let paths = places.map(|place| place.path);
        paths
            .filter(|path| {
                let is_set = self.planned.get(path).is_some_and(|value| !value.is_null());
                *path != Path::of("strategy") && is_set
            })
            .collect()
    }

    /// Returns the attribute that sets the field, or else a value that contains the field.
    pub fn closest(self, key: &Key, field: &FieldPath) -> Option<Path> {
        std::iter::successors(Some(field.clone()), FieldPath::parent)
            .find_map(|field| self.of_field(key, &field).into_iter().next())
    }
}

/// Returns the field of the manifest that a validation error names. The dry run of a pod names fields of the pod.
fn rejected_field(key: &Key, manifest: &Json, verb: Verb, field: &str) -> FieldPath {
    let template = pod_template::path(key.kind).filter(|_| verb == Verb::Check);
    match template {
        Some(template) => {
            let pod = template.get(manifest).unwrap_or(manifest);
            template.join(FieldPath::of_error(pod, field))
        }
        None => FieldPath::of_error(manifest, field),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::testing;
    use crate::provider::tests::test_provider::TestProvider;

    #[test]
    fn a_field_has_the_closest_attribute() {
        let block = testing::block();
        let database = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
        let json = json!({"name": "x", "namespace": "ns", "feastProject": "p", "services": {
            "scaling": {"replicas": 2},
            "onlineStore": {"persistence": database("postgres"),
                "server": {"resources": {"requests": {"cpu": "1"}}}},
            "registry": {"local": {"persistence": database("sql")}},
        }});
        let planned = testing::plan(&block, None, &testing::value(&block, &json)).state;
        let attributes = AttributePaths {
            block: &block,
            planned: &planned,
        };
        let manifest = json!({"spec": {"replicas": 2, "template": {"spec": {"containers": [
            {"name": "online", "image": "i", "resources": {"requests": {"cpu": "1"}}}]}}}});
        let key = Key::new(Kind::Deployment, "feast-x");
        for (field, expected) in [
            ("spec.replicas", Some("services.scaling.replicas")),
            (
                "spec.template.spec.containers[0].resources.requests[cpu]",
                Some("services.online_store.server.resources.requests[\"cpu\"]"),
            ),
            (
                "spec.template.spec.containers[0].volumeMounts[3].name",
                Some("services.online_store.server"),
            ),
            ("metadata.name", None),
        ] {
            let field_path = FieldPath::of_error(&manifest, field);
            let path = attributes.closest(&key, &field_path);
            let path = path.map(|path| path.to_string());
            assert_eq!(path.as_deref(), expected, "{field}");
        }
    }

    #[test]
    fn refused_pods_have_the_attributes_that_the_message_names() {
        let block = testing::block();
        let attributes = AttributePaths {
            block: &block,
            planned: &Value::Null,
        };
        let required = "failed quota: q: must specify limits.cpu for:";
        for (kind, message, expected) in [
            (
                Kind::Deployment,
                format!("{required} offline,online"),
                "services.offline_store.server.resources services.online_store.server.resources",
            ),
            (
                Kind::CronJob,
                format!("{required} feast-0"),
                "cron_job.container_configs.resources",
            ),
            (
                Kind::Job,
                format!("{required} feast-apply"),
                "services.init_resources",
            ),
            (
                Kind::Deployment,
                "violates PodSecurity \"restricted:latest\": hostPath volumes".to_owned(),
                "services.volumes",
            ),
        ] {
            let error = testing::refused_pods_error(kind, &message);
            let paths = attributes.of_error(&Manifests::new(), &error);
            let paths: Vec<String> = paths.iter().map(Path::to_string).collect();
            assert_eq!(paths.join(" "), expected, "{message}");
        }
    }

    #[test]
    fn a_failed_apply_is_reported_at_the_attribute() {
        let deployment = "/apis/apps/v1/namespaces/ns/deployments/feast-x";
        let image = "spec.template.spec.containers[0].image";
        for (field, expected) in [
            (image, Some("services.online_store.server.image")),
            ("metadata.labels[team]", Some("labels[\"team\"]")),
            ("metadata.name", None),
        ] {
            let provider = TestProvider::new();
            let config = provider.config(&json!({
                "name": "x", "namespace": "ns", "feastProject": "p", "labels": {"team": "a"},
                "services": {"onlineStore": {"server": {"image": "feast:1"}}},
                "waitForRollout": false,
            }));
            provider.server.reject_field(deployment, field);
            let planned = provider.plan(&Value::Null, &[], &config);
            let applied = provider.apply(&Value::Null, &planned, &config);
            let path = applied.diagnostics[0].path.as_ref();
            let path = path.map(ToString::to_string);
            assert_eq!(path.as_deref(), expected, "{field}");
        }
    }
}
