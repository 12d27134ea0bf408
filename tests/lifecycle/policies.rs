//! Admission policies that reject a write: a message of theirs, and no advice about rights or defects.

use crate::lifecycle::store::{DATABASES, StoreUnderTest, until};
use crate::support::terraform::Run;

/// Rejects an operation on Deployments of one namespace. `@` is the policy's name, and that of its binding.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: "@"}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [OPERATION]}
  validations:
  - {expression: "false", message: "ask the platform team", reason: REASON}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: "@"}
spec:
  policyName: "@"
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "NAMESPACE"}}}
"#;

const WARNINGS: &str = "This is neither a permissions problem nor a defect of this provider: an admission policy or webhook of the cluster rejected the request. Change what the message above rejects, or ask the maintainers of the policy for an exception.";

/// Does `run` while the policy holds; `probe` is a request that it rejects, and `verb` what the provider does.
fn rejected(
    test: &StoreUnderTest,
    (operation, reason): (&str, &str),
    probe: &[&str],
    verb: &str,
    run: impl FnOnce() -> Run,
) {
    let cluster = test.namespace.cluster();
    let name = format!("{}-{}", test.namespace.name(), operation.to_lowercase());
    let policy = POLICY
        .replace('@', &name)
        .replace("OPERATION", operation)
        .replace("REASON", reason)
        .replace("NAMESPACE", test.namespace.name());
    cluster.apply(&policy).unwrap();
    until("the policy to hold", 60, || {
        let denied = test.namespace.kubectl(probe).err()?;
        denied.to_string().contains("denied request").then_some(())
    });
    let run = run();
    assert_eq!(run.status, Some(1), "{run}");
    let said = run.said();
    let expected = format!(
        "Cannot {verb} Deployment/feast-demo in namespace \"{namespace}\" of the cluster at {server}/. Because: A policy of the cluster denies this: deployments.apps \"feast-demo\" is forbidden: ValidatingAdmissionPolicy '{name}' with \
         binding '{name}' denied request: ask the platform team. {WARNINGS}",
        namespace = test.namespace.name(),
        server = cluster.server().trim_end_matches('/'),
    );
    assert!(said.contains(&expected), "{expected}\n{run}");
    for advice in ["report", "Give this user", "Correct the attribute"] {
        assert!(!said.contains(advice), "{run}");
    }
    let both = "validatingadmissionpolicy,validatingadmissionpolicybinding";
    cluster.kubectl(&["delete", both, &name]).unwrap();
    until("the policy to be gone", 60, || {
        test.namespace.kubectl(probe).ok()
    });
}

pub fn create_update_and_delete_say_that_a_policy_rejected_them() {
    let test = StoreUnderTest::new("policies");
    test.configure(DATABASES);
    let dry = "--dry-run=server";
    let create = ["create", "deployment", "probe", "--image=x", dry];
    rejected(&test, ("CREATE", "Invalid"), &create, "apply", || {
        test.terraform.apply().unwrap()
    });
    test.apply();

    test.configure(&DATABASES.replace("100m", "200m"));
    let update = ["label", "deployment", "feast-demo", "probe=1", dry];
    rejected(&test, ("UPDATE", "Forbidden"), &update, "apply", || {
        test.terraform.apply().unwrap()
    });
    test.apply();

    let delete = ["delete", "deployment", "feast-demo", dry];
    rejected(
        &test,
        ("DELETE", "RequestEntityTooLarge"),
        &delete,
        "delete",
        || test.terraform.destroy().unwrap(),
    );
    test.destroy();
}
