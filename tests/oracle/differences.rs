//! The deliberate differences between the objects of the Feast operator and ours: the one table that the
//! oracle test evens out and `docs/guides/migration.md` prints.

#![allow(
    dead_code,
    reason = "the oracle test runs the table, the tidy test prints it"
)]

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// Objects by `Kind/name`.
pub type Objects = BTreeMap<String, Json>;

/// Takes one side's part of a difference out of its objects; it gets the custom resource too.
type EvenOut = fn(&mut Objects, &Json);

/// One deliberate difference.
pub struct Difference {
    /// What of the objects.
    pub subject: &'static str,
    pub operator: &'static str,
    pub provider: &'static str,
    pub reason: &'static str,
    pub theirs: EvenOut,
    pub ours: EvenOut,
}

/// Every deliberate difference.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        subject: "label `app.kubernetes.io/managed-by`",
        operator: "`feast-operator`",
        provider: "`feast`",
        reason: "The operator does not manage these objects.",
        theirs: managed_by,
        ours: managed_by,
    },
    Difference {
        subject: "`metadata.ownerReferences`",
        operator: "the FeatureStore resource",
        provider: "none",
        reason: "There is no custom resource; Terraform's state says what belongs together.",
        theirs: |objects, _| {
            for object in objects.values_mut() {
                remove(object, "/metadata", "ownerReferences");
            }
        },
        ours: nothing,
    },
    Difference {
        subject: "`feature_store.yaml`",
        operator: "base64 in the environment variable `TMP_FEATURE_STORE_YAML_BASE64` of every container, decoded by `feast-init`",
        provider: "a key of the Secret `feast-<name>`, mounted read-only and linked into the feature repository by `feast-init`; another key for the lineage server",
        reason: "Whoever may read Deployments must not read passwords.",
        theirs: |objects, _| {
            for pod in pods(objects) {
                each_container(pod, |container| {
                    without_named(container, "env", |it| it == "TMP_FEATURE_STORE_YAML_BASE64");
                    // The lineage server's.
                    without_named(container, "env", |it| it == "FEATURE_STORE_YAML_BASE64");
                    script(container);
                });
            }
        },
        ours: |objects, _| {
            for pod in pods(objects) {
                without_named(pod, "volumes", |it| it == "feature-store-yaml");
                each_container(pod, |container| {
                    without_named(container, "volumeMounts", |it| it == "feature-store-yaml");
                    // Where no init container can link the file, Feast is told where it is.
                    without_named(container, "env", |it| it == "FEAST_FS_YAML_FILE_PATH");
                    // A user's own of this name means nothing here.
                    without_named(container, "env", |it| it == "TMP_FEATURE_STORE_YAML_BASE64");
                    script(container);
                });
            }
        },
    },
    Difference {
        subject: "pod annotation `feast.dev/configuration-hash`",
        operator: "none",
        provider: "a keyed fingerprint of `feature_store.yaml`",
        reason: "Pods roll when a Secret that the configuration is made of has changed.",
        theirs: nothing,
        ours: |objects, _| {
            for object in objects.values_mut() {
                remove(
                    object,
                    "/spec/template/metadata/annotations",
                    "feast.dev/configuration-hash",
                );
                without_empty(object, "/spec/template/metadata", "annotations");
            }
        },
    },
    Difference {
        subject: "pod annotation `feast.dev/certificates-hash`",
        operator: "none",
        provider: "with TLS, a keyed fingerprint of the certificates that the pods mount",
        reason: "Feast reads a certificate when it starts, so pods roll when one has been renewed.",
        theirs: nothing,
        ours: |objects, _| {
            for object in objects.values_mut() {
                remove(
                    object,
                    "/spec/template/metadata/annotations",
                    "feast.dev/certificates-hash",
                );
                without_empty(object, "/spec/template/metadata", "annotations");
            }
        },
    },
    Difference {
        subject: "`automountServiceAccountToken`",
        operator: "unset, so true",
        provider: "`false`, unless Feast itself asks Kubernetes (`authz`) or `services.automount_service_account_token` is `true`",
        reason: "A server that does not talk to the API server has no use for a token. Where a batch engine may, reading the custom resource writes `true`.",
        theirs: nothing,
        ours: |objects, _| {
            for pod in pods(objects) {
                if let Some(pod) = pod.as_object_mut() {
                    pod.remove("automountServiceAccountToken");
                }
            }
        },
    },
    Difference {
        subject: "pods of the CronJob",
        operator: "without `automountServiceAccountToken`; `container_configs.node_selector` is ignored",
        provider: "with both",
        reason: "The pods need the token, whatever their account says; a field that is there is obeyed.",
        theirs: nothing,
        ours: |objects, _| {
            for object in objects.values_mut() {
                let pod = "/spec/jobTemplate/spec/template/spec";
                remove(object, pod, "automountServiceAccountToken");
                remove(object, pod, "nodeSelector");
            }
        },
    },
    Difference {
        subject: "empty `resources: {}`, `metadata: {}`, `affinity: {}`, `securityContext: {}`",
        operator: "sent",
        provider: "left out",
        reason: "They mean nothing, and only what is sent is owned.",
        theirs: |objects, _| objects.values_mut().for_each(without_empties),
        ours: nothing,
    },
    Difference {
        subject: "`strategy.rollingUpdate` without numbers",
        operator: "left out",
        provider: "25 % and 25 %, Kubernetes' default",
        reason: "Numbers that nobody owns cannot be taken back when the strategy changes to `Recreate`.",
        theirs: nothing,
        ours: |objects, resource| {
            let theirs = resource.pointer("/spec/services/deploymentStrategy/rollingUpdate");
            for object in objects.values_mut() {
                for (key, camel) in [
                    ("maxSurge", "/maxSurge"),
                    ("maxUnavailable", "/maxUnavailable"),
                ] {
                    if theirs.is_none_or(|it| it.pointer(camel).is_none()) {
                        remove(object, "/spec/strategy/rollingUpdate", key);
                    }
                }
                if theirs.is_none() {
                    without_empty(object, "/spec/strategy", "rollingUpdate");
                }
            }
        },
    },
    Difference {
        subject: "CronJob without a schedule",
        operator: "a suspended CronJob with the schedule `@yearly`, its ServiceAccount, Role and RoleBinding",
        provider: "none",
        reason: "What never runs needs no right to execute commands in pods.",
        theirs: |objects, resource| {
            let schedule = resource.pointer("/spec/cronJob/schedule");
            if schedule.is_none() {
                let name = resource["metadata"]["name"].as_str().unwrap_or_default();
                objects.remove(&format!("CronJob/feast-{name}"));
                for kind in ["ServiceAccount", "Role", "RoleBinding"] {
                    objects.remove(&format!("{kind}/feast-{name}-cronjob"));
                }
            }
        },
        ours: nothing,
    },
    Difference {
        subject: "HTTP probes of a registry that serves REST alone",
        operator: "path left out",
        provider: "path `/`, Kubernetes' default",
        reason: "Only what is sent is owned.",
        theirs: nothing,
        ours: |objects, _| {
            for pod in pods(objects) {
                each_container(pod, |container| {
                    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                        let path = container.pointer(&format!("/{probe}/httpGet/path"));
                        if path == Some(&json!("/")) {
                            remove(container, &format!("/{probe}/httpGet"), "path");
                        }
                    }
                });
            }
        },
    },
    Difference {
        subject: "client `feature_store.yaml` of a registry that serves REST alone",
        operator: "names the Service `feast-<name>-registry`, which does not exist",
        provider: "no registry",
        reason: "Only true addresses are given to clients.",
        theirs: |objects, resource| {
            let server = resource.pointer("/spec/services/registry/local/server");
            if server.is_some_and(|server| server["grpc"] == false) {
                let name = resource["metadata"]["name"].as_str().unwrap_or_default();
                if let Some(client) = objects.get_mut(&format!("ConfigMap/feast-{name}-client")) {
                    remove(client, "/data/feature_store.yaml", "registry");
                }
            }
        },
        ours: nothing,
    },
    Difference {
        subject: "rights for `authz`",
        operator: "the ClusterRoles `feast-token-review-cluster-role` and `feast-oidc-token-review` of all feature stores, and a ClusterRoleBinding `feast-<name>-…` without the namespace in its name, which is never deleted",
        provider: "a ClusterRole and a ClusterRoleBinding of its own, `feast:<namespace>:<name>:token-review`; the Role `feast-<name>` without what it cannot give inside a namespace",
        reason: "Feature stores of one name in two namespaces must not share a right, and none may stay behind.",
        theirs: rights,
        ours: rights,
    },
    Difference {
        subject: "environment of `feast-apply` with MLflow",
        operator: "without `MLFLOW_TRACKING_URI` and `MLFLOW_TRACKING_AUTH`",
        provider: "with them, as the servers have them",
        reason: "`feast apply` reads the same configuration, and logs to MLflow too.",
        theirs: nothing,
        ours: |objects, _| {
            for pod in pods(objects) {
                each_container(pod, |container| {
                    if container["name"] == "feast-apply" {
                        without_named(container, "env", |it| it.starts_with("MLFLOW_TRACKING_"));
                    }
                });
            }
        },
    },
    Difference {
        subject: "label `feast.dev/name` of the lineage server's Deployment and Service",
        operator: "`<name>-lineage`, as on its pods",
        provider: "`<name>`; on its pods `<name>-lineage`",
        reason: "One label finds all objects of a feature store; only what selects pods must tell the two apart.",
        theirs: lineage_label,
        ours: lineage_label,
    },
    Difference {
        subject: "pods of the lineage server",
        operator: "with the account `default` of the namespace, wherever the scheduler puts them",
        provider: "with the account `feast-<name>` and without its token; several are spread over nodes and zones where that is possible",
        reason: "What runs for a feature store has its account; pods on one node are lost together.",
        theirs: nothing,
        ours: |objects, resource| {
            if let Some(deployment) = objects.get_mut(&lineage("Deployment", resource)) {
                for key in [
                    "serviceAccountName",
                    "affinity",
                    "topologySpreadConstraints",
                ] {
                    remove(deployment, "/spec/template/spec", key);
                }
            }
        },
    },
    Difference {
        subject: "registry in the lineage server's `feature_store.yaml`",
        operator: "the registry's server, at a port that its Service does not have; with `authz` only",
        provider: "the database of the registry where that holds the events too, else the registry's server at its Service",
        reason: "The server takes the registry's path for the database of the events, and ends at once when it is none.",
        theirs: lineage_registry,
        ours: lineage_registry,
    },
    Difference {
        subject: "key for events to the feature store's own lineage server",
        operator: "only `openlineage.apiKeySecretRef`",
        provider: "else that of `openlineage.consumer.apiKeySecretRef`",
        reason: "Without it the lineage server refuses the events of its own feature store.",
        theirs: nothing,
        ours: |objects, resource| {
            let openlineage = &resource["spec"]["openlineage"];
            let name = resource["metadata"]["name"].as_str().unwrap_or_default();
            let file = objects.get_mut(&format!("feature_store.yaml/feast-{name}"));
            if let (Some(file), Some(_)) = (file, openlineage.pointer("/consumer/lineageServer"))
                && openlineage.get("apiKeySecretRef").is_none()
            {
                remove(file, "/openlineage", "api_key");
            }
        },
    },
    Difference {
        subject: "a ConfigMap with the CA certificates of Open Data Hub",
        operator: "mounted into every container when the namespace has one",
        provider: "not looked for; `volumes` and `volume_mounts` mount it",
        reason: "What is made follows from the configuration alone.",
        theirs: |objects, _| {
            for pod in pods(objects) {
                without_named(pod, "volumes", |it| it == "odh-trusted-ca-bundle");
                each_container(pod, |container| {
                    without_named(container, "volumeMounts", |it| {
                        it == "odh-trusted-ca-bundle"
                    });
                });
            }
        },
        ours: nothing,
    },
];

