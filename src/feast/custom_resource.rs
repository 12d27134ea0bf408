//! Converts a FeatureStore custom resource of the Feast operator to a configuration.
//!
//! `spec` and the configuration have the same JSON form, so most of it is copied. This module handles the differences:
//! metadata and `replicas` are in other places, some fields exist in only one of the two, and defaults of the operator
//! that differ are set explicitly, so that a migrated feature store behaves as before.

mod documents;
pub mod manifest;
mod metadata;
mod terraform_fields;

use serde_json::{Map, Value as Json, json};

use super::names;
use super::spec::{Defaults, FeastApplyMode, Store};
use super::yaml_syntax_error::YamlSyntaxError;
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::managed_fields::ManagedFields;

pub use documents::{ScaleTarget, read};
use metadata::Metadata;

/// A FeatureStore resource that has been converted.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomResource {
    /// The configuration in its JSON form, not yet checked with the schema.
    pub configuration: Json,
    /// Remarks on the configuration.
    pub notes: Vec<String>,
}

/// The text is not a FeatureStore that can be converted. Syntax errors do not quote the text, which can contain
/// secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomResourceError {
    #[error("the text is not valid YAML: {0}")]
    Syntax(YamlSyntaxError),
    #[error("the text has no FeatureStore (`kind: FeatureStore` with `apiVersion: feast.dev/v1`)")]
    None,
    #[error(
        "the text has {0} FeatureStores, and only one can be converted at a time. Split the text"
    )]
    Several(usize),
    #[error(
        "`apiVersion: {0}` is not supported. Supported values: feast.dev/v1, feast.dev/v1alpha1"
    )]
    Version(String),
    #[error("`{field}` {problem}")]
    Field { field: String, problem: String },
    /// A sentence for each field that only the configuration has, without a period.
    #[error("{}", .0.join(".\n"))]
    TerraformFields(Vec<String>),
}

impl CustomResourceError {
    fn field(field: &str, problem: impl Into<String>) -> Self {
        Self::Field {
            field: field.to_owned(),
            problem: problem.into(),
        }
    }
}

/// The versions of the custom resource that can be converted.
const VERSIONS: [&str; 2] = ["feast.dev/v1", "feast.dev/v1alpha1"];

/// Converts a FeatureStore resource. `targets` are what other objects of the manifest scale.
///
/// # Errors
///
/// Returns the first problem of the resource; of fields that only the configuration has, all of them.
pub fn convert(
    resource: &Json,
    targets: &[ScaleTarget<'_>],
) -> Result<CustomResource, CustomResourceError> {
    let version = resource["apiVersion"].as_str().unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return Err(CustomResourceError::Version(version.to_owned()));
    }
    let mut notes = Vec::new();
    let metadata = Metadata::read(&resource["metadata"], &mut notes)?;
    let mut spec = match &resource["spec"] {
        Json::Object(spec) => spec.clone(),
        Json::Null => Map::new(),
        _ => return Err(CustomResourceError::field("spec", "must be an object")),
    };
    if spec.get("feastProject").is_none_or(Json::is_null) {
        return Err(CustomResourceError::field(
            "spec.feastProject",
            "is required",
        ));
    }
    terraform_fields::reject(&spec)?;
    let is_scaled_itself = is_scaled_itself(resource, targets);
    if is_scaled_itself {
        leave_to_autoscaler(resource, &mut spec, &mut notes);
    } else {
        let deployment = names::main(name_of(resource));
        let mut targets = targets.iter();
        let scaled_elsewhere =
            targets.any(|target| target.is_of(resource, "Deployment", &deployment));
        set_replicas(&mut spec, scaled_elsewhere, &mut notes)?;
    }
    set_authz(&mut spec, &mut notes);
    set_tracking_auth(&mut spec, &mut notes);
    metadata.write(&mut spec);
    if is_scaled_itself {
        set_strategy(&mut spec, &mut notes)?;
    }
    set_feast_apply(&mut spec, &mut notes)?;
    set_token_automount(&mut spec, &mut notes)?;
    set_security_context(&mut spec, &mut notes)?;
    Ok(CustomResource {
        configuration: Json::Object(spec),
        notes,
    })
}

