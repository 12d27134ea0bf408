//! The check of the cluster's UID, and connection errors that name the configured cluster.

use serde_json::Value as Json;
use terraform_provider_feast::cluster::{CancellationToken, Cluster, Connection, Options, Reason};
use terraform_provider_feast::kubernetes::{Key, Kind};

use crate::lifecycle::store::{
    self, DATABASES, PASSWORD, PROVIDER_BLOCK, StoreUnderTest, configuration, until,
};
use crate::lifecycle::{account, lab};
use crate::support::terraform::{Exit, Run};
use crate::support::testbed::Tool;

const OTHER: &str = "00000000-0000-4000-8000-000000000000";
const DATA_SOURCE: &str = "\ndata \"feast_feature_store\" \"demo\" {\n  name = \"demo\"\n}\n";

fn uid(test: &StoreUnderTest) -> String {
    let cluster = test.namespace.cluster();
    let namespace = cluster.json(&["get", "namespace", "kube-system"]).unwrap();
    namespace["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// Returns the configuration of a feature store with these additional attributes in the provider block.
fn with_provider(services: &str, attributes: &str) -> String {
    store::with_provider(&configuration(services, ""), attributes)
}

/// Returns the configuration with these attributes in place of the kubeconfig in the provider block.
fn with_connection(attributes: &str) -> String {
    let text = with_provider(DATABASES, attributes);
    let connected = text.replace("config_path = var.kubeconfig", "");
    assert_ne!(connected, text);
    connected
}

fn expecting(uid: &str) -> String {
    with_provider(DATABASES, &format!("expected_cluster_uid = {uid:?}"))
}

pub fn rejects_another_cluster() {
    let mut test = StoreUnderTest::new("guard");
    let uid = uid(&test);
    let refusal = format!(
        "Cannot get Namespace/kube-system of the cluster at {server}/. Caused by: This is another cluster: the UID of its namespace kube-system is {uid}, and expected_cluster_uid is {OTHER}. The connection is configured by \
         `config_path` in the provider block (file {file}), its current context ",
        server = test.namespace.cluster().server().trim_end_matches('/'),
        file = test.namespace.cluster().kubeconfig().display(),
    );
    let rejected = |run: &Run| {
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.messages().contains(&refusal), "{run}");
    };
    test.terraform.write("main.tf", &expecting(OTHER)).unwrap();
    // A plan that creates a store does not contact the cluster.
    assert_eq!(test.terraform.plan().unwrap().exit, Exit::Changes);
    rejected(&test.terraform.apply().unwrap());
    assert_eq!(test.objects(), Vec::<String>::new());

    test.terraform.write("main.tf", &expecting(&uid)).unwrap();
    test.apply();
    test.terraform.write("main.tf", &expecting(OTHER)).unwrap();
    rejected(&test.terraform.plan().unwrap().run);
    let unseen = ["apply", "-auto-approve", "-no-color", "-refresh=false"];
    let changed = expecting(OTHER).replace("100m", "200m");
    test.terraform.write("main.tf", &changed).unwrap();
    rejected(&test.terraform.run(&unseen).unwrap());
    rejected(
        &test
            .terraform
            .run(&["destroy", "-auto-approve", "-no-color", "-refresh=false"])
            .unwrap(),
    );
    test.terraform
        .write("main.tf", &format!("{}{DATA_SOURCE}", expecting(OTHER)))
        .unwrap();
    rejected(
        &test
            .terraform
            .run(&["plan", "-no-color", "-refresh=false"])
            .unwrap(),
    );

    let elsewhere = test.another_folder(Tool::Terraform);
    elsewhere.write("main.tf", &expecting(OTHER)).unwrap();
    let import = ["import", "-no-color", "feast_feature_store.demo", "demo"];
    rejected(&elsewhere.run(&import).unwrap());

    // The environment variable applies, and the provider block takes precedence over it.
    test.configure(DATABASES);
    test.terraform
        .environment("KUBE_EXPECTED_CLUSTER_UID", OTHER);
    rejected(&test.terraform.plan().unwrap().run);
    test.terraform
        .write("main.tf", &expecting(&uid.to_uppercase()))
        .unwrap();
    test.apply();
    test.destroy();
}

/// Permissions for a feature store, and none for namespaces.
const ROLE: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: guarded, namespace: @}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: guarded, namespace: @}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{kind: ServiceAccount, name: guarded, namespace: @}]
"#;

