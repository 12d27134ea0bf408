//! Measures the requests that are lost while pods are replaced, for several `preStop` sleeps. The defaults of the
//! provider are based on it. It runs only if it is named.

use std::time::Duration;

use serde_json::json;

use crate::real_node::load::{Load, Rate};
use crate::real_node::store::Store;

const ROLLOUTS: usize = 3;

/// Prints a line for each `preStop` sleep, in seconds.
pub fn requests_lost_by_pre_stop_sleep() {
    let store = Store::create("measure", "scaling = { replicas = 2 }");
    eprintln!("preStop | answered | lost (new) | lost (kept) | slowest | rollout");
    for seconds in [0, 2, 4, 6, 10] {
        let hook = match seconds {
            0 => json!(null),
            _ => json!({"preStop": {"sleep": {"seconds": seconds}}}),
        };
        let container = json!({"name": "online", "lifecycle": hook});
        let pod = json!({"containers": [container], "terminationGracePeriodSeconds": seconds + 40});
        let patch = json!({"spec": {"template": {"spec": pod}}}).to_string();
        // The rollout that brings the hook replaces pods without it.
        store
            .namespace
            .kubectl(&["patch", "deployment/feast-demo", "--patch", &patch])
            .unwrap();
        store.wait_for_rollout();
        let load = Load::on(&store.target(), Rate::Low);
        let began = std::time::Instant::now();
        for _ in 0..ROLLOUTS {
            let restart = ["rollout", "restart", "deployment/feast-demo"];
            store.namespace.kubectl(&restart).unwrap();
            store.wait_for_rollout();
        }
        let took = began.elapsed() / ROLLOUTS as u32;
        // The last pods are still ending.
        std::thread::sleep(Duration::from_secs(seconds + 10));
        let [new, kept] = load.end();
        eprintln!(
            "{seconds:>7} | {:>8} | {:>10} | {:>11} | {:>5.1} s | {:>5.1} s",
            new.answered + kept.answered,
            new.failures.len(),
            kept.failures.len(),
            new.slowest.max(kept.slowest).as_secs_f32(),
            took.as_secs_f32()
        );
        for (time, failure) in new.failures.iter().chain(&kept.failures) {
            eprintln!("    {:.1} s: {failure}", time.as_secs_f32());
        }
    }
    store.destroy();
}