fn nothing(_: &mut Objects, _: &Json) {}

/// Brings both sides into one form: parsed `feature_store.yaml`, and no order where it means nothing.
pub fn prepare(objects: &mut Objects) {
    configuration(objects);
    for object in objects.values_mut() {
        if let Some(text) = object
            .pointer("/data/feature_store.yaml")
            .and_then(Json::as_str)
        {
            let parsed = yaml(text);
            object["data"]["feature_store.yaml"] = parsed;
        }
    }
    for pod in pods(objects) {
        sort(pod, "volumes", "name");
        each_container(pod, |container| {
            sort(container, "volumeMounts", "mountPath");
        });
    }
    // One is a list of the cluster's feature stores, the other has its name from us alone.
    objects.retain(|key, _| !key.ends_with("feast-configs-registry"));
}

/// Each `feature_store.yaml` as an object of its own, under its Deployment's name, wherever it is kept.
fn configuration(objects: &mut Objects) {
    let mut found = Objects::new();
    let mut find = |deployment: String, text: Option<&str>| {
        if let Some(text) = text {
            found.insert(
                format!("feature_store.yaml/{deployment}"),
                yaml(&decoded(text)),
            );
        }
    };
    objects.retain(|key, object| {
        let Some((kind, name)) = key.split_once('/') else {
            return true;
        };
        let text = |place: &str| object.pointer(place).and_then(Json::as_str);
        match kind {
            "Secret" => {
                find(name.to_owned(), text("/data/feature_store.yaml"));
                let lineage = text("/data/lineage_feature_store.yaml");
                find(format!("{name}-lineage"), lineage);
            }
            "Deployment" => {
                let variables = ["TMP_FEATURE_STORE_YAML_BASE64", "FEATURE_STORE_YAML_BASE64"];
                let env = object.pointer("/spec/template/spec/containers/0/env");
                let env = env.and_then(Json::as_array).into_iter().flatten();
                for variable in env {
                    if variables.iter().any(|name| variable["name"] == *name) {
                        find(name.to_owned(), variable["value"].as_str());
                    }
                }
            }
            _ => {}
        }
        kind != "Secret"
    });
    objects.extend(found);
}

