//! A simulation of the Feast operator: its CRD, a custom resource, and the objects that it creates for one, written as
//! the operator writes them (created by the manager `manager`, the autoscaler applied by `feast-operator`, each owned
//! by the custom resource).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

use crate::lifecycle::lab;
use crate::lifecycle::store::{PASSWORD, StoreUnderTest, until};

const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: featurestores.feast.dev}
spec:
  group: feast.dev
  names: {kind: FeatureStore, listKind: FeatureStoreList, plural: featurestores, singular: featurestore}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
"#;

/// The environment variable in which the operator passes `feature_store.yaml`.
pub const YAML_VARIABLE: &str = "TMP_FEATURE_STORE_YAML_BASE64";

/// A custom resource `demo` with the objects for it.
pub struct Operator<'a> {
    test: &'a StoreUnderTest,
    pub uid: String,
}

/// Returns the specification of a feature store on a PVC, with the operator's defaults for everything else.
pub fn on_pvc() -> Json {
    json!({
        "feastProject": "demo",
        "services": {"onlineStore": {"persistence": {"file": {
            "path": "online.db",
            "pvc": {"create": {}, "mountPath": "/data"},
        }}}},
    })
}

/// Returns the specification of a feature store on databases with an autoscaler.
pub fn autoscaled() -> Json {
    let store = |kind: &str| json!({"type": kind, "secretRef": {"name": "feast-data-stores"}});
    json!({
        "feastProject": "demo",
        "authz": {"noAuth": true},
        "services": {
            "onlineStore": {
                "persistence": {"store": store("postgres")},
                "server": {"resources": {"requests": {"cpu": "100m"}}},
            },
            "registry": {"local": {"persistence": {"store": store("sql")}}},
            "scaling": {"autoscaling": {"minReplicas": 2, "maxReplicas": 4}},
        },
    })
}

impl<'a> Operator<'a> {
    /// Creates the custom resource without any objects.
    pub fn custom_resource(test: &'a StoreUnderTest, spec: &Json) -> Self {
        define();
        let cluster = test.namespace.cluster();
        let resource = json!({
            "apiVersion": "feast.dev/v1",
            "kind": "FeatureStore",
            "metadata": {"name": "demo", "namespace": test.namespace.name()},
            "spec": spec,
        });
        cluster.apply(&resource.to_string()).unwrap();
        let uid = test
            .namespace
            .json(&["get", "featurestore", "demo"])
            .unwrap();
        let uid = uid["metadata"]["uid"].as_str().unwrap().to_owned();
        Self { test, uid }
    }

    /// Creates the custom resource and its objects, and waits until the pods are ready.
    pub fn reconciled(test: &'a StoreUnderTest, spec: &Json) -> Self {
        let operator = Self::custom_resource(test, spec);
        let has_pvc = spec
            .pointer("/services/onlineStore/persistence/file")
            .is_some();
        for object in operator.objects(has_pvc) {
            operator.create(&object);
        }
        if !has_pvc {
            operator.apply(&operator.autoscaler());
        }
        let pods = if has_pvc { 1 } else { 2 };
        until("the operator's pods", 60, || {
            let deployment = test.deployment();
            let status = &deployment["status"];
            let done = status["observedGeneration"] == deployment["metadata"]["generation"];
            (done && status["availableReplicas"] == pods).then_some(())
        });
        operator
    }

    fn create(&self, object: &Json) {
        self.send("create", &["--field-manager=manager"], object);
    }

    fn apply(&self, object: &Json) {
        let flags = [
            "--server-side",
            "--force-conflicts",
            "--field-manager=feast-operator",
        ];
        self.send("apply", &flags, object);
    }

    fn send(&self, verb: &str, flags: &[&str], object: &Json) {
        let file = self.test.terraform.folder().join("object.json");
        std::fs::write(&file, object.to_string()).unwrap();
        let file = format!("--filename={}", file.display());
        let arguments = [&[verb, &file], flags].concat();
        self.test.namespace.kubectl(&arguments).unwrap();
        std::fs::remove_file(self.test.terraform.folder().join("object.json")).unwrap();
    }

