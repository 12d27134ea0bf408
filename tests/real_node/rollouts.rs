//! No request is lost while pods are replaced, added and removed.

use crate::real_node::load::Load;
use crate::real_node::store::Store;

/// Asks for features while `change` is made, and expects an answer to every request.
fn expect_no_loss(store: &Store, change: impl FnOnce()) {
    let load = Load::on(&store.address());
    change();
    let [new, kept] = load.end();
    new.expect_no_loss("new connections");
    kept.expect_no_loss("kept connections");
}

pub fn rolling_update_loses_no_request() {
    let store = Store::create("rolling", "scaling = { replicas = 2 }");
    expect_no_loss(&store, || {
        let restart = ["rollout", "restart", "deployment/feast-demo"];
        store.namespace.kubectl(&restart).unwrap();
        let status = [
            "rollout",
            "status",
            "deployment/feast-demo",
            "--timeout=300s",
        ];
        store.namespace.kubectl(&status).unwrap();
    });
    store.destroy();
}

pub fn scaling_by_hand_loses_no_request() {
    let store = Store::create("scaling", "scaling = { replicas = 3 }");
    expect_no_loss(&store, || {
        store.configure("scaling = { replicas = 2 }");
        store.apply();
    });
    store.destroy();
}
