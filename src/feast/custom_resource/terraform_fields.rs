//! Fields that only the configuration has, and not the custom resource.

use serde_json::{Map, Value as Json};

use super::CustomResourceError;

/// The hint for a field without a counterpart.
const TERRAFORM_ONLY: &str = "it is an attribute of the Terraform resource only";

/// Fields of the configuration that the custom resource does not have, with a hint.
const TERRAFORM_FIELDS: &[(&str, &str)] = &[
    ("name", "the name is `metadata.name`"),
    ("namespace", "the namespace is `metadata.namespace`"),
    ("labels", "labels are `metadata.labels`"),
    ("annotations", "annotations are `metadata.annotations`"),
    (
        "protectedProject",
        "use the annotation `feast.dev/protected-project`",
    ),
    ("waitForRollout", TERRAFORM_ONLY),
    ("timeouts", TERRAFORM_ONLY),
    ("deleteData", TERRAFORM_ONLY),
    ("driftPolicy", TERRAFORM_ONLY),
    (
        "services.feastApply",
        "it is an attribute of the Terraform resource only; the operator has `runFeastApplyOnInit`",
    ),
    (
        "services.automountServiceAccountToken",
        "it is an attribute of the Terraform resource only; pods of the operator always have the token",
    ),
    ("services.preStopSleepSeconds", TERRAFORM_ONLY),
    ("services.terminationGracePeriodSeconds", TERRAFORM_ONLY),
    ("services.minReadySeconds", TERRAFORM_ONLY),
    ("services.priorityClassName", TERRAFORM_ONLY),
    ("services.runtimeClassName", TERRAFORM_ONLY),
    ("services.containerSecurityContext", TERRAFORM_ONLY),
    ("services.podLabels", TERRAFORM_ONLY),
    ("services.feastApplyJob", TERRAFORM_ONLY),
    ("services.initResources", TERRAFORM_ONLY),
    ("services.enableServiceLinks", TERRAFORM_ONLY),
    ("services.networkPolicy", TERRAFORM_ONLY),
    (
        "services.podDisruptionBudgets.unhealthyPodEvictionPolicy",
        TERRAFORM_ONLY,
    ),
    ("cronJob.jobSpec.podTemplateLabels", TERRAFORM_ONLY),
    ("services.imagePullSecrets", TERRAFORM_ONLY),
    ("feastProjectDir.git.ssh", TERRAFORM_ONLY),
    ("feastProjectDir.git.caCertConfigMap", TERRAFORM_ONLY),
    ("services.scaling.keda", TERRAFORM_ONLY),
    ("services.serviceMonitor", TERRAFORM_ONLY),
    ("services.openshift", TERRAFORM_ONLY),
    ("services.onlineStore.server.service", TERRAFORM_ONLY),
    ("services.offlineStore.server.service", TERRAFORM_ONLY),
    ("services.registry.local.server.service", TERRAFORM_ONLY),
    ("services.registry.local.server.restService", TERRAFORM_ONLY),
    ("services.ui.service", TERRAFORM_ONLY),
    (
        "openlineage.consumer.lineageServer.server.service",
        TERRAFORM_ONLY,
    ),
    ("services.ipv6", TERRAFORM_ONLY),
    ("projectDescription", TERRAFORM_ONLY),
    ("embeddingModel", TERRAFORM_ONLY),
    ("coerceTzAware", TERRAFORM_ONLY),
    ("extraYaml", TERRAFORM_ONLY),
    ("client", TERRAFORM_ONLY),
    ("services.onlineStore.serving.auditLogging", TERRAFORM_ONLY),
    (
        "services.onlineStore.serving.featureLogging",
        TERRAFORM_ONLY,
    ),
    (
        "services.onlineStore.serving.metrics.featureCountBins",
        TERRAFORM_ONLY,
    ),
    (
        "services.onlineStore.persistence.file.vectorEnabled",
        TERRAFORM_ONLY,
    ),
    (
        "services.onlineStore.persistence.file.similarity",
        TERRAFORM_ONLY,
    ),
    (
        "services.onlineStore.persistence.file.textSearchEnabled",
        TERRAFORM_ONLY,
    ),
    (
        "services.onlineStore.persistence.file.enableOpenaiCompatibleStore",
        TERRAFORM_ONLY,
    ),
    (
        "services.offlineStore.persistence.file.stagingLocation",
        TERRAFORM_ONLY,
    ),
    (
        "services.offlineStore.persistence.file.stagingLocationEndpointOverride",
        TERRAFORM_ONLY,
    ),
    (
        "services.onlineStore.persistence.store.shared",
        TERRAFORM_ONLY,
    ),
    (
        "services.offlineStore.persistence.store.shared",
        TERRAFORM_ONLY,
    ),
    (
        "services.registry.local.persistence.store.shared",
        TERRAFORM_ONLY,
    ),
    (
        "services.registry.serveFeaturesWhileMaterializing",
        TERRAFORM_ONLY,
    ),
    (
        "services.registry.enableOnlineFeatureViewVersioning",
        TERRAFORM_ONLY,
    ),
    ("services.registry.local.purgeFeastMetadata", TERRAFORM_ONLY),
    ("services.registry.remote.isTls", TERRAFORM_ONLY),
    ("services.registry.remote.clientCert", TERRAFORM_ONLY),
    ("services.registry.remote.clientKey", TERRAFORM_ONLY),
    ("services.registry.remote.authority", TERRAFORM_ONLY),
    ("batchEngine.sparkApplication", TERRAFORM_ONLY),
    ("mlflow.datasetSync", TERRAFORM_ONLY),
    ("mlflow.supportedArtifactFormats", TERRAFORM_ONLY),
];

