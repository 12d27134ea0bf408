//! Migration: the objects of the Feast operator are imported and taken over, and survive the deletion of the custom
//! resource.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::lifecycle::operator::{Operator, YAML_VARIABLE, autoscaled, on_pvc};
use crate::lifecycle::query::{self, changed};
use crate::lifecycle::store::{PASSWORD, PROVIDER_BLOCK, StoreUnderTest, configuration, kinds};
use crate::lifecycle::{account, lab};
use crate::support::terraform::{Exit, Run};
use crate::support::testbed::Tool;
use crate::support::testbed::cluster::WITHOUT_KUBERC;

const ADDRESS: &str = "feast_feature_store.demo";
const PVC: &str = "PersistentVolumeClaim/feast-demo-online";

/// Writes the configuration that `convert` generates from the custom resource, as in the guide.
pub fn convert(test: &StoreUnderTest) {
    let resource = ["get", "featurestore", "demo", "--output=yaml"];
    let resource = test.namespace.kubectl(&resource).unwrap();
    let text = terraform_provider_feast::provider::convert::convert(&resource).unwrap();
    test.terraform
        .write("main.tf", &format!("{PROVIDER_BLOCK}{text}"))
        .unwrap();
}

fn import(test: &StoreUnderTest) -> Run {
    let import = ["import", "-no-color", "-input=false", ADDRESS, "demo"];
    test.terraform.run(&import).unwrap()
}

/// Returns every object with the store's label, whatever manages it, by `Kind/name`.
fn objects(test: &StoreUnderTest) -> BTreeMap<String, Json> {
    let arguments = [
        "get",
        &kinds(),
        "--selector=feast.dev/name=demo",
        "--show-managed-fields",
    ];
    let list = test.namespace.json(&arguments).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let text = |value: &Json| value.as_str().unwrap().to_owned();
            let key = format!(
                "{}/{}",
                text(&item["kind"]),
                text(&item["metadata"]["name"])
            );
            (key, item.clone())
        })
        .collect()
}

fn uids(objects: &BTreeMap<String, Json>) -> BTreeMap<String, Json> {
    let uid = |(key, object): (&String, &Json)| (key.clone(), object["metadata"]["uid"].clone());
    objects.iter().map(uid).collect()
}

/// The objects that the operator creates for [`on_pvc`] and this provider does not.
const LEFT_OVER: [&str; 4] = [
    "CronJob/feast-demo",
    "Role/feast-demo-cronjob",
    "RoleBinding/feast-demo-cronjob",
    "ServiceAccount/feast-demo-cronjob",
];

