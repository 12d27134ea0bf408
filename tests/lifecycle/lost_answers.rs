//! Writes that the API server has carried out, but whose answers never arrive, because it ends at that moment.

use std::thread;

use crate::lifecycle::faults::{Fault, Injection, Proxy, RequestName};
use crate::lifecycle::store::{DATABASES, StoreUnderTest};

/// A write whose answer is lost.
struct Lost {
    target: &'static str,
    object: &'static str,
    /// What is there when its answer is lost, and must be in the state.
    there: &'static [&'static str],
}

/// First and last of what is written before the pods come.
const WRITES: [Lost; 2] = [
    Lost {
        target: "PATCH secrets/feast-demo",
        object: "Secret/feast-demo",
        there: &["Secret/feast-demo"],
    },
    Lost {
        target: "PATCH deployments/feast-demo",
        object: "Deployment/feast-demo",
        there: &[
            "ConfigMap/feast-demo-client",
            "Deployment/feast-demo",
            "Secret/feast-demo",
            "Service/feast-demo-online",
            "ServiceAccount/feast-demo",
        ],
    },
];

/// Makes the API server end at the write, and turn away so many attempts to connect.
fn inject(proxy: &Proxy, lost: &Lost, then_away_for: usize) {
    let request = RequestName {
        target: lost.target.to_owned(),
        nth: 1,
    };
    proxy.begin(Some(Injection {
        then_away_for,
        ..Injection::of(request, Fault::AnswerLost)
    }));
}

pub fn a_write_is_repeated_when_the_api_server_is_back() {
    for lost in &WRITES {
        let mut test = StoreUnderTest::new("lost-answer");
        let proxy = Proxy::between(&mut test);
        test.configure(DATABASES);
        inject(&proxy, lost, 3);
        test.apply();
        assert!(proxy.was_hit(), "{}", lost.object);
        assert_eq!(proxy.turned_away(), 3, "{}", lost.object);
        assert_eq!(test.deployment()["status"]["readyReplicas"], 1);
        test.destroy();
    }
}

pub fn an_api_server_that_stays_away_ends_the_apply_and_the_next_makes_it_good() {
    thread::scope(|scope| {
        for lost in &WRITES {
            scope.spawn(move || stays_away(lost));
        }
    });
}

fn stays_away(lost: &Lost) {
    let mut test = StoreUnderTest::new("stays-away");
    let proxy = Proxy::between(&mut test);
    test.configure(DATABASES);
    inject(&proxy, lost, usize::MAX);
    let apply = test.terraform.apply().unwrap();
    assert_eq!(apply.status, Some(1), "{apply}");
    assert!(proxy.was_hit(), "{}", lost.object);
    let said = apply.said();
    for words in [
        &format!("Cannot apply {}", lost.object),
        "The API server could not be reached",
        "the API server may also be restarting",
    ] {
        assert!(said.contains(words), "{words:?} is not in {apply}");
    }
    let state = test.state();
    let known = state["objects"].as_object().unwrap().keys();
    assert_eq!(known.collect::<Vec<_>>(), lost.there);

    proxy.begin(None);
    test.apply();
    assert_eq!(test.deployment()["status"]["readyReplicas"], 1);
    test.destroy();
}
