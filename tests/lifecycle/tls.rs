//! Certificates and registries of other feature stores that are created, changed or missing.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::lifecycle::lab;
use crate::lifecycle::store::{StoreUnderTest, configuration};
use crate::support::terraform::Run;

/// Creates or replaces the Secret `name` with a certificate.
fn make_certificate(test: &StoreUnderTest, name: &str, certificate: &str) {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": test.namespace.name()},
        "stringData": {"tls.crt": certificate, "tls.key": "PRIVATE-KEY"},
    });
    test.namespace.cluster().apply(&secret.to_string()).unwrap();
}

/// Checks that an apply fails before its first write.
#[track_caller]
fn expect_rejected(test: &StoreUnderTest, words: &[&str]) -> Run {
    let run = test.terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.error_messages();
    for word in words {
        assert!(messages.contains(word), "{word:?} is not in {messages}");
    }
    assert_eq!(test.objects(), Vec::<String>::new());
    run
}

/// Plans changes with a warning about the remote registry.
#[track_caller]
fn expect_registry_warning(test: &StoreUnderTest, reason: &str) {
    let messages = test.plan_with_changes().run.messages();
    for text in ["The remote registry cannot be used", reason] {
        assert!(messages.contains(text), "{text:?} is not in {messages}");
    }
}

fn pod_annotations(test: &StoreUnderTest) -> Json {
    test.deployment()["spec"]["template"]["metadata"]["annotations"].clone()
}

pub fn renewed_certificate_rolls_the_pods() {
    let test = StoreUnderTest::new("tls");
    test.configure(
        r#"
        online_store = { server = { tls = { secret_ref = { name = "online-certificate" } } } }
        ui           = { tls = { disable = true } }
        "#,
    );
    expect_rejected(&test, &["Secret/online-certificate", "It does not exist."]);
    make_certificate(&test, "online-certificate", "FIRST");
    test.apply();
    assert_eq!(
        test.state()["endpoints"],
        json!({
            "online_store": format!("feast-demo-online.{}.svc.cluster.local:443", test.namespace.name()),
            "offline_store": null,
            "registry": null,
            "registry_rest": null,
            "ui": format!("feast-demo-ui.{}.svc.cluster.local:80", test.namespace.name()),
            "lineage": null,
        })
    );
    let before = (
        pod_annotations(&test),
        test.state()["configuration_hash"].clone(),
    );

    make_certificate(&test, "online-certificate", "SECOND");
    test.plan_with_changes();
    test.apply();
    let after = (
        pod_annotations(&test),
        test.state()["configuration_hash"].clone(),
    );
    let hashes =
        |annotations: &Json, name: &str| annotations[format!("feast.dev/{name}-hash")].clone();
    assert_ne!(
        hashes(&before.0, "certificates"),
        hashes(&after.0, "certificates")
    );
    assert_eq!(
        hashes(&before.0, "configuration"),
        hashes(&after.0, "configuration")
    );
    assert_eq!(before.1, after.1);
    let state = test.terraform.state_json().unwrap().to_string();
    assert!(!state.contains("PRIVATE-KEY") && !state.contains("SECOND"));
    test.destroy();
}

pub fn requires_the_ca_of_a_token_provider() {
    let test = StoreUnderTest::new("authority");
    test.configure_all(
        "",
        r#"
  authz = {
    oidc = {
      issuer_url         = "https://idp.example.com"
      ca_cert_config_map = { name = "idp-ca", key = "ca.pem" }
    }
  }
  "#,
    );
    let make = |key: &str, certificate: &str| {
        let metadata = json!({"name": "idp-ca", "namespace": test.namespace.name()});
        let data = json!({key: certificate});
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        test.namespace.cluster().apply(&map.to_string()).unwrap();
    };
    expect_rejected(&test, &["ConfigMap/idp-ca", "It does not exist."]);
    make("other.pem", "FIRST");
    expect_rejected(&test, &["ConfigMap/idp-ca", "\"ca.pem\""]);
    make("ca.pem", "FIRST");
    test.apply();
    let certificates = || pod_annotations(&test)["feast.dev/certificates-hash"].clone();
    let before = certificates();
    assert!(before.is_string());

    // The certificate is mounted as a single file, which the kubelet never updates.
    make("ca.pem", "SECOND");
    test.plan_with_changes();
    test.apply();
    assert_ne!(certificates(), before);
    test.destroy();
}

pub fn rejects_a_missing_or_unencrypted_remote_registry() {
    let mut test = StoreUnderTest::new("remote-registry");
    test.configure(r#"registry = { remote = { feast_ref = { name = "shared" } } }"#);
    expect_rejected(
        &test,
        &["feast-shared-registry", "Apply that feature store first"],
    );

    // The configuration references an attribute of the other store, so Terraform creates that store first. A preflight
    // warns of what that store still lacks.
    (test.terraform).environment("FEAST_PREFLIGHT", "true");
    let shared = configuration("", "");
    let shared = &shared[shared.find("resource \"").unwrap()..];
    let shared = shared
        .replace(
            "\"feast_feature_store\" \"demo\"",
            "\"feast_feature_store\" \"shared\"",
        )
        .replace("name          = \"demo\"", "name = \"shared\"")
        .replace(
            "services = {",
            "services = { registry = { local = { server = {} } }",
        );
    let demo = configuration(
        "registry = { remote = { feast_ref = { name = feast_feature_store.shared.name } } }",
        "",
    );
    test.terraform
        .write("main.tf", &format!("{demo}{shared}"))
        .unwrap();
    let reason = "because the same run can create it before the feature store";
    expect_registry_warning(&test, reason);
    test.apply();
    let state = test.terraform.state_json().unwrap();
    let resources = state["values"]["root_module"]["resources"]
        .as_array()
        .unwrap();
    let registries: Vec<_> = (resources.iter())
        .map(|it| it["values"]["endpoints"]["registry"].clone())
        .collect();
    let address = format!(
        "feast-shared-registry.{}.svc.cluster.local:80",
        test.namespace.name()
    );
    assert_eq!(registries, [json!(address), json!(address)]);

    // The server has no TLS, so a client must not use it.
    let encrypted = demo.replace(
        "shared.name }",
        "shared.name }, tls = { config_map_ref = { name = \"kube-root-ca.crt\" }, cert_name = \"ca.crt\" }",
    );
    test.terraform
        .write("main.tf", &format!("{encrypted}{shared}"))
        .unwrap();
    let reason = "because the same run can create or change it before the feature store";
    expect_registry_warning(&test, reason);
    let rejected = test.terraform.apply().unwrap();
    assert_eq!(rejected.status, Some(1), "{rejected}");
    let messages = rejected.error_messages();
    assert!(messages.contains("does not use TLS"), "{rejected}");
    test.destroy();
}

/// Applies `examples/tls` with both tools.
pub fn example_is_applied() {
    lab::with_each_tool(|terraform| {
        let test = StoreUnderTest::with(terraform, "tls-example");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tls/main.tf");
        let text = fs::read_to_string(example).unwrap();
        test.terraform.write("main.tf", &text).unwrap();
        make_certificate(&test, "feast-certificate", "CERTIFICATE");
        test.apply();
        let host = |service: &str| {
            format!(
                "feast-secured-{service}.{}.svc.cluster.local:443",
                test.namespace.name()
            )
        };
        assert_eq!(
            test.state()["endpoints"],
            json!({
                "online_store": host("online"),
                "offline_store": host("offline"),
                "registry": host("registry"),
                "registry_rest": host("registry-rest"),
                "ui": host("ui"),
                "lineage": null,
            })
        );
        test.destroy();
    });
}
