//! Terraform with exactly the permissions of the guide "Access to the cluster", and with one permission less.

use serde_json::Value as Json;

use crate::lifecycle::account;
use crate::lifecycle::store::{StoreUnderTest, databases_with};
use crate::support::terraform::Run;

/// Returns the guide's rules without one verb on one resource.
fn without(verb: &str, resource: &str) -> Json {
    let without = |list: &Json, word: &str| -> Json {
        let list = list.as_array().unwrap().iter();
        list.filter(|other| *other != word).cloned().collect()
    };
    let mut rules = account::minimal_rules().as_array().unwrap().clone();
    let rule = rules
        .iter_mut()
        .find(|rule| {
            rule["resources"]
                .as_array()
                .unwrap()
                .contains(&resource.into())
        })
        .unwrap();
    let mut lesser = rule.clone();
    lesser["resources"] = [resource].into_iter().collect();
    lesser["verbs"] = without(&rule["verbs"], verb);
    rule["resources"] = without(&rule["resources"], resource);
    rules.push(lesser);
    rules
        .into_iter()
        .filter(|rule| rule["resources"] != Json::Array(Vec::new()))
        .collect()
}

pub fn documented_role_is_sufficient() {
    let mut test = StoreUnderTest::new("permissions");
    let path = test.terraform.folder().join("kubeconfig");
    test.terraform
        .environment("TF_VAR_kubeconfig", &path.display().to_string());
    let act_as = |name: &str, rules: &Json| {
        let kubeconfig = account::make(&test.namespace, name, rules);
        test.terraform.write("kubeconfig", &kubeconfig).unwrap();
    };
    let configure = |image: &str| {
        let stores = databases_with(&format!("image = {image:?}"));
        test.configure(&format!(
            "scaling = {{ autoscaling = {{ max_replicas = 3 }} }}\n{stores}"
        ));
    };
    let rejected = |run: Run, doing: &str, name: &str, because: &str| {
        assert_eq!(run.status, Some(1), "{run}");
        let namespace = test.namespace.name();
        let expected = format!(
            "{doing} in namespace {namespace:?} of the cluster at {server}/. Caused by: The API server does not permit this: {because} in the namespace {namespace:?}. Grant this user the permission \
             that the message above names; the guide \"Access to the cluster\" has the rules to copy.",
            server = test.namespace.cluster().server(),
            because = because.replace(
                "User",
                &format!("User \"system:serviceaccount:{namespace}:{name}\"")
            ),
        );
        assert!(run.messages().contains(&expected), "{expected}\n{run}");
    };

    act_as("all", &account::minimal_rules());
    configure("feast:1");
    test.apply();

    act_as("no-patch", &without("patch", "deployments"));
    configure("feast:2");
    rejected(
        test.terraform.apply().unwrap(),
        "Cannot apply Deployment/feast-demo",
        "no-patch",
        "deployments.apps \"feast-demo\" is forbidden: User cannot patch resource \"deployments\" in API group \"apps\"",
    );
    act_as("once-more", &account::minimal_rules());
    test.plan_with_changes();
    test.apply();

    act_as("no-delete", &without("delete", "services"));
    rejected(
        test.terraform.destroy().unwrap(),
        "Cannot delete Service/feast-demo-online",
        "no-delete",
        "services \"feast-demo-online\" is forbidden: User cannot delete resource \"services\" in API group \"\"",
    );
    act_as("at-last", &account::minimal_rules());
    test.terraform.destroy().unwrap().expect_success();
    assert_eq!(test.objects(), Vec::<String>::new());
}