fn name_of(resource: &Json) -> &str {
    resource["metadata"]["name"].as_str().unwrap_or_default()
}

/// Returns whether an autoscaler scales the custom resource itself, as Feast's documentation describes for KEDA. It is
/// in the same manifest, or the API server has recorded that `spec.replicas` was set with the subresource `scale`.
fn is_scaled_itself(resource: &Json, targets: &[ScaleTarget<'_>]) -> bool {
    let mut targets = targets.iter();
    let replicas = FieldPath::of(&["spec", "replicas"]);
    let managed = ManagedFields::of(resource);
    let mut writers = managed.owners(&replicas);
    targets.any(|target| target.is_of(resource, "FeatureStore", name_of(resource)))
        || writers.any(|entry| {
            entry.subresource == Some("scale") && !["kubectl", "oc"].contains(&entry.manager)
        })
}

/// Removes the number of pods, which an autoscaler has set.
fn leave_to_autoscaler(resource: &Json, spec: &mut Map<String, Json>, notes: &mut Vec<String>) {
    take_replicas(spec);
    notes.push(format!(
        "An autoscaler scales the FeatureStore, so `replicas` is not set, and the provider does not change the live \
         number of pods. After the apply and before the FeatureStore is deleted, change the target of the autoscaler, \
         `scaleTargetRef`, to `apiVersion: apps/v1`, `kind: Deployment`, `name: {}`. Otherwise, nothing is scaled.",
        names::main(name_of(resource))
    ));
}

/// Removes and returns `spec.replicas`, and `spec.services.scaling.replicas`, which the first version of the operator
/// with scaling had.
fn take_replicas(spec: &mut Map<String, Json>) -> (Option<Json>, Option<Json>) {
    let replicas = spec.remove("replicas");
    let legacy_replicas = spec.get_mut("services").and_then(|services| {
        let scaling = services.get_mut("scaling")?.as_object_mut()?;
        scaling.remove("replicas")
    });
    (replicas, legacy_replicas)
}

/// Moves the number of pods. `spec.replicas` is 1 by default, and the operator enforces it.
fn set_replicas(
    spec: &mut Map<String, Json>,
    scaled_elsewhere: bool,
    notes: &mut Vec<String>,
) -> Result<(), CustomResourceError> {
    let (replicas, legacy_replicas) = take_replicas(spec);
    let replicas = number("spec.replicas", replicas)?;
    let legacy_replicas = number("spec.services.scaling.replicas", legacy_replicas)?;
    if let (Some(replicas), Some(legacy_replicas)) = (replicas, legacy_replicas)
        && replicas != legacy_replicas
    {
        return Err(CustomResourceError::field(
            "spec.services.scaling.replicas",
            format!("is {legacy_replicas}, but `spec.replicas` is {replicas}. Remove one of them"),
        ));
    }
    let configured = replicas.or(legacy_replicas);
    let replicas = configured.unwrap_or(1);
    if scaled_elsewhere && replicas == 1 {
        notes.push(
            "Another object of the manifest scales the Deployment, so `replicas` is not set, and the provider does not \
             change the live number of pods."
                .to_owned(),
        );
        return Ok(());
    }
    let autoscaled = spec
        .get("services")
        .and_then(|services| services.pointer("/scaling/autoscaling"))
        .is_some_and(|autoscaling| !autoscaling.is_null());
    // The API server sets the default 1 with `autoscaling` too.
    if autoscaled && replicas == 1 && legacy_replicas.is_none() {
        return Ok(());
    }
    if configured.is_none() {
        notes.push(
            "The operator runs one pod without `spec.replicas`, so `replicas = 1` is set. Without it, the provider \
             does not change the live number of pods."
                .to_owned(),
        );
    }
    let services = object(spec, "services", "spec.services")?;
    let scaling = object(services, "scaling", "spec.services.scaling")?;
    scaling.insert("replicas".to_owned(), json!(replicas));
    Ok(())
}

/// Reads an optional whole number.
fn number(field: &str, value: Option<Json>) -> Result<Option<i64>, CustomResourceError> {
    match value {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(CustomResourceError::field(field, "must be a whole number")),
        },
    }
}

