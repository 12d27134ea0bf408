//! Creates that meet the store of another resource instance, or of their own past: of one feature store there is one
//! owner, and only its destroy deletes anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

use crate::lifecycle::concurrency::{another_folder, hold, let_go, says_only};
use crate::lifecycle::recovery::{IMPATIENT, interrupt_apply, lift_limit, limit_pods};
use crate::lifecycle::store::{
    DATABASES, PASSWORD, StoreUnderTest, configuration, make_store_secret, until,
};
use crate::lifecycle::{account, lab};
use crate::support::terraform::{Exit, Run};
use crate::support::testbed::Namespace;

const CREATE_FIRST: &str = "lifecycle { create_before_destroy = true }";

/// Without a Job, so that it is the rollout that does not get on.
fn services() -> String {
    format!("feast_apply = \"init_container\"\n{DATABASES}")
}

fn uid(test: &StoreUnderTest) -> String {
    let deployment = test.deployment();
    deployment["metadata"]["uid"].as_str().unwrap().to_owned()
}

pub fn a_complete_store_is_not_made_again_before_it_is_destroyed() {
    let test = StoreUnderTest::new("create-first");
    test.configure_all(&services(), CREATE_FIRST);
    test.apply();
    let (before, made) = (test.objects(), uid(&test));
    let replace = ["-auto-approve", "-replace=feast_feature_store.demo"];
    let apply = |flags: &[&str]| {
        let command = [&["apply", "-no-color", "-input=false"], flags].concat();
        test.terraform.run(&command).unwrap()
    };
    let run = apply(&replace);
    says_only(&run, "The feature store already exists");
    says_only(&run, "created by this provider");
    assert_eq!((test.objects(), uid(&test)), (before, made.clone()));
    test.expect_empty_plan();

    // In the usual order it is.
    test.configure(&services());
    apply(&replace).expect_success();
    assert_ne!(uid(&test), made);
    test.expect_empty_plan();
    test.destroy();
}

pub fn what_a_create_has_left_is_its_replacements() {
    let test = StoreUnderTest::new("leftover");
    limit_pods(&test, 0);
    test.configure_all(&services(), CREATE_FIRST);
    let creation = || {
        let secret = test.namespace.json(&["get", "secret/feast-demo"]).ok()?;
        Some(secret["data"]["creation.json"].clone())
    };
    let deployment = || test.namespace.json(&["get", "deployment/feast-demo"]).ok();
    interrupt_apply(&test, "the Deployment", deployment);
    let made = uid(&test);
    // A second one fails as well, and takes nothing away.
    let first = creation();
    interrupt_apply(&test, "the second create", || {
        (creation() != first).then_some(())
    });
    assert_eq!(uid(&test), made);

    lift_limit(&test);
    let run = test.terraform.apply().unwrap().expect_success();
    let left = "Feature store not destroyed: another resource owns it";
    assert!(run.said().contains(left), "{run}");
    assert_eq!(uid(&test), made);
    assert_eq!(test.deployment()["status"]["readyReplicas"], 1);
    test.expect_empty_plan();
    test.destroy();
}

pub fn a_renamed_block_is_destroyed_before_it_is_made_again() {
    let test = StoreUnderTest::new("renamed");
    test.configure(&services());
    test.apply();
    let renamed = configuration(&services(), "").replace(
        "\"feast_feature_store\" \"demo\"",
        "\"feast_feature_store\" \"renamed\"",
    );
    test.terraform.write("main.tf", &renamed).unwrap();
    let run = test.terraform.apply().unwrap();
    says_only(&run, "The feature store already exists");
    says_only(&run, "write a `moved` block");
    assert_eq!(test.objects(), Vec::<String>::new());
    test.apply();
    assert_eq!(test.deployment()["status"]["readyReplicas"], 1);

    // With `moved` nothing happens to it.
    let made = uid(&test);
    let moved =
        "moved {\n  from = feast_feature_store.renamed\n  to = feast_feature_store.demo\n}\n";
    let text = format!("{}{moved}", configuration(&services(), ""));
    test.terraform.write("main.tf", &text).unwrap();
    test.apply();
    assert_eq!(uid(&test), made);
    test.destroy();
}

