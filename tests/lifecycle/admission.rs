//! Admission policies that refuse one object of several, rewrite values, or warn.

use serde_json::Value as Json;

use crate::lifecycle::admission_policy::AdmissionPolicy;
use crate::lifecycle::store::{DATABASES, StoreUnderTest};
use crate::support::terraform::{Exit, Run};

/// The policy of a registry mirror: images of `quay.io` come from the mirror and are always pulled, requests are
/// raised, and the label `team` names the platform.
const MIRROR: &str = r#"
object.spec.template.spec.containers.exists(c, c.image.startsWith("quay.io/")) ? Object{
  metadata: Object.metadata{labels: {"team": "platform"}},
  spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
    containers: object.spec.template.spec.containers.filter(c, c.image.startsWith("quay.io/")).map(c,
      Object.spec.template.spec.containers{
        name: c.name,
        image: "mirror.example/quay/" + c.image.substring(8),
        imagePullPolicy: "Always",
        resources: Object.spec.template.spec.containers.resources{requests: {"cpu": "150m"}},
        env: [Object.spec.template.spec.containers.env{name: "HTTPS_PROXY", value: "http://proxy.example"}]
      })
  }}}
} : Object{}
"#;

/// One server with an image of `quay.io` and this tag.
fn services(tag: &str) -> String {
    format!(
        r#"
    scaling     = {{ replicas = 1 }}
    feast_apply = "none"
    online_store = {{
      persistence = {{ store = {{ type = "postgres", secret_ref = {{ name = "feast-data-stores" }} }} }}
      server = {{
        image             = "quay.io/feastdev/feature-server:{tag}"
        image_pull_policy = "IfNotPresent"
        resources         = {{ requests = {{ cpu = "100m" }} }}
      }}
    }}
    registry = {{
      local = {{ persistence = {{ store = {{ type = "sql", secret_ref = {{ name = "feast-data-stores" }} }} }} }}
    }}
"#
    )
}

const REWRITTEN: &str = "Warning: Admission control has changed what was applied";

/// Applies, and returns the messages. The plan is empty afterwards, and the refresh finds no drift.
fn apply(test: &StoreUnderTest) -> String {
    let messages = test.apply().messages();
    test.expect_no_resource_drift();
    messages
}

/// The policy of the guide "Restricted clusters".
pub fn registry_mirror_of_the_guide_causes_no_plan() {
    let guide = include_str!("../../docs/guides/restricted-clusters.md");
    let blocks = guide.split("```yaml\n").skip(1);
    let mut blocks = blocks.map(|rest| rest.split_once("```").unwrap().0);
    let policy = blocks.find(|block| block.contains("kind: MutatingAdmissionPolicy"));
    let policy: Json = serde_saphyr::from_str(policy.unwrap()).unwrap();
    let mutation = &policy["spec"]["mutations"][0]["applyConfiguration"];
    let test = StoreUnderTest::new("admission-guide");
    let expression = mutation["expression"].as_str().unwrap();
    let policy = AdmissionPolicy::mutating(&test.namespace, expression, "mirror.example");
    test.configure(&services("0.67.0"));
    let messages = apply(&test);
    assert!(messages.contains(REWRITTEN), "{messages}");
    let expected = "mirror.example/quay/feastdev/feature-server:0.67.0";
    assert_eq!(test.image(), expected);
    policy.delete();
    test.destroy();
}

