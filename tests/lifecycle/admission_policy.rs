//! Admission policies for the objects in the namespace of a test.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::until;
use crate::support::testbed::Namespace;

/// The API group and the plural of a resource.
type Resource = (&'static str, &'static str);

const DEPLOYMENTS: Resource = ("apps", "deployments");
const CRON_JOBS: Resource = ("batch", "cronjobs");

/// An admission policy with its binding, which have the same name. It applies until [`AdmissionPolicy::delete`].
pub struct AdmissionPolicy<'a> {
    namespace: &'a Namespace,
    kind: &'static str,
    pub name: String,
}

impl<'a> AdmissionPolicy<'a> {
    /// Creates a policy that rejects an operation with the message "ask the platform team" and this reason, and waits
    /// until it rejects the request `probe`.
    pub fn rejecting(
        namespace: &'a Namespace,
        (operation, reason): (&str, &str),
        probe: &[&str],
    ) -> Self {
        let name = format!("{}-{}", namespace.name(), operation.to_lowercase());
        let policy = Self::validating(namespace, name, DEPLOYMENTS, operation, reason, "Deny");
        until("the policy to be effective", 60, || {
            let error = namespace.kubectl(probe).err()?;
            error.to_string().contains("denied request").then_some(())
        });
        policy
    }

    /// Creates a policy that rejects every CronJob, and waits until it does.
    pub fn rejecting_cron_jobs(namespace: &'a Namespace) -> Self {
        let name = format!("{}-cronjobs", namespace.name());
        let policy = Self::validating(namespace, name, CRON_JOBS, "*", "Invalid", "Deny");
        let probe = [
            "create",
            "cronjob",
            "probe",
            "--image=i",
            "--schedule=@daily",
            "--dry-run=server",
        ];
        until("the policy to be effective", 60, || {
            let error = namespace.kubectl(&probe).err()?;
            error.to_string().contains("denied request").then_some(())
        });
        policy
    }

    /// Creates a policy that warns of every Deployment, and waits until it does.
    pub fn warning(namespace: &'a Namespace) -> Self {
        let name = format!("{}-warning", namespace.name());
        let policy = Self::validating(namespace, name, DEPLOYMENTS, "*", "Invalid", "Warn");
        // An error exit shows that the warning is effective.
        let probe = [
            "create",
            "deployment",
            "probe",
            "--image=i",
            "--dry-run=server",
            "--warnings-as-errors",
        ];
        until("the policy to be effective", 60, || {
            namespace.kubectl(&probe).err().map(drop)
        });
        policy
    }

    fn validating(
        namespace: &'a Namespace,
        name: String,
        resource: Resource,
        operation: &str,
        reason: &str,
        action: &str,
    ) -> Self {
        let policy = Self {
            namespace,
            kind: "ValidatingAdmissionPolicy",
            name,
        };
        let validation =
            json!({"expression": "false", "message": "ask the platform team", "reason": reason});
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
    pub fn mutating(namespace: &'a Namespace, expression: &str, marker: &str) -> Self {
        let policy = Self {
            namespace,
            kind: "MutatingAdmissionPolicy",
            name: namespace.name().to_owned(),
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
        let probe = [
            "create",
            "deployment",
            "probe",
            "--image=quay.io/online",
            "--dry-run=server",
        ];
        until("the policy to be effective", 60, || {
            let deployment = namespace.json(&probe).unwrap();
            deployment.to_string().contains(marker).then_some(())
        });
        policy
    }

    /// Deletes the policy and its binding.
    pub fn delete(self) {
        let kinds = format!("{0},{0}binding", self.kind.to_lowercase());
        let cluster = self.namespace.cluster();
        cluster.kubectl(&["delete", &kinds, &self.name]).unwrap();
    }

    /// Creates the policy and its binding, with these additional fields of their specifications.
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
