//! Admission policies that reject a write: the error has the policy's message, and does not suggest permissions or a
//! defect.

use crate::lifecycle::admission_policy::AdmissionPolicy;
use crate::lifecycle::store::{DATABASES, StoreUnderTest};
use crate::support::terraform::Run;

const SOLUTION: &str = "This is neither a permissions problem nor a defect of this provider: an admission policy or \
                      webhook of the cluster rejected the request. Change what the message above rejects, or ask the \
                      maintainers of the policy for an exception.";

/// Runs Terraform while a policy rejects the operation, and checks the error. `probe` is another request that the
/// policy rejects, and `verb` is the provider's request.
fn rejected(
    test: &StoreUnderTest,
    operation: (&str, &str),
    probe: &[&str],
    verb: &str,
    run: impl FnOnce() -> Run,
) {
    let policy = AdmissionPolicy::rejecting(&test.namespace, operation, probe);
    let name = &policy.name;
    let run = run();
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.messages();
    let expected = format!(
        "Cannot {verb} Deployment/feast-demo in namespace \"{namespace}\" of the cluster at {server}/. Caused by: A policy \
         of the cluster denies this: deployments.apps \"feast-demo\" is forbidden: ValidatingAdmissionPolicy '{name}' with \
         binding '{name}' denied request: ask the platform team. {SOLUTION}",
        namespace = test.namespace.name(),
        server = test.namespace.cluster().server().trim_end_matches('/'),
    );
    assert!(messages.contains(&expected), "{expected}\n{run}");
    for advice in ["report", "Grant this user", "Correct the attribute"] {
        assert!(!messages.contains(advice), "{run}");
    }
    policy.delete();
}

pub fn explains_rejection_by_a_policy() {
    let test = StoreUnderTest::new("policies");
    test.configure(DATABASES);
    let dry_run = "--dry-run=server";
    let create = ["create", "deployment", "probe", "--image=x", dry_run];
    rejected(&test, ("CREATE", "Invalid"), &create, "apply", || {
        test.terraform.apply().unwrap()
    });
    test.apply();

    test.configure(&DATABASES.replace("100m", "200m"));
    let update = ["label", "deployment", "feast-demo", "probe=1", dry_run];
    rejected(&test, ("UPDATE", "Forbidden"), &update, "apply", || {
        test.terraform.apply().unwrap()
    });
    test.apply();

    let delete = ["delete", "deployment", "feast-demo", dry_run];
    rejected(
        &test,
        ("DELETE", "RequestEntityTooLarge"),
        &delete,
        "delete",
        || test.terraform.destroy().unwrap(),
    );
    test.destroy();
}
