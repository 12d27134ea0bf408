//! Operations without a refresh, as with `-refresh=false`, and with `-minimal-refresh` since Terraform 1.17.

use crate::lifecycle::lab;
use crate::lifecycle::store::{DATABASES, StoreUnderTest};
use crate::support::terraform::Exit;

const NO_REFRESH: &str = "-refresh=false";

pub fn every_operation_succeeds_without_a_refresh() {
    lab::with_each_tool(|terraform| {
        let test = StoreUnderTest::with(terraform, "no-refresh");
        let configure = |replicas: u32, team: &str| {
            let services = format!("scaling = {{ replicas = {replicas} }}\n{DATABASES}");
            test.configure_all(&services, &format!("labels = {{ team = {team:?} }}"));
        };
        let run = |command: &str| {
            let arguments = [command, "-no-color", "-auto-approve", NO_REFRESH];
            test.terraform.run(&arguments).unwrap()
        };
        configure(1, "a");
        run("apply").expect_success();
        let plan = test.terraform.plan_with(&[NO_REFRESH]).unwrap();
        assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);

        configure(2, "b");
        run("apply").expect_success();
        assert_eq!(test.deployment()["metadata"]["labels"]["team"], "b");
        assert_eq!(test.replicas(), 2);
        test.expect_empty_plan();

        // A change by others is not seen, and not reverted.
        test.patch(
            "deployment/feast-demo",
            r#"{"spec": {"minReadySeconds": 3}}"#,
        );
        let plan = test.terraform.plan_with(&[NO_REFRESH]).unwrap();
        assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
        run("destroy").expect_success();
        assert_eq!(test.objects(), Vec::<String>::new());
    });
}