/// Without `spec.authz`, the operator uses Kubernetes RBAC.
fn set_authz(spec: &mut Map<String, Json>, notes: &mut Vec<String>) {
    if spec.get("authz").is_none_or(Json::is_null) {
        spec.insert("authz".to_owned(), json!({"kubernetes": {}}));
        notes.push(
            "Without `spec.authz`, the operator uses Kubernetes RBAC, so `authz.kubernetes` is set. Without it, \
             everyone who can reach the servers can use them."
                .to_owned(),
        );
    }
}

/// With MLflow, the operator sets how servers authenticate.
fn set_tracking_auth(spec: &mut Map<String, Json>, notes: &mut Vec<String>) {
    let mlflow = spec.get_mut("mlflow").and_then(Json::as_object_mut);
    let Some(mlflow) = mlflow.filter(|it| it.get("enabled") == Some(&json!(true))) else {
        return;
    };
    if mlflow.get("trackingAuth").is_none_or(Json::is_null) {
        let auth = names::OPERATOR_TRACKING_AUTH;
        mlflow.insert("trackingAuth".to_owned(), json!(auth));
        notes.push(format!(
            "With MLflow, the operator sets `{}={auth}`, so `tracking_auth` is set. Only tracking servers with \
             workspaces accept this, such as that of OpenShift AI. Remove it for other servers.",
            names::MLFLOW_TRACKING_AUTH
        ));
    }
}

/// The operator replaces several pods by a rolling update. The strategy is explicit where the provider does not know
/// that there are several.
fn set_strategy(
    spec: &mut Map<String, Json>,
    notes: &mut Vec<String>,
) -> Result<(), CustomResourceError> {
    if spec_so_far(spec).is_some_and(|store| store.allows_several_pods()) {
        let services = object(spec, "services", "spec.services")?;
        let strategy = services.entry("deploymentStrategy").or_insert(Json::Null);
        if strategy.is_null() {
            *strategy = json!({"type": "RollingUpdate"});
            notes.push(
                "The operator replaces several pods by a rolling update, so `deployment_strategy` is set. Without it, the \
                 provider deletes all pods before it creates new ones."
                    .to_owned(),
            );
        }
    }
    Ok(())
}

/// The operator runs `feast apply` in every pod. The setting is explicit if the provider would use a Job.
fn set_feast_apply(
    spec: &mut Map<String, Json>,
    notes: &mut Vec<String>,
) -> Result<(), CustomResourceError> {
    if spec_so_far(spec).is_some_and(|store| store.project.feast_apply == FeastApplyMode::Job) {
        let services = object(spec, "services", "spec.services")?;
        services.insert("runFeastApplyOnInit".to_owned(), json!(true));
        notes.push(
            "The operator runs `feast apply` in each pod when it starts, so `run_feast_apply_on_init = true` is set. \
             Without it, a Job runs it before the pods are updated, which is safer with several pods."
                .to_owned(),
        );
    }
    Ok(())
}

/// Pods of the operator always have the token of their ServiceAccount. The setting is explicit if a batch engine can
/// use the token.
fn set_token_automount(
    spec: &mut Map<String, Json>,
    notes: &mut Vec<String>,
) -> Result<(), CustomResourceError> {
    if spec_so_far(spec).is_some_and(|store| store.batch_engine.is_some() && !store.has_token()) {
        let services = object(spec, "services", "spec.services")?;
        services.insert("automountServiceAccountToken".to_owned(), json!(true));
        notes.push(
            "Pods of the operator have the token of their ServiceAccount, which a batch engine can use, so \
             `automount_service_account_token = true` is set. Without it, engines that call the Kubernetes API fail."
                .to_owned(),
        );
    }
    Ok(())
}

