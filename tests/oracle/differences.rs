//! The deliberate differences between the objects of the Feast operator and those of this provider. The oracle test
//! removes them before it compares, and `docs/guides/migration.md` prints this table.

#![allow(
    dead_code,
    reason = "the oracle test runs the table, the tidy test prints it"
)]

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// Objects by `Kind/name`.
pub type Objects = BTreeMap<String, Json>;

/// Removes one side of a difference from its objects. The second argument is the custom resource.
type RemoveDifference = fn(&mut Objects, &Json);

/// One deliberate difference.
pub struct Difference {
    /// The part of the objects that differs.
    pub subject: &'static str,
    pub operator: &'static str,
    pub provider: &'static str,
    pub reason: &'static str,
    pub in_operator: RemoveDifference,
    pub in_provider: RemoveDifference,
}

/// All deliberate differences.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        subject: "label `app.kubernetes.io/managed-by`",
        operator: "`feast-operator`",
        provider: "`feast`",
        reason: "The operator does not manage these objects.",
        in_operator: managed_by,
        in_provider: managed_by,
    },
    Difference {
        subject: "`metadata.ownerReferences`",
        operator: "the FeatureStore resource",
        provider: "none",
        reason: "There is no custom resource; Terraform's state records the objects of a feature store.",
        in_operator: |objects, _| {
            for object in objects.values_mut() {
                remove(object, "/metadata", "ownerReferences");
            }
        },
        in_provider: nothing,
    },
    Difference {
        subject: "`feature_store.yaml`",
        operator: "base64 in the environment variable `TMP_FEATURE_STORE_YAML_BASE64` of every container, decoded by `feast-init`",
        provider: "a key of the Secret `feast-<name>`, mounted read-only and linked into the feature repository by `feast-init`; another key for the lineage server",
        reason: "Permission to read Deployments must not include passwords.",
        in_operator: |objects, _| {
            for pod in pods(objects) {
                each_container(pod, |container| {
                    without_named(container, "env", |it| it == "TMP_FEATURE_STORE_YAML_BASE64");
                    // The variable of the lineage server.
                    without_named(container, "env", |it| it == "FEATURE_STORE_YAML_BASE64");
                    script(container);
                });
            }
        },
        in_provider: |objects, _| {
            for pod in pods(objects) {
                without_named(pod, "volumes", |it| it == "feature-store-yaml");
                each_container(pod, |container| {
                    without_named(container, "volumeMounts", |it| it == "feature-store-yaml");
                    // Without an init container that links the file, the variable sets its path.
                    without_named(container, "env", |it| it == "FEAST_FS_YAML_FILE_PATH");
                    // A variable of the user with this name has no effect.
                    without_named(container, "env", |it| it == "TMP_FEATURE_STORE_YAML_BASE64");
                    script(container);
                });
            }
        },
    },
    Difference {
        subject: "online store of type `postgres`",
        operator: "the parameters of the Secret",
        provider: "also `conn_type: pool` and `max_conn: 1000`, unless the Secret sets them",
        reason: "Feast's default, one connection, is not replaced after a restart of PostgreSQL.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for (name, object) in objects.iter_mut() {
                if name.starts_with("feature_store.yaml/") {
                    remove(object, "/online_store", "conn_type");
                    remove(object, "/online_store", "max_conn");
                }
            }
        },
    },
    Difference {
        subject: "default image",
        operator: "`quay.io/feastdev/feature-server:0.66.0`",
        provider: "`quay.io/feastdev/feature-server:0.67.0`",
        reason: "Servers of 0.66 reject requests for a feature view while it is materialized.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for pod in pods(objects) {
                each_container(pod, |container| {
                    if container["image"] == "quay.io/feastdev/feature-server:0.67.0" {
                        container["image"] = json!("quay.io/feastdev/feature-server:0.66.0");
                    }
                });
            }
        },
    },
    Difference {
        subject: "`serve_features_while_materializing` of the registry",
        operator: "none, so `false`",
        provider: "`true`, for servers and clients, unless `services.registry.serve_features_while_materializing` or the Secret of a database sets it",
        reason: "Feature views are served while they are materialized.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for (name, object) in objects.iter_mut() {
                let registry = if name.starts_with("feature_store.yaml/") {
                    "/registry"
                } else {
                    "/data/feature_store.yaml/registry"
                };
                remove(object, registry, "serve_features_while_materializing");
            }
        },
    },
    Difference {
        subject: "address (`-h`) of the web UI and of the lineage server",
        operator: "`0.0.0.0`",
        provider: "`::` with Feast 0.67 or later",
        reason: "They accept connections over IPv6, too.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for pod in pods(objects) {
                each_container(pod, |container| {
                    for word in container["command"].as_array_mut().into_iter().flatten() {
                        if *word == "::" {
                            *word = json!("0.0.0.0");
                        }
                    }
                });
            }
        },
    },
    Difference {
        subject: "pod annotation `feast.dev/configuration-hash`",
        operator: "none",
        provider: "a keyed hash of `feature_store.yaml`",
        reason: "Pods are replaced when a Secret of the configuration has changed.",
        in_operator: nothing,
        in_provider: |objects, _| {
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
        provider: "with TLS, a keyed hash of the certificates that the pods mount",
        reason: "Feast reads a certificate only at start, so pods are replaced when it has been renewed.",
        in_operator: nothing,
        in_provider: |objects, _| {
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
        provider: "`false`, unless Feast itself calls the Kubernetes API (`authz`) or `services.automount_service_account_token` is `true`",
        reason: "A server that does not call the API server needs no token. If the custom resource has a batch engine that might, `from_manifest` sets `true`.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for pod in pods(objects) {
                if let Some(pod) = pod.as_object_mut() {
                    pod.remove("automountServiceAccountToken");
                }
            }
        },
    },
    Difference {
        subject: "pods of the CronJob",
        operator: "without `automountServiceAccountToken`, tolerations and affinity; `container_configs.node_selector` is ignored",
        provider: "with `automountServiceAccountToken`, the tolerations of `services`, and `container_configs.node_selector` or else the node affinity of `services`",
        reason: "The pods need the token, whatever the setting of their account, and nodes on which they can run. Every field of the configuration takes effect.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for object in objects.values_mut() {
                let pod = "/spec/jobTemplate/spec/template/spec";
                remove(object, pod, "automountServiceAccountToken");
                remove(object, pod, "tolerations");
                remove(object, pod, "affinity");
                remove(object, pod, "nodeSelector");
            }
        },
    },
    Difference {
        subject: "container in which the CronJob runs its commands",
        operator: "the first container of the pod, which is the registry server if there is one",
        provider: "the online server (`-c online`); without it, the first container",
        reason: "The commands read and write the online store. Variables in its parameters are in the environment of its server.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for object in objects.values_mut() {
                let Some(pod) = object.pointer_mut("/spec/jobTemplate/spec/template/spec") else {
                    continue;
                };
                each_container(pod, |container| {
                    let command = container.get_mut("command").and_then(Json::as_array_mut);
                    if let Some(command) = command
                        && command.get(3).is_some_and(|it| it == "-c")
                    {
                        command.drain(3..5);
                    }
                });
            }
        },
    },
    Difference {
        subject: "security contexts",
        operator: "only those of the custom resource, and of the CronJob",
        provider: "also what the Pod Security level `restricted` requires: `runAsNonRoot` and `seccompProfile` for pods, `allowPrivilegeEscalation: false` and no capabilities for containers",
        reason: "Feast needs no more, and restricted namespaces reject other pods.",
        in_operator: nothing,
        in_provider: |objects, resource| {
            let configured = &resource["spec"]["services"]["securityContext"];
            for pod in pods(objects) {
                for key in ["runAsNonRoot", "seccompProfile"] {
                    if configured.get(key).is_none() {
                        remove(pod, "/securityContext", key);
                    }
                }
                without_empty(pod, "", "securityContext");
                each_container(pod, |container| remove(container, "", "securityContext"));
            }
        },
    },
    Difference {
        subject: "resources of `feast-init` and `feast-apply`",
        operator: "none",
        provider: "the largest of the servers, or `services.init_resources`",
        reason: "A ResourceQuota can require them of every container.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for pod in pods(objects) {
                each_container(pod, |container| {
                    if ["feast-init", "feast-apply"]
                        .iter()
                        .any(|it| container["name"] == *it)
                    {
                        remove(container, "", "resources");
                    }
                });
            }
        },
    },
    Difference {
        subject: "`enableServiceLinks`",
        operator: "unset, so true",
        provider: "`false` unless `services.enable_service_links` is `true`",
        reason: "A Service named `redis` would set `REDIS_PORT`, which Feast replaces in connection parameters.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for object in objects.values_mut() {
                for pod in [
                    "/spec/template/spec",
                    "/spec/jobTemplate/spec/template/spec",
                ] {
                    remove(object, pod, "enableServiceLinks");
                }
            }
        },
    },
    Difference {
        subject: "`unhealthyPodEvictionPolicy` of the PodDisruptionBudget",
        operator: "unset, so `IfHealthyBudget`",
        provider: "`AlwaysAllow` unless it is configured",
        reason: "Pods that never become ready would prevent their nodes from being drained.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for object in objects.values_mut() {
                remove(object, "/spec", "unhealthyPodEvictionPolicy");
            }
        },
    },
    Difference {
        subject: "labels of the CronJob's pods",
        operator: "none",
        provider: "`feast.dev/job-of: <name>` and `app.kubernetes.io/managed-by`",
        reason: "A NetworkPolicy can select them.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for object in objects.values_mut() {
                let template = "/spec/jobTemplate/spec/template";
                let labels = format!("{template}/metadata/labels");
                remove(object, &labels, "feast.dev/job-of");
                without_empty(object, &format!("{template}/metadata"), "labels");
                without_empty(object, template, "metadata");
            }
        },
    },
    Difference {
        subject: "empty `resources: {}`, `metadata: {}`, `affinity: {}`, `securityContext: {}`",
        operator: "sent",
        provider: "omitted",
        reason: "They have no effect, and the provider owns every field that it sends.",
        in_operator: |objects, _| objects.values_mut().for_each(without_empties),
        in_provider: nothing,
    },
    Difference {
        subject: "`strategy.rollingUpdate` without numbers",
        operator: "omitted",
        provider: "25% and 25%, Kubernetes' default",
        reason: "Numbers without an owner cannot be removed when the strategy changes to `Recreate`.",
        in_operator: nothing,
        in_provider: |objects, resource| {
            let configured = resource.pointer("/spec/services/deploymentStrategy/rollingUpdate");
            for object in objects.values_mut() {
                for (key, camel) in [
                    ("maxSurge", "/maxSurge"),
                    ("maxUnavailable", "/maxUnavailable"),
                ] {
                    if configured.is_none_or(|it| it.pointer(camel).is_none()) {
                        remove(object, "/spec/strategy/rollingUpdate", key);
                    }
                }
                if configured.is_none() {
                    without_empty(object, "/spec/strategy", "rollingUpdate");
                }
            }
        },
    },
    Difference {
        subject: "spread of the pods over nodes and zones",
        operator: "with more than one replica",
        provider: "if the persistence allows several pods",
        reason: "A change of the number of pods does not replace them.",
        in_operator: nothing,
        in_provider: |objects, resource| {
            let is_scaled = resource["spec"]["replicas"].as_i64().unwrap_or(1) > 1
                || resource
                    .pointer("/spec/services/scaling/autoscaling")
                    .is_some();
            if is_scaled {
                return;
            }
            for pod in pods(objects) {
                for key in ["affinity", "topologySpreadConstraints"] {
                    let configured = resource.pointer(&format!("/spec/services/{key}"));
                    if configured.is_none() {
                        remove(pod, "", key);
                    }
                }
            }
        },
    },
    Difference {
        subject: "end of the offline server and of the registry server with gRPC",
        operator: "they receive SIGTERM, which they do not handle, and run until they are killed",
        provider: "they receive SIGINT from a `preStop` hook (`sh -c`), and end",
        reason: "With the strategy `Recreate`, the next pod starts only when the previous one has ended.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for pod in pods(objects) {
                let sleep = match pod["terminationGracePeriodSeconds"] == 40 {
                    true => "sleep 5; ",
                    false => "",
                };
                each_container(pod, |container| {
                    let command = container["command"].as_array().cloned().unwrap_or_default();
                    let has = |argument: &str| command.iter().any(|it| it == argument);
                    let processes = if has("--rest-api") { "-1" } else { "1" };
                    let script = format!("{sleep}kill -INT {processes}");
                    let hook = json!({"preStop": {"exec": {"command": ["sh", "-c", script]}}});
                    if (has("--grpc") || has("serve_offline")) && container["lifecycle"] == hook {
                        remove(container, "", "lifecycle");
                    }
                });
            }
        },
    },
    Difference {
        subject: "termination of pods",
        operator: "servers receive SIGTERM at once, and are killed after 30 seconds",
        provider: "if the persistence allows several pods, and for the lineage server, they serve for another 5 seconds (`preStop`), and are killed after 40 seconds",
        reason: "Services send requests to a pod for a short time after its termination has started.",
        in_operator: nothing,
        in_provider: |objects, _| {
            for pod in pods(objects) {
                if pod["terminationGracePeriodSeconds"] != 40 {
                    continue;
                }
                remove(pod, "", "terminationGracePeriodSeconds");
                each_container(pod, |container| {
                    if container["lifecycle"] == json!({"preStop": {"sleep": {"seconds": 5}}}) {
                        remove(container, "", "lifecycle");
                    }
                });
            }
        },
    },
    Difference {
        subject: "`--max-requests` of the online server",
        operator: "only if configured; the default of Feast is 1000",
        provider: "`0` unless configured, except with an online store of type `mysql`",
        reason: "Requests are lost when Feast replaces a worker, and metrics stop.",
        in_operator: nothing,
        in_provider: |objects, resource| {
            let configured = "/spec/services/onlineStore/server/workerConfigs/maxRequests";
            let is_mysql = resource.pointer("/spec/services/onlineStore/persistence/store/type")
                == Some(&json!("mysql"));
            if resource.pointer(configured).is_some() || is_mysql {
                return;
            }
            for pod in pods(objects) {
                each_container(pod, |container| {
                    let command = container.get_mut("command").and_then(Json::as_array_mut);
                    if let Some(command) = command
                        && let Some(index) = command.iter().position(|it| it == "--max-requests")
                        && command[index + 1] == "0"
                    {
                        command.drain(index..index + 2);
                    }
                });
            }
        },
    },
    Difference {
        subject: "`startupProbe.failureThreshold`",
        operator: "40, which is two minutes",
        provider: "100, which is five minutes",
        reason: "Several servers that start together on a small node take longer than two minutes.",
        in_operator: |objects, _| startup_failures(objects, 40),
        in_provider: |objects, _| startup_failures(objects, 100),
    },
    Difference {
        subject: "probes of a registry server with gRPC and REST",
        operator: "the port of gRPC",
        provider: "both ports, by a command (`bash`)",
        reason: "Each is a process of its own, and the container runs as long as one of them does.",
        in_operator: registry_probes,
        in_provider: registry_probes,
    },
    Difference {
        subject: "CronJob without a schedule",
        operator: "a suspended CronJob with the schedule `@yearly`, its ServiceAccount, Role and RoleBinding",
        provider: "none",
        reason: "A CronJob that never runs needs no permission to execute commands in pods.",
        in_operator: |objects, resource| {
            let schedule = resource.pointer("/spec/cronJob/schedule");
            if schedule.is_none() {
                let name = resource["metadata"]["name"].as_str().unwrap_or_default();
                objects.remove(&format!("CronJob/feast-{name}"));
                for kind in ["ServiceAccount", "Role", "RoleBinding"] {
                    objects.remove(&format!("{kind}/feast-{name}-cronjob"));
                }
            }
        },
        in_provider: nothing,
    },
    Difference {
        subject: "HTTP probes of a registry that serves only REST",
        operator: "path omitted",
        provider: "path `/`, Kubernetes' default",
        reason: "The provider owns only fields that it sends.",
        in_operator: nothing,
        in_provider: |objects, _| {
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
        subject: "client `feature_store.yaml` of a registry that serves only REST",
        operator: "names the Service `feast-<name>-registry`, which does not exist",
        provider: "no registry",
        reason: "Clients get only addresses that are served.",
        in_operator: |objects, resource| {
            let server = resource.pointer("/spec/services/registry/local/server");
            if server.is_some_and(|server| server["grpc"] == false) {
                let name = resource["metadata"]["name"].as_str().unwrap_or_default();
                if let Some(client) = objects.get_mut(&format!("ConfigMap/feast-{name}-client")) {
                    remove(client, "/data/feature_store.yaml", "registry");
                }
            }
        },
        in_provider: nothing,
    },
    Difference {
        subject: "permissions for `authz`",
        operator: "the ClusterRoles `feast-token-review-cluster-role` and `feast-oidc-token-review` of all feature stores, and a ClusterRoleBinding `feast-<name>-…` without the namespace in its name, which is never deleted",
        provider: "a separate ClusterRole and ClusterRoleBinding `feast:<namespace>:<name>:token-review` for each feature store; the Role `feast-<name>` without rules that have no effect in a namespace",
        reason: "Feature stores of the same name in two namespaces must not share permissions, and a destroy must delete all of them.",
        in_operator: permissions,
        in_provider: permissions,
    },
    Difference {
        subject: "environment of `feast-apply` with MLflow",
        operator: "without `MLFLOW_TRACKING_URI` and `MLFLOW_TRACKING_AUTH`",
        provider: "with both, as for the servers",
        reason: "`feast apply` reads the same configuration and also logs to MLflow.",
        in_operator: nothing,
        in_provider: |objects, _| {
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
        reason: "One label selects all objects of a feature store; only pods and their selectors must differ.",
        in_operator: lineage_label,
        in_provider: lineage_label,
    },
    Difference {
        subject: "pods of the lineage server",
        operator: "with the account `default` of the namespace, and without spread",
        provider: "with the account `feast-<name>`, without its token; several pods are spread over nodes and zones if possible",
        reason: "All pods of a feature store have its account, and pods on one node fail together.",
        in_operator: nothing,
        in_provider: |objects, resource| {
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
        operator: "the registry's server, at a port that its Service does not have; only with `authz`",
        provider: "the database of the registry if it also stores the events, otherwise the registry's server at its Service",
        reason: "The server uses the registry's path as the database of the events, and exits if it is not one.",
        in_operator: lineage_registry,
        in_provider: lineage_registry,
    },
    Difference {
        subject: "key for events to the feature store's own lineage server",
        operator: "only `openlineage.apiKeySecretRef`",
        provider: "if that is not set, `openlineage.consumer.apiKeySecretRef`",
        reason: "Without it, the lineage server rejects the events of its own feature store.",
        in_operator: nothing,
        in_provider: |objects, resource| {
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
        operator: "mounted into every container if the namespace has one",
        provider: "not mounted automatically; use `volumes` and `volume_mounts`",
        reason: "The objects depend only on the configuration.",
        in_operator: |objects, _| {
            for pod in pods(objects) {
                without_named(pod, "volumes", |it| it == "odh-trusted-ca-bundle");
                each_container(pod, |container| {
                    without_named(container, "volumeMounts", |it| {
                        it == "odh-trusted-ca-bundle"
                    });
                });
            }
        },
        in_provider: nothing,
    },
];

fn nothing(_: &mut Objects, _: &Json) {}

/// Removes this number of failures.
fn startup_failures(objects: &mut Objects, expected: i32) {
    for pod in pods(objects) {
        each_container(pod, |container| {
            if container.pointer("/startupProbe/failureThreshold") == Some(&json!(expected)) {
                remove(container, "/startupProbe", "failureThreshold");
            }
        });
    }
}

/// Removes the checks of registry servers with gRPC and REST, and not their periods.
fn registry_probes(objects: &mut Objects, _: &Json) {
    for pod in pods(objects) {
        each_container(pod, |container| {
            let command = container["command"].as_array().cloned().unwrap_or_default();
            let has = |argument: &str| command.iter().any(|it| it == argument);
            if has("--grpc") && has("--rest-api") {
                for probe in ["/startupProbe", "/livenessProbe", "/readinessProbe"] {
                    for field in ["exec", "tcpSocket", "timeoutSeconds"] {
                        remove(container, probe, field);
                    }
                }
            }
        });
    }
}

/// Converts both sides to the same form: `feature_store.yaml` is parsed, and lists without a meaningful order are
/// sorted.
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
    // The operator's ConfigMap with the list of the cluster's feature stores.
    objects.retain(|key, _| !key.ends_with("feast-configs-registry"));
}

/// Moves each `feature_store.yaml` to a separate object with the name of its Deployment, wherever it is stored.
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

/// Returns the key of an object of the lineage server.
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
            // The selector of the lineage server.
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

/// Only the existence of the Role is compared. Another test asks the API server whether a server can review tokens.
fn permissions(objects: &mut Objects, resource: &Json) {
    objects.retain(|key, _| !key.starts_with("ClusterRole"));
    let name = resource["metadata"]["name"].as_str().unwrap_or_default();
    if let Some(role) = objects.get_mut(&format!("Role/feast-{name}")) {
        remove(role, "", "rules");
    }
}

/// The scripts that prepare the feature repository differ. Another test runs them to show that their results are the
/// same.
fn script(container: &mut Json) {
    if container["name"] == "feast-init" {
        remove(container, "", "args");
        // The variables from which the operator's script for a packaged repository reads its paths.
        without_named(container, "env", |it| {
            it.starts_with("FEAST_") && it.ends_with("_FEATURE_REPO_PATH")
        });
    }
}

/// Returns the pod specifications of all Deployments.
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

/// Removes elements with these names from a list, and the list if it is then empty.
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
