//! The addresses at which servers listen, in a pod with IPv4 and IPv6.

use serde_json::json;

use crate::real_feast::lab;
use crate::support::feast::{Pod, Secrets};

/// With `services.ipv6`, every server is reachable over both.
pub fn servers_listen_at_both_families() {
    let services = json!({
        "ipv6": true, "ui": {}, "offlineStore": {"server": {}},
        "registry": {"local": {"server": {"restAPI": true}}},
    });
    let configuration = json!({"name": "demo", "feastProject": "demo", "services": services});
    let store = lab::feature_store(&configuration, &Secrets::new(), None);
    let mut pod = store.pod();
    start(&mut pod);
    for port in [6566, 8815, 6570, 6572, 8888] {
        for address in ["127.0.0.1", "::1"] {
            pod.wait_for_port(address, port).unwrap();
        }
    }
}

fn start(pod: &mut Pod<'_>) {
    pod.run("feast-init").unwrap().success();
    pod.run("feast-apply").unwrap().success();
    for server in pod.servers() {
        pod.start(&server).unwrap();
    }
}