/// The operator sets no group. The absence is explicit if the provider would set one.
fn set_security_context(
    spec: &mut Map<String, Json>,
    notes: &mut Vec<String>,
) -> Result<(), CustomResourceError> {
    if spec_so_far(spec).is_some_and(|store| store.has_default_group()) {
        let services = object(spec, "services", "spec.services")?;
        services.insert("securityContext".to_owned(), json!({}));
        notes.push(
            "The operator does not set the group of volumes, so `security_context = {}` is set. Without it, the pods \
             have `fs_group = 1001`, which makes new volumes writable. On OpenShift, remove it and set \
             `services.openshift = {}`."
                .to_owned(),
        );
    }
    Ok(())
}

/// Returns the specification of the configuration so far; `None` if it is invalid, which the schema reports.
fn spec_so_far(spec: &Map<String, Json>) -> Option<Store> {
    let config = serde_json::from_value(Json::Object(spec.clone())).ok()?;
    Some(Store::new(&config, &Defaults::default()))
}

/// Returns the object under `key`, and creates it if it does not exist.
fn object<'a>(
    outer: &'a mut Map<String, Json>,
    key: &str,
    field: &str,
) -> Result<&'a mut Map<String, Json>, CustomResourceError> {
    let inner = outer.entry(key).or_insert(Json::Null);
    if inner.is_null() {
        *inner = json!({});
    }
    (inner.as_object_mut()).ok_or_else(|| CustomResourceError::field(field, "must be an object"))
}