/// Rejects fields that only the configuration has.
///
/// # Errors
///
/// Returns all of these fields.
pub(super) fn reject(spec: &Map<String, Json>) -> Result<(), CustomResourceError> {
    let found: Vec<String> = (TERRAFORM_FIELDS.iter())
        .filter(|(field, _)| is_set(spec, field))
        .map(|(field, hint)| format!("`spec.{field}` is not a field of a FeatureStore: {hint}"))
        .collect();
    match found.is_empty() {
        true => Ok(()),
        false => Err(CustomResourceError::TerraformFields(found)),
    }
}

fn is_set(spec: &Map<String, Json>, field: &str) -> bool {
    let mut steps = field.split('.');
    let first = steps.next().and_then(|step| spec.get(step));
    let inner = steps.try_fold(first, |at, step| at.map(|at| at.get(step)));
    inner.flatten().is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::feast::config::FeatureStore;

    /// The fields of `spec` in the CRD `featurestores.feast.dev` of the Feast operator, a line for each. They are those
    /// of commit 03dac6f33 of github.com/feast-dev/feast, which has all fields of the versions 0.64 to 0.66. The fields
    /// of Kubernetes types are not listed.
    const CRD_FIELDS: &str = include_str!("../../../tests/oracle/crd_fields.txt");

    /// The first version of the operator with scaling had this field, which is converted.
    const LEGACY_FIELD: &str = "services.scaling.replicas";

    /// Adds the path of each field below a schema, without the fields of Kubernetes types.
    fn collect(root: &Json, schema: &Json, path: &str, fields: &mut BTreeSet<String>) {
        let Some(keywords) = schema.as_object() else {
            return;
        };
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/$defs/");
            // `Volume` has the fields of the Kubernetes type.
            if !name.starts_with("io.k8s.") && name != "Volume" {
                collect(root, &root["$defs"][name], path, fields);
            }
        }
        for keyword in ["items", "additionalProperties"] {
            collect(root, &schema[keyword], path, fields);
        }
        let choices = keywords.get("anyOf").and_then(Json::as_array);
        for choice in choices.into_iter().flatten() {
            collect(root, choice, path, fields);
        }
        let properties = keywords.get("properties").and_then(Json::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let field = match path {
                "" => name.clone(),
                path => format!("{path}.{name}"),
            };
            collect(root, property, &field, fields);
            fields.insert(field);
        }
    }

    fn is_listed(field: &str) -> bool {
        TERRAFORM_FIELDS.iter().any(|(listed, _)| {
            let below = field.strip_prefix(*listed);
            below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
        })
    }

    #[test]
    fn every_field_is_one_of_the_custom_resource_or_listed() {
        let root = schemars::schema_for!(FeatureStore).to_value();
        let mut fields = BTreeSet::new();
        collect(&root, &root, "", &mut fields);
        let custom_resource: BTreeSet<&str> = CRD_FIELDS.lines().collect();
        let known = |field: &str| custom_resource.contains(field) || field == LEGACY_FIELD;
        let missing: Vec<&str> = (fields.iter())
            .map(String::as_str)
            .filter(|field| !known(field) && !is_listed(field))
            .collect();
        assert_eq!(missing, [""; 0]);
        let wrong: Vec<&str> = (TERRAFORM_FIELDS.iter())
            .map(|(field, _)| *field)
            .filter(|field| known(field) || !fields.contains(*field))
            .collect();
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn every_field_is_reported() {
        let errors = |spec: Json| {
            let found = reject(spec.as_object().unwrap());
            found.map_err(|error| error.to_string())
        };
        let fields = json!({"feastProject": "p", "services": {"onlineStore": {"server": {}}}});
        assert_eq!(errors(fields), Ok(()));
        let only = "it is an attribute of the Terraform resource only";
        assert_eq!(
            errors(json!({"client": {}, "services": {"feastApply": "job", "minReadySeconds": 1}})),
            Err(format!(
                "`spec.services.feastApply` is not a field of a FeatureStore: {only}; the operator has \
                 `runFeastApplyOnInit`.\n`spec.services.minReadySeconds` is not a field of a FeatureStore: {only}.\n\
                 `spec.client` is not a field of a FeatureStore: {only}"
            ))
        );
    }
}
