//! The pod templates of objects, and the Secrets, ConfigMaps and PersistentVolumeClaims that their pods name.

use serde_json::Value as Json;

use super::field_path::{FieldPath, FieldStep};
use super::kind::{Key, Kind};

/// Returns the path of the pod template in objects of the kind; `None` for a kind without pods.
pub fn path(kind: Kind) -> Option<FieldPath> {
    match kind {
        Kind::Deployment | Kind::Job => Some(FieldPath::of(&["spec", "template"])),
        Kind::CronJob => Some(FieldPath::of(&["spec", "jobTemplate", "spec", "template"])),
        _ => None,
    }
}

/// Returns the pod template of an object; `None` for a kind without pods.
pub fn of(kind: Kind, manifest: &Json) -> Option<&Json> {
    path(kind)?.get(manifest)
}

/// The CSI driver of the Secrets Store, which can copy what it mounts to a Secret (`secretObjects`) while a pod has the
/// volume.
const SECRETS_STORE: &str = "secrets-store.csi.k8s.io";

/// An object that the pods name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// A Secret, a ConfigMap or a PersistentVolumeClaim in the namespace of the pods.
    pub object: Key,
    /// The key of a Secret or ConfigMap; `None` if no certain key is needed.
    pub key: Option<String>,
    /// The field with the name of the object.
    pub field: FieldPath,
    /// False for a Secret with which images are pulled: without it, the kubelet pulls them without credentials.
    pub blocks_start: bool,
}

/// Returns the references of an object's pods, without the optional ones.
pub fn references(kind: Kind, manifest: &Json) -> Vec<Reference> {
    let mut found = Vec::new();
    if let Some(path) = path(kind)
        && let Some(spec) = path.get(manifest).and_then(|template| template.get("spec"))
    {
        let path = path.with(FieldStep::Name("spec".to_owned()));
        collect(&path, "spec", spec, &mut found);
    }
    found
}

/// Returns whether a Secret can appear when a pod of the object starts.
pub fn creates_secrets(kind: Kind, manifest: &Json) -> bool {
    let volumes = of(kind, manifest).and_then(|template| template["spec"]["volumes"].as_array());
    let mut volumes = volumes.into_iter().flatten();
    volumes.any(|volume| volume["csi"]["driver"] == SECRETS_STORE)
}

fn collect(path: &FieldPath, field: &str, value: &Json, found: &mut Vec<Reference>) {
    found.extend(reference(path, field, value));
    match value {
        Json::Object(members) => {
            for (name, inner) in members {
                collect(
                    &path.with(FieldStep::Name(name.clone())),
                    name,
                    inner,
                    found,
                );
            }
        }
        Json::Array(elements) => {
            for (step, element) in FieldStep::elements(field, elements) {
                collect(&path.with(step), field, element, found);
            }
        }
        _ => {}
    }
}

