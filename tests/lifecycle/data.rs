//! Data: no change deletes a PersistentVolumeClaim unless `delete_data` is set, and the plan warns of the
//! consequences.

use crate::lifecycle::store::{DATABASES, StoreUnderTest};
use crate::support::terraform::Exit;

const PVC: &str = "persistentvolumeclaim/feast-demo-online";

fn on_pvc(pvc: &str) -> String {
    format!(
        r#"online_store = {{
  persistence = {{ file = {{ path = "online.db", pvc = {{ {pvc}, mount_path = "/data" }} }} }}
}}"#
    )
}

fn pvcs(test: &StoreUnderTest) -> Vec<String> {
    let arguments = ["get", "persistentvolumeclaims", "--output=name"];
    let names = test.namespace.kubectl(&arguments).unwrap();
    names.lines().map(str::to_owned).collect()
}

fn uid(test: &StoreUnderTest) -> String {
    let pvc = test.namespace.json(&["get", PVC]).unwrap();
    pvc["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// Plans changes, and returns the output of the plan.
fn plan_messages(test: &StoreUnderTest, flags: &[&str]) -> String {
    let plan = test.terraform.plan_with(flags).unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
    plan.run.messages()
}

const STAYS: &str = "\"feast-demo-online\" will no longer be part of a feature store. It is kept";
const GOES: &str = "\"feast-demo-online\" will be deleted with all its data";

/// Changes to databases. The plan names the PVC, and the apply deletes it.
#[track_caller]
fn delete_pvc_with_databases(test: &StoreUnderTest) {
    test.configure_all(DATABASES, "delete_data = true");
    let messages = plan_messages(test, &[]);
    assert!(messages.contains(GOES), "{messages}");
    let run = test.apply();
    assert!(run.messages().contains("Data was deleted"), "{run}");
    assert_eq!(pvcs(test), Vec::<String>::new());
}

pub fn keeps_pvcs_by_default() {
    let test = StoreUnderTest::new("data");
    let created = on_pvc("create = {}");
    test.configure(&created);
    test.apply();
    let first = uid(&test);

    // Changes to a database and back.
    test.configure(DATABASES);
    let messages = plan_messages(&test, &[]);
    assert!(messages.contains(STAYS), "{messages}");
    test.apply();
    assert_eq!(uid(&test), first);
    test.configure(&created);
    test.apply();
    assert_eq!(uid(&test), first);

    // A PVC in `ref` is kept, whatever the value of `delete_data`.
    let referenced = on_pvc("ref = { name = \"feast-demo-online\" }");
    test.configure_all(&referenced, "delete_data = true");
    let messages = plan_messages(&test, &[]);
    assert!(!messages.contains("Data will be"), "{messages}");
    test.apply();
    assert_eq!(uid(&test), first);
    test.terraform.destroy().unwrap().expect_success();
    assert_eq!(uid(&test), first);

    // The PVC is used again, and a destroy with this setting keeps it.
    test.configure(&created);
    test.apply();
    assert_eq!(uid(&test), first);
    let messages = plan_messages(&test, &["-destroy"]);
    assert!(messages.contains(STAYS), "{messages}");
    test.terraform.destroy().unwrap().expect_success();
    assert_eq!(pvcs(&test), [PVC]);
}

pub fn deletes_pvcs_with_delete_data() {
    let test = StoreUnderTest::new("delete");
    let created = on_pvc("create = {}");
    test.configure_all(&created, "delete_data = true");
    test.apply();
    test.configure_all(DATABASES, "delete_data = true");
    let messages = plan_messages(&test, &[]);
    assert!(messages.contains(GOES), "{messages}");
    test.apply();
    assert_eq!(pvcs(&test), Vec::<String>::new());

    test.configure_all(&created, "delete_data = true");
    test.apply();
    let messages = plan_messages(&test, &["-destroy"]);
    assert!(messages.contains(GOES), "{messages}");
    test.destroy();
}

/// The previous pods use the PVC until they are replaced.
pub fn failed_rollout_keeps_the_pvc() {
    let test = StoreUnderTest::new("delete-fails");
    test.configure_all(&on_pvc("create = {}"), "delete_data = true");
    test.apply();
    let first = uid(&test);

    let run = test.fail_to_roll_out(DATABASES, "delete_data = true");
    assert!(!run.messages().contains("Data was deleted"), "{run}");
    assert_eq!(uid(&test), first);

    delete_pvc_with_databases(&test);
    test.destroy();
}

/// A PVC that an earlier apply kept.
pub fn kept_pvc_is_deleted_only_by_a_plan_that_names_it() {
    let test = StoreUnderTest::new("kept");
    test.configure(&on_pvc("create = {}"));
    test.apply();
    test.configure(DATABASES);
    let run = test.apply();
    assert!(run.messages().contains("Data was kept"), "{run}");

    delete_pvc_with_databases(&test);
    test.destroy();
}

/// The PVC of a feature store of the same name that was destroyed.
pub fn never_deletes_the_pvc_of_an_earlier_store() {
    let test = StoreUnderTest::new("earlier");
    test.configure(&on_pvc("create = {}"));
    test.apply();
    let first = uid(&test);
    test.terraform.destroy().unwrap().expect_success();

    test.configure_all(DATABASES, "delete_data = true");
    test.apply();
    let labelled = "delete_data = true\nlabels = { team = \"a\" }";
    test.configure_all(DATABASES, labelled);
    let messages = plan_messages(&test, &[]);
    assert!(!messages.contains("Data will be"), "{messages}");
    let run = test.apply();
    assert!(run.messages().contains("Data was kept"), "{run}");
    test.terraform.destroy().unwrap().expect_success();
    assert_eq!(uid(&test), first);
}

pub fn rejects_shrinking_a_pvc() {
    let test = StoreUnderTest::new("grow");
    let size = |size: &str| {
        on_pvc(&format!(
            "create = {{ resources = {{ requests = {{ storage = \"{size}\" }} }} }}"
        ))
    };
    test.configure(&size("2Gi"));
    test.apply();
    for (pvc, message) in [
        (size("1Gi"), "A PVC cannot be shrunk (2Gi to 1Gi)"),
        (
            on_pvc(
                "create = { access_modes = [\"ReadWriteMany\"], resources = { requests = { storage = \"2Gi\" } } }",
            ),
            "The access modes of a PVC cannot be changed",
        ),
    ] {
        test.configure(&pvc);
        let rejected = test.terraform.plan().unwrap();
        assert_eq!(rejected.exit, Exit::Failed, "{}", rejected.run);
        assert!(
            rejected.run.messages().contains(message),
            "{}",
            rejected.run
        );
    }
    test.configure_all(&size("2Gi"), "delete_data = true");
    test.apply();
    test.destroy();
}

/// A PVC cannot shrink, so one that was enlarged satisfies the configuration.
pub fn enlarged_pvc_is_not_drift() {
    let test = StoreUnderTest::new("grown");
    let size = |size: &str| {
        on_pvc(&format!(
            "create = {{ resources = {{ requests = {{ storage = \"{size}\" }} }} }}"
        ))
    };
    test.configure(&size("2Gi"));
    test.apply();
    let grown = r#"{"spec": {"resources": {"requests": {"storage": "5Gi"}}}}"#;
    test.namespace
        .kubectl(&["patch", "pvc/feast-demo-online", "--patch", grown])
        .unwrap();
    test.expect_empty_plan();
    let storage = || {
        let pvc = test.namespace.json(&["get", "pvc/feast-demo-online"]);
        pvc.unwrap()["spec"]["resources"]["requests"]["storage"].clone()
    };
    // The new size is still smaller than the existing one.
    test.configure(&size("3Gi"));
    test.apply();
    assert_eq!(storage(), "5Gi");
    test.configure_all(&size("6Gi"), "delete_data = true");
    test.apply();
    assert_eq!(storage(), "6Gi");
    test.destroy();
}
