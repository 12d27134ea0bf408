//! Admission policies for the Deployments in the namespace of a test.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::until;
use crate::support::testbed::Namespace;

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
        let policy = Self {
            namespace,
            kind: "ValidatingAdmissionPolicy",
            name: format!("{}-{}", namespace.name(), operation.to_lowercase()),
        };
        let validation =
            json!({"expression": "false", "message": "ask the platform team", "reason": reason});
        policy.create(
            &[operation],
            json!({"validations": [validation]}),
            json!({"validationActions": ["Deny"]}),
        );
        until("the policy to be effective", 60, || {
            let error = namespace.kubectl(probe).err()?;
            error.to_string().contains("denied request").then_some(())
        });
        policy
    }

    /// Creates a policy that merges the result of a CEL expression into each Deployment that is created or updated,
    /// and waits until a new Deployment with a container `online` contains `marker`.
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
            &["CREATE", "UPDATE"],
            json!({"reinvocationPolicy": "Never", "mutations": [mutation]}),
            json!({}),
        );
        let probe = [
            "create",
            "deployment",
            "probe",
            "--image=online",
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
    fn create(&self, operations: &[&str], policy: Json, binding: Json) {
        let mut policy = self.object(self.kind, policy);
        policy["spec"]["failurePolicy"] = json!("Fail");
        policy["spec"]["matchConstraints"] = json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace.name()}},
            "resourceRules": [{
                "apiGroups": ["apps"],
                "apiVersions": ["v1"],
                "resources": ["deployments"],
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
