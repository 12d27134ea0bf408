//! Several offline servers behind a balancer that sends each connection to the next one, as a Service does.

use std::fs;

use serde_json::json;

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::real_feast::three_replicas;

/// Ports of the balancer and of the second server.
const BALANCER: &str = "9000";
const SECOND: &str = "8817";
const APPLICATION: &str = "/feast-data/application";

pub fn retrievals_reach_any_of_several_servers() {
    let postgres = lab::postgres();
    postgres.create_database("offline").unwrap();
    repository::fill_table(postgres, "offline");
    let configuration = three_replicas::configuration();
    let store = lab::feature_store(
        &configuration,
        &three_replicas::secrets("offline"),
        Some(postgres),
    );
    let mut pod = store.pod();
    pod.make_services(&store.services()).unwrap();
    pod.run("feast-init").unwrap().success();
    repository::from_a_table(&pod, "/feast-data");
    pod.exec("online", &["feast", "apply"]).unwrap().success();
    pod.start("registry").unwrap();
    pod.start("offline").unwrap();
    let second = ["feast", "serve_offline", "-h", "0.0.0.0", "-p", SECOND];
    pod.start_command("second", "offline", &second).unwrap();
    let balancer = include_str!("repository/balancer.py");
    let words = ["python", "-c", balancer, BALANCER, "8815", SECOND];
    pod.start_command("balancer", "offline", &words).unwrap();
    pod.wait_until_ready("registry").unwrap();
    for port in [8815, SECOND.parse().unwrap(), BALANCER.parse().unwrap()] {
        pod.wait_for_port("127.0.0.1", port).unwrap();
        // To gRPC, `0.0.0.0` means every address.
        if port != 9000 {
            pod.wait_for_port("::1", port).unwrap();
        }
    }

    let folder = pod.path("online", APPLICATION);
    fs::create_dir(&folder).unwrap();
    let yaml = store.client_yaml();
    let service = "host: feast-demo-offline.default.svc.cluster.local\n    port: 80\n";
    assert!(yaml.contains(service), "{yaml}");
    let yaml = yaml.replace(service, &format!("host: 127.0.0.1\n    port: {BALANCER}\n"));
    fs::write(folder.join("feature_store.yaml"), yaml).unwrap();
    let program = include_str!("repository/retrievals.py");
    let directory = format!("--chdir={APPLICATION}");
    let words = [
        "env", &directory, "python", "-W", "ignore", "-c", program, "6",
    ];
    let output = pod.exec("online", &words).unwrap().success();
    let last = output.lines().rfind(|line| line.starts_with('[')).unwrap();
    let trips: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(trips, json!(vec![[90, 80]; 6]));
    let log = pod.log("balancer");
    for server in ["8815", SECOND] {
        let connections = log.lines().filter(|line| *line == server).count();
        assert!(connections >= 3, "{server}: {connections} connections");
    }
}