pub fn names_the_missing_permission() {
    let test = StoreUnderTest::new("guard-permissions");
    let cluster = test.namespace.cluster();
    let name = test.namespace.name();
    cluster.apply(&ROLE.replace('@', name)).unwrap();
    let token = test
        .namespace
        .kubectl(&["create", "token", "guarded"])
        .unwrap();
    let with = |uid: &str| {
        let uid = format!(
            "expected_cluster_uid = {uid:?}\n  token = {:?}",
            token.trim()
        );
        test.terraform
            .write("main.tf", &with_provider(DATABASES, &uid))
            .unwrap();
    };
    with(&uid(&test));
    let run = test.terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    let server = cluster.server().trim_end_matches('/');
    let expected = format!(
        "Cannot get Namespace/kube-system of the cluster at {server}/. Caused by: The API server does not permit this: \
         namespaces \"kube-system\" is forbidden: User \"system:serviceaccount:{name}:guarded\" cannot get resource \
         \"namespaces\" in API group \"\" in the namespace \"kube-system\". `expected_cluster_uid` needs the verb get on the namespace kube-system, from a ClusterRole; the guide \"Access to the cluster\" has the rule to \
         copy."
    );
    assert!(run.messages().contains(&expected), "{run}");

    let rule =
        account::block("resourceNames: [kube-system]").replace("terraform-provider-feast", name);
    cluster.apply(&rule).unwrap();
    let role = format!("--clusterrole={name}-uid");
    let account = format!("--serviceaccount={name}:guarded");
    let binding = format!("{name}-uid");
    cluster
        .kubectl(&["create", "clusterrolebinding", &binding, &role, &account])
        .unwrap();
    test.apply();
    test.destroy();
    let both = ["delete", "clusterrole,clusterrolebinding", &binding];
    cluster.kubectl(&both).unwrap();
}

/// Each connection error names the server and where the connection was configured.
pub fn connection_errors_name_server_and_origin() {
    let test = StoreUnderTest::new("origin");
    let cluster = test.namespace.cluster();
    let server = cluster.server().trim_end_matches('/').to_owned();
    // The right server, with a certificate that cannot be verified. This is not retried.
    let admin = cluster
        .kubectl(&["config", "view", "--raw", "-o=json"])
        .unwrap();
    let mut config: Json = serde_json::from_str(&admin).unwrap();
    let known = config["clusters"][0]["cluster"].as_object_mut().unwrap();
    known.remove("certificate-authority");
    known.remove("certificate-authority-data");
    config["contexts"][0]["name"] = "one".into();
    config["current-context"] = "one".into();
    let file = test.terraform.folder().join("config.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let file = file.display().to_string();

    /// The provider block, the environment, and the expected message.
    type Case<'a> = (String, &'a [(&'a str, &'a str)], String);
    let cases: [Case; 5] = [
        (
            format!("host = {server:?}"),
            &[],
            format!("`host` in the provider block (host {server})."),
        ),
        (
            format!("config_path = {file:?}"),
            &[],
            format!("`config_path` in the provider block (file {file}), its current context one."),
        ),
        (
            format!("config_paths = [{file:?}]\n  config_context = \"one\""),
            &[],
            format!(
                "`config_paths` in the provider block (file {file}), `config_context` in the provider block (context one)."
            ),
        ),
        (
            String::new(),
            &[("KUBE_CONFIG_PATH", &file), ("KUBE_CTX", "one")],
            format!(
                "the environment variable KUBE_CONFIG_PATH (file {file}), the environment variable KUBE_CTX (context one)."
            ),
        ),
        (
            String::new(),
            &[("KUBE_HOST", &server), ("KUBE_TOKEN", "t")],
            format!(
                "the environment variable KUBE_HOST (host {server}), the environment variable KUBE_TOKEN."
            ),
        ),
    ];
    for (block, environment, origin) in cases {
        let mut terraform = test.another_folder_with(Tool::Terraform, "");
        for (name, value) in environment {
            terraform.environment(name, value);
        }
        let main = with_connection(&block);
        terraform.write("main.tf", &main).unwrap();
        let run = terraform.apply().unwrap();
        assert_eq!(run.status, Some(1), "{run}");
        let messages = run.messages();
        // The read that fails first depends on the load of the machine.
        let place = format!(
            " in namespace \"{}\" of the cluster at {server}/. Caused by: The API server could not be reached.",
            test.namespace.name()
        );
        assert!(
            messages.contains("Cannot list ") && messages.contains(&place),
            "{run}"
        );
        let origin = format!("The connection is configured by {origin}");
        assert!(messages.contains(&origin), "{origin}\n{run}");
    }
}

