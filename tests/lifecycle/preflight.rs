//! The preflight of a plan: every obstacle of the apply is found at once, nothing is written, and a plan without
//! obstacles has no findings.

use serde_json::{Value as Json, json};

use crate::lifecycle::account;
use crate::lifecycle::admission_policy::AdmissionPolicy;
use crate::lifecycle::quota::{self, lift_limit, limit_pods};
use crate::lifecycle::store::{DATABASES, StoreUnderTest, configuration, with_preflight};
use crate::support::terraform::Exit;

/// Severity and summary of a diagnostic.
type Finding = (String, String);

fn error(summary: &str) -> Finding {
    ("error".to_owned(), summary.to_owned())
}

fn warning(summary: &str) -> Finding {
    ("warning".to_owned(), summary.to_owned())
}

/// Writes the configuration with a preflight.
fn configure(test: &StoreUnderTest, services: &str, attributes: &str) {
    let text = with_preflight(&configuration(services, attributes));
    test.terraform.write("main.tf", &text).unwrap();
}

/// Plans, and returns the exit status with the diagnostics and their details.
fn plan(test: &StoreUnderTest) -> (Option<i32>, Vec<Finding>, String) {
    let run = test
        .terraform
        .run(&["plan", "-json", "-input=false"])
        .unwrap();
    let lines = run
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let diagnostics: Vec<Json> = (lines.map(|line| line["diagnostic"].clone()))
        .filter(|diagnostic| diagnostic["address"].is_string())
        .collect();
    let text = |value: &Json| value.as_str().unwrap_or_default().trim().to_owned();
    let mut findings: Vec<Finding> = (diagnostics.iter())
        .map(|it| (text(&it["severity"]), text(&it["summary"])))
        .collect();
    findings.sort();
    let details: Vec<String> = diagnostics.iter().map(|it| text(&it["detail"])).collect();
    (run.status, findings, details.join("\n\n"))
}

/// A configuration that meets an obstacle of every kind in the namespace of [`finds_every_obstacle_at_once`].
const OBSTRUCTED: &str = r#"
    scaling = { replicas = 3 }
    volumes = [{ name = "host", host_path = { path = "/var" } }]
    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server = {
        env = [{ name = "A", value_from = { secret_key_ref = { name = "nowhere", key = "k" } } }]
      }
    }
    registry = {
      local = { persistence = { store = { type = "sql", secret_ref = { name = "gone" } } } }
    }
"#;

pub fn finds_every_obstacle_at_once() {
    let test = StoreUnderTest::new("preflight");
    let namespace = test.namespace.name();
    quota::limit(&test.namespace, "small", &json!({"pods": "2"}));
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "feast-demo-online", "namespace": namespace}, "spec": {"ports": [{"port": 80}]}});
    test.namespace
        .cluster()
        .apply(&service.to_string())
        .unwrap();
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    let label = ["label", "namespace", namespace, restricted];
    test.namespace.cluster().kubectl(&label).unwrap();
    let create = [
        "create",
        "deployment",
        "probe",
        "--image=x",
        "--dry-run=server",
    ];
    let policy = AdmissionPolicy::rejecting(&test.namespace, ("CREATE", "Forbidden"), &create);
    configure(&test, OBSTRUCTED, "");
    let before = test.objects();

    let (status, findings, details) = plan(&test);
    assert_eq!(status, Some(1), "{details}");
    assert_eq!(
        findings,
        [
            error("The ResourceQuota is too small"),
            error("The apply would fail"),
            error("The apply would fail"),
            error("The apply would fail"),
            warning("Pods would not start"),
            // The API server warns of the level of the namespace, too.
            warning("The API server warns about Deployment/feast-demo"),
            warning("The apply would fail"),
        ],
        "{details}"
    );
    for detail in [
        "Cannot apply Service/feast-demo-online",
        "denied request: ask the platform team.",
        "violates PodSecurity \"restricted:latest\": ",
        "Cannot get Secret/gone",
        "Secret/nowhere does not exist in namespace",
        "In the configuration: `services.online_store.server.env[0].value_from.secret_key_ref.name`.",
        "needs 3 more of pods in namespace",
        "The ResourceQuota \"small\" allows 2, of which 0 are used.",
        "In the configuration: `services.scaling.replicas`.",
    ] {
        assert!(details.contains(detail), "{detail}\n{details}");
    }
    assert_eq!(test.objects(), before);

    policy.delete();
    let cluster = test.namespace.cluster();
    let none = [restricted.split_once('=').unwrap().0, "-"].concat();
    cluster
        .kubectl(&["label", "namespace", namespace, &none])
        .unwrap();
    test.namespace
        .kubectl(&["delete", "resourcequota/small", "service/feast-demo-online"])
        .unwrap();
    configure(
        &test,
        &format!("scaling = {{ replicas = 2 }}\n{DATABASES}"),
        "",
    );
    let (status, findings, details) = plan(&test);
    assert_eq!((status, findings), (Some(0), Vec::new()), "{details}");
    test.apply();

    // The next plan has no changes, and the one after it is refused in the same way.
    let update = [
        "set",
        "env",
        "deployment/feast-demo",
        "A=B",
        "--dry-run=server",
    ];
    let policy = AdmissionPolicy::rejecting(&test.namespace, ("UPDATE", "Forbidden"), &update);
    test.expect_empty_plan();
    configure(
        &test,
        &format!("scaling = {{ replicas = 3 }}\n{DATABASES}"),
        "",
    );
    let (status, findings, details) = plan(&test);
    let expected = vec![error("The apply would fail")];
    assert_eq!((status, findings), (Some(1), expected), "{details}");
    assert!(details.contains("ask the platform team"), "{details}");
    policy.delete();
    test.destroy();
}