/// Follows the steps of `docs/guides/migration.md`, for a feature store with its data on a PersistentVolumeClaim.
pub fn migrates_objects_and_data() {
    let test = StoreUnderTest::new("migration");
    let operator = Operator::reconciled(&test, &on_pvc());
    let before = objects(&test);
    assert_eq!(before.len(), 11, "{:?}", before.keys());
    convert(&test);

    // A create does not take over objects, and its error says what does.
    let rejected = test.terraform.apply().unwrap();
    assert_eq!(rejected.status, Some(1), "{rejected}");
    assert!(
        rejected
            .messages()
            .contains("Import the feature store: `terraform import"),
        "{rejected}"
    );
    assert_eq!(uids(&objects(&test)), uids(&before));

    let imported = import(&test).expect_success();
    let messages = imported.messages();
    assert!(
        messages.contains("was read from the Feast operator's custom resource"),
        "{messages}"
    );
    assert!(
        messages.contains("`authz") || messages.contains("`spec.authz`"),
        "{messages}"
    );

    // The plan shows what will change, and changes no attribute of the user's.
    let plan = test.plan_with_changes();
    let messages = plan.run.messages();
    assert!(
        messages.contains("The next apply takes over these objects of the feature store"),
        "{messages}"
    );
    assert!(!messages.contains("Data will be"), "{messages}");
    let change = &plan.json["resource_changes"][0]["change"];
    assert_eq!(change["actions"], json!(["update"]));
    assert_eq!(
        changed(change),
        ["configuration_hash", "objects", "scaling_status"]
    );
    let (planned, seen) = (&change["after"]["objects"], &change["before"]["objects"]);
    let names =
        |objects: &Json| -> Vec<String> { objects.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(seen), before.keys().cloned().collect::<Vec<_>>());
    let added: Vec<String> = names(planned)
        .into_iter()
        .filter(|key| !names(seen).contains(key))
        .collect();
    assert_eq!(added.len(), 3, "{added:?}");
    assert!(added.contains(&"Secret/feast-demo".to_owned()), "{added:?}");
    let gone: Vec<String> = names(seen)
        .into_iter()
        .filter(|key| !names(planned).contains(key))
        .collect();
    assert_eq!(gone, LEFT_OVER);
    let manifest = |objects: &Json, key: &str| -> Json {
        serde_json::from_str(objects[key].as_str().unwrap()).unwrap()
    };
    let deployment = manifest(seen, "Deployment/feast-demo");
    let label = &deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"];
    assert_eq!(label, "feast-operator");
    let variable = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(*variable, json!([{"name": YAML_VARIABLE}]));
    // Only the label and the owner of the PVC change.
    let mut pvc = manifest(seen, PVC);
    let owners = pvc["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("ownerReferences");
    assert_eq!(owners, Some(json!([{"uid": operator.uid}])));
    pvc["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("feast");
    assert_eq!(pvc, manifest(planned, PVC));

    let rejected = test.terraform.destroy().unwrap();
    assert!(
        rejected
            .messages()
            .contains("Feast operator's custom resource owns it until an apply takes it over"),
        "{rejected}"
    );
    assert_eq!(uids(&objects(&test)), uids(&before));

    let applied = test.apply();
    assert!(
        applied
            .messages()
            .contains("Delete it before you start the operator again"),
        "{applied}"
    );
    let after = objects(&test);
    for (key, object) in &after {
        let metadata = &object["metadata"];
        assert_eq!(metadata["ownerReferences"], Json::Null, "{key}");
        assert_eq!(
            metadata["labels"]["app.kubernetes.io/managed-by"], "feast",
            "{key}"
        );
        let managers = metadata["managedFields"].as_array().unwrap().iter();
        let theirs: Vec<_> = managers
            .filter(|it| it["manager"] == "manager" || it["manager"] == "feast-operator")
            .collect();
        assert_eq!(theirs, Vec::<&Json>::new(), "{key}");
    }
    let mut kept = uids(&before);
    kept.retain(|key, _| !LEFT_OVER.contains(&key.as_str()));
    let of_old = |objects: &BTreeMap<String, Json>| -> BTreeMap<String, Json> {
        uids(objects)
            .into_iter()
            .filter(|(key, _)| kept.contains_key(key))
            .collect()
    };
    assert_eq!(of_old(&after), kept);
    let template = after["Deployment/feast-demo"]["spec"]["template"].to_string();
    assert!(!template.contains(YAML_VARIABLE), "{template}");

    operator.delete();
    assert_eq!(uids(&objects(&test)), uids(&after));
    test.expect_empty_plan();

    let state = test.terraform.folder().join("terraform.tfstate");
    assert!(!fs::read_to_string(state).unwrap().contains(PASSWORD));
    test.terraform.destroy().unwrap().expect_success();
    assert_eq!(objects(&test).into_keys().collect::<Vec<_>>(), [PVC]);
}

/// With an autoscaler, the replica count is kept, and a rolling update replaces the pods once.
pub fn replaces_pods_once_and_keeps_replicas() {
    let test = StoreUnderTest::new("migration-hpa");
    let operator = Operator::reconciled(&test, &autoscaled());
    convert(&test);
    import(&test).expect_success();
    let before = objects(&test);
    let revision = |deployment: &Json| {
        deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone()
    };
    assert_eq!(revision(&test.deployment()), "1");
    test.apply();
    let deployment = test.deployment();
    assert_eq!(revision(&deployment), "2");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(test.strategy(), "RollingUpdate");
    let after = objects(&test);
    for key in [
        "Deployment/feast-demo",
        "HorizontalPodAutoscaler/feast-demo",
        "Service/feast-demo-online",
    ] {
        assert_eq!(
            after[key]["metadata"]["uid"], before[key]["metadata"]["uid"],
            "{key}"
        );
    }
    operator.delete();
    test.expect_empty_plan();
    for secret in [PASSWORD.to_owned(), base64_of(PASSWORD)] {
        let state = test.terraform.state_json().unwrap().to_string();
        assert!(!state.contains(&secret));
        assert!(!test.deployment().to_string().contains(&secret));
    }
    test.destroy();
}

/// The selector of the operator's Deployment has the operator's label, and a selector is immutable.
pub fn recreates_the_lineage_server() {
    let test = StoreUnderTest::new("migration-lineage");
    let mut spec = autoscaled();
    spec["openlineage"] =
        json!({"enabled": true, "consumer": {"enabled": true, "lineageServer": {}}});
    let operator = Operator::reconciled(&test, &spec);
    operator.make_lineage_server();
    convert(&test);
    import(&test).expect_success();
    let live = |kind: &str| {
        let arguments = ["get", kind, "feast-demo-lineage"];
        test.namespace.json(&arguments).unwrap()
    };
    let before = [live("deployment"), live("service")];
    test.apply();
    let after = [live("deployment"), live("service")];
    let labels = json!({
        "app.kubernetes.io/managed-by": "feast",
        "feast.dev/name": "demo-lineage",
        "feast.dev/service-type": "lineage",
    });
    assert_eq!(after[0]["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(after[1]["spec"]["selector"], labels);
    let uid = |object: &Json| object["metadata"]["uid"].clone();
    assert_ne!(uid(&before[0]), uid(&after[0]));
    assert_eq!(uid(&before[1]), uid(&after[1]));
    assert_eq!(after[0]["status"]["availableReplicas"], 1);
    operator.delete();
    test.expect_empty_plan();
    test.destroy();
}

/// Encodes the password as the operator writes it to the environment.
fn base64_of(password: &str) -> String {
    use base64::Engine as _;
    let yaml = format!("online_store:\n  password: {password}\n");
    base64::engine::general_purpose::STANDARD.encode(yaml)
}

pub fn running_operator_stops_the_apply() {
    let test = StoreUnderTest::new("migration-race");
    let operator = Operator::reconciled(&test, &on_pvc());
    convert(&test);
    import(&test).expect_success();
    let before = objects(&test);
    let rejected = operator.at_work(|| test.terraform.apply().unwrap());
    assert_eq!(rejected.status, Some(1), "{rejected}");
    let messages = rejected.messages();
    assert!(
        messages.contains("take over ServiceAccount/feast-demo"),
        "{messages}"
    );
    assert!(
        messages.contains("The Feast operator is running"),
        "{messages}"
    );
    for (key, object) in objects(&test) {
        let owners = &object["metadata"]["ownerReferences"];
        assert_eq!(
            owners, &before[&key]["metadata"]["ownerReferences"],
            "{key}"
        );
        if key != "ServiceAccount/feast-demo" {
            let version = |object: &Json| object["metadata"]["resourceVersion"].clone();
            // Only the controllers continue to write the status of the Deployment.
            assert!(
                version(&object) == version(&before[&key]) || key == "Deployment/feast-demo",
                "{key}"
            );
        }
    }
    // After the operator stops, an apply with the same state continues.
    test.apply();
    assert_eq!(
        objects(&test)[PVC]["metadata"]["ownerReferences"],
        Json::Null
    );
    test.terraform.destroy().unwrap().expect_success();
}

/// Import blocks can plan and generate a configuration, as for a store that this provider created.
pub fn import_block_generates_configuration() {
    let test = StoreUnderTest::new("migration-block");
    Operator::reconciled(&test, &on_pvc());
    let block = format!(
        "import {{\n  to = {ADDRESS}\n  id = \"{}/demo\"\n}}\n",
        test.namespace.name()
    );
    test.terraform
        .write("main.tf", &format!("{PROVIDER_BLOCK}{block}"))
        .unwrap();
    let plan = test
        .terraform
        .plan_with(&["-generate-config-out=generated.tf"])
        .unwrap();
    assert_eq!(plan.exit, Exit::Changes, "{}", plan.run);
    let change = &plan.json["resource_changes"][0]["change"];
    assert_eq!(change["actions"], json!(["update"]));
    assert!(change["importing"].is_object());
    test.apply();
    test.terraform.destroy().unwrap().expect_success();
}

pub fn rejects_unsupported_imports() {
    let test = StoreUnderTest::new("migration-not");
    test.terraform
        .write("main.tf", &configuration("", ""))
        .unwrap();
    let rejected = |operator: &str| {
        let run = import(&test);
        assert_eq!(run.status, Some(1), "{run}");
        let messages = run.messages();
        assert!(messages.contains(operator), "{messages}");
    };
    // The operator has not created any object for it.
    Operator::custom_resource(&test, &on_pvc());
    rejected("no Deployment \"feast-demo\" that the Feast operator created for it");
    // The custom resource has a field that this provider does not know.
    let mut unknown = on_pvc();
    unknown["services"]["bogus"] = json!(1);
    Operator::custom_resource(&test, &unknown);
    rejected("`spec.services.bogus` is not a field of a FeatureStore that this provider knows");
    // The custom resource is being deleted.
    let finalizer = json!({"metadata": {"finalizers": ["test/keep"]}}).to_string();
    let patch = |patch: &str| {
        test.patch("featurestore/demo", patch);
    };
    patch(&finalizer);
    test.namespace
        .kubectl(&["delete", "featurestore", "demo", "--wait=false"])
        .unwrap();
    rejected("is being deleted, and Kubernetes deletes the objects that it owns with it");
    patch(r#"{"metadata": {"finalizers": null}}"#);
}

const ROLE: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: importer, namespace: @}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: importer, namespace: @}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get]}
- {apiGroups: ["$"], resources: [featurestores], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: importer, namespace: @}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: importer}
subjects: [{kind: ServiceAccount, name: importer, namespace: @}]
"#;