/// Returns the references that the object `value` in the field `field` is.
fn reference(path: &FieldPath, field: &str, value: &Json) -> Vec<Reference> {
    let (kind, name) = match field {
        "secretKeyRef" | "secretRef" | "nodePublishSecretRef" | "imagePullSecrets" => {
            (Kind::Secret, "name")
        }
        // A volume, and a source of a projected volume.
        "secret" if value.get("secretName").is_some() => (Kind::Secret, "secretName"),
        "secret" => (Kind::Secret, "name"),
        "configMapKeyRef" | "configMapRef" | "configMap" => (Kind::ConfigMap, "name"),
        "persistentVolumeClaim" => (Kind::PersistentVolumeClaim, "claimName"),
        _ => return Vec::new(),
    };
    let Some(object) = value.get(name).and_then(Json::as_str) else {
        return Vec::new();
    };
    if value["optional"] == true {
        return Vec::new();
    }
    let items = value["items"].as_array().into_iter().flatten();
    let mut keys: Vec<Option<&str>> = (items.map(|item| &item["key"]))
        .chain([&value["key"]])
        .filter_map(|key| key.as_str().map(Some))
        .collect();
    if keys.is_empty() {
        keys.push(None);
    }
    keys.into_iter()
        .map(|key| Reference {
            object: Key::new(kind, object),
            key: key.map(str::to_owned),
            field: path.with(FieldStep::Name(name.to_owned())),
            blocks_start: field != "imagePullSecrets",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_required_references_with_their_fields() {
        let spec = json!({
            "imagePullSecrets": [{"name": "pull"}],
            "containers": [{
                "name": "online",
                "env": [
                    {"name": "A", "value": "secret"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": true}}},
                ],
                "envFrom": [{"configMapRef": {"name": "all"}}, {"secretRef": {"name": "s2"}}],
            }],
            "volumes": [
                {"name": "tls", "secret": {"secretName": "cert", "items": [{"key": "tls.crt"}, {"key": "tls.key"}]}},
                {"name": "ca", "configMap": {"name": "ca"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "both", "projected": {"sources": [{"secret": {"name": "p", "items": [{"key": "x"}]}}]}},
                {"name": "csi", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "n"}}},
            ],
        });
        let expected = [
            (
                "Secret/s",
                Some("k"),
                ".containers[name=\"online\"].env[name=\"B\"].valueFrom.secretKeyRef.name",
            ),
            (
                "ConfigMap/all",
                None,
                ".containers[name=\"online\"].envFrom[0].configMapRef.name",
            ),
            (
                "Secret/s2",
                None,
                ".containers[name=\"online\"].envFrom[1].secretRef.name",
            ),
            ("Secret/pull", None, ".imagePullSecrets[name=\"pull\"].name"),
            (
                "Secret/cert",
                Some("tls.crt"),
                ".volumes[name=\"tls\"].secret.secretName",
            ),
            (
                "Secret/cert",
                Some("tls.key"),
                ".volumes[name=\"tls\"].secret.secretName",
            ),
            ("ConfigMap/ca", None, ".volumes[name=\"ca\"].configMap.name"),
            (
                "PersistentVolumeClaim/data",
                None,
                ".volumes[name=\"data\"].persistentVolumeClaim.claimName",
            ),
            (
                "Secret/p",
                Some("x"),
                ".volumes[name=\"both\"].projected.sources[0].secret.name",
            ),
            (
                "Secret/n",
                None,
                ".volumes[name=\"csi\"].csi.nodePublishSecretRef.name",
            ),
        ];
        for (kind, manifest, above) in [
            (
                Kind::Deployment,
                json!({"spec": {"template": {"spec": spec}}}),
                ".spec.template.spec",
            ),
            (
                Kind::CronJob,
                json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}),
                ".spec.jobTemplate.spec.template.spec",
            ),
        ] {
            let found = references(kind, &manifest).into_iter();
            let found = found.map(|it| {
                assert_eq!(it.blocks_start, it.object.name != "pull", "{it:?}");
                (it.object.to_string(), it.key, it.field.to_string())
            });
            let expected = expected.map(|(object, key, field)| {
                (
                    object.to_owned(),
                    key.map(str::to_owned),
                    format!("{above}{field}"),
                )
            });
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
        let service = json!({"spec": {"template": {"spec": spec}}});
        assert_eq!(references(Kind::Service, &service), []);
    }

    #[test]
    fn only_the_secrets_store_creates_secrets() {
        for (volume, expected) in [
            (json!({"name": "v", "csi": {"driver": SECRETS_STORE}}), true),
            (
                json!({"name": "v", "csi": {"driver": "efs.csi.aws.com"}}),
                false,
            ),
            (json!({"name": "v", "secret": {"secretName": "s"}}), false),
        ] {
            let deployment = json!({"spec": {"template": {"spec": {"volumes": [volume]}}}});
            assert_eq!(creates_secrets(Kind::Deployment, &deployment), expected);
        }
        assert!(!creates_secrets(Kind::Service, &json!({})));
    }
}