/// Returns the field of the custom resource from which a field of the configuration comes.
pub fn custom_resource_field(field: &str) -> String {
    match field {
        "name" | "namespace" | "labels" | "annotations" => format!("metadata.{field}"),
        "protectedProject" => format!("metadata.annotations[{:?}]", metadata::PROTECTED_PROJECT),
        "services.scaling.replicas" => "spec.replicas".to_owned(),
        _ if field.starts_with("labels[") || field.starts_with("annotations[") => {
            format!("metadata.{field}")
        }
        _ => format!("spec.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> CustomResource {
        let mut stores = read(text).unwrap();
        assert_eq!(stores.len(), 1);
        stores.remove(0)
    }

    fn store(spec: &str) -> String {
        format!(
            "apiVersion: feast.dev/v1\nkind: FeatureStore\nmetadata: {{name: a}}\nspec: {{feastProject: p, authz: {{noAuth: true}}{spec}}}"
        )
    }

    #[test]
    fn defaults_of_the_operator_are_explicit_and_noted() {
        let resource = one(
            "apiVersion: feast.dev/v1\nkind: FeatureStore\nmetadata: {name: a}\nspec: {feastProject: p}",
        );
        assert_eq!(
            resource.configuration,
            json!({
                "name": "a",
                "feastProject": "p",
                "authz": {"kubernetes": {}},
                "services": {"scaling": {"replicas": 1}},
            })
        );
        assert_eq!(resource.notes.len(), 2);
    }

    #[test]
    fn mlflow_has_the_authentication_of_the_operator() {
        let mlflow = |settings: &str| {
            let resource = one(&store(&format!(", mlflow: {settings}")));
            resource.configuration["mlflow"]["trackingAuth"].clone()
        };
        for settings in ["{enabled: true}", "{enabled: true, trackingAuth: null}"] {
            assert_eq!(
                mlflow(settings),
                json!("kubernetes-namespaced"),
                "{settings}"
            );
        }
        assert_eq!(mlflow("{enabled: true, trackingAuth: \"\"}"), json!(""));
        assert_eq!(mlflow("{enabled: false}"), Json::Null);
    }

    #[test]
    fn replicas_with_and_without_an_autoscaler() {
        let services = |spec: &str| one(&store(spec)).configuration["services"].clone();
        assert_eq!(
            services(", replicas: 3"),
            json!({"scaling": {"replicas": 3}})
        );
        // The first version of the operator had the number there.
        for both in ["", ", replicas: 3", ", replicas: null"] {
            let scaling = ", services: {scaling: {replicas: 3}}";
            assert_eq!(
                services(&format!("{both}{scaling}")),
                json!({"scaling": {"replicas": 3}})
            );
        }
        let autoscaling = json!({"scaling": {"autoscaling": {"maxReplicas": 3}}});
        for replicas in ["", ", replicas: 1"] {
            let scaling = ", services: {scaling: {autoscaling: {maxReplicas: 3}}}";
            assert_eq!(services(&format!("{replicas}{scaling}")), autoscaling);
        }
    }

    #[test]
    fn an_autoscaler_in_the_manifest_owns_the_replicas() {
        let beside = |kind: &str, target: &str, spec: &str| {
            let scaler = format!("kind: {kind}\nspec: {{scaleTargetRef: {target}}}");
            let read = one(&format!("{}\n---\n{scaler}", store(spec)));
            read.configuration["services"].clone()
        };
        let one = json!({"scaling": {"replicas": 1}});
        for (kind, target) in [
            ("ScaledObject", "{name: feast-a}"),
            ("ScaledObject", "{kind: Deployment, name: feast-a}"),
            (
                "HorizontalPodAutoscaler",
                "{apiVersion: apps/v1, kind: Deployment, name: feast-a}",
            ),
        ] {
            // The API server writes the default 1.
            for spec in ["", ", replicas: 1"] {
                assert_eq!(beside(kind, target, spec), Json::Null, "{kind} {target}");
            }
            assert_eq!(
                beside(kind, target, ", replicas: 2")["scaling"],
                json!({"replicas": 2})
            );
        }
        for (kind, target) in [
            ("ScaledObject", "{name: feast-b}"),
            ("ScaledObject", "{kind: StatefulSet, name: feast-a}"),
            ("Other", "{name: feast-a}"),
        ] {
            assert_eq!(beside(kind, target, ""), one, "{kind} {target}");
        }
    }

    #[test]
    fn an_autoscaler_of_the_feature_store_owns_the_replicas() {
        let scaler = "kind: ScaledObject\nspec: {scaleTargetRef: {apiVersion: feast.dev/v1, kind: FeatureStore, name: a}}";
        let scaled = |spec: &str| one(&format!("{}\n---\n{scaler}", store(spec)));
        // The number is the last one of the autoscaler.
        for spec in ["", ", replicas: 1", ", replicas: 3"] {
            let CustomResource {
                configuration,
                notes,
            } = scaled(spec);
            assert_eq!(configuration["services"], Json::Null, "{spec}");
            assert_eq!(notes.len(), 1, "{notes:?}");
            assert!(notes[0].contains("`name: feast-a`"), "{notes:?}");
        }
        let database = |kind: &str| {
            format!("{{persistence: {{store: {{type: {kind}, secretRef: {{name: s}}}}}}}}")
        };
        let databases = format!(
            "onlineStore: {}, registry: {{local: {}}}",
            database("postgres"),
            database("sql")
        );
        let strategy = |services: &str| {
            let resource = scaled(&format!(", replicas: 3, services: {{{services}}}"));
            assert_eq!(resource.configuration["services"]["scaling"], Json::Null);
            resource.configuration["services"]["deploymentStrategy"].clone()
        };
        let rolling = json!({"type": "RollingUpdate"});
        assert_eq!(strategy(&databases), rolling);
        let written = format!("{databases}, deploymentStrategy: {{type: Recreate}}");
        assert_eq!(strategy(&written), json!({"type": "Recreate"}));
    }

    #[test]
    fn an_autoscaler_of_another_namespace_scales_another_feature_store() {
        let scaling = |namespace: &str| {
            let metadata = |name: &str, namespace: &str| match namespace {
                "" => json!({"name": name}),
                namespace => json!({"name": name, "namespace": namespace}),
            };
            let store = json!({
                "apiVersion": "feast.dev/v1",
                "kind": "FeatureStore",
                "metadata": metadata("a", "team-a"),
                "spec": {"feastProject": "p", "replicas": 1},
            });
            let scaler = json!({
                "kind": "HorizontalPodAutoscaler",
                "metadata": metadata("a", namespace),
                "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "feast-a"}},
            });
            let resource = one(&format!("{store}\n---\n{scaler}"));
            resource.configuration["services"]["scaling"].clone()
        };
        assert_eq!(scaling("team-a"), Json::Null);
        assert_eq!(scaling(""), Json::Null);
        assert_eq!(scaling("team-b"), json!({"replicas": 1}));
    }

    #[test]
    fn a_number_that_was_set_with_the_subresource_scale_is_that_of_an_autoscaler() {
        let scaling = |manager: &str, subresource: &str| {
            let resource = json!({
                "apiVersion": "feast.dev/v1",
                "kind": "FeatureStore",
                "metadata": {"name": "a", "managedFields": [{
                    "manager": manager,
                    "operation": "Update",
                    "subresource": subresource,
                    "fieldsV1": {"f:spec": {"f:replicas": {}}},
                }]},
                "spec": {"feastProject": "p", "replicas": 3},
            });
            let configuration = convert(&resource, &[]).unwrap().configuration;
            configuration["services"]["scaling"].clone()
        };
        assert_eq!(scaling("kube-controller-manager", "scale"), Json::Null);
        let fixed = json!({"replicas": 3});
        assert_eq!(scaling("kubectl", "scale"), fixed);
        assert_eq!(scaling("kubectl-client-side-apply", ""), fixed);
    }

    #[test]
    fn pvcs_keep_the_group_of_the_namespace() {
        let services = |context: &str| {
            let text = format!(
                "apiVersion: feast.dev/v1\nkind: FeatureStore\nmetadata: {{name: x}}\nspec:\n  feastProject: p\n  \
                 services:\n    {context}\n    onlineStore: {{persistence: {{file: {{path: o.db, pvc: \
                 {{ref: {{name: c}}, mountPath: /data}}}}}}}}\n"
            );
            let services = &one(&text).configuration["services"];
            services["securityContext"].clone()
        };
        assert_eq!(services(""), json!({}));
        let written = json!({"runAsNonRoot": true});
        assert_eq!(services(&format!("securityContext: {written}")), written);
    }

    #[test]
    fn a_batch_engine_keeps_its_token() {
        let engine = ", batchEngine: {configMapRef: {name: e}}";
        let resource = one(&store(engine));
        assert_eq!(
            resource.configuration["services"],
            json!({"scaling": {"replicas": 1}, "automountServiceAccountToken": true})
        );
        assert_eq!(resource.notes.len(), 2, "{:?}", resource.notes);
        // With authorization, the pods have the token anyway.
        let authorized = store(engine).replace("noAuth: true", "kubernetes: {}");
        assert_eq!(
            one(&authorized).configuration["services"],
            json!({"scaling": {"replicas": 1}})
        );
    }

    /// The CRD permits the template, and a rule rejects it.
    #[test]
    fn a_template_that_feast_does_not_have_is_read() {
        let written = json!({"init": {"template": "clickhouse"}});
        let resource = one(&store(&format!(", feastProjectDir: {written}")));
        let configuration = resource.configuration.as_object().unwrap();
        assert_eq!(configuration["feastProjectDir"], written);
        assert!(spec_so_far(configuration).is_some());
    }

    #[test]
    fn metadata_of_tools_is_removed() {
        let resource = one("apiVersion: feast.dev/v1alpha1
kind: FeatureStore
metadata:
  name: a
  namespace: shop
  uid: u
  labels:
    team: x
    helm.sh/chart: c
    app.kubernetes.io/managed-by: Helm
    app.kubernetes.io/instance: shop
    applyset.kubernetes.io/part-of: a
    kapp.k14s.io/app: '1'
    objectset.rio.cattle.io/hash: h
  annotations:
    feast.dev/protected-project: 'true'
    kubectl.kubernetes.io/last-applied-configuration: '{}'
spec: {feastProject: p, replicas: 1, authz: {noAuth: true}}
status: {phase: Ready}");
        assert_eq!(
            resource.configuration,
            json!({
                "name": "a",
                "namespace": "shop",
                "labels": {"team": "x"},
                "protectedProject": true,
                "feastProject": "p",
                "authz": {"noAuth": true},
                "services": {"scaling": {"replicas": 1}},
            })
        );
        assert_eq!(resource.notes.len(), 7, "{:?}", resource.notes);
    }

    #[test]
    fn octal_numbers_are_parsed_as_by_kubectl() {
        let mode = |written: &str| {
            let volume = format!("{{name: v, secret: {{secretName: s, defaultMode: {written}}}}}");
            let store = one(&store(&format!(", services: {{volumes: [{volume}]}}")));
            store.configuration["services"]["volumes"][0]["secret"]["defaultMode"].clone()
        };
        assert_eq!(mode("0400"), json!(256));
        assert_eq!(mode("0o400"), json!(256));
        assert_eq!(mode("256"), json!(256));
        assert_eq!(mode("0"), json!(0));
        assert_eq!(mode("'0400'"), json!("0400"));
    }

    #[test]
    fn several_documents_and_lists() {
        let both = format!("{}\n---\nkind: Secret\n---\n{}", store(""), store(""));
        assert_eq!(read(&both).unwrap().len(), 2);
        let list = format!("kind: List\nitems:\n- {}", store("").replace('\n', "\n  "));
        assert_eq!(read(&list).unwrap().len(), 1);
    }

    #[test]
    fn errors_name_the_field() {
        let error = |text: &str| read(text).unwrap_err().to_string();
        let not_yaml = |text: &str, place: &str, problem: &str| {
            assert_eq!(
                error(text),
                format!("the text is not valid YAML: {place}: {problem}")
            );
        };
        let syntax = "the syntax is wrong here. Look for a tab in the indentation, a `:` without a space after it, \
                      and a quote or bracket that is not closed";
        not_yaml("a: [", "line 1, column 4", syntax);
        not_yaml("a:\n\tb: 2", "line 2, column 2", syntax);
        not_yaml("a: 'b", "line 1, column 4", syntax);
        let twice = "the same key occurs twice in one mapping";
        not_yaml("a: 1\na: 2", "line 2, column 1", twice);
        let anchor = "an alias (`*name`) refers to an anchor (`&name`) that does not exist";
        not_yaml("a: *b", "line 1, column 4", anchor);
        assert_eq!(error("kind: Secret"), CustomResourceError::None.to_string());
        assert_eq!(
            error("kind: FeatureStore\napiVersion: feast.dev/v2"),
            CustomResourceError::Version("feast.dev/v2".to_owned()).to_string()
        );
        let scaling = |replicas: &str| format!(", services: {{scaling: {{replicas: {replicas}}}}}");
        assert_eq!(
            error(&store(&format!(", replicas: 2{}", scaling("3")))),
            "`spec.services.scaling.replicas` is 3, but `spec.replicas` is 2. Remove one of them"
        );
        assert_eq!(
            error(&store(&scaling("two"))),
            "`spec.services.scaling.replicas` must be a whole number"
        );
        assert_eq!(
            error(&store(", replicas: 1.5")),
            "`spec.replicas` must be a whole number"
        );
        // `n` is a boolean in YAML 1.1, and for `kubectl`.
        assert_eq!(
            error(&store("").replace("{name: a}", "{name: a, namespace: n}")),
            "`metadata.namespace` must be a string"
        );
        assert_eq!(
            error(&store(", services: 3")),
            "`spec.services` must be an object"
        );
        assert_eq!(
            error("apiVersion: feast.dev/v1\nkind: FeatureStore\nmetadata: {name: a}"),
            "`spec.feastProject` is required"
        );
    }
}
