//! Ownership of a feature store: creates that find the store of another resource instance, or their own leftovers. A
//! feature store has one owner, and only the owner's destroy deletes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

use crate::lifecycle::concurrency::{
    block_deletion, configured_folder, expect_single_error, release,
};
use crate::lifecycle::quota::{self, lift_limit, limit_pods};
use crate::lifecycle::recovery::{SHORT_TIMEOUTS, interrupt_apply};
use crate::lifecycle::store::{
    DATABASES, PASSWORD, StoreUnderTest, configuration, make_store_secret, until,
};
use crate::lifecycle::{account, lab};
use crate::support::terraform::{Exit, Run};
use crate::support::testbed::Namespace;

const CREATE_FIRST: &str = "lifecycle { create_before_destroy = true }";

/// Returns services without a Job, so that the rollout is the step that does not finish.
fn services() -> String {
    format!("feast_apply = \"init_container\"\n{DATABASES}")
}

fn uid(test: &StoreUnderTest) -> String {
    let deployment = test.deployment();
    deployment["metadata"]["uid"].as_str().unwrap().to_owned()
}

pub fn rejects_create_before_destroy() {
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
    expect_single_error(&run, "The feature store already exists");
    expect_single_error(&run, "created by this provider");
    assert_eq!((test.objects(), uid(&test)), (before, made.clone()));
    test.expect_empty_plan();

    // In the default order, the replacement succeeds.
    test.configure(&services());
    apply(&replace).expect_success();
    assert_ne!(uid(&test), made);
    test.expect_empty_plan();
    test.destroy();
}

pub fn replacement_adopts_a_tainted_store() {
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
    // A second create fails as well, and deletes nothing.
    let first = creation();
    interrupt_apply(&test, "the second create", || {
        (creation() != first).then_some(())
    });
    assert_eq!(uid(&test), made);

    lift_limit(&test);
    let run = test.terraform.apply().unwrap().expect_success();
    let left = "Feature store not destroyed: another resource owns it";
    assert!(run.messages().contains(left), "{run}");
    assert_eq!(uid(&test), made);
    assert_eq!(test.deployment()["status"]["readyReplicas"], 1);
    test.expect_empty_plan();
    test.destroy();
}

pub fn renamed_block_needs_a_moved_block_or_two_applies() {
    let test = StoreUnderTest::new("renamed");
    test.configure(&services());
    test.apply();
    let renamed = configuration(&services(), "").replace(
        "\"feast_feature_store\" \"demo\"",
        "\"feast_feature_store\" \"renamed\"",
    );
    test.terraform.write("main.tf", &renamed).unwrap();
    // Terraform destroys the one and creates the other at the same time.
    let run = test.terraform.apply().unwrap();
    if !run.succeeded() {
        expect_single_error(&run, "The feature store already exists");
        assert_eq!(test.objects(), Vec::<String>::new());
        test.apply();
    }
    assert_eq!(test.deployment()["status"]["readyReplicas"], 1);

    // With `moved`, the store is not changed.
    let made = uid(&test);
    let moved =
        "moved {\n  from = feast_feature_store.renamed\n  to = feast_feature_store.demo\n}\n";
    let text = format!("{}{moved}", configuration(&services(), ""));
    test.terraform.write("main.tf", &text).unwrap();
    test.apply();
    assert_eq!(uid(&test), made);
    test.destroy();
}