pub fn rewritten_values_cause_no_plan() {
    let test = StoreUnderTest::new("admission-mirror");
    let policy = AdmissionPolicy::mutating(&test.namespace, MIRROR, "mirror.example");
    let attributes =
        |team: &str| format!("labels = {{ team = {team:?} }}\nwait_for_rollout = false");
    test.configure_all(&services("0.65.0"), &attributes("a"));
    let messages = apply(&test);
    assert!(messages.contains(REWRITTEN), "{messages}");
    let container = "Deployment/feast-demo .spec.template.spec.containers[name=\"online\"]";
    for expected in [
        "Deployment/feast-demo .metadata.labels.team: \"a\" was applied, and \"platform\" is stored".to_owned(),
        format!(
            "{container}.image: \"quay.io/feastdev/feature-server:0.65.0\" was applied, and \
             \"mirror.example/quay/feastdev/feature-server:0.65.0\" is stored"
        ),
        format!("{container}.imagePullPolicy: \"IfNotPresent\" was applied, and \"Always\" is stored"),
        format!("{container}.resources.requests.cpu: \"100m\" was applied, and \"150m\" is stored"),
    ] {
        assert!(messages.contains(&expected), "{expected}\n{messages}");
    }
    assert!(!messages.contains("HTTPS_PROXY"), "{messages}");
    let objects = test.state()["objects"].to_string();
    assert!(!objects.contains("mirror.example"), "{objects}");

    // Another change is applied over the same rewritten values.
    test.configure_all(
        &services("0.65.0").replace("replicas = 1", "replicas = 2"),
        &attributes("a"),
    );
    let messages = apply(&test);
    assert!(!messages.contains(REWRITTEN), "{messages}");

    // Somebody else sets an image that the policy does not rewrite.
    let set = [
        "set",
        "image",
        "deployment/feast-demo",
        "online=other.example/feast:1",
    ];
    test.namespace.kubectl(&set).unwrap();
    let plan = test.plan_with_changes();
    let text = plan.run.to_string();
    assert!(text.contains("other.example/feast:1"), "{text}");
    apply(&test);
    assert_eq!(
        test.image(),
        "mirror.example/quay/feastdev/feature-server:0.65.0"
    );

    // A new value of the configuration is applied, and its answer recorded.
    test.configure_all(&services("0.67.0"), &attributes("a"));
    let messages = apply(&test);
    assert!(
        messages.contains("\"mirror.example/quay/feastdev/feature-server:0.67.0\" is stored"),
        "{messages}"
    );
    assert!(!messages.contains("imagePullPolicy"), "{messages}");
    assert_eq!(
        test.image(),
        "mirror.example/quay/feastdev/feature-server:0.67.0"
    );

    // Without the policy, the stored values stay until the next apply.
    policy.delete();
    test.expect_empty_plan();
    test.destroy();
}

const CRON_JOB: &str = r#"cron_job = { schedule = "0 3 * * *" }"#;

fn refused(run: &Run) {
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.messages();
    assert!(
        messages.contains("denied request: ask the platform team"),
        "{run}"
    );
    assert!(
        messages.contains("Cannot apply CronJob/feast-demo"),
        "{run}"
    );
}

pub fn a_refused_create_leaves_nothing() {
    let test = StoreUnderTest::new("admission-create");
    let policy = AdmissionPolicy::rejecting_cron_jobs(&test.namespace);
    test.configure_all(DATABASES, CRON_JOB);
    let run = test.terraform.apply().unwrap();
    refused(&run);
    let undone = "The objects that had been created were deleted again. The feature store is not in the state. \
                  Correct the cause and apply again.";
    assert!(run.messages().contains(undone), "{run}");
    assert_eq!(test.objects(), [""; 0]);
    let state = test.terraform.state_json().unwrap();
    assert_eq!(state["values"], Json::Null, "no tainted resource");
    policy.delete();
    test.apply();
    test.destroy();
}

pub fn a_refused_update_changes_nothing() {
    let test = StoreUnderTest::new("admission-update");
    test.configure(DATABASES);
    test.apply();
    let policy = AdmissionPolicy::rejecting_cron_jobs(&test.namespace);
    let secret = || {
        test.namespace
            .json(&["get", "secret", "feast-demo"])
            .unwrap()
    };
    let before = (
        secret(),
        test.deployment()["metadata"]["generation"].clone(),
        test.state(),
    );
    let changed = DATABASES.replace("100m", "200m");
    test.configure_all(&changed, CRON_JOB);
    let run = test.terraform.apply().unwrap();
    refused(&run);
    assert!(run.messages().contains("Nothing was written."), "{run}");
    let after = (
        secret(),
        test.deployment()["metadata"]["generation"].clone(),
        test.state(),
    );
    assert_eq!(after, before);
    let plan = test.terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
    policy.delete();
    test.apply();
    test.destroy();
}

pub fn warnings_of_the_api_server_are_shown_once() {
    let test = StoreUnderTest::new("admission-warnings");
    let policy = AdmissionPolicy::warning(&test.namespace);
    let name = &policy.name;
    let label = [
        "label",
        "namespace",
        test.namespace.name(),
        "pod-security.kubernetes.io/warn=restricted",
    ];
    test.namespace.cluster().kubectl(&label).unwrap();
    test.configure_all(
        "security_context = { run_as_non_root = false }\nonline_store = { persistence = { file = { path = \"/data/online.db\" } } }\nfeast_apply = \"none\"",
        "",
    );
    let run = test.terraform.apply().unwrap().expect_success();
    let messages = run.messages();
    let expected =
        "Warning: The API server warns about Deployment/feast-demo with feast_feature_store.demo";
    assert_eq!(messages.matches(expected).count(), 1, "{run}");
    let text = format!(
        "Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{name}': ask the platform team"
    );
    assert_eq!(messages.matches(&text).count(), 1, "{run}");
    assert_eq!(
        messages
            .matches("would violate PodSecurity \"restricted:latest\"")
            .count(),
        1,
        "{run}"
    );
    test.expect_empty_plan();
    test.destroy();
    policy.delete();
}
