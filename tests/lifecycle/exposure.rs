//! Feature stores that are reachable from outside the cluster: the examples of an Ingress, of a Gateway and of a
//! ServiceMonitor. Their manifests refer to Services and ports that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::lifecycle::lab;
use crate::lifecycle::store::StoreUnderTest;
use crate::support::testbed::{Crd, Tool};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Applies the configuration of an example and its manifest. Returns the objects of the manifest.
fn apply(test: &StoreUnderTest, folder: &str, manifest: &str) -> Vec<Json> {
    let folder = example(folder);
    let mut text = fs::read_to_string(folder.join("main.tf")).unwrap();
    if !lab::has_kubernetes(34) {
        text = text.replace("traffic_distribution = \"PreferSameZone\"", "");
    }
    test.terraform.write("main.tf", &text).unwrap();
    test.apply();
    let file = folder.join(manifest).display().to_string();
    test.namespace
        .kubectl(&["apply", "--filename", &file])
        .unwrap();
    let list = test.namespace.json(&["get", "--filename", &file]).unwrap();
    match list["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![list],
    }
}

/// Returns `service/port` for each port of the Services, by name and by number.
fn served(test: &StoreUnderTest) -> BTreeSet<String> {
    let services = test.namespace.json(&["get", "services"]).unwrap();
    let services = services["items"].as_array().unwrap().iter();
    let ports = services.flat_map(|service| {
        let name = service["metadata"]["name"].as_str().unwrap();
        let ports = service["spec"]["ports"].as_array().unwrap().iter();
        ports.flat_map(move |port| {
            let keys = [
                port["name"].as_str().unwrap().to_owned(),
                port["port"].to_string(),
            ];
            keys.map(|key| format!("{name}/{key}"))
        })
    });
    ports.collect()
}

/// An Ingress with a host name for each of two servers.
pub fn ingress_example_refers_to_existing_ports() {
    lab::with_each_tool(|terraform| {
        let test = StoreUnderTest::with(terraform, "ingress");
        let objects = apply(&test, "examples/ingress", "ingress.yaml");
        let rules = objects[0]["spec"]["rules"].as_array().unwrap().iter();
        let backends: BTreeSet<String> = rules
            .map(|rule| {
                let service = &rule["http"]["paths"][0]["backend"]["service"];
                let (name, port) = (&service["name"], &service["port"]["name"]);
                format!("{}/{}", name.as_str().unwrap(), port.as_str().unwrap())
            })
            .collect();
        assert_eq!(backends.len(), 2);
        assert!(backends.is_subset(&served(&test)), "{backends:?}");
        test.destroy();
    });
}

/// An HTTPRoute and a GRPCRoute.
pub fn gateway_example_refers_to_existing_ports() {
    lab::control_plane()
        .namespace("gateway-api")
        .unwrap()
        .cluster()
        .install(&[Crd::HttpRoute, Crd::GrpcRoute])
        .unwrap();
    lab::with_each_tool(|terraform| {
        let test = StoreUnderTest::with(terraform, "gateway");
        let objects = apply(&test, "examples/gateway", "routes.yaml");
        let backends: BTreeSet<String> = (objects.iter())
            .map(|route| {
                let backend = &route["spec"]["rules"][0]["backendRefs"][0];
                format!("{}/{}", backend["name"].as_str().unwrap(), backend["port"])
            })
            .collect();
        assert_eq!(backends.len(), 2);
        assert!(backends.is_subset(&served(&test)), "{backends:?}");
        let registry = test
            .namespace
            .json(&["get", "service", "feast-sample-registry"])
            .unwrap();
        assert_eq!(registry["spec"]["ports"][0]["appProtocol"], "grpc");
        test.destroy();
    });
}

/// A ServiceMonitor with the definition of the Prometheus Operator. Changes by others are drift.
pub fn service_monitor_example_is_applied_and_deleted() {
    let control_plane = lab::own_control_plane();
    let namespace = control_plane.namespace("monitoring").unwrap();
    namespace.cluster().install(&[Crd::ServiceMonitor]).unwrap();
    let test = StoreUnderTest::on(lab::terraform(Tool::Terraform), namespace);
    let text = fs::read_to_string(example("examples/prometheus/main.tf")).unwrap();
    test.terraform.write("main.tf", &text).unwrap();
    test.apply();
    let monitor = || {
        let name = ["get", "servicemonitor", "feast-sample-online"];
        test.namespace.json(&name).unwrap()
    };
    assert_eq!(
        monitor()["spec"],
        json!({
            "endpoints": [{"port": "metrics", "path": "/metrics", "honorLabels": true, "interval": "30s"}],
            "selector": {"matchLabels": {"feast.dev/name": "sample", "feast.dev/service-type": "online"}},
        })
    );
    assert_eq!(
        monitor()["metadata"]["labels"]["release"],
        "kube-prometheus-stack"
    );
    // The Prometheus of another team does not change the endpoint, but a change of the endpoint is drift.
    let label = ["label", "servicemonitor/feast-sample-online", "team=other"];
    test.namespace.kubectl(&label).unwrap();
    test.expect_empty_plan();
    let patch = r#"{"spec": {"endpoints": [{"port": "metrics", "path": "/metrics", "honorLabels": true, "interval": "1m"}]}}"#;
    test.patch("servicemonitor/feast-sample-online", patch);
    test.plan_with_changes();
    test.apply();
    assert_eq!(monitor()["spec"]["endpoints"][0]["interval"], "30s");

    // Without the block, the object is deleted.
    let without = text
        .lines()
        .filter(|line| !line.contains("interval"))
        .collect::<Vec<_>>()
        .join("\n")
        .replace(
            "    service_monitor = {\n      labels   = { release = \"kube-prometheus-stack\" }\n    }",
            "",
        );
    assert!(!without.contains("service_monitor"));
    test.terraform.write("main.tf", &without).unwrap();
    test.apply();
    let left = test.namespace.json(&["get", "servicemonitors"]).unwrap();
    assert_eq!(left["items"], json!([]));
    test.destroy();
}