pub fn of_two_blocks_of_one_name_one_has_the_store() {
    let test = StoreUnderTest::new("twins");
    let one = configuration(&services(), "");
    let start = one.find("resource ").unwrap();
    let twin = one[start..].replace("\"demo\" {", "\"twin\" {");
    let both = format!("{one}{twin}");
    test.terraform.write("main.tf", &both).unwrap();
    says_only(
        &test.terraform.apply().unwrap(),
        "The feature store already exists",
    );
    let state = test.terraform.state_json().unwrap();
    let resources = state["values"]["root_module"]["resources"].as_array();
    let owner = match resources.unwrap().as_slice() {
        [owner] => owner["name"].as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    let made = uid(&test);
    let text = match owner.as_str() {
        "demo" => one.clone(),
        _ => format!("{}{twin}", &one[..start]),
    };
    test.terraform.write("main.tf", &text).unwrap();
    test.expect_empty_plan();
    assert_eq!(uid(&test), made);
    test.destroy();
}

pub fn an_import_may_be_destroyed() {
    let test = StoreUnderTest::new("imported");
    test.configure(&services());
    test.apply();
    let other = another_folder(&test, &services());
    let id = format!("{}/demo", test.namespace.name());
    let import = ["import", "-no-color", "feast_feature_store.demo", &id];
    other.run(&import).unwrap().expect_success();
    let plan = other.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    other.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

/// A complete feature store, and the proof that nothing happens to it.
struct Live {
    test: StoreUnderTest,
    objects: Vec<String>,
    uid: String,
}

impl Live {
    fn new(name: &str) -> Self {
        let test = StoreUnderTest::new(name);
        test.configure(&services());
        test.apply();
        Self {
            objects: test.objects(),
            uid: uid(&test),
            test,
        }
    }

    /// Applies with this variable, and with nothing else changed.
    fn apply_with(&self, variable: &str, value: &str) -> Run {
        self.apply(&[&format!("-var={variable}={value}")])
    }

    fn apply(&self, flags: &[&str]) -> Run {
        let command = ["apply", "-no-color", "-input=false", "-auto-approve"];
        self.test
            .terraform
            .run(&[&command, flags].concat())
            .unwrap()
    }

    /// An apply that moves the feature store is refused at its plan, for this reason alone.
    #[track_caller]
    fn refuses_to_move(&self, namespace: &str, reason: &str) {
        let run = self.apply_with("namespace", namespace);
        says_only(&run, reason);
        let (from, name) = (self.test.namespace.name(), namespace);
        let replaced =
            format!("This plan replaces the feature store {from}/demo with {name}/demo.");
        says_only(&run, &replaced);
        self.expect_untouched();
    }

    #[track_caller]
    fn expect_untouched(&self) {
        assert_eq!(
            (self.test.objects(), uid(&self.test)),
            (self.objects.clone(), self.uid.clone())
        );
        self.test.expect_empty_plan();
    }
}

fn is_terminating(namespace: &Namespace) -> Option<()> {
    let found = namespace
        .cluster()
        .json(&["get", "namespace", namespace.name()]);
    (found.unwrap()["status"]["phase"] == "Terminating").then_some(())
}

/// A quota of the namespace, once it counts.
fn limit(namespace: &Namespace, resource: &str) {
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "limit", "namespace": namespace.name()},
        "spec": {"hard": {resource: "0"}},
    });
    namespace.cluster().apply(&quota.to_string()).unwrap();
    until("the quota to be counted", 30, || {
        let quota = namespace.json(&["get", "resourcequota", "limit"]).unwrap();
        quota["status"]["hard"][resource].is_string().then_some(())
    });
}

