//! Fields that the API server does not store, because it is too old or because their feature gate is off.

use crate::lifecycle::lab;
use crate::lifecycle::store::{StoreUnderTest, configuration, with_preflight};
use crate::support::terraform::Run;

fn services(mount: &str, pods: &str) -> String {
    format!(
        "volumes = [{{ name = \"scratch\", empty_dir = {{}} }}]
         {pods}
         online_store = {{ server = {{
           volume_mounts = [{{ name = \"scratch\", mount_path = \"/mnt/scratch\", {mount} }}]
         }} }}"
    )
}

/// Checks that the run has failed with these parts of an error.
#[track_caller]
fn expect_error(run: &Run, parts: &[&str]) {
    assert_eq!(run.status, Some(1), "{run}");
    let text = run.error_messages();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

pub fn fields_that_the_api_server_does_not_store_are_refused() {
    let test = StoreUnderTest::new("versions");
    let of_a_gate = services("bind_mount_options = [\"noexec\"]", "");
    let parts = [
        "Deployment/feast-demo",
        "does not store these fields",
        ".volumeMounts[mountPath=\"/mnt/scratch\"].bindMountOptions: requires the feature gate VolumeBindMountOptions",
        "`services.online_store.server.volume_mounts[0].bind_mount_options`",
        "Remove the attributes that set these fields, or upgrade the cluster",
    ];
    test.configure(&of_a_gate);
    expect_error(&test.terraform.apply().unwrap(), &parts);
    assert_eq!(test.objects(), Vec::<String>::new());

    test.configure(&services("", ""));
    test.apply();
    test.configure(&of_a_gate);
    expect_error(
        &test.terraform.apply().unwrap(),
        &[&parts[..], &["Nothing was written"]].concat(),
    );
    let run = preflight(&test, &of_a_gate);
    expect_error(&run, &parts);

    let newer = services(
        "recursive_read_only = \"Disabled\"",
        "security_context = { supplemental_groups_policy = \"Strict\" }",
    );
    test.configure(&newer);
    if lab::has_kubernetes(33) {
        test.apply();
    } else {
        let parts = [
            "(Kubernetes v1.30",
            "supplementalGroupsPolicy: requires Kubernetes 1.33",
            "`services.security_context.supplemental_groups_policy`",
        ];
        expect_error(&test.terraform.apply().unwrap(), &parts);
    }
    test.destroy();
}

/// Plans the configuration with a preflight.
fn preflight(test: &StoreUnderTest, services: &str) -> Run {
    let checked = with_preflight(&configuration(services, ""));
    test.terraform.write("main.tf", &checked).unwrap();
    test.terraform.plan().unwrap().run
}