/// Each error names the missing permission and its purpose.
pub fn names_missing_permissions() {
    let mut test = StoreUnderTest::new("migration-permissions");
    test.configure("");
    Operator::custom_resource(&test, &on_pvc());
    let cluster = test.namespace.cluster().clone();
    let namespace = test.namespace.name().to_owned();
    let allow = |group: &str| {
        let role = ROLE.replace('@', &namespace).replace('$', group);
        cluster.apply(&role).unwrap();
    };
    allow("nothing.example.com");
    let importer = account::kubeconfig(&test.namespace, "importer");
    test.use_kubeconfig(&importer);
    let expect = |parts: [&str; 2]| {
        let run = import(&test);
        assert_eq!(run.status, Some(1), "{run}");
        let messages = run.messages();
        for part in parts {
            assert!(messages.contains(part), "{messages}");
        }
    };
    expect([
        "has no Secret \"feast-demo\" with the configuration of a feature store",
        "grant this user the verb get on featurestores in the API group feast.dev",
    ]);
    allow("feast.dev");
    expect([
        "cannot list resource",
        &format!("in namespace \"{namespace}\" of the cluster"),
    ]);
}

/// Runs the commands of the guide unchanged, apart from the name and the namespace.
pub fn commands_of_the_guide_succeed() {
    let mut test = StoreUnderTest::new("migration-guide");
    let namespace = test.namespace.name().to_owned();
    let cluster = test.namespace.cluster();
    cluster.apply(CONTROLLER).unwrap();
    test.terraform.write("main.tf", PROVIDER_BLOCK).unwrap();
    prepare_shell(&mut test, Tool::Terraform);
    let operator = Operator::reconciled(&test, &on_pvc());
    let before = objects(&test);

    let [one_store, _] = sections_of_the_guide();
    let commands = shell_commands(&one_store);
    assert_eq!(commands.len(), 7, "{commands:?}");
    for command in commands {
        let command = command.replace("sample", "demo");
        run_in_shell(&test, &command.replace("shop", &namespace));
    }
    operator.wait_for_garbage_collection();
    let mut kept = uids(&before);
    kept.retain(|key, _| !LEFT_OVER.contains(&key.as_str()));
    let mut after = uids(&objects(&test));
    after.retain(|key, _| kept.contains_key(key));
    assert_eq!(after, kept);
    test.expect_empty_plan();
    test.terraform.destroy().unwrap().expect_success();
}

