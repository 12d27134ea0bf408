//! Fields that not every API server stores. An API server that does not know a field refuses the object. One in which
//! the feature gate of a field is off drops the field and reports success.

use std::fmt;

use serde_json::Value as Json;

use super::Kind;
use super::field_path::{FieldPath, FieldStep};

/// The oldest minor version of Kubernetes 1 that the provider supports: the first with the `preStop` hook `sleep`,
/// which is part of every feature store with several pods.
pub const OLDEST: u32 = 30;

/// The condition on which an API server stores a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// The first minor version of Kubernetes 1 that stores it by default.
    Version(u32),
    /// A feature gate that is off in the newest version.
    FeatureGate(&'static str),
}

use Requirement::{FeatureGate, Version};

/// Suffixes of field paths without the keys of list elements. The versions are those of
/// `pkg/features/kube_features.go` of Kubernetes 1.37.
const FIELDS: &[(&str, Requirement)] = &[
    ("lifecycle.preStop.sleep", Version(30)),
    // Services. The values PreferSameZone and PreferSameNode need 1.34, which the API server says.
    ("spec.trafficDistribution", Version(31)),
    // HorizontalPodAutoscalers.
    ("behavior.scaleUp.tolerance", Version(35)),
    ("behavior.scaleDown.tolerance", Version(35)),
    // Pods.
    ("securityContext.supplementalGroupsPolicy", Version(33)),
    ("securityContext.seLinuxChangePolicy", Version(33)),
    ("securityContext.procMount", Version(33)),
    ("volumeMounts.recursiveReadOnly", Version(31)),
    (
        "volumeMounts.bindMountOptions",
        FeatureGate("VolumeBindMountOptions"),
    ),
    ("valueFrom.fileKeyRef", Version(35)),
    ("resources.claims", Version(34)),
    ("spec.resourceClaims", Version(34)),
    ("podAffinityTerm.matchLabelKeys", Version(31)),
    ("podAffinityTerm.mismatchLabelKeys", Version(31)),
    (
        "requiredDuringSchedulingIgnoredDuringExecution.matchLabelKeys",
        Version(31),
    ),
    (
        "requiredDuringSchedulingIgnoredDuringExecution.mismatchLabelKeys",
        Version(31),
    ),
    // Volumes.
    ("volumes.image", Version(35)),
    ("sources.clusterTrustBundle", Version(37)),
    ("sources.podCertificate", Version(37)),
    ("emptyDir.mode", FeatureGate("EmptyDirVolumeMode")),
    ("volumes.configMap.defaultUser", USER),
    ("volumes.secret.defaultUser", USER),
    ("volumes.downwardAPI.defaultUser", USER),
    ("volumes.projected.defaultUser", USER),
    ("items.user", USER),
    ("serviceAccountToken.user", USER),
    ("clusterTrustBundle.user", USER),
    ("podCertificate.user", USER),
];

const USER: Requirement = FeatureGate("AtomicWriteVolumeUserFields");

impl Requirement {
    /// Returns the condition for a field in the notation of the API server; `None` for a field that every supported
    /// version stores.
    pub fn of_field(field: &str) -> Option<Self> {
        let mut names = String::new();
        let mut depth = 0;
        for letter in field.chars() {
            match letter {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ if depth == 0 => names.push(letter),
                _ => {}
            }
        }
        of_names(&names)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version(minor) => write!(f, "Kubernetes 1.{minor}"),
            FeatureGate(name) => write!(f, "the feature gate {name}"),
        }
    }
}

fn of_names(names: &str) -> Option<Requirement> {
    let mut fields = FIELDS.iter();
    let (_, requirement) = fields.find(|(field, _)| {
        let above = names.strip_suffix(field);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    })?;
    Some(*requirement)
}

/// Returns the fields of the manifest that not every supported version of Kubernetes stores.
pub fn newer_fields(kind: Kind, manifest: &Json) -> Vec<(FieldPath, Requirement)> {
    let mut found = Vec::new();
    if matches!(
        kind,
        Kind::Deployment
            | Kind::Job
            | Kind::CronJob
            | Kind::Service
            | Kind::HorizontalPodAutoscaler
    ) && let Some(spec) = manifest.get("spec")
    {
        collect(&FieldPath::of(&["spec"]), "spec", spec, &mut found);
    }
    found.retain(|(_, requirement)| *requirement != Version(OLDEST));
    found
}

