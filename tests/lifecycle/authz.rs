//! Authorization: permissions are created and deleted with the feature store.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{self, StoreUnderTest};
use crate::lifecycle::{account, lab};
use crate::support::testbed::Tool;

const KUBERNETES: &str = r#"authz = { kubernetes = { roles = ["feast-reader"] } }"#;
const OIDC: &str = r#"authz = { oidc = { issuer_url = "https://idp.example.com", secret_ref = { name = "idp" } } }"#;

/// Returns the `kind/name` of the cluster-scoped objects.
fn cluster_wide(test: &StoreUnderTest) -> Vec<String> {
    let objects = test.objects().into_iter();
    objects
        .filter(|object| object.starts_with("cluster"))
        .collect()
}

fn both(test: &StoreUnderTest) -> [String; 2] {
    let name = format!("feast:{}:demo:token-review", test.namespace.name());
    ["clusterrole", "clusterrolebinding"]
        .map(|kind| format!("{kind}.rbac.authorization.k8s.io/{name}"))
}

fn rbac(test: &StoreUnderTest) -> Vec<String> {
    let objects = test.objects().into_iter();
    let suffix = ".rbac.authorization.k8s.io/";
    objects
        .filter(|object| object.contains(suffix) && !object.starts_with("cluster"))
        .map(|object| object.replace(".rbac.authorization.k8s.io", ""))
        .collect()
}

fn mounts_token(test: &StoreUnderTest) -> bool {
    let pod = &test.deployment()["spec"]["template"]["spec"];
    pod["automountServiceAccountToken"].as_bool().unwrap()
}

pub fn same_name_in_two_namespaces_is_independent() {
    let [one, other] = ["twin-a", "twin-b"].map(StoreUnderTest::new);
    for test in [&one, &other] {
        test.configure_all("", KUBERNETES);
        test.apply();
        assert_eq!(cluster_wide(test), both(test));
    }
    one.expect_empty_plan();
    let cluster = other.namespace.cluster();
    let may = |test: &StoreUnderTest| {
        let account = format!(
            "--as=system:serviceaccount:{}:feast-demo",
            test.namespace.name()
        );
        let asked = [
            "auth",
            "can-i",
            "create",
            "tokenreviews.authentication.k8s.io",
            &account,
        ];
        cluster.kubectl(&asked).is_ok()
    };
    assert_eq!((may(&one), may(&other)), (true, true));
    one.destroy();
    assert_eq!(cluster_wide(&one), Vec::<String>::new());
    assert_eq!((may(&one), may(&other)), (false, true));
    other.expect_empty_plan();
    other.destroy();
    assert_eq!(cluster_wide(&other), Vec::<String>::new());
}

pub fn each_mode_removes_objects_of_the_previous_mode() {
    let test = StoreUnderTest::new("modes");
    test.namespace
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "idp",
            "--from-literal=client_id=feast",
        ])
        .unwrap();
    test.configure("");
    test.apply();
    assert!(!mounts_token(&test));

    test.configure_all("", KUBERNETES);
    test.apply();
    assert!(mounts_token(&test));
    let roles = [
        "role/feast-demo",
        "role/feast-reader",
        "rolebinding/feast-demo",
    ];
    assert_eq!(rbac(&test), roles);

    // Rules that another manager adds to a Role are kept by every operation.
    let rules = r#"{"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}"#;
    test.patch("role/feast-reader", rules);
    test.expect_empty_plan();
    test.configure_all(
        "",
        &format!("{KUBERNETES}\nlabels = {{ team = \"features\" }}"),
    );
    test.apply();
    let role = test
        .namespace
        .json(&["get", "role", "feast-reader"])
        .unwrap();
    let expected: Json = serde_json::from_str(rules).unwrap();
    assert_eq!(role["rules"], expected["rules"]);
    assert_eq!(role["metadata"]["labels"]["team"], "features");

    test.configure_all("", OIDC);
    test.apply();
    assert_eq!(rbac(&test), Vec::<String>::new());
    assert_eq!(cluster_wide(&test), both(&test));
    assert!(mounts_token(&test));

    test.configure_all("", "authz = { no_auth = true }");
    test.apply();
    assert_eq!(cluster_wide(&test), Vec::<String>::new());
    assert!(!mounts_token(&test));
    test.destroy();
}

fn cluster_wide_rules(test: &StoreUnderTest) -> Json {
    let [role, _] = both(test);
    test.namespace.json(&["get", &role]).unwrap()["rules"].clone()
}