    /// Returns an object with the metadata of every object.
    fn object(&self, kind: &str, name: &str, service: Option<&str>, rest: Json) -> Json {
        let api = match kind {
            "Deployment" => "apps/v1",
            "CronJob" => "batch/v1",
            "HorizontalPodAutoscaler" => "autoscaling/v2",
            "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
            _ => "v1",
        };
        let mut object = json!({
            "apiVersion": api,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.test.namespace.name(),
                "labels": {"app.kubernetes.io/managed-by": "feast-operator", "feast.dev/name": "demo"},
                "ownerReferences": [self.reference()],
            },
        });
        if let Some(service) = service {
            object["metadata"]["labels"]["feast.dev/service-type"] = json!(service);
        }
        for (field, value) in rest.as_object().unwrap() {
            object[field] = value.clone();
        }
        object
    }

    fn reference(&self) -> Json {
        json!({
            "apiVersion": "feast.dev/v1",
            "kind": "FeatureStore",
            "name": "demo",
            "uid": self.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }

    fn objects(&self, has_pvc: bool) -> Vec<Json> {
        let account = |name: &str| json!([{"kind": "ServiceAccount", "name": name, "namespace": self.test.namespace.name()}]);
        let role = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name});
        let cron = "feast-demo-cronjob";
        let mut objects = vec![
            self.object("ServiceAccount", "feast-demo", None, json!({})),
            self.object("ConfigMap", "feast-demo-client", Some("client"), json!({"data": {"feature_store.yaml": "project: demo\n"}})),
            self.object("Service", "feast-demo-online", Some("online"), json!({"spec": {
                "type": "ClusterIP",
                "selector": {"feast.dev/name": "demo"},
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 6566}],
            }})),
            self.deployment(has_pvc),
            self.object("ServiceAccount", cron, Some("cronjob"), json!({})),
            self.object("Role", cron, Some("cronjob"), json!({"rules": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]})),
            self.object("RoleBinding", cron, Some("cronjob"), json!({"roleRef": role(cron), "subjects": account(cron)})),
            self.object("CronJob", "feast-demo", Some("cronjob"), json!({"spec": {
                "schedule": "@yearly",
                "suspend": true,
                "jobTemplate": {"spec": {"template": {"spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "feast-1", "image": "quay.io/openshift/origin-cli:4.17"}],
                }}}},
            }})),
        ];
        if has_pvc {
            objects.extend([
                self.object("PersistentVolumeClaim", "feast-demo-online", Some("online"), json!({"spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "5Gi"}},
                }})),
                // Kubernetes RBAC is the operator's default.
                self.object("Role", "feast-demo", Some("authorization"), json!({"rules": [
                    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["get", "list", "watch"]},
                    {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
                ]})),
                self.object("RoleBinding", "feast-demo", Some("authorization"), json!({"roleRef": role("feast-demo"), "subjects": account("feast-demo")})),
            ]);
        }
        objects
    }

    /// The complete `feature_store.yaml`, including the password, is in the environment.
    fn deployment(&self, has_pvc: bool) -> Json {
        let yaml = BASE64.encode(format!("online_store:\n  password: {PASSWORD}\n"));
        let env = json!([{"name": YAML_VARIABLE, "value": yaml}]);
        let image = "quay.io/feastdev/feature-server:0.67.0";
        let (volume, directory) = if has_pvc {
            ("feast-demo-online", "/data")
        } else {
            ("feast-data", "/feast-data")
        };
        let source = if has_pvc {
            json!({"name": volume, "persistentVolumeClaim": {"claimName": volume}})
        } else {
            json!({"name": volume, "emptyDir": {}})
        };
        let mounts = json!([{"name": volume, "mountPath": directory}]);
        let mut online = json!({
            "name": "online",
            "image": image,
            "command": ["feast", "serve", "-h", "0.0.0.0", "-p", "6566"],
            "env": env,
            "ports": [{"name": "online", "containerPort": 6566, "protocol": "TCP"}],
            "volumeMounts": mounts,
            "workingDir": format!("{directory}/demo/feature_repo"),
        });
        if !has_pvc {
            online["resources"] = json!({"requests": {"cpu": "100m"}});
        }
        let mut spec = json!({
            "selector": {"matchLabels": {"feast.dev/name": "demo"}},
            "strategy": {"type": if has_pvc { "Recreate" } else { "RollingUpdate" }},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/managed-by": "feast-operator", "feast.dev/name": "demo"}},
                "spec": {
                    "serviceAccountName": "feast-demo",
                    "initContainers": [
                        {"name": "feast-init", "image": image, "command": ["bash", "-c"], "args": ["feast init demo"], "env": env, "volumeMounts": mounts},
                        {"name": "feast-apply", "image": image, "command": ["feast", "apply"], "env": env, "volumeMounts": mounts},
                    ],
                    "containers": [online],
                    "volumes": [source],
                },
            },
        });
        if has_pvc {
            spec["replicas"] = json!(1);
        }
        self.object("Deployment", "feast-demo", None, json!({"spec": spec}))
    }

    /// Creates the Deployment and Service of the lineage server, which select their pods by the operator's own label.
    pub fn make_lineage_server(&self) {
        let labels = json!({
            "app.kubernetes.io/managed-by": "feast-operator",
            "feast.dev/name": "demo-lineage",
            "feast.dev/service-type": "lineage",
        });
        let name = "feast-demo-lineage";
        let container = json!({
            "name": "lineage",
            "image": "quay.io/feastdev/feature-server:0.67.0",
            "command": ["feast", "serve_lineage", "-h", "0.0.0.0"],
            "args": ["-p", "6580"],
            "ports": [{"name": "http", "containerPort": 6580, "protocol": "TCP"}],
        });
        let deployment = json!({"spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        }});
        let service = json!({"spec": {
            "type": "ClusterIP",
            "selector": labels,
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 6580}],
        }});
        for (kind, rest) in [("Deployment", deployment), ("Service", service)] {
            let mut object = self.object(kind, name, None, rest);
            object["metadata"]["labels"] = labels.clone();
            self.create(&object);
        }
    }

    fn autoscaler(&self) -> Json {
        let cpu =
            json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}});
        self.object("HorizontalPodAutoscaler", "feast-demo", None, json!({"spec": {
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": cpu}],
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "feast-demo"},
        }}))
    }

    /// Restores the owner reference of the service account continually while `work` runs.
    pub fn at_work<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let done = AtomicBool::new(false);
        let namespace = &self.test.namespace;
        let patch = json!({"metadata": {"ownerReferences": [self.reference()]}}).to_string();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let account = namespace
                        .json(&["get", "serviceaccount", "feast-demo"])
                        .unwrap();
                    if account["metadata"]["ownerReferences"].is_null() {
                        let arguments = [
                            "patch",
                            "serviceaccount",
                            "feast-demo",
                            "--type=merge",
                            "--patch",
                            &patch,
                            "--field-manager=manager",
                        ];
                        namespace.kubectl(&arguments).unwrap();
                    }
                    thread::sleep(Duration::from_millis(200));
                }
            });
            let result = work();
            done.store(true, Ordering::Relaxed);
            result
        })
    }

    /// Deletes the custom resource, and waits until the garbage collector has deleted the objects that it owns.
    pub fn delete(&self) {
        let delete = ["delete", "featurestore", "demo"];
        self.test.namespace.kubectl(&delete).unwrap();
        self.wait_for_garbage_collection();
    }

    /// Waits until the garbage collector has deleted an object that is created here for the deleted custom resource,
    /// and therefore all objects that it owned before.
    pub fn wait_for_garbage_collection(&self) {
        self.create(&json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "owned",
                "namespace": self.test.namespace.name(),
                "ownerReferences": [self.reference()],
            },
        }));
        until("the garbage collector", 180, || {
            let arguments = ["get", "configmaps", "--output=name"];
            let left = self.test.namespace.kubectl(&arguments).unwrap();
            (!left.contains("configmap/owned")).then_some(())
        });
    }
}

/// Defines the kind in the cluster, once, and waits until the garbage collector knows it, because only the garbage
/// collector completes a foreground deletion. It discovers new kinds every 30 seconds.
pub fn define() {
    static DEFINED: OnceLock<()> = OnceLock::new();
    DEFINED.get_or_init(|| {
        let namespace = lab::namespace("migration-crd");
        let cluster = namespace.cluster();
        let name = "crd/featurestores.feast.dev";
        if cluster.kubectl(&["get", name]).is_err() {
            cluster.apply(CRD).unwrap();
        }
        let established = "--for=condition=Established";
        cluster
            .kubectl(&["wait", established, name, "--timeout=180s"])
            .unwrap();
        let probe = json!({
            "apiVersion": "feast.dev/v1",
            "kind": "FeatureStore",
            "metadata": {"name": "probe", "namespace": namespace.name()},
            "spec": {"feastProject": "probe"},
        });
        cluster.apply(&probe.to_string()).unwrap();
        let delete = ["delete", "featurestore", "probe", "--cascade=foreground"];
        namespace
            .kubectl(&[&delete[..], &["--timeout=120s"]].concat())
            .unwrap();
    });
}