pub fn a_namespace_that_cannot_take_the_store_is_refused_at_plan() {
    let live = Live::new("moved");
    live.refuses_to_move(
        "nowhere-at-all",
        "There is no namespace \"nowhere-at-all\".",
    );
    for impossible in ["", "Tool_116", "a b", &"a".repeat(70)] {
        let run = live.apply_with("namespace", impossible);
        assert_eq!(run.status, Some(1), "{run}");
        live.expect_untouched();
    }

    // It has no Secret yet.
    let other = lab::namespace("moved-to");
    live.refuses_to_move(
        other.name(),
        "Cannot get Secret/feast-data-stores in namespace",
    );
    make_store_secret(&other, PASSWORD);
    limit(&other, "count/deployments.apps");
    live.refuses_to_move(other.name(), "exceeded quota: limit");
    other
        .kubectl(&["delete", "resourcequota", "limit"])
        .unwrap();

    hold(&other, "secret/feast-data-stores");
    let delete = ["delete", "namespace", other.name(), "--wait=false"];
    other.cluster().kubectl(&delete).unwrap();
    until("the namespace to be terminating", 30, || {
        is_terminating(&other)
    });
    let name = other.name();
    live.refuses_to_move(name, &format!("The namespace {name:?} is being deleted."));
    let_go(&other, "secret/feast-data-stores");

    // A destroy that is meant as one.
    let destroy = [
        "destroy",
        "-no-color",
        "-auto-approve",
        "-var=namespace=nowhere-at-all",
    ];
    let run = live.test.terraform.run(&destroy).unwrap();
    says_only(
        &run,
        "`terraform destroy -refresh=false` ignores the new name",
    );
    live.expect_untouched();
    let destroy = [&destroy[..], &["-refresh=false"]].concat();
    live.test.terraform.run(&destroy).unwrap().expect_success();
    assert_eq!(live.test.objects(), Vec::<String>::new());
}

pub fn a_name_that_is_in_use_is_refused_at_plan_and_a_free_one_is_taken() {
    let live = Live::new("in-use");
    let other = StoreUnderTest::new("in-use-by");
    other.configure(&services());
    other.apply();
    let theirs = (other.objects(), uid(&other));
    live.refuses_to_move(other.namespace.name(), "created by this provider");
    assert_eq!((other.objects(), uid(&other)), theirs);
    other.destroy();

    let foreign = ["create", "deployment", "feast-demo", "--image=other"];
    other.namespace.kubectl(&foreign).unwrap();
    live.refuses_to_move(
        other.namespace.name(),
        "Cannot apply Deployment/feast-demo in namespace",
    );
    let delete = ["delete", "deployment", "feast-demo"];
    other.namespace.kubectl(&delete).unwrap();

    let namespace = format!("namespace={}", other.namespace.name());
    live.apply(&["-var", &namespace]).expect_success();
    assert_eq!(live.test.objects(), Vec::<String>::new());
    assert_eq!(other.deployment()["status"]["readyReplicas"], 1);
    let destroy = ["destroy", "-no-color", "-auto-approve", "-var", &namespace];
    live.test.terraform.run(&destroy).unwrap().expect_success();
    assert_eq!(other.objects(), Vec::<String>::new());
}

