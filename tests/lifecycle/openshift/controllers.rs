//! What the controllers of OpenShift do to the objects of a project, as far as feature stores depend on it: the service
//! CA, and the admission of pods by the SecurityContextConstraints `restricted-v2`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value as Json, json};

use crate::lifecycle::store::until;
use crate::support::testbed::Namespace;

const SECRET_NAME: &str = "service.beta.openshift.io/serving-cert-secret-name";
const SIGNED_BY: &str = "service.beta.openshift.io/serving-cert-signed-by";
const SERVICE_UID: &str = "service.beta.openshift.io/originating-service-uid";
const INJECT: &str = "service.beta.openshift.io/inject-cabundle";
const MANAGER: &str = "--field-manager=service-ca-operator";

/// The service CA operator for one namespace. As the real one (`openshift/service-ca-operator`), it creates the Secret
/// that the annotation of a Service names, with a certificate for the host names of this Service only, marks the
/// Service, and replaces the data of annotated ConfigMaps. It works until it is dropped.
pub struct ServiceCa {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ServiceCa {
    pub fn start(namespace: &Namespace) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (cluster, name) = (namespace.cluster().clone(), namespace.name().to_owned());
        let authority = Authority::new();
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let kubectl = |arguments: &[&str]| {
                    cluster.kubectl(&[&["--namespace", &name], arguments].concat())
                };
                let list =
                    cluster.json(&["--namespace", &name, "get", "services,secrets,configmaps"]);
                let items = list.map_or(Json::Null, |list| list["items"].clone());
                let items = items.as_array().cloned().unwrap_or_default();
                for object in &items {
                    let annotations = &object["metadata"]["annotations"];
                    let this = object["metadata"]["name"].as_str().unwrap_or_default();
                    if let ("Service", Some(secret)) =
                        (kind(object), annotations[SECRET_NAME].as_str())
                    {
                        let has_secret = items
                            .iter()
                            .any(|it| kind(it) == "Secret" && it["metadata"]["name"] == secret);
                        if !has_secret {
                            let secret = authority.secret(object, secret);
                            cluster.apply(&secret.to_string()).ok();
                            let signed = format!("{SIGNED_BY}=openshift-service-serving-signer@1");
                            kubectl(&[
                                "annotate",
                                "service",
                                this,
                                &signed,
                                "--overwrite",
                                MANAGER,
                            ])
                            .ok();
                        }
                    }
                    let is_set = object["data"]["service-ca.crt"] == *authority.pem;
                    if kind(object) == "ConfigMap" && annotations[INJECT] == "true" && !is_set {
                        let patch = json!({"data": {"service-ca.crt": authority.pem}}).to_string();
                        let patch = ["patch", "configmap", this, "--type=merge", "-p", &patch];
                        kubectl(&[&patch[..], &[MANAGER]].concat()).ok();
                    }
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for ServiceCa {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn kind(object: &Json) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, "openshift-service-serving-signer@1");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = ca.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(ca, key),
            pem,
        }
    }

    /// Returns the Secret with the certificate of a Service. The real operator adds no other names.
    fn secret(&self, service: &Json, name: &str) -> Json {
        let metadata = &service["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap();
        let host = format!("{}.{namespace}.svc", metadata["name"].as_str().unwrap());
        let names = vec![host.clone(), format!("{host}.cluster.local")];
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap();
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "annotations": {SERVICE_UID: metadata["uid"], "test/host": host},
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"],
                }],
            },
            "stringData": {"tls.crt": certificate.pem() + &self.pem, "tls.key": key.serialize_pem()},
        })
    }
}

/// The first user of the range of the project.
pub const FIRST_USER: u64 = 1_000_680_000;

/// Assigns a user and a group of the range of the project to each pod, and rejects pods with others, as the
/// SecurityContextConstraints `restricted-v2` do. Waits until the policies are effective.
pub fn constrain_pods(namespace: &Namespace) {
    let items = pod_policies(namespace.name());
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    namespace.cluster().apply(&list.to_string()).unwrap();
    until("the policies to be effective", 60, || {
        let overrides = r#"{"spec": {"securityContext": {"runAsUser": 1001}}}"#;
        let fixed = [
            "run",
            "probe",
            "--image=i",
            "--dry-run=server",
            "--overrides",
            overrides,
        ];
        let error = namespace.kubectl(&fixed).err()?.to_string();
        let free = ["run", "probe", "--image=i", "--dry-run=server"];
        let pod = namespace.json(&free).ok()?;
        let user = pod["spec"]["securityContext"]["runAsUser"].as_u64();
        (error.contains("must be in the ranges") && user == Some(FIRST_USER)).then_some(())
    });
}

/// Returns the policies of [`constrain_pods`] and their bindings.
fn pod_policies(namespace: &str) -> [Json; 4] {
    let context = "Object.spec.securityContext";
    let assign = |field: &str| {
        json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": format!(
            "has(object.spec.securityContext) && has(object.spec.securityContext.{field}) ? Object{{}} : \
             Object{{spec: Object.spec{{securityContext: {context}{{{field}: {FIRST_USER}}}}}}}"
        )}})
    };
    let in_range = |field: &str| {
        json!({
            "expression": format!("object.spec.securityContext.{field} == {FIRST_USER}"),
            "message": format!("{field}: must be in the ranges: [{FIRST_USER}, 1000689999]"),
        })
    };
    let fields = ["runAsUser", "fsGroup"];
    let constraints = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"],
        }],
    });
    let object = |kind: &str, spec: Json| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "restricted-v2"},
            "spec": spec,
        })
    };
    [
        object(
            "MutatingAdmissionPolicy",
            json!({"failurePolicy": "Fail", "matchConstraints": constraints, "reinvocationPolicy": "Never",
                "mutations": fields.map(assign)}),
        ),
        object(
            "MutatingAdmissionPolicyBinding",
            json!({"policyName": "restricted-v2"}),
        ),
        object(
            "ValidatingAdmissionPolicy",
            json!({"failurePolicy": "Fail", "matchConstraints": constraints, "validations": fields.map(in_range)}),
        ),
        object(
            "ValidatingAdmissionPolicyBinding",
            json!({"policyName": "restricted-v2", "validationActions": ["Deny"]}),
        ),
    ]
}
