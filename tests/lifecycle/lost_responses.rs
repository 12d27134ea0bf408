//! Writes that the API server has processed, but whose responses are lost because it stops at that moment.

use std::thread;

use crate::lifecycle::faults::{Fault, Injection, Proxy, RequestName};
use crate::lifecycle::store::{DATABASES, StoreUnderTest};

/// A write whose response is lost.
struct LostResponse {
    target: &'static str,
    object: &'static str,
    /// The objects that exist when the response is lost, and that must be in the state.
    existing: &'static [&'static str],
}

/// The first and the last write before the pods start.
const WRITES: [LostResponse; 2] = [
    LostResponse {
        target: "PATCH secrets/feast-demo",
        object: "Secret/feast-demo",
        existing: &["Secret/feast-demo"],
    },
    LostResponse {
        target: "PATCH deployments/feast-demo",
        object: "Deployment/feast-demo",
        existing: &[
            "ConfigMap/feast-demo-client",
            "Deployment/feast-demo",
            "Secret/feast-demo",
            "Service/feast-demo-online",
            "ServiceAccount/feast-demo",
        ],
    },
];

/// Stops the API server at the write, and refuses this number of connection attempts.
fn inject(proxy: &Proxy, lost: &LostResponse, then_refuses: usize) {
    let request = RequestName {
        target: lost.target.to_owned(),
        nth: 1,
    };
    proxy.reset(Some(Injection {
        then_refuses,
        ..Injection::of(request, Fault::AnswerLost)
    }));
}

pub fn retries_a_write_after_an_api_server_restart() {
    for lost in &WRITES {
        let mut test = StoreUnderTest::new("lost-response");
        let proxy = Proxy::in_front_of(&mut test);
        test.configure(DATABASES);
        inject(&proxy, lost, 3);
        test.apply();
        assert!(proxy.was_injected(), "{}", lost.object);
        assert_eq!(proxy.refused_connections(), 3, "{}", lost.object);
        assert_eq!(test.deployment()["status"]["readyReplicas"], 1);
        test.destroy();
    }
}

pub fn next_apply_converges_after_an_outage() {
    thread::scope(|scope| {
        for lost in &WRITES {
            scope.spawn(move || converges_after_an_outage(lost));
        }
    });
}

fn converges_after_an_outage(lost: &LostResponse) {
    let mut test = StoreUnderTest::new("outage");
    let proxy = Proxy::in_front_of(&mut test);
    test.configure(DATABASES);
    inject(&proxy, lost, usize::MAX);
    let apply = test.terraform.apply().unwrap();
    assert_eq!(apply.status, Some(1), "{apply}");
    assert!(proxy.was_injected(), "{}", lost.object);
    let messages = apply.messages();
    for message in [
        &format!("Cannot apply {}", lost.object),
        "The API server could not be reached",
        "the API server may also be restarting",
    ] {
        assert!(messages.contains(message), "{message:?} is not in {apply}");
    }
    let state = test.state();
    let recorded = state["objects"].as_object().unwrap().keys();
    assert_eq!(recorded.collect::<Vec<_>>(), lost.existing);

    proxy.reset(None);
    test.apply();
    assert_eq!(test.deployment()["status"]["readyReplicas"], 1);
    test.destroy();
}