pub fn a_replacement_without_rights_is_refused_and_without_a_cluster_warned_of() {
    let live = Live::new("no-rights");
    let other = lab::namespace("no-rights-in");
    make_store_secret(&other, PASSWORD);
    let write = |name: &str, text: &str| {
        live.test.terraform.write(name, text).unwrap();
        live.test
            .terraform
            .folder()
            .join(name)
            .display()
            .to_string()
    };
    let rules = account::minimal_rules();
    let few = account::make(&live.test.namespace, "few", &rules);
    let few = write("few.kubeconfig", &few);
    let namespace = format!("-var=namespace={}", other.name());
    let run = live.apply(&[&namespace, &format!("-var=kubeconfig={few}")]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(
        run.said().contains("The API server does not permit it"),
        "{run}"
    );
    live.expect_untouched();

    let cluster = other.cluster();
    let admin = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
    let nobody = admin.replace(cluster.server(), "https://127.0.0.1:1");
    assert_ne!(nobody, admin);
    let nobody = write("nobody.kubeconfig", &nobody);
    let kubeconfig = format!("-var=kubeconfig={nobody}");
    let plan = live
        .test
        .terraform
        .plan_with(&["-refresh=false", &namespace, &kubeconfig]);
    let plan = plan.unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
    assert!(
        plan.run
            .said()
            .contains("Warning: The replacement was not checked"),
        "{}",
        plan.run
    );
    live.test.destroy();
}

pub fn a_requested_replacement_that_cannot_be_created_is_refused_at_plan() {
    let live = Live::new("requested");
    let secret = ["delete", "secret", "feast-data-stores"];
    live.test.namespace.kubectl(&secret).unwrap();
    let replace = ["-replace=feast_feature_store.demo"];
    let run = live.apply(&replace);
    says_only(&run, "Cannot get Secret/feast-data-stores in namespace");
    says_only(&run, "with a new one of the same name");
    make_store_secret(&live.test.namespace, PASSWORD);
    live.expect_untouched();
    live.apply(&replace).expect_success();
    assert_ne!(uid(&live.test), live.uid);
    live.test.destroy();
}

/// The record of the create in the store's Secret.
fn record(test: &StoreUnderTest) -> Json {
    let secret = test.namespace.json(&["get", "secret/feast-demo"]).unwrap();
    let text = secret["data"]["creation.json"].as_str().unwrap();
    serde_json::from_slice(&BASE64.decode(text).unwrap()).unwrap()
}

fn write_record(test: &StoreUnderTest, record: &Json) {
    let text = BASE64.encode(record.to_string());
    test.patch(
        "secret/feast-demo",
        &json!({"data": {"creation.json": text}}).to_string(),
    );
}

pub fn a_failed_create_is_taken_up_by_another_configuration() {
    let test = StoreUnderTest::new("another-config");
    limit_pods(&test, 0);
    test.configure_all(&services(), IMPATIENT);
    let failed = test.terraform.apply().unwrap();
    assert_eq!(failed.status, Some(1), "{failed}");
    assert!(
        failed.said().contains("`terraform untaint <address>`"),
        "{failed}"
    );
    let ended = record(&test);
    assert_eq!(
        (&ended["complete"], &ended["failed"]),
        (&json!(false), &json!(true))
    );

    // A create of another configuration that can still be running is left alone.
    lift_limit(&test);
    let changed = format!("scaling = {{ replicas = 2 }}\n{}", services());
    let other = another_folder(&test, &changed);
    let running = json!({"id": "a", "complete": false, "deadline": i64::from(u32::MAX)});
    write_record(&test, &running);
    let refused = other.apply().unwrap();
    says_only(&refused, "The feature store already exists");
    for way in [
        "- Wait: after ",
        "terraform import",
        "pulumi import",
        "`kubectl delete ",
    ] {
        says_only(&refused, way);
    }
    assert_eq!(record(&test), running);

    // Until its deadline, or until it is known to have failed.
    write_record(&test, &ended);
    other.apply().unwrap().expect_success();
    assert_eq!(test.replicas(), 2);
    let plan = other.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    // The first state has lost it.
    test.configure(&services());
    let run = test.terraform.destroy().unwrap().expect_success();
    assert!(
        run.said()
            .contains("Feature store not destroyed: another resource owns it"),
        "{run}"
    );
    other.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

pub fn the_command_of_the_error_removes_what_a_create_has_left() {
    let test = StoreUnderTest::new("cleanup");
    limit_pods(&test, 0);
    test.configure_all(&services(), IMPATIENT);
    assert_eq!(test.terraform.apply().unwrap().status, Some(1));
    write_record(&test, &json!({"id": "a", "complete": false}));
    let other = another_folder(
        &test,
        &format!("scaling = {{ replicas = 2 }}\n{}", services()),
    );
    let refused = other.apply().unwrap();
    says_only(&refused, "The feature store already exists");
    let said = refused.said();
    let (_, command) = said.split_once("`kubectl ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    test.namespace.cluster().kubectl(&words).unwrap();
    until("the objects to be gone", 60, || {
        test.objects().is_empty().then_some(())
    });
    lift_limit(&test);
    other.apply().unwrap().expect_success();
    other.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}