/// Feast reads Roles and bindings with each request, so the pods of the previous mode need them until they are gone.
pub fn failed_rollout_keeps_the_permissions_of_the_previous_mode() {
    let test = StoreUnderTest::new("mode-fails");
    test.configure_all("", KUBERNETES);
    test.apply();
    let before = (rbac(&test), cluster_wide_rules(&test));
    assert_eq!(before.0.len(), 3, "{before:?}");

    test.fail_to_roll_out("", OIDC_WITHOUT_SECRET);
    assert_eq!((rbac(&test), cluster_wide_rules(&test)), before);
    test.plan_with_changes();

    test.configure_all("", OIDC_WITHOUT_SECRET);
    test.apply();
    assert_eq!(rbac(&test), Vec::<String>::new());
    assert_eq!(
        cluster_wide_rules(&test),
        json!([{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}])
    );
    test.destroy();
}

/// Lets Terraform use an account with the minimal rules and these.
fn use_account(test: &mut StoreUnderTest, more: Json) {
    let rules = [account::minimal_rules(), more]
        .iter()
        .flat_map(|rules| rules.as_array().unwrap().clone())
        .collect();
    let kubeconfig = account::make(&test.namespace, "terraform", &rules);
    test.use_kubeconfig(&kubeconfig);
}

/// The rules in the guide are sufficient, and without the cluster-wide rules, the error names what is missing.
pub fn documented_permissions_are_sufficient() {
    let mut test = StoreUnderTest::new("authz-permissions");
    let namespace = test.namespace.name().to_owned();
    let more: Json = serde_saphyr::from_str(account::block("resources: [roles]")).unwrap();
    use_account(&mut test, more);
    let cluster = test.namespace.cluster().clone();
    let cluster_role = account::block("token-review")
        .replace("feast:feast:demo", &format!("feast:{namespace}:demo"))
        .replace("terraform-provider-feast-token-review", &namespace);
    cluster.apply(&cluster_role).unwrap();

    test.configure_all("", KUBERNETES);
    let refused = test.terraform.apply().unwrap();
    assert_eq!(refused.status, Some(1), "{refused}");
    assert!(refused.stderr.contains("clusterrole"), "{refused}");

    let name = format!("--clusterrole={namespace}");
    let account = format!("--serviceaccount={namespace}:terraform");
    let bind = ["create", "clusterrolebinding", &namespace, &name, &account];
    cluster.kubectl(&bind).unwrap();
    test.apply();
    test.configure_all("", OIDC_WITHOUT_SECRET);
    test.apply();
    test.destroy();
    assert_eq!(cluster_wide(&test), Vec::<String>::new());
    cluster
        .kubectl(&["delete", "clusterrole,clusterrolebinding", &namespace])
        .unwrap();
}

/// An account with the permissions that it grants needs neither `escalate` nor `bind`. The API server reads the role
/// when it checks the binding, and both are written at the same time.
pub fn granted_permissions_replace_escalate_and_bind() {
    let mut test = StoreUnderTest::new("grants");
    let more = json!([
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"],
            "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
    ]);
    use_account(&mut test, more);
    test.configure_all("", r#"cron_job = { schedule = "0 3 * * *" }"#);
    test.apply();
    test.destroy();
}

const OIDC_WITHOUT_SECRET: &str =
    r#"authz = { oidc = { issuer_url = "https://idp.example.com" } }"#;

pub fn rejects_invalid_configurations_at_plan() {
    let mut terraform = lab::terraform(Tool::Terraform);
    store::set_variables(&mut terraform, "nowhere", "default");
    for (attributes, messages) in [
        (
            "authz = { kubernetes = {}, no_auth = true }",
            "Exactly one of `kubernetes`, `oidc`, `no_auth` must be set",
        ),
        (
            "authz = { oidc = { issuer_url = \"http://idp\" } }",
            "authz.oidc.issuer_url",
        ),
        (
            "authz = { oidc = {} }",
            "The OpenID Connect provider needs `issuer_url` or `secret_ref`",
        ),
        (
            "authz = { oidc = { issuer_url = \"https://idp\", jwks_cache_lifespan_seconds = 0 } }",
            "authz.oidc.jwks_cache_lifespan_seconds",
        ),
        (
            "materialization = { online_write_batch_size = 0 }",
            "materialization.online_write_batch_size",
        ),
        (
            "openlineage = { enabled = true, transport_type = \"smtp\" }",
            "openlineage.transport_type",
        ),
        (
            "openlineage = { enabled = true, transport_type = \"http\" }",
            "The transport type `http` requires `transport_url`",
        ),
        (
            "mlflow = { enabled = true, extra_config = { tracking_uri = \"x\" } }",
            "\"tracking_uri\" has its own attribute",
        ),
    ] {
        let configuration = store::configuration("", attributes);
        terraform.write("main.tf", &configuration).unwrap();
        let plan = terraform.plan().unwrap();
        assert!(
            plan.run.messages().contains(messages),
            "{attributes}\n{}",
            plan.run
        );
    }
}