/// Moves ten feature stores in ten namespaces.
pub fn commands_for_a_cluster_move_ten_feature_stores() {
    let mut tests: Vec<StoreUnderTest> = (0..10).map(|_| query::empty("move")).collect();
    let cluster = tests[0].namespace.cluster();
    cluster.apply(CONTROLLER).unwrap();
    prepare_shell(&mut tests[0], Tool::Terraform115);
    let selector = format!("team={}", tests[0].namespace.name());
    let operators: Vec<Operator<'_>> = tests
        .iter()
        .map(|test| {
            let operator = Operator::reconciled(test, &on_pvc());
            let label = ["label", "featurestore", "demo", &selector];
            test.namespace.kubectl(&label).unwrap();
            operator
        })
        .collect();
    let before: Vec<_> = tests.iter().map(objects).collect();

    let [_, whole_cluster] = sections_of_the_guide();
    let (_, query) = whole_cluster.split_once("```terraform\n").unwrap();
    let (query, _) = query.split_once("```").unwrap();
    // Other tests have feature stores in the same cluster.
    let managed_by = "managed_by     = \"feast-operator\"";
    let filters = format!("{managed_by}\n    label_selector = {selector:?}");
    let terraform = &tests[0].terraform;
    terraform
        .write("cluster.tfquery.hcl", &query.replace(managed_by, &filters))
        .unwrap();
    let commands = shell_commands(&whole_cluster);
    let lines = commands.iter().flat_map(|command| command.lines()).count();
    assert!(lines < 10, "{commands:?}");
    for command in commands {
        let command = command.replace(
            "--all --all-namespaces",
            &format!("--all-namespaces --selector {selector}"),
        );
        run_in_shell(&tests[0], &command);
    }
    for ((test, before), operator) in tests.iter().zip(&before).zip(&operators) {
        operator.wait_for_garbage_collection();
        let mut kept = uids(before);
        kept.retain(|key, _| !LEFT_OVER.contains(&key.as_str()));
        let mut after = uids(&objects(test));
        after.retain(|key, _| kept.contains_key(key));
        assert_eq!(after, kept);
    }
    tests[0].expect_empty_plan();
    let state = tests[0].terraform.state_json().unwrap();
    let resources = &state["values"]["root_module"]["resources"];
    assert_eq!(resources.as_array().map(Vec::len), Some(10));
    terraform.destroy().unwrap().expect_success();
}