pub fn reports_missing_permissions_together() {
    let mut test = StoreUnderTest::new("preflight-permissions");
    let mut rules = account::minimal_rules();
    for rule in rules.as_array_mut().unwrap() {
        if rule["resources"] == json!(["deployments"]) {
            rule["verbs"] = json!(["get", "list", "watch"]);
        }
    }
    let kubeconfig = account::make(&test.namespace, "reader", &rules);
    test.use_kubeconfig(&kubeconfig);
    configure(
        &test,
        &format!("scaling = {{ replicas = 2 }}\n{DATABASES}"),
        "",
    );
    let (status, findings, details) = plan(&test);
    assert_eq!(status, Some(1), "{details}");
    assert_eq!(
        findings,
        [
            error("Permissions are missing"),
            warning("The preflight is incomplete"),
        ],
        "{details}"
    );
    assert!(
        details.contains("\n- deployments.apps: create, delete, patch\n"),
        "{details}"
    );
    assert!(
        details.contains("needs the verb create on pods"),
        "{details}"
    );
}

/// The destroy of the old feature store frees the quota that the new one needs.
pub fn a_replacement_may_use_the_quota_of_the_old_store() {
    let test = StoreUnderTest::new("preflight-replace");
    let services =
        format!("feast_apply = \"init_container\"\nscaling = {{ replicas = 2 }}\n{DATABASES}");
    configure(&test, &services, "");
    test.apply();
    limit_pods(&test, 2);
    let replace = ["plan", "-input=false", "-replace=feast_feature_store.demo"];
    test.terraform.run(&replace).unwrap().expect_success();

    let named = "name          = \"demo\"";
    let renamed = configuration(&services, "").replace(named, "name          = \"other\"");
    assert!(!renamed.contains(named), "{renamed}");
    let renamed = with_preflight(&renamed);
    test.terraform.write("main.tf", &renamed).unwrap();
    let (status, findings, details) = plan(&test);
    assert_eq!((status, findings), (Some(0), Vec::new()), "{details}");

    lift_limit(&test);
    configure(&test, &services, "");
    test.destroy();
}

/// Terraform plans a tainted feature store like a new one, and `terraform destroy` makes that plan first.
pub fn a_tainted_store_is_replaced_and_destroyed() {
    let test = StoreUnderTest::new("preflight-tainted");
    configure(&test, DATABASES, "");
    test.apply();
    let taint = || {
        let taint = ["taint", "feast_feature_store.demo"];
        test.terraform.run(&taint).unwrap().expect_success();
    };
    taint();
    let (status, findings, details) = plan(&test);
    let expected = warning("The feature store already exists");
    assert_eq!((status, findings), (Some(0), vec![expected]), "{details}");
    assert!(
        details.ends_with(
            "This is a warning, because that feature store is in the state: if it is tainted, Terraform destroys it before \
             the create."
        ),
        "{details}"
    );
    test.apply();

    taint();
    test.destroy();
}

pub fn missing_namespace_is_a_warning() {
    let mut test = StoreUnderTest::new("preflight-later");
    test.terraform
        .environment("TF_VAR_namespace", "not-there-yet");
    configure(&test, DATABASES, "");
    let (status, findings, details) = plan(&test);
    let expected = warning("The apply would fail");
    assert_eq!((status, findings), (Some(0), vec![expected]), "{details}");
    assert!(
        details.contains("There is no namespace \"not-there-yet\""),
        "{details}"
    );
}

pub fn an_unreachable_cluster_is_a_warning() {
    let mut test = StoreUnderTest::new("preflight-unreachable");
    let admin = std::fs::read_to_string(test.namespace.cluster().kubeconfig()).unwrap();
    let server = test.namespace.cluster().server();
    let elsewhere = admin.replace(server, "https://127.0.0.1:1");
    test.use_kubeconfig(&elsewhere);
    (test.terraform).environment("FEAST_PREFLIGHT", "true");
    test.configure(DATABASES);
    let (status, findings, details) = plan(&test);
    let expected = warning("The preflight is incomplete");
    assert_eq!((status, findings), (Some(0), vec![expected]), "{details}");

    (test.terraform).environment("FEAST_PREFLIGHT", "perhaps");
    let planned = test.terraform.plan().unwrap();
    assert_eq!(planned.exit, Exit::Failed, "{}", planned.run);
    let message = "The environment variable FEAST_PREFLIGHT must be \"true\" or \"false\".";
    assert!(planned.run.messages().contains(message), "{}", planned.run);
}