/// A CI variable that is not set, with an existing feature store.
pub fn missing_namespace_does_not_replace() {
    let mut test = StoreUnderTest::new("guard-empty");
    test.configure(DATABASES);
    test.apply();
    let namespace = test.namespace.name().to_owned();
    let before = test.objects();
    let missing = format!(
        "The feature store has no `namespace`, and the one of the provider block is null or an empty string, so the \
         default \"default\" applies. But the feature store \"demo\" is in the namespace \"{namespace}\""
    );
    for (value, expected) in [
        ("", missing.clone()),
        (
            "Team_A",
            "`namespace` must match `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, but is \"Team_A\"."
                .to_owned(),
        ),
    ] {
        test.terraform.environment("TF_VAR_namespace", value);
        let run = test.terraform.apply().unwrap();
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.messages().contains(&expected), "{run}");
        assert!(!run.messages().contains("must be replaced"), "{run}");
        assert_eq!(test.objects(), before);
    }
    test.terraform.environment("TF_VAR_namespace", &namespace);
    let main = configuration(DATABASES, "");
    let unset = main.replace("  namespace   = var.namespace\n", "");
    assert_ne!(unset, main);
    test.terraform.write("main.tf", &unset).unwrap();
    let run = test.terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.messages().contains(&missing), "{run}");
    assert!(!run.messages().contains("must be replaced"), "{run}");
    assert_eq!(test.objects(), before);
    test.terraform.write("main.tf", &main).unwrap();
    test.expect_empty_plan();
    test.destroy();
}

/// The error for missing, invalid or expired credentials names them, and does not suggest a Role.
pub fn explains_rejected_credentials() {
    let test = StoreUnderTest::new("guard-credentials");
    let server = test.namespace.cluster().server().trim_end_matches('/');
    let host = format!("host = {server:?}\n  insecure = true");
    // {"exp": 946684800}
    let old = "e30.eyJleHAiOjk0NjY4NDgwMH0.c2lnbmF0dXJl";
    for (block, expected) in [
        (
            host.clone(),
            "The request carried no credentials, so the API server treated it as anonymous. No role is missing: set `token`, `exec`, or",
        ),
        (
            format!("{host}\n  token = \"\"\n  username = \"\""),
            "The request carried no credentials, so the API server treated it as anonymous.",
        ),
        (
            format!("{host}\n  token = \"wrong\""),
            "The credentials come from `token` in the provider block. They may have expired, or belong to another cluster.",
        ),
        (
            format!("{host}\n  token = {old:?}"),
            "The token expired at 2000-01-01T00:00:00Z. It comes from `token` in the provider block, and nothing renews it.",
        ),
        (
            format!("{host}\n  token = \"abc\\n\""),
            "`token` in the provider block is not valid: it ends with a line break. Remove the surrounding whitespace with trimspace(), as in trimspace(file(…)).",
        ),
    ] {
        let main = with_connection(&block);
        test.terraform.write("main.tf", &main).unwrap();
        let run = test.terraform.apply().unwrap();
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.messages().contains(expected), "{expected}\n{run}");
        for advice in ["Grant this user", "panicked"] {
            assert!(!run.messages().contains(advice), "{run}");
        }
    }
    let mut terraform = test.another_folder_with(Tool::Terraform, "");
    terraform.environment("KUBE_TOKEN", "abc\n");
    let main = with_connection(&host);
    terraform.write("main.tf", &main).unwrap();
    let run = terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    let expected = "The environment variable KUBE_TOKEN is not valid: it ends with a line break.";
    assert!(run.messages().contains(expected), "{run}");
}

