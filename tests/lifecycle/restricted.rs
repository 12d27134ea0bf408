//! Feature stores in a namespace with restrictions. Admission and quota are those of the real API server, and nothing
//! enforces network policies on the simulated nodes.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::lifecycle::quota;
use crate::lifecycle::store::{DATABASES, StoreUnderTest, until};
use crate::support::testbed::Namespace;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce=restricted";

/// Enforces the Pod Security level `restricted`, a quota that every container must satisfy, and a policy that denies
/// all traffic.
fn restrict(namespace: &Namespace) {
    (namespace.cluster())
        .kubectl(&["label", "namespace", namespace.name(), ENFORCE])
        .unwrap();
    // The API server learns of the level with a delay.
    let probe = ["run", "probe", "--image=i", "--dry-run=server"];
    until("the level is enforced", 60, || {
        namespace.kubectl(&probe).is_err().then_some(())
    });
    let hard = json!({
        "requests.cpu": "10", "requests.memory": "20Gi", "limits.cpu": "40", "limits.memory": "20Gi",
    });
    quota::limit(namespace, "compute", &hard);
    let deny = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": namespace.name()},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    });
    namespace.cluster().apply(&deny.to_string()).unwrap();
}

/// Runs the Job of the CronJob, and waits until its pod is accepted.
fn run_cron_job(test: &StoreUnderTest, name: &str) {
    let from = format!("--from=cronjob/{name}");
    test.namespace
        .kubectl(&["create", "job", &from, "by-hand"])
        .unwrap();
    until("the pod of the CronJob", 60, || {
        let selector = "--selector=batch.kubernetes.io/job-name=by-hand";
        let pods = test.namespace.json(&["get", "pods", selector]).unwrap();
        (!pods["items"].as_array().unwrap().is_empty()).then_some(())
    });
}

pub fn production_example_is_accepted() {
    let test = StoreUnderTest::new("restricted");
    restrict(&test.namespace);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/production/main.tf");
    let text = fs::read_to_string(example).unwrap();
    test.terraform.write("main.tf", &text).unwrap();
    test.apply();
    until("the minimum of the autoscaler", 60, || {
        let deployment = ["get", "deployment", "feast-production"];
        let deployment = test.namespace.json(&deployment).unwrap();
        (deployment["status"]["readyReplicas"] == 3).then_some(())
    });
    run_cron_job(&test, "feast-production");
    let policies = ["get", "networkpolicies", "--output=name"];
    assert_eq!(
        test.namespace.kubectl(&policies).unwrap(),
        "networkpolicy.networking.k8s.io/default-deny\n\
         networkpolicy.networking.k8s.io/feast-production-jobs\n\
         networkpolicy.networking.k8s.io/feast-production-servers\n"
    );
    test.destroy();
}

/// Each kind of pod meets the level without an attribute, and with a read-only root file system.
pub fn every_kind_of_pod_is_accepted() {
    let test = StoreUnderTest::new("restricted-pods");
    let label = ["label", "namespace", test.namespace.name(), ENFORCE];
    test.namespace.cluster().kubectl(&label).unwrap();
    let attributes = r#"
  cron_job    = { schedule = "@daily" }
  openlineage = { enabled = true, consumer = { enabled = true, lineage_server = {} } }"#;
    let services = format!("pod_labels = {{ team = \"a\" }}\n{DATABASES}");
    test.configure_all(&services, attributes);
    test.apply();
    run_cron_job(&test, "feast-demo");
    let labeled = |selector: &str| {
        let selector = format!("--selector=team=a,{selector}");
        let pods = ["get", "pods", &selector, "--output=name"];
        test.namespace.kubectl(&pods).unwrap().lines().count()
    };
    let kinds = [
        "feast.dev/name=demo",
        "feast.dev/name=demo-lineage",
        "feast.dev/job-of=demo",
    ];
    assert_eq!(kinds.map(labeled), [1, 1, 2]);

    let read_only = "container_security_context = { read_only_root_filesystem = true }";
    test.configure_all(&format!("{read_only}\n{services}"), attributes);
    test.apply();
    let deployment = test.deployment();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        })
    );
    test.configure_all(&services, attributes);
    test.apply();
    assert_eq!(kinds.map(labeled)[..2], [1, 1]);
    test.destroy();
}

/// Every configuration of services in the guide is applied, and leaves an empty plan. The tests of admission and of the
/// preflight have the complete configurations.
pub fn configurations_of_the_guide_are_applied() {
    let guide = include_str!("../../docs/guides/restricted-clusters.md");
    let blocks = guide.split("```terraform\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|rest| rest.split_once("```").unwrap().0)
        .filter(|block| !block.starts_with("provider") && !block.starts_with("resource"))
        .collect();
    assert_eq!(blocks.len(), 13);
    let test = StoreUnderTest::new("guide");
    for block in blocks {
        let (attributes, services) = parts(block);
        test.configure_all(&services, &attributes);
        test.apply();
    }
    let policies = test.namespace.json(&["get", "networkpolicies"]).unwrap();
    assert_eq!(policies["items"], Json::Array(Vec::new()));
    test.destroy();
}

/// Returns the attributes of an example, and its services with the stores that it omits.
fn parts(block: &str) -> (String, String) {
    let (attributes, services) = match block.split_once("services = {\n") {
        Some((attributes, services)) => (attributes, services.trim_end()),
        None => (block, "}"),
    };
    let services = services.strip_suffix('}').unwrap();
    let (online, registry) = DATABASES.split_once("    registry = {").unwrap();
    let online = match services.contains("online_store") {
        true => "",
        false => online,
    };
    (
        attributes.to_owned(),
        format!("{services}{online}    registry = {{{registry}"),
    )
}
