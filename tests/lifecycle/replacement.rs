//! Creates that meet the store of another resource instance, or of their own past: of one feature store there is one
//! owner, and only its destroy deletes anything.

use crate::lifecycle::concurrency::{another_folder, says_only};
use crate::lifecycle::recovery::{interrupt_apply, lift_limit, limit_pods};
use crate::lifecycle::store::{DATABASES, StoreUnderTest, configuration};
use crate::support::terraform::Exit;

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
    says_only(&run, "The feature store exists already");
    says_only(&run, "its creation has ended well");
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
    let left = "The feature store was left to another resource";
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
    says_only(&run, "The feature store exists already");
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
        "The feature store exists already",
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