/// Returns the sections of the guide about one feature store, and about a whole cluster.
fn sections_of_the_guide() -> [String; 2] {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/migration.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (one_store, rest) = guide.split_once("### Migrate a whole cluster").unwrap();
    let (whole_cluster, _) = rest.split_once("\n### ").unwrap();
    [one_store, whole_cluster].map(str::to_owned)
}

fn shell_commands(section: &str) -> Vec<String> {
    let blocks = section.split("```shell\n").skip(1);
    let commands = blocks.map(|block| block.split("```").next().unwrap().trim());
    commands.map(str::to_owned).collect()
}

/// Lets commands in the folder of Terraform find the programs and the cluster.
fn prepare_shell(test: &mut StoreUnderTest, terraform: Tool) {
    let kubeconfig = test.namespace.cluster().kubeconfig().display().to_string();
    let folder = test.terraform.folder().join("bin");
    fs::create_dir(&folder).unwrap();
    for (name, program) in [
        ("terraform", lab::tool_path(terraform)),
        ("kubectl", lab::tool_path(Tool::Kubectl)),
        ("terraform-provider-feast", lab::provider().to_owned()),
    ] {
        symlink(program, folder.join(name)).unwrap();
    }
    let system = std::env::var_os("PATH").unwrap();
    let path = [folder].into_iter().chain(std::env::split_paths(&system));
    let path = std::env::join_paths(path).unwrap();
    test.terraform
        .environment("KUBECONFIG", &kubeconfig)
        .environment(WITHOUT_KUBERC.0, WITHOUT_KUBERC.1)
        .environment("PATH", path.to_str().unwrap())
        .environment("TF_CLI_ARGS_apply", "-auto-approve");
}

fn run_in_shell(test: &StoreUnderTest, command: &str) {
    let terraform = test.terraform.command(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(test.terraform.folder());
    for (name, value) in terraform.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command}: {messages}");
}

/// A Deployment in place of the operator's, without any function.
const CONTROLLER: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: feast-operator-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: feast-operator-controller-manager, namespace: feast-operator-system}
spec:
  selector: {matchLabels: {control-plane: controller-manager}}
  template:
    metadata: {labels: {control-plane: controller-manager}}
    spec: {containers: [{name: manager, image: feast-operator}]}
"#;