/// Feature stores of one name, with the namespaces of two provider blocks.
pub fn provider_blocks_have_their_own_namespaces() {
    let mut test = StoreUnderTest::new("guard-alias");
    let other = lab::namespace("guard-alias-other");
    store::make_store_secret(&other, PASSWORD);
    (test.terraform).environment("TF_VAR_other", other.name());
    let (terraform, _) = PROVIDER_BLOCK.split_once("provider \"feast\"").unwrap();
    let mut text = format!("{terraform}variable \"other\" {{ type = string }}\n");
    for (alias, namespace) in [("one", "namespace"), ("two", "other")] {
        text.push_str(&format!(
            r#"
provider "feast" {{
  alias       = "{alias}"
  config_path = var.kubeconfig
  namespace   = var.{namespace}
}}

resource "feast_feature_store" "{alias}" {{
  provider      = feast.{alias}
  name          = "demo"
  feast_project = "demo"
  services = {{
    {DATABASES}
  }}
}}
"#
        ));
    }
    test.terraform.write("main.tf", &text).unwrap();
    test.apply();
    for namespace in [&test.namespace, &other] {
        let deployment = ["get", "deployment", "feast-demo"];
        let live = namespace.json(&deployment).unwrap();
        assert_eq!(live["status"]["readyReplicas"], 1, "{live:#}");
    }
    let state = test.terraform.state_json().unwrap();
    let resources = state["values"]["root_module"]["resources"].as_array();
    let resources = resources.unwrap().iter();
    let namespaces: Vec<&Json> = resources.map(|it| &it["values"]["namespace"]).collect();
    assert_eq!(namespaces, [test.namespace.name(), other.name()]);
    test.destroy();
    let deployments = ["get", "deployments", "--output=name"];
    assert_eq!(other.kubectl(&deployments).unwrap(), "");
}

/// The check makes one request for each connection, and none without `expected_cluster_uid`.
pub fn checks_the_cluster_uid_once_per_connection() {
    let test = StoreUnderTest::new("guard-once");
    let cluster = test.namespace.cluster();
    let name = test.namespace.name();
    cluster.apply(&ROLE.replace('@', name)).unwrap();
    cluster
        .apply(
            &account::block("resourceNames: [kube-system]")
                .replace("terraform-provider-feast", name),
        )
        .unwrap();
    let binding = format!("{name}-uid");
    let role = format!("--clusterrole={binding}");
    let account = format!("--serviceaccount={name}:guarded");
    cluster
        .kubectl(&["create", "clusterrolebinding", &binding, &role, &account])
        .unwrap();
    let token = test
        .namespace
        .kubectl(&["create", "token", "guarded"])
        .unwrap();
    let connection = |expected: Option<String>| Connection {
        config_path: Some(cluster.kubeconfig().display().to_string()),
        token: Some(token.trim().to_owned()),
        expected_cluster_uid: expected,
        ..Connection::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let connect = |expected: Option<String>| {
        let connection = connection(expected);
        Cluster::new(&connection, Options::default()).unwrap()
    };
    let asked = |cluster: &Cluster| {
        let key = Key::new(Kind::Secret, "feast-demo");
        let stop = CancellationToken::new();
        let got = cluster.get(name, &key, &stop);
        runtime.block_on(got).map_err(|error| error.reason)
    };
    let expected = Some(uid(&test));
    let guarded = connect(expected.clone());
    until("the permission for the UID to be effective", 120, || {
        asked(&guarded).ok()
    });
    cluster
        .kubectl(&["delete", "clusterrole,clusterrolebinding", &binding])
        .unwrap();
    until("the permission to be removed", 120, || {
        let rejected = asked(&connect(expected.clone()));
        matches!(rejected, Err(Reason::Forbidden { .. })).then_some(())
    });
    assert!(matches!(asked(&guarded), Ok(None)));
    assert!(matches!(asked(&connect(None)), Ok(None)));
}
