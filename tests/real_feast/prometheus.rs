//! A real Prometheus scrapes the real Feast: the metrics that the ServiceMonitor points to, with the labels that the
//! Prometheus Operator adds. Every query of the dashboard in `examples/prometheus` returns values.

use std::time::Duration;

use serde_json::{Value as Json, json};
use terraform_provider_feast::kubernetes::{Key, Kind};

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::real_feast::stores::MATERIALIZE;
use crate::support::feast::features::features_request;
use crate::support::feast::{Prometheus, Secrets};
use crate::support::testbed::cluster::eventually;

const BASE: &str = "/feast-data";
const ONLINE: &str = "http://127.0.0.1:6566/get-online-features";
const DASHBOARD: &str = include_str!("../../examples/prometheus/dashboard.json");

fn configuration() -> Json {
    json!({
        "name": "demo",
        "feastProject": "demo",
        "services": {
            "onlineStore": {"server": {"metrics": true}},
            "serviceMonitor": {
                "interval": "1s",
                "metricRelabelings": [{"action": "labeldrop", "regex": "feature_count"}],
            },
        },
    })
}

/// Returns the configuration that the Prometheus Operator makes of a ServiceMonitor, for one pod with this address. The
/// operator finds the pods by the selector; the rest of the configuration is the same.
fn scrape_config(monitor: &Json, service: &Json) -> Json {
    let endpoint = &monitor["spec"]["endpoints"][0];
    let selector = &monitor["spec"]["selector"]["matchLabels"];
    for (label, value) in selector.as_object().unwrap() {
        assert_eq!(&service["metadata"]["labels"][label], value);
    }
    let mut ports = service["spec"]["ports"].as_array().unwrap().iter();
    let port = ports.find(|port| port["name"] == endpoint["port"]).unwrap();
    let relabelings = endpoint["metricRelabelings"].as_array().unwrap().iter();
    let relabelings = relabelings.map(|it| json!({"action": it["action"], "regex": it["regex"]}));
    json!({"scrape_configs": [{
        "job_name": service["metadata"]["name"],
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["interval"],
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint["honorLabels"],
        "metric_relabel_configs": relabelings.collect::<Vec<_>>(),
        "static_configs": [{
            "targets": [format!("127.0.0.1:{}", port["targetPort"])],
            "labels": {
                "namespace": "ns", "service": service["metadata"]["name"], "pod": "demo-0",
                "endpoint": endpoint["port"],
            },
        }],
    }]})
}

/// Returns the queries of the dashboard, each with the title of its panel. Grafana replaces the variables.
fn queries() -> Vec<(String, String)> {
    let dashboard: Json = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries = panels.flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap().iter();
        targets.map(move |target| {
            let query = target["expr"].as_str().unwrap();
            let query = query
                .replace("$namespace", "ns")
                .replace("$service", "feast-demo-online")
                .replace("$__rate_interval", "10s");
            (title.to_owned(), query)
        })
    });
    queries.collect()
}

pub fn scrapes_what_the_service_monitor_points_to() {
    let store = lab::feature_store(&configuration(), &Secrets::new(), None);
    let object = |kind: Kind| &store.objects.manifests[&Key::new(kind, "feast-demo-online")];
    let config = scrape_config(object(Kind::ServiceMonitor), object(Kind::Service));
    let mut pod = store.pod();
    pod.run("feast-init").unwrap().success();
    repository::from_a_file(&pod, BASE);
    pod.run("feast-apply").unwrap().success();
    pod.start("online").unwrap();
    pod.wait_until_ready("online").unwrap();
    pod.exec("online", &MATERIALIZE).unwrap().success();
    Prometheus::start(&mut pod, &config).unwrap();

    let request = features_request();
    let (limit, every) = (Duration::from_secs(90), Duration::from_millis(200));
    for (title, expression) in queries() {
        let found = eventually(&format!("{title}: {expression}"), limit, every, || {
            pod.post(ONLINE, &request).unwrap();
            let values = Prometheus::query(&pod, &expression).unwrap();
            (!values.is_empty() && values.iter().all(|it| it.is_finite())).then_some(())
        });
        found.unwrap_or_else(|error| panic!("{error}"));
    }
    let query = |expression: &str| Prometheus::query(&pod, expression).unwrap();
    let up = r#"up{job="feast-demo-online", namespace="ns", pod="demo-0", endpoint="metrics"}"#;
    assert_eq!(query(up), [1.0]);
    let served = "sum(feast_feature_server_request_total{endpoint=\"/get-online-features\"})";
    assert!(query(served)[0] > 0.0);
    // The metric relabeling has removed the label.
    let labelled = "feast_feature_server_request_latency_seconds_count{feature_count!=\"\"}";
    assert_eq!(query(labelled), [0.0; 0]);
}