/// The key of an object of the lineage server.
fn lineage(kind: &str, resource: &Json) -> String {
    let name = resource["metadata"]["name"].as_str().unwrap_or_default();
    format!("{kind}/feast-{name}-lineage")
}

fn lineage_label(objects: &mut Objects, resource: &Json) {
    for kind in ["Deployment", "Service"] {
        if let Some(object) = objects.get_mut(&lineage(kind, resource)) {
            remove(object, "/metadata/labels", "feast.dev/name");
        }
    }
}

fn lineage_registry(objects: &mut Objects, resource: &Json) {
    if let Some(file) = objects.get_mut(&lineage("feature_store.yaml", resource)) {
        remove(file, "", "registry");
    }
}

fn decoded(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
}

fn yaml(text: &str) -> Json {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn managed_by(objects: &mut Objects, _: &Json) {
    const LABEL: &str = "app.kubernetes.io/managed-by";
    for object in objects.values_mut() {
        for place in [
            "/metadata/labels",
            // Of the lineage server.
            "/spec/selector",
            "/spec/selector/matchLabels",
            "/spec/template/metadata/labels",
            "/spec/jobTemplate/metadata/labels",
            "/spec/jobTemplate/spec/template/metadata/labels",
        ] {
            remove(object, place, LABEL);
        }
    }
}

/// That a server may review tokens is shown by asking the API server; only the Role's existence is compared.
fn rights(objects: &mut Objects, resource: &Json) {
    objects.retain(|key, _| !key.starts_with("ClusterRole"));
    let name = resource["metadata"]["name"].as_str().unwrap_or_default();
    if let Some(role) = objects.get_mut(&format!("Role/feast-{name}")) {
        remove(role, "", "rules");
    }
}

/// The script that prepares the feature repository is another one; that it does the same is shown by running it.
fn script(container: &mut Json) {
    if container["name"] == "feast-init" {
        remove(container, "", "args");
        // What the operator's script for a packaged repository reads its paths from.
        without_named(container, "env", |it| {
            it.starts_with("FEAST_") && it.ends_with("_FEATURE_REPO_PATH")
        });
    }
}

/// The pod specifications of all Deployments.
fn pods(objects: &mut Objects) -> Vec<&mut Json> {
    objects
        .values_mut()
        .filter(|object| object["kind"] == "Deployment")
        .filter_map(|object| object.pointer_mut("/spec/template/spec"))
        .collect()
}

fn each_container(pod: &mut Json, mut with: impl FnMut(&mut Json)) {
    for list in ["initContainers", "containers"] {
        if let Some(containers) = pod.get_mut(list).and_then(Json::as_array_mut) {
            containers.iter_mut().for_each(&mut with);
        }
    }
}

fn remove(object: &mut Json, place: &str, key: &str) {
    if let Some(inner) = object.pointer_mut(place).and_then(Json::as_object_mut) {
        inner.remove(key);
    }
}

fn without_empty(object: &mut Json, place: &str, key: &str) {
    if let Some(inner) = object.pointer_mut(place).and_then(Json::as_object_mut)
        && inner
            .get(key)
            .and_then(Json::as_object)
            .is_some_and(Map::is_empty)
    {
        inner.remove(key);
    }
}

/// Takes elements of these names out of a list, and the list too when nothing is left.
fn without_named(object: &mut Json, list: &str, which: impl Fn(&str) -> bool) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    if let Some(items) = object.get_mut(list).and_then(Json::as_array_mut) {
        items.retain(|item| !item["name"].as_str().is_some_and(&which));
        if items.is_empty() {
            object.remove(list);
        }
    }
}

fn without_empties(json: &mut Json) {
    match json {
        Json::Object(items) => {
            for key in [
                "resources",
                "metadata",
                "strategy",
                "affinity",
                "securityContext",
            ] {
                if items
                    .get(key)
                    .and_then(Json::as_object)
                    .is_some_and(Map::is_empty)
                {
                    items.remove(key);
                }
            }
            if items.get("rules").is_some_and(Json::is_null) {
                items.remove("rules");
            }
            items.values_mut().for_each(without_empties);
        }
        Json::Array(items) => items.iter_mut().for_each(without_empties),
        _ => {}
    }
}

fn sort(object: &mut Json, list: &str, key: &str) {
    if let Some(items) = object.get_mut(list).and_then(Json::as_array_mut) {
        items.sort_by_key(|item| item[key].as_str().unwrap_or_default().to_owned());
    }
}
