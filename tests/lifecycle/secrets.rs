//! Secrets: the store's password is in the provider's own Secret, and nowhere else.

use std::fs;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

use crate::lifecycle::store::{
    DATABASES, PASSWORD, StoreUnderTest, kinds, make_store_secret, until,
};

/// Returns the base64 encodings of a text for its three alignments, without the ends that depend on adjacent bytes.
fn disguises(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    for shift in 0..3 {
        let padded = format!("{}{text}", &"   "[..shift]);
        let encoded = STANDARD.encode(padded);
        let inner = encoded.trim_end_matches('=');
        all.push(inner[4..inner.len() - 3].to_owned());
    }
    all
}

#[track_caller]
fn expect_absent(place: &str, text: &str) {
    for disguise in disguises(PASSWORD) {
        assert!(
            !text.contains(&disguise),
            "{place} holds the password, as {disguise}"
        );
    }
}

/// Returns the private data in the state, which is compressed.
fn private_data(test: &StoreUnderTest) -> String {
    let state = fs::read(test.terraform.folder().join("terraform.tfstate")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let private = state["resources"][0]["instances"][0]["private"].as_str();
    let private = STANDARD.decode(private.unwrap());
    let private = private.unwrap();
    let mut text = String::new();
    GzDecoder::new(private.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("\"last_applied\""), "{text}");
    text
}

pub fn password_is_only_in_the_store_secret() {
    let mut test = StoreUnderTest::new("secrets");
    let log = test.terraform.folder().join("trace.log");
    test.terraform
        .environment("TF_LOG", "TRACE")
        .environment("TF_LOG_PATH", &log.display().to_string());
    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    let plan = test.plan_with_changes();
    expect_absent("the plan", &plan.json.to_string());
    let apply = test.apply();
    expect_absent("the output of apply", &apply.to_string());

    // The error of an apply that cannot use the Secret names the place, and nothing of the content.
    make_store_secret(&test.namespace, &format!("{PASSWORD}\nbroken: [yaml"));
    test.configure(&format!("scaling = {{ replicas = 3 }}\n{DATABASES}"));
    let rejected = test.terraform.apply().unwrap();
    assert_eq!(rejected.status, Some(1), "{rejected}");
    assert!(
        rejected.stderr.contains("The Secret cannot be used"),
        "{rejected}"
    );
    expect_absent("the output of a rejected apply", &rejected.to_string());

    // A rotated password rolls the pods.
    let hash = |test: &StoreUnderTest| test.state()["configuration_hash"].clone();
    let before = hash(&test);
    make_store_secret(&test.namespace, &format!("new-{PASSWORD}"));
    let apply = test.apply();
    expect_absent("the output of apply", &apply.to_string());
    assert_ne!(hash(&test), before);

    expect_absent("the private data", &private_data(&test));
    for entry in fs::read_dir(test.terraform.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            expect_absent(
                &path.display().to_string(),
                &String::from_utf8_lossy(&bytes),
            );
        }
    }
    let trace = fs::read_to_string(&log).unwrap();
    assert!(
        trace.contains("provider.terraform-provider-feast"),
        "the log holds the provider's lines"
    );

    // Every object, with its managed fields, except the two Secrets that contain the password.
    let everything = format!("{},pods,replicasets,events", kinds());
    let mut objects = test
        .namespace
        .json(&["get", &everything, "--show-managed-fields"])
        .unwrap();
    let items = objects["items"].as_array_mut().unwrap();
    let ours = items
        .iter()
        .find(|item| item["kind"] == "Secret" && item["metadata"]["name"] == "feast-demo")
        .expect("the provider's Secret");
    let yaml = ours["data"]["feature_store.yaml"].as_str().unwrap();
    assert!(disguises(PASSWORD).iter().any(|text| yaml.contains(text)));
    items.retain(|item| item["kind"] != "Secret");
    expect_absent("an object", &objects.to_string());
    test.destroy();
}

pub fn accepts_a_rotation_between_plan_and_apply() {
    let test = StoreUnderTest::new("rotated-late");
    let services = |replicas: u32| format!("scaling = {{ replicas = {replicas} }}\n{DATABASES}");
    test.configure(&services(2));
    test.apply();
    let hash = || {
        let annotations = &test.deployment()["spec"]["template"]["metadata"]["annotations"];
        annotations["feast.dev/configuration-hash"].clone()
    };
    let before = hash();
    test.configure(&services(3));
    test.plan_with_changes();
    make_store_secret(&test.namespace, &format!("new-{PASSWORD}"));
    test.terraform.apply_plan().unwrap().expect_success();
    // The pods have the new content. The state has the planned value until the next refresh.
    let after = hash();
    assert_ne!(after, before);
    assert_eq!(test.state()["configuration_hash"], before);
    test.expect_empty_plan();
    test.apply();
    assert_eq!(test.state()["configuration_hash"], after);
    test.destroy();
}

