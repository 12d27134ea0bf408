//! Data: no change deletes a claim unless the user says so, and the plan says what becomes of it.

use crate::lifecycle::store::{DATABASES, StoreUnderTest};
use crate::support::terraform::Exit;

const CLAIM: &str = "persistentvolumeclaim/feast-demo-online";

fn on_claim(claim: &str) -> String {
    format!(
        r#"online_store = {{
  persistence = {{ file = {{ path = "online.db", pvc = {{ {claim}, mount_path = "/data" }} }} }}
}}"#
    )
}

fn claims(test: &StoreUnderTest) -> Vec<String> {
    let arguments = ["get", "persistentvolumeclaims", "--output=name"];
    let names = test.namespace.kubectl(&arguments).unwrap();
    names.lines().map(str::to_owned).collect()
}

fn uid(test: &StoreUnderTest) -> String {
    let claim = test.namespace.json(&["get", CLAIM]).unwrap();
    claim["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// What the plan says beside the changes.
fn plan(test: &StoreUnderTest, flags: &[&str]) -> String {
    let plan = test.terraform.plan_with(flags).unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
    words(&format!("{} {}", plan.run.stdout, plan.run.stderr))
}

fn words(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| !["│", "╷", "╵"].contains(word))
        .collect::<Vec<_>>()
        .join(" ")
}

const STAYS: &str = "\"feast-demo-online\" will no longer be part of a feature store. It stays";
const GOES: &str = "\"feast-demo-online\" will be deleted with all its data";

pub fn claims_outlive_every_change() {
    let test = StoreUnderTest::new("data");
    let created = on_claim("create = {}");
    test.configure(&created);
    test.apply();
    let first = uid(&test);

    // To a database and back.
    test.configure(DATABASES);
    let said = plan(&test, &[]);
    assert!(said.contains(STAYS), "{said}");
    test.apply();
    assert_eq!(uid(&test), first);
    test.configure(&created);
    test.apply();
    assert_eq!(uid(&test), first);

    // The same claim as one of the user's is the user's, whatever delete_data says.
    let referenced = on_claim("ref = { name = \"feast-demo-online\" }");
    test.configure_all(&referenced, "delete_data = true");
    let said = plan(&test, &[]);
    assert!(!said.contains("Data will be"), "{said}");
    test.apply();
    assert_eq!(uid(&test), first);
    test.terraform.destroy().unwrap().expect_success();
    assert_eq!(uid(&test), first);

    // Taken up again, and left by a destroy that says so.
    test.configure(&created);
    test.apply();
    assert_eq!(uid(&test), first);
    let said = plan(&test, &["-destroy"]);
    assert!(said.contains(STAYS), "{said}");
    test.terraform.destroy().unwrap().expect_success();
    assert_eq!(claims(&test), [CLAIM]);
}

pub fn claims_go_when_the_user_says_so() {
    let test = StoreUnderTest::new("delete");
    let created = on_claim("create = {}");
    test.configure_all(&created, "delete_data = true");
    test.apply();
    test.configure_all(DATABASES, "delete_data = true");
    let said = plan(&test, &[]);
    assert!(said.contains(GOES), "{said}");
    test.apply();
    assert_eq!(claims(&test), Vec::<String>::new());

    test.configure_all(&created, "delete_data = true");
    test.apply();
    let said = plan(&test, &["-destroy"]);
    assert!(said.contains(GOES), "{said}");
    test.destroy();
}

pub fn claims_only_grow() {
    let test = StoreUnderTest::new("grow");
    let size = |size: &str| {
        on_claim(&format!(
            "create = {{ resources = {{ requests = {{ storage = \"{size}\" }} }} }}"
        ))
    };
    test.configure(&size("2Gi"));
    test.apply();
    for (claim, said) in [
        (size("1Gi"), "A claim cannot become smaller (2Gi to 1Gi)"),
        (
            on_claim(
                "create = { access_modes = [\"ReadWriteMany\"], resources = { requests = { storage = \"2Gi\" } } }",
            ),
            "Access modes of a claim cannot change",
        ),
    ] {
        test.configure(&claim);
        let refused = test.terraform.plan().unwrap();
        assert_eq!(refused.exit, Exit::Failed, "{}", refused.run);
        assert!(words(&refused.run.stderr).contains(said), "{}", refused.run);
    }
    test.configure_all(&size("2Gi"), "delete_data = true");
    test.apply();
    test.destroy();
}

/// A claim cannot shrink, so one that somebody has grown has all that was asked for.
pub fn a_claim_that_somebody_has_grown_is_no_drift() {
    let test = StoreUnderTest::new("grown");
    let size = |size: &str| {
        on_claim(&format!(
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
    // Still less than there is.
    test.configure(&size("3Gi"));
    test.apply();
    test.configure_all(&size("6Gi"), "delete_data = true");
    test.apply();
    let claim = test.namespace.json(&["get", "pvc/feast-demo-online"]);
    let storage = &claim.unwrap()["spec"]["resources"]["requests"]["storage"];
    assert_eq!(storage, "6Gi");
    test.destroy();
}