/// `names` are the names on the way to `value`.
fn collect(path: &FieldPath, names: &str, value: &Json, found: &mut Vec<(FieldPath, Requirement)>) {
    match value {
        Json::Object(members) => {
            for (name, inner) in members {
                let path = path.with(FieldStep::Name(name.clone()));
                let names = format!("{names}.{name}");
                match of_names(&names) {
                    Some(requirement) => found.push((path, requirement)),
                    None => collect(&path, &names, inner, found),
                }
            }
        }
        Json::Array(elements) => {
            let list = names.rsplit('.').next().unwrap_or_default();
            for (step, element) in FieldStep::elements(list, elements) {
                collect(&path.with(step), names, element, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(kind: Kind, manifest: &Json) -> Vec<(String, String)> {
        let fields = newer_fields(kind, manifest).into_iter();
        fields
            .map(|(field, requirement)| (field.to_string(), requirement.to_string()))
            .collect()
    }

    fn expected(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let fields = fields.iter();
        fields
            .map(|(field, requirement)| ((*field).to_owned(), (*requirement).to_owned()))
            .collect()
    }

    #[test]
    fn finds_fields_of_pods() {
        let pod = json!({
            "securityContext": {"supplementalGroupsPolicy": "Strict", "runAsUser": 1},
            "containers": [{
                "name": "online",
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                "env": [{"name": "A", "valueFrom": {"fileKeyRef": {"key": "k"}}}],
                "resources": {"claims": [{"name": "gpu"}], "limits": {"claims": "1"}},
                "volumeMounts": [{"mountPath": "/a", "recursiveReadOnly": "Enabled", "bindMountOptions": ["noexec"]}],
            }],
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "matchLabelKeys": ["pod-template-hash"]}]}},
            "volumes": [{"name": "v", "projected": {"sources": [
                {"configMap": {"items": [{"key": "k", "path": "p"}]}}, {"podCertificate": {"user": 1}}]}}],
            "nodeSelector": {"resourceClaims": "x"},
        });
        let deployment = json!({
            "metadata": {"labels": {"spec.trafficDistribution": "x"}},
            "spec": {"template": {"metadata": {"labels": {"emptyDir": "x"}}, "spec": pod}},
        });
        assert_eq!(
            of(Kind::Deployment, &deployment),
            expected(&[
                (
                    ".spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys",
                    "Kubernetes 1.31"
                ),
                (
                    ".spec.template.spec.containers[name=\"online\"].env[name=\"A\"].valueFrom.fileKeyRef",
                    "Kubernetes 1.35"
                ),
                (
                    ".spec.template.spec.containers[name=\"online\"].resources.claims",
                    "Kubernetes 1.34"
                ),
                (
                    ".spec.template.spec.containers[name=\"online\"].volumeMounts[mountPath=\"/a\"].bindMountOptions",
                    "the feature gate VolumeBindMountOptions"
                ),
                (
                    ".spec.template.spec.containers[name=\"online\"].volumeMounts[mountPath=\"/a\"].recursiveReadOnly",
                    "Kubernetes 1.31"
                ),
                (
                    ".spec.template.spec.securityContext.supplementalGroupsPolicy",
                    "Kubernetes 1.33"
                ),
                (
                    ".spec.template.spec.volumes[name=\"v\"].projected.sources[1].podCertificate",
                    "Kubernetes 1.37"
                ),
            ])
        );
    }

    #[test]
    fn finds_fields_of_other_objects() {
        let service = json!({"spec": {"trafficDistribution": "PreferClose", "type": "ClusterIP"}});
        assert_eq!(
            of(Kind::Service, &service),
            expected(&[(".spec.trafficDistribution", "Kubernetes 1.31")])
        );
        let autoscaler =
            json!({"spec": {"behavior": {"scaleUp": {"tolerance": "5%", "policies": []}}}});
        assert_eq!(
            of(Kind::HorizontalPodAutoscaler, &autoscaler),
            expected(&[(".spec.behavior.scaleUp.tolerance", "Kubernetes 1.35")])
        );
        assert_eq!(of(Kind::Secret, &service), expected(&[]));
    }

    #[test]
    fn a_field_in_a_message_has_its_version() {
        let requirement =
            |field: &str| Requirement::of_field(field).map(|requirement| requirement.to_string());
        assert_eq!(
            requirement(".spec.template.spec.containers[name=\"a.b\"].lifecycle.preStop.sleep")
                .as_deref(),
            Some("Kubernetes 1.30")
        );
        assert_eq!(requirement(".spec.replicas"), None);
    }
}
