//! Admission policies for the objects in the namespace of a test.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::until;
use crate::support::testbed::Namespace;

/// The API group and the plural of a resource.
type Resource = (&'static str, &'static str);

const DEPLOYMENTS: Resource = ("apps", "deployments");
const CRON_JOBS: Resource = ("batch", "cronjobs");

/// The message of a policy that rejects or warns.
const MESSAGE: &str = "ask the platform team";

/// Returns whether a policy is in effect in a namespace, from the response to a dry run.
type Probe<'a> = Box<dyn Fn(&Namespace) -> bool + 'a>;

/// An admission policy with its binding, which have the same name. It applies until [`AdmissionPolicy::delete`].
pub struct AdmissionPolicy<'a> {
    namespace: &'a Namespace,
    kind: &'static str,
    pub name: String,
    is_effective: Probe<'a>,
}

impl<'a> AdmissionPolicy<'a> {
    /// Creates a policy that rejects an operation with the message "ask the platform team" and this reason, and waits
    /// until it rejects the request `probe`.
    pub fn rejecting(
        namespace: &'a Namespace,
        (operation, reason): (&str, &str),
        probe: &'a [&'a str],
    ) -> Self {
        let name = format!("{}-{}", namespace.name(), operation.to_lowercase());
        let validation = (operation, reason, "Deny");
        Self::validating(namespace, name, DEPLOYMENTS, validation, denies(probe))
    }

    /// Creates a policy that rejects every CronJob, and waits until it does.
    pub fn rejecting_cron_jobs(namespace: &'a Namespace) -> Self {
        let name = format!("{}-cronjobs", namespace.name());
        let probe = denies(&[
            "create",
            "cronjob",
            "probe",
            "--image=i",
            "--schedule=@daily",
            "--dry-run=server",
        ]);
        Self::validating(namespace, name, CRON_JOBS, ("*", "Invalid", "Deny"), probe)
    }

    /// Creates a policy that warns of every Deployment, and waits until it does.
    pub fn warning(namespace: &'a Namespace) -> Self {
        let name = format!("{}-warning", namespace.name());
        // With this flag, a warning is an error. The namespace can have others.
        let probe: Probe = Box::new(|namespace| {
            let flags = ["--dry-run=server", "--warnings-as-errors"];
            let create = ["create", "deployment", "probe", "--image=i"];
            let error = namespace.kubectl(&[&create[..], &flags].concat()).err();
            error.is_some_and(|error| error.to_string().contains(MESSAGE))
        });
        let validation = ("*", "Invalid", "Warn");
        Self::validating(namespace, name, DEPLOYMENTS, validation, probe)
    }

    fn validating(
        namespace: &'a Namespace,
        name: String,
        resource: Resource,
        (operation, reason, action): (&str, &str, &str),
        is_effective: Probe<'a>,
    ) -> Self {
        let policy = Self {
            namespace,
            kind: "ValidatingAdmissionPolicy",
            name,
            is_effective,
        };
        let validation = json!({"expression": "false", "message": MESSAGE, "reason": reason});
        policy.create(
            resource,
            &[operation],
            json!({"validations": [validation]}),
            json!({"validationActions": [action]}),
        );
        policy
    }

    /// Creates a policy that merges the result of a CEL expression into each Deployment that is created or updated,
    /// and waits until a new Deployment with a container `online` and the image `quay.io/online` contains `marker`.
    pub fn mutating(namespace: &'a Namespace, expression: &str, marker: &'a str) -> Self {
        let policy = Self {
            namespace,
            kind: "MutatingAdmissionPolicy",
            name: namespace.name().to_owned(),
            is_effective: Box::new(move |namespace| {
                let create = ["create", "deployment", "probe", "--image=quay.io/online"];
                let created = namespace.json(&[&create[..], &["--dry-run=server"]].concat());
                created.unwrap().to_string().contains(marker)
            }),
        };
        let mutation = json!({
            "patchType": "ApplyConfiguration",
            "applyConfiguration": {"expression": expression},
        });
        policy.create(
            DEPLOYMENTS,
            &["CREATE", "UPDATE"],
            json!({"reinvocationPolicy": "Never", "mutations": [mutation]}),
            json!({}),
        );
        policy
    }

    /// Deletes the policy and its binding, and waits until the API server does not apply it any more.
    pub fn delete(self) {
        let kinds = format!("{0},{0}binding", self.kind.to_lowercase());
        let cluster = self.namespace.cluster();
        cluster.kubectl(&["delete", &kinds, &self.name]).unwrap();
        until("the policy to be gone", 60, || {
            (!(self.is_effective)(self.namespace)).then_some(())
        });
    }

    /// Creates the policy and its binding, with these additional fields of their specifications, and waits until the
    /// API server applies it.
    fn create(
        &self,
        (group, resource): Resource,
        operations: &[&str],
        policy: Json,
        binding: Json,
    ) {
        let mut policy = self.object(self.kind, policy);
        policy["spec"]["failurePolicy"] = json!("Fail");
        policy["spec"]["matchConstraints"] = json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace.name()}},
            "resourceRules": [{
                "apiGroups": [group],
                "apiVersions": ["v1"],
                "resources": [resource],
                "operations": operations,
            }],
        });
        let mut binding = self.object(&format!("{}Binding", self.kind), binding);
        binding["spec"]["policyName"] = json!(self.name);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]});
        let cluster = self.namespace.cluster();
        cluster.apply(&list.to_string()).unwrap();
        until("the policy to be effective", 60, || {
            (self.is_effective)(self.namespace).then_some(())
        });
    }

    fn object(&self, kind: &str, spec: Json) -> Json {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": self.name},
            "spec": spec,
        })
    }
}

/// Returns a probe for a policy that denies the request.
fn denies<'a>(request: &'a [&'a str]) -> Probe<'a> {
    Box::new(move |namespace| {
        let error = namespace.kubectl(request).err();
        error.is_some_and(|error| error.to_string().contains("denied request"))
    })
}