pub fn two_blocks_of_one_name_have_one_owner() {
    let test = StoreUnderTest::new("twins");
    let one = configuration(&services(), "");
    let start = one.find("resource ").unwrap();
    let twin = one[start..].replace("\"demo\" {", "\"twin\" {");
    let both = format!("{one}{twin}");
    test.terraform.write("main.tf", &both).unwrap();
    let run = test.terraform.apply().unwrap();
    expect_single_error(&run, "The feature store already exists");
    expect_single_error(&run, "write a `moved` block");
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

pub fn destroys_an_imported_store() {
    let test = StoreUnderTest::new("imported");
    test.configure(&services());
    test.apply();
    let other = configured_folder(&test, &services());
    let id = format!("{}/demo", test.namespace.name());
    let import = ["import", "-no-color", "feast_feature_store.demo", &id];
    other.run(&import).unwrap().expect_success();
    let plan = other.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    other.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

/// A complete feature store, and the check that it is not changed.
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

    /// Applies with this value of a variable.
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

    /// Checks that the plan of a move fails with only this reason.
    #[track_caller]
    fn refuses_to_move(&self, namespace: &str, reason: &str) {
        let run = self.apply_with("namespace", namespace);
        expect_single_error(&run, reason);
        let (from, name) = (self.test.namespace.name(), namespace);
        let replaced =
            format!("This plan replaces the feature store {from}/demo with {name}/demo.");
        expect_single_error(&run, &replaced);
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

pub fn rejects_an_unusable_namespace_at_plan() {
    let live = Live::new("moved");
    live.refuses_to_move(
        "nowhere-at-all",
        "There is no namespace \"nowhere-at-all\".",
    );
    for impossible in ["", "Team_A", "a b", &"a".repeat(70)] {
        let run = live.apply_with("namespace", impossible);
        assert_eq!(run.status, Some(1), "{run}");
        live.expect_untouched();
    }

    // The namespace has no Secret yet.
    let other = lab::namespace("moved-to");
    live.refuses_to_move(
        other.name(),
        "Cannot get Secret/feast-data-stores in namespace",
    );
    make_store_secret(&other, PASSWORD);
    quota::limit(&other, "limit", &json!({"count/deployments.apps": "0"}));
    live.refuses_to_move(other.name(), "exceeded quota: limit");
    quota::remove(&other, "limit");

    block_deletion(&other, "secret/feast-data-stores");
    let delete = ["delete", "namespace", other.name(), "--wait=false"];
    other.cluster().kubectl(&delete).unwrap();
    until("the namespace to be terminating", 120, || {
        is_terminating(&other)
    });
    let name = other.name();
    live.refuses_to_move(name, &format!("The namespace {name:?} is being deleted."));
    release(&other, "secret/feast-data-stores");

    // A destroy without a replacement.
    let destroy = [
        "destroy",
        "-no-color",
        "-auto-approve",
        "-var=namespace=nowhere-at-all",
    ];
    let run = live.test.terraform.run(&destroy).unwrap();
    expect_single_error(
        &run,
        "`terraform destroy -refresh=false` ignores the new name",
    );
    live.expect_untouched();
    let destroy = [&destroy[..], &["-refresh=false"]].concat();
    live.test.terraform.run(&destroy).unwrap().expect_success();
    assert_eq!(live.test.objects(), Vec::<String>::new());
}

pub fn rejects_a_name_in_use_at_plan() {
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

pub fn rejects_a_replacement_without_permissions() {
    let live = Live::new("no-permissions");
    let other = lab::namespace("no-permissions-in");
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
        run.messages()
            .contains("The API server does not permit this"),
        "{run}"
    );
    live.expect_untouched();

    let cluster = other.cluster();
    let admin = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
    let unreachable = admin.replace(cluster.server(), "https://127.0.0.1:1");
    assert_ne!(unreachable, admin);
    let unreachable = write("unreachable.kubeconfig", &unreachable);
    let kubeconfig = format!("-var=kubeconfig={unreachable}");
    let plan = live
        .test
        .terraform
        .plan_with(&["-refresh=false", &namespace, &kubeconfig]);
    let plan = plan.unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
    assert!(
        plan.run
            .messages()
            .contains("Warning: The replacement was not checked"),
        "{}",
        plan.run
    );
    live.test.destroy();
}

pub fn rejects_a_requested_replacement_without_its_secret() {
    let live = Live::new("requested");
    let secret = ["delete", "secret", "feast-data-stores"];
    live.test.namespace.kubectl(&secret).unwrap();
    let replace = ["-replace=feast_feature_store.demo"];
    let run = live.apply(&replace);
    expect_single_error(&run, "Cannot get Secret/feast-data-stores in namespace");
    expect_single_error(&run, "with a new one of the same name");
    make_store_secret(&live.test.namespace, PASSWORD);
    live.expect_untouched();
    live.apply(&replace).expect_success();
    assert_ne!(uid(&live.test), live.uid);
    live.test.destroy();
}

/// Returns the record of the create in the store's Secret.
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

pub fn adopts_a_failed_create_with_another_configuration() {
    let test = StoreUnderTest::new("another-config");
    limit_pods(&test, 0);
    test.configure_all(&services(), SHORT_TIMEOUTS);
    let failed = test.terraform.apply().unwrap();
    assert_eq!(failed.status, Some(1), "{failed}");
    assert!(
        failed.messages().contains("`terraform untaint <address>`"),
        "{failed}"
    );
    let ended = record(&test);
    assert_eq!(
        (&ended["complete"], &ended["failed"]),
        (&json!(false), &json!(true))
    );

    // A create of another configuration that can still be running is not adopted.
    lift_limit(&test);
    let changed = format!("scaling = {{ replicas = 2 }}\n{}", services());
    let other = configured_folder(&test, &changed);
    let running = json!({"id": "a", "complete": false, "deadline": i64::from(u32::MAX)});
    write_record(&test, &running);
    let rejected = other.apply().unwrap();
    expect_single_error(&rejected, "The feature store already exists");
    for way in [
        "- Wait: after ",
        "terraform import",
        "pulumi import",
        "`kubectl delete ",
    ] {
        expect_single_error(&rejected, way);
    }
    assert_eq!(record(&test), running);

    // The store is adopted after the deadline, or if the create is known to have failed.
    write_record(&test, &ended);
    other.apply().unwrap().expect_success();
    assert_eq!(test.replicas(), 2);
    let plan = other.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    // The first state is no longer the owner.
    test.configure(&services());
    let run = test.terraform.destroy().unwrap().expect_success();
    assert!(
        run.messages()
            .contains("Feature store not destroyed: another resource owns it"),
        "{run}"
    );
    other.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}

pub fn suggested_command_removes_leftovers() {
    let test = StoreUnderTest::new("cleanup");
    limit_pods(&test, 0);
    test.configure_all(&services(), SHORT_TIMEOUTS);
    assert_eq!(test.terraform.apply().unwrap().status, Some(1));
    write_record(&test, &json!({"id": "a", "complete": false}));
    let other = configured_folder(
        &test,
        &format!("scaling = {{ replicas = 2 }}\n{}", services()),
    );
    let rejected = other.apply().unwrap();
    expect_single_error(&rejected, "The feature store already exists");
    let messages = rejected.messages();
    let (_, command) = messages.split_once("`kubectl ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    test.namespace.cluster().kubectl(&words).unwrap();
    until("the objects to be deleted", 60, || {
        test.objects().is_empty().then_some(())
    });
    lift_limit(&test);
    other.apply().unwrap().expect_success();
    other.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}