/// Creates the Secret some seconds after the start of the apply, as the External Secrets Operator does.
pub fn waits_for_a_late_secret() {
    let mut test = StoreUnderTest::new("late-secret");
    let delete = ["delete", "secret/feast-data-stores"];
    test.namespace.kubectl(&delete).unwrap();
    test.configure(DATABASES);
    test.terraform.environment("TF_LOG_PROVIDER", "INFO");
    let log = std::env::temp_dir().join(format!("{}.log", test.namespace.name()));
    test.terraform
        .environment("TF_LOG_PATH", &log.display().to_string());
    let arguments = ["apply", "-no-color", "-input=false", "-auto-approve"];
    let apply = (test.terraform.command(&arguments))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let apply = apply.unwrap();
    let line = format!(
        "for objects in namespace {}: Secret/feast-data-stores: it does not exist",
        test.namespace.name()
    );
    until("the wait in the log", 60, || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains(&line).then_some(())
    });
    assert_eq!(test.objects(), Vec::<String>::new());
    make_store_secret(&test.namespace, PASSWORD);
    let output = apply.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    std::fs::remove_file(log).unwrap();
    test.expect_empty_plan();
    test.destroy();
}

/// Each missing Secret or key is named at its attribute, and nothing is written.
pub fn names_all_missing_secrets() {
    let test = StoreUnderTest::new("no-secret");
    let services = DATABASES.replacen(
        "secret_ref = { name = \"feast-data-stores\" }",
        "secret_ref = { name = \"none-such\" }",
        1,
    );
    test.configure_all(&services, r#"timeouts = { create = "15s" }"#);
    let sql = r#"{"data": {"sql": null}}"#;
    test.patch("secret/feast-data-stores", sql);
    let run = test.terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.messages();
    assert_eq!(messages.matches("Error: ").count(), 2, "{run}");
    for part in [
        "Secret/none-such",
        "It does not exist",
        "It has no key \"sql\"",
        "The apply waited 15 s for it, in case an operator creates it.",
    ] {
        assert!(messages.contains(part), "{part}\n{run}");
    }
    assert_eq!(test.objects(), Vec::<String>::new());
}

/// With the strategy `Recreate`, the old pod would end before the new one waits for what is missing.
pub fn keeps_the_pod_while_the_next_one_could_not_start() {
    let test = StoreUnderTest::new("no-env");
    let services = |wait: bool| {
        let options = format!("wait_for_rollout = {wait}\ntimeouts = {{ update = \"5s\" }}");
        test.configure_all(
            r#"
    volumes      = [{ name = "models", persistent_volume_claim = { claim_name = "models" } }]
    online_store = { server = { env_from = [{ secret_ref = { name = "tokens" } }] } }
    offline_store = { server = { env_from = [
      { secret_ref = { name = "tokens" } },
      { config_map_ref = { name = "settings", optional = true } },
    ] } }"#,
            &options,
        );
    };
    test.configure("");
    test.apply();
    let before = test.deployment();
    services(true);
    let run = test.terraform.apply().unwrap();
    let namespace = test.namespace.name();
    let missing = |what: &str, field: &str, attribute: &str| {
        format!(
            "{what} does not exist in namespace \"{namespace}\", and the pods of \
             Deployment/feast-demo need it (spec.template.spec.{field}). The apply waited 5 s for it, in case an \
             operator creates it. In the configuration: `{attribute}`."
        )
    };
    let expected = [
        missing(
            "Secret/tokens",
            "containers[name=\"offline\"].envFrom[0].secretRef.name",
            "services.offline_store.server.env_from[0].secret_ref.name",
        ),
        missing(
            "Secret/tokens",
            "containers[name=\"online\"].envFrom[0].secretRef.name",
            "services.online_store.server.env_from[0].secret_ref.name",
        ),
        missing(
            "PersistentVolumeClaim/models",
            "volumes[name=\"models\"].persistentVolumeClaim.claimName",
            "services.volumes[0].persistent_volume_claim.claim_name",
        ),
    ];
    let messages = run.error_messages();
    assert_eq!(
        messages.matches("Error: Pods would not start").count(),
        3,
        "{run}"
    );
    for error in expected {
        assert!(messages.contains(&error), "{error}\n{run}");
    }
    assert_eq!(test.deployment(), before);

    // Without the wait for the rollout, the user can create them later.
    services(false);
    test.apply();
    test.destroy();
}
